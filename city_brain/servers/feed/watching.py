"""One open watch: what it opens with, what its reader grants, and its messages in order.

Messages are written by a task of its own: one that is stuck, because the reader does not read, must not keep the reader
from being turned away.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from city_brain.errors import StoreError
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.subscription import Delivery, Subscription
from city_brain.feeds.tokens import Binding
from city_brain.servers.feed.live_feed import LiveFeed, Reader
from city_brain.servers.feed.messages import Messages, with_token
from city_brain.servers.feed.refusing import status_of
from city_brain.servers.feed.subscribers import Subscribers
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2

CREDIT_MAX = 1_000_000
"""Changes that a reader may have granted and not yet been sent."""
PAGE = 500
"""Changes that are read from the store at a time."""


class Watch:
    """A watch from its opening on; raises RefusedError on building where it cannot begin so."""

    def __init__(
        self,
        feed: LiveFeed,
        limits: Limits,
        messages: Messages,
        wanted: IncidentFilter,
        binding: Binding,
        opening: feed_pb2.WatchIncidentsRequest,
        subscribers: Subscribers | None = None,
        acknowledged: int | None = None,
    ) -> None:
        """`acknowledged`: where the named subscription stands that this is a watch of, if it is one."""
        self._feed, self._limits, self._messages, self._binding = feed, limits, messages, binding
        self._subscribers, self._name = subscribers, opening.subscription
        after, feed_id = _start(feed, binding, opening)
        if after is None and acknowledged is not None:
            after, feed_id = acknowledged, binding.feed_id
        self._subscription = Subscription(feed.log, wanted, after, feed_id, limits.queue_limit)
        # Taken now: once this call waits for anything, the log may move on.
        self._snapshot = self._subscription.snapshot() if after is None else None
        self._credit = _credit(opening.credit) if opening.HasField("credit") else None
        self._reader = Reader(self._subscription)

    async def run(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest], context: Any) -> None:
        """Writes the messages until the reader goes, is cut, or the server stops."""
        self._feed.join(self._reader, self._limits.watchers)
        try:
            # Else a refusal that overtakes the first message would send headers again, which gRPC does not survive.
            await context.send_initial_metadata(())
            await self._converse(requests, context)
        finally:
            self._feed.leave(self._reader)

    async def _converse(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest], context: Any) -> None:
        listening = asyncio.create_task(self._listen(requests))
        writing = asyncio.create_task(self._write(context))
        try:
            either: list[asyncio.Future[Any]] = [writing, self._reader.ended]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._reader.ended.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.cut_wait_s):
                        await context.abort_with_status(status_of(self._reader.ended.result()))
            else:
                await writing
        finally:
            listening.cancel()
            writing.cancel()

    async def _listen(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest]) -> None:
        """Takes what the reader says later; one that only listens may have closed its side."""
        try:
            async for request in requests:
                if request.HasField("credit"):
                    self._grant(request.credit)
                if request.HasField("acknowledge_change_number"):
                    await self._acknowledge(request.acknowledge_change_number)
        except RefusedError as refusal:
            self._reader.end(refusal)
        except StoreError as wrong:
            self._reader.end(RefusedError(Reason.STORE_FAILS, f"{wrong}; come back with the last token"))

    async def _acknowledge(self, number: int) -> None:
        field = "acknowledge_change_number"
        if self._subscribers is None:
            raise RefusedError(Reason.BAD_REQUEST, f"{field}: wanted a watch of a subscription, got another", field)
        if number > self._subscription.position:
            message = f"{field}: wanted at most {self._subscription.position}, which was told, got {number}"
            raise RefusedError(Reason.BAD_REQUEST, message, field)
        await asyncio.to_thread(self._subscribers.acknowledge, self._name, self._binding, number)

    def _grant(self, more: int) -> None:
        if self._credit is not None:
            self._credit = _credit(self._credit + more)
        self._reader.wake.set()

    async def _write(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        async for message in self._told():
            await context.write(message)

    async def _told(self) -> AsyncIterator[bytes]:
        """The messages, serialized."""
        if self._snapshot is not None:
            for piece in self._messages.snapshot(self._snapshot, self._subscription.position):
                message = piece.SerializeToString()
                yield self._with_token(message) if piece.snapshot.complete else message
            self._snapshot = None
        now = asyncio.get_running_loop().time
        quiet_since = -math.inf
        told_ms: int | None = None
        while True:
            self._reader.wake.clear()
            async for delivery in self._deliveries():
                yield self._with_token(self._messages.change(delivery))
                quiet_since = now()
            log_time_ms = self._feed.log.log_time_ms
            if _passed(log_time_ms, told_ms, self._limits.heartbeat_s) or now() - quiet_since >= self._limits.idle_s:
                told_ms = log_time_ms
                yield self._with_token(self._messages.heartbeat(self._subscription.position))
                quiet_since = now()
            await _set_within(self._reader.wake, quiet_since + self._limits.idle_s - now())

    async def _deliveries(self) -> AsyncIterator[Delivery]:
        """What the reader is still to be told, as far as its credit goes: from the store, then from the log."""
        subscription = self._subscription
        while self._credit != 0:
            if subscription.behind_log and not subscription.too_slow:
                older = await self._feed.older(subscription.position, PAGE)
                for delivery in subscription.passed(older):
                    yield self._spend(delivery)
                    if self._credit == 0:
                        return
                continue
            taken = subscription.take()
            if taken is None:
                return
            yield self._spend(taken)

    def _spend(self, delivery: Delivery) -> Delivery:
        if self._credit is not None:
            self._credit -= 1
        return delivery

    def _with_token(self, message: bytes) -> bytes:
        return with_token(message, self._feed.tokens.write(self._binding, self._subscription.position))


def _start(feed: LiveFeed, binding: Binding, opening: feed_pb2.WatchIncidentsRequest) -> tuple[int | None, str]:
    """The number behind which the watch begins, None for a snapshot, and the feed that counted it."""
    if opening.resume_token:
        if opening.HasField("after_change_number"):
            raise RefusedError(Reason.BAD_REQUEST, "resume_token: wanted a token or a number, got both", "resume_token")
        return feed.tokens.read(opening.resume_token, binding), binding.feed_id
    return (opening.after_change_number if opening.HasField("after_change_number") else None), opening.feed_id


def _credit(changes: int) -> int:
    if changes > CREDIT_MAX:
        raise RefusedError(Reason.BAD_REQUEST, f"credit: wanted at most {CREDIT_MAX} changes, got {changes}", "credit")
    return changes


def _passed(log_time_ms: int | None, told_ms: int | None, seconds: float) -> bool:
    """Whether log time has moved on far enough from what the reader was told last."""
    if log_time_ms is None:
        return False
    return told_ms is None or log_time_ms - told_ms >= 1000 * seconds


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
