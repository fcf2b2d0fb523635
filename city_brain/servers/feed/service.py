"""The calls of the incident feed, over one live feed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import get_args

import grpc
import grpc.aio
from google.protobuf import empty_pb2

from city_brain.errors import RuleError
from city_brain.feeds import explanation, pages
from city_brain.feeds.filters import IncidentFilter, check_names
from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.feeds.scopes.scope import ScopedFilter, Sight
from city_brain.feeds.tokens import Binding
from city_brain.incidents.explain import Language, explanation_text
from city_brain.incidents.incident import read_incident
from city_brain.servers.codec.feeds import account_to_proto, wanted_from_proto
from city_brain.servers.codec.incidents import incident_id_of
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.doors.policy import Caller
from city_brain.servers.feed.kept import Kept
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.feed.messages import Messages
from city_brain.servers.feed.refusing import refusing
from city_brain.servers.feed.subscribers import HOLDINGS_MAX, Subscribers
from city_brain.servers.feed.watching import Watch
from city_brain.servers.settings import Limits
from city_brain.store.values import Proof
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from city_brain.wire.incident.v1 import incident_pb2

SERVICE = "citybrain.feed.v1.FeedService"
WATCH = f"/{SERVICE}/WatchIncidents"


class FeedService(feed_pb2_grpc.FeedServiceServicer):
    """Serves one live feed within the limits."""

    def add_to(self, server: grpc.aio.Server) -> None:
        """Its calls are those of the server; the messages of a watch come serialized, each once for all readers."""
        feed_pb2_grpc.add_FeedServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        watch = grpc.stream_stream_rpc_method_handler(
            self.WatchIncidents, request_deserializer=feed_pb2.WatchIncidentsRequest.FromString
        )
        server.add_registered_method_handlers(SERVICE, {"WatchIncidents": watch})

    def __init__(self, feed: LiveFeed, limits: Limits, doors: Doors) -> None:
        self._feed = feed
        self._doors = doors
        self._limits = limits
        self._built = Messages(feed.log, limits.piece_bytes)

    @property
    def _messages(self) -> Messages:
        """Those of the log that is served now; another count of numbers has messages of its own."""
        if self._built.log is not self._feed.log:
            self._built = Messages(self._feed.log, self._limits.piece_bytes)
        return self._built

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
        wanted = self._filter(request.filter, self._doors.caller(context))
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
        try:
            account = explanation.account_of(self._feed.log, _asked(request.name), self._feed.types, caller.scope)
        except RuleError as wrong:  # a type of a city that its province does not have
            raise RefusedError(Reason.UNKNOWN_TYPE, str(wrong), "name") from wrong
        text = explanation_text(account.incident, self._feed.types, language, self._feed.instant)
        return account_to_proto(account, self._messages.incident(account.incident), text)

    @refusing
    async def WatchIncidents(  # noqa: N802
        self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest], context: grpc.aio.ServicerContext
    ) -> None:
        """Writes the messages of a watch until the reader goes, is cut, or the server stops."""
        caller = self._doors.caller(context)
        opening = await self._opening(requests)
        wanted = self._filter(opening.filter, caller)
        binding = Binding.of(self._feed.log.feed_id, caller.name, wanted.wanted, caller.scope)
        subscribers, acknowledged = None, None
        if opening.subscription:
            self._doors.guard.must(context, WATCH, caller, "feed.subscribe")
            subscribers = Subscribers(self._feed.kept, caller.name)
            known = await asyncio.to_thread(subscribers.find, opening.subscription, binding)
            acknowledged = known.acknowledged if known else None
        watch = Watch(self._feed, self._limits, self._messages, wanted, binding, opening, subscribers, acknowledged)
        await watch.run(requests, context)

    @refusing
    async def GetStatement(  # noqa: N802
        self, request: feed_pb2.GetStatementRequest, context: grpc.aio.ServicerContext
    ) -> feed_pb2.Statement:
        """What became of a subscription."""
        caller = self._doors.caller(context)
        if len(request.holdings) > HOLDINGS_MAX:
            message = f"holdings: wanted at most {HOLDINGS_MAX}, got {len(request.holdings)}"
            raise RefusedError(Reason.BAD_REQUEST, message, "holdings")
        wanted = self._filter(request.filter, caller)
        binding = Binding.of(self._feed.log.feed_id, caller.name, wanted.wanted, caller.scope)
        subscribers = Subscribers(self._feed.kept, caller.name)
        known = await asyncio.to_thread(subscribers.find, request.subscription, binding)
        if known is None:
            raise subscribers.none(request.subscription)
        log = self._feed.log
        holdings = {holding.incident_id: holding.revision for holding in request.holdings}
        told = await asyncio.to_thread(subscribers.statement, log, log.snapshot(), wanted, known, holdings)
        told.subscription = request.subscription
        return told

    @refusing
    async def DeleteSubscription(  # noqa: N802
        self, request: feed_pb2.DeleteSubscriptionRequest, context: grpc.aio.ServicerContext
    ) -> empty_pb2.Empty:
        """Forgets a subscription."""
        subscribers = Subscribers(self._feed.kept, self._doors.caller(context).name)
        await asyncio.to_thread(subscribers.forget, request.subscription)
        return empty_pb2.Empty()

    @refusing
    async def ProveIncident(  # noqa: N802
        self, request: feed_pb2.ProveIncidentRequest, context: grpc.aio.ServicerContext
    ) -> feed_pb2.ProveIncidentResponse:
        """Proves that a revision is in the log, to whoever may see it."""
        sight, log = Sight(self._doors.caller(context).scope), self._feed.log
        incident_id = _asked(request.name)
        if self._feed.kept is None:
            raise RefusedError(Reason.NOTHING_KEPT, "proof: wanted a feed with a store, got one in memory alone")
        proof = await asyncio.to_thread(self._proof, self._feed.kept, incident_id, request.revision)
        if proof is None or not sight.shows(read_incident(proof.line)):
            raise log.not_found(incident_id)
        return feed_pb2.ProveIncidentResponse(
            change_number=proof.number,
            size=proof.size,
            line=proof.line,
            path=proof.path,
            head=proof.head,
            feed_id=log.feed_id,
        )

    @staticmethod
    def _proof(kept: Kept, incident_id: str, revision: int) -> Proof | None:
        """None where the store has no such line, or has it no more: which of the two, nobody is told."""
        with contextlib.suppress(RefusedError):
            return kept.proof(incident_id, revision or None)
        return None

    async def _opening(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest]) -> feed_pb2.WatchIncidentsRequest:
        try:
            async with asyncio.timeout(self._limits.opening_s):
                return await anext(aiter(requests))
        except (TimeoutError, StopAsyncIteration):
            message = f"watch: wanted a request within {self._limits.opening_s:g} s, got none"
            raise RefusedError(Reason.BAD_REQUEST, message) from None

    def _filter(self, wanted: feed_pb2.IncidentFilter, caller: Caller) -> IncidentFilter:
        return ScopedFilter(wanted_from_proto(wanted), self._feed.names, caller.scope)


def _asked(name: str) -> str:
    """The incident id in the resource name of a request; raises RefusedError."""
    incident_id = incident_id_of(name)
    if incident_id is None:
        raise RefusedError(Reason.BAD_REQUEST, f"name: wanted incidents/{{incident_id}}, got {cut(name)!r}", "name")
    return incident_id


def _language(code: str) -> Language:
    """The language that a request asks for; raises RefusedError."""
    known: dict[str, Language] = {language: language for language in get_args(Language)}
    check_names(Reason.UNKNOWN_LANGUAGE, "language_code", "language", [code] if code else [], known)
    return known[code or "en"]
