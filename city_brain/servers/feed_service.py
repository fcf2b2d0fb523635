"""The four calls of the incident feed, over one live feed."""

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from city_brain.feeds import explanation, pages
from city_brain.feeds.filters import IncidentFilter, check_names
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.scopes import ScopedFilter, Sight
from city_brain.feeds.subscription import Subscription
from city_brain.incidents.explain import Language, explanation_text
from city_brain.incidents.incident import Incident
from city_brain.servers.codec.feeds import account_to_proto, wanted_from_proto
from city_brain.servers.codec.incidents import incident_id_of
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.doors.policy import Caller
from city_brain.servers.live_feed import LiveFeed, Reader
from city_brain.servers.messages import Messages
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from city_brain.wire.incident.v1 import incident_pb2

SERVICE = "citybrain.feed.v1.FeedService"
ERROR_DOMAIN = "citybrain"

CODES = {
    Reason.UNKNOWN_TYPE: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_STATE: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_LEVEL: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_AREA: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_LANGUAGE: code_pb2.INVALID_ARGUMENT,
    Reason.BAD_REQUEST: code_pb2.INVALID_ARGUMENT,
    Reason.BAD_PAGE_TOKEN: code_pb2.INVALID_ARGUMENT,
    Reason.NO_SUCH_INCIDENT: code_pb2.NOT_FOUND,
    Reason.HISTORY_GONE: code_pb2.OUT_OF_RANGE,
    Reason.NUMBER_NOT_REACHED: code_pb2.OUT_OF_RANGE,
    Reason.OTHER_FEED: code_pb2.OUT_OF_RANGE,
    Reason.READER_TOO_SLOW: code_pb2.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_STREAMS: code_pb2.RESOURCE_EXHAUSTED,
    Reason.SERVER_STOPPING: code_pb2.UNAVAILABLE,
    Reason.NOT_KNOWN: code_pb2.UNAUTHENTICATED,
    Reason.NOT_ALLOWED: code_pb2.PERMISSION_DENIED,
    Reason.SCOPE_CHANGED: code_pb2.ABORTED,
}
"""The gRPC status of each reason."""

Result = TypeVar("Result")
Call = Callable[["FeedService", Any, Any], Awaitable[Result]]


def status_of(refusal: RefusedError) -> grpc.Status:
    """The rich status of a refusal: ErrorInfo, and BadRequest where a field of the request is at fault."""
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=ERROR_DOMAIN, metadata=dict(refusal.facts))
    details = [any_pb2.Any(), any_pb2.Any()] if refusal.field else [any_pb2.Any()]
    details[0].Pack(info)
    if refusal.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=refusal.field, description=str(refusal))
        details[1].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=CODES[refusal.reason], message=str(refusal), details=details)
    return rpc_status.to_status(status)


def refusing(call: Call[Result]) -> Call[Result]:
    """Answers a RefusedError with its rich status; every other error is ours, and gRPC answers UNKNOWN and logs it."""

    @functools.wraps(call)
    async def answer(self: "FeedService", request: Any, context: grpc.aio.ServicerContext) -> Result:
        try:
            return await call(self, request, context)
        except RefusedError as refusal:
            await context.abort_with_status(status_of(refusal))
            raise

    return answer


class FeedService(feed_pb2_grpc.FeedServiceServicer):
    """Serves one live feed within the limits."""

    def __init__(self, feed: LiveFeed, limits: Limits, doors: Doors) -> None:
        self._feed = feed
        self._doors = doors
        self._limits = limits
        self._messages = Messages(feed.log, limits.piece_bytes)

    @refusing
    async def GetIncident(  # noqa: N802 (the name of the call)
        self, request: feed_pb2.GetIncidentRequest, context: grpc.aio.ServicerContext
    ) -> incident_pb2.Incident:
        """The newest revision of one incident."""
        caller = self._doors.caller(context)
        return self._messages.incident(Sight(caller.scope).of(self._feed.log, _asked(request.name)).incident)

    @refusing
    async def ListIncidents(  # noqa: N802
        self, request: feed_pb2.ListIncidentsRequest, context: grpc.aio.ServicerContext
    ) -> feed_pb2.ListIncidentsResponse:
        """A page of incidents, ended early where it grows beyond a piece."""
        caller = self._doors.caller(context)
        wanted = self._filter(request.filter, caller)
        page = pages.page(self._feed.log, wanted, request.page_size, request.page_token)
        response = feed_pb2.ListIncidentsResponse(change_number=page.number)
        size = 0
        for incident, next_token in zip(page.incidents, page.next_tokens, strict=True):
            message = self._messages.incident(incident)
            size += message.ByteSize()
            if response.incidents and size > self._limits.piece_bytes:
                break
            response.incidents.append(message)
            response.next_page_token = next_token
        return response

    @refusing
    async def ExplainIncident(  # noqa: N802
        self, request: feed_pb2.ExplainIncidentRequest, context: grpc.aio.ServicerContext
    ) -> feed_pb2.ExplainIncidentResponse:
        """Why an incident is believed."""
        caller = self._doors.caller(context)
        language = _language(request.language_code)
        account = explanation.account_of(self._feed.log, _asked(request.name), self._feed.types, caller.scope)
        text = explanation_text(account.incident, self._feed.types, language, _instant)
        return account_to_proto(account, self._messages.incident(account.incident), text)

    @refusing
    async def WatchIncidents(self, request: feed_pb2.WatchIncidentsRequest, context: grpc.aio.ServicerContext) -> None:  # noqa: N802
        """Writes the messages of a watch until the reader goes, is cut, or the server stops.

        The writes are a task of their own: one that is stuck, because the reader does not read, must not keep the
        reader from being turned away.
        """
        caller = self._doors.caller(context)
        after = request.after_change_number if request.HasField("after_change_number") else None
        subscription = Subscription(
            self._feed.log, self._filter(request.filter, caller), after, request.feed_id, self._limits.queue_limit
        )
        # Taken now: once this call waits for anything, the log may move on.
        opening = subscription.snapshot() if after is None else None
        reader = Reader(subscription)
        self._feed.join(reader, self._limits.watchers)
        writing = asyncio.create_task(self._write_all(subscription, opening, context))
        try:
            either: list[asyncio.Future[Any]] = [writing, reader.ended]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if reader.ended.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.cut_wait_s):
                        await context.abort_with_status(status_of(reader.ended.result()))
            else:
                await writing
        finally:
            writing.cancel()
            self._feed.leave(reader)

    async def _write_all(
        self, subscription: Subscription, opening: list[Incident] | None, context: grpc.aio.ServicerContext
    ) -> None:
        async for message in self._watch(subscription, opening):
            await context.write(message)

    async def _watch(
        self, subscription: Subscription, opening: list[Incident] | None
    ) -> AsyncIterator[feed_pb2.WatchIncidentsResponse]:
        if opening is not None:
            for piece in self._messages.snapshot(opening, subscription.position):
                yield piece
        now = asyncio.get_running_loop().time
        quiet_since = -math.inf
        told_ms: int | None = None
        while True:
            appended = self._feed.appended
            while (delivery := subscription.take()) is not None:
                yield self._messages.change(delivery)
                quiet_since = now()
            log_time_ms = self._feed.log.log_time_ms
            if _passed(log_time_ms, told_ms, self._limits.heartbeat_s) or now() - quiet_since >= self._limits.idle_s:
                told_ms = log_time_ms
                yield self._messages.heartbeat()
                quiet_since = now()
            await _set_within(appended, quiet_since + self._limits.idle_s - now())

    def _filter(self, wanted: feed_pb2.IncidentFilter, caller: Caller) -> IncidentFilter:
        return ScopedFilter(wanted_from_proto(wanted), self._feed.names, caller.scope)


def _instant(moment_ms: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="seconds")


def _asked(name: str) -> str:
    """The incident id in the resource name of a request; raises RefusedError."""
    incident_id = incident_id_of(name)
    if incident_id is None:
        raise RefusedError(Reason.BAD_REQUEST, f"name: wanted incidents/{{incident_id}}, got {name!r}", "name")
    return incident_id


def _passed(log_time_ms: int | None, told_ms: int | None, seconds: float) -> bool:
    """Whether log time has moved on far enough from what the reader was told last."""
    if log_time_ms is None:
        return False
    return told_ms is None or log_time_ms - told_ms >= 1000 * seconds


def _language(code: str) -> Language:
    """The language that a request asks for; raises RefusedError."""
    known: dict[str, Language] = {language: language for language in get_args(Language)}
    check_names(Reason.UNKNOWN_LANGUAGE, "language_code", "language", [code] if code else [], known)
    return known[code or "en"]


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
