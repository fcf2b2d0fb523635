"""What one reader is told, in order, with the token behind each event: the one engine under every kind of watch.

Events are written by a task of its own: one that is stuck, because the reader does not read, must not keep the reader
from being turned away.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeAlias

import msgspec

from city_brain.errors import StoreError
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import RefusedError
from city_brain.feeds.subscription import Delivery, Subscription
from city_brain.feeds.tokens import Binding
from city_brain.incidents.incident import Incident
from city_brain.servers.feed.live_feed import LiveFeed, Reader
from city_brain.servers.feed.refusing import store_fails
from city_brain.servers.settings import Limits

logger = logging.getLogger(__name__)

PAGE = 500
"""Changes that are read from the store at a time."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that matches, as of `number`."""

    incidents: list[Incident]
    number: int
    token: str
    """Where a reader goes on that has been told all of it."""


class Bookmark(msgspec.Struct, frozen=True, kw_only=True):
    """The reader has been told everything up to `number`."""

    number: int
    token: str


Told: TypeAlias = Opening | Delivery | Bookmark
Write: TypeAlias = Callable[[Told], Awaitable[None]]
End: TypeAlias = Callable[[RefusedError], Awaitable[None]]


class Telling:
    """One watch. Raises RefusedError on building where it cannot begin behind `after`; None begins with a snapshot.

    with telling.joined():
        await telling.run(write, end)
    """

    def __init__(
        self,
        feed: LiveFeed,
        limits: Limits,
        wanted: IncidentFilter,
        binding: Binding,
        after: int | None = None,
        feed_id: str = "",
        credit: int | None = None,
    ) -> None:
        """`feed_id`: the feed that counted `after`; `credit`: changes that it may tell until `grant`, None: all."""
        self._feed, self._limits, self._binding = feed, limits, binding
        self._subscription = Subscription(feed.log, wanted, after, feed_id, limits.queue_limit)
        # Taken now: once this call waits for anything, the log may move on.
        self._snapshot = self._subscription.snapshot() if after is None else None
        self.credit = credit
        self._reader = Reader(self._subscription)

    @property
    def position(self) -> int:
        """Number up to which the reader has been told everything."""
        return self._subscription.position

    def grant(self, credit: int | None) -> None:
        """From now on so many more changes may be told."""
        self.credit = credit
        self._reader.wake.set()

    def end(self, refusal: RefusedError) -> None:
        """Ends it, for a reason that stands outside of it."""
        self._reader.end(refusal)

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Counts as a watch meanwhile; raises RefusedError where there are too many, or the server stops."""
        self._feed.join(self._reader, self._limits.watchers)
        try:
            yield
        finally:
            self._feed.leave(self._reader)

    async def run(self, write: Write, end: End) -> None:
        """Hands every event to `write` until the reader goes; where it is turned away, `end` says why, and may take
        `cut_wait_s` for that. What `write` raises is raised.
        """
        writing = asyncio.ensure_future(self._write(write))
        either: list[asyncio.Future[None] | asyncio.Future[RefusedError]] = [writing, self._reader.ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not self._reader.ended.done():
                await writing
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.cut_wait_s):
                    writing.cancel()
                    await asyncio.wait((writing,))
                    await end(self._reader.ended.result())
        finally:
            writing.cancel()

    async def _write(self, write: Write) -> None:
        try:
            async with contextlib.aclosing(self.events()) as told:
                async for event in told:
                    await write(event)
        except RefusedError as refusal:
            self._reader.end(refusal)
        except StoreError as wrong:
            logger.error("%s", wrong)
            self._reader.end(store_fails())
        await asyncio.Event().wait()  # `run` says so, and cancels

    async def events(self) -> AsyncGenerator[Told, None]:
        """The events, for ever; raises RefusedError where the reader is to be cut."""
        if self._snapshot is not None:
            yield Opening(incidents=self._snapshot, number=self.position, token=self._token())
            self._snapshot = None
        now = asyncio.get_running_loop().time
        quiet_since = -math.inf
        told_ms: int | None = None
        while True:
            self._reader.wake.clear()
            async for delivery in self._deliveries():
                yield msgspec.structs.replace(delivery, token=self._token())
                quiet_since = now()
            log_time_ms = self._feed.log.log_time_ms
            if _passed(log_time_ms, told_ms, self._limits.heartbeat_s) or now() - quiet_since >= self._limits.idle_s:
                told_ms = log_time_ms
                yield Bookmark(number=self.position, token=self._token())
                quiet_since = now()
            await _set_within(self._reader.wake, quiet_since + self._limits.idle_s - now())

    async def _deliveries(self) -> AsyncIterator[Delivery]:
        """What the reader is still to be told, as far as its credit goes: from the store, then from the log."""
        subscription = self._subscription
        while self.credit != 0:
            if subscription.behind_log and not subscription.too_slow:
                older = await self._feed.older(subscription.position, PAGE)
                for delivery in subscription.passed(older):
                    yield self._spend(delivery)
                    if self.credit == 0:
                        return
                continue
            taken = subscription.take()
            if taken is None:
                return
            yield self._spend(taken)

    def _spend(self, delivery: Delivery) -> Delivery:
        if self.credit is not None:
            self.credit -= 1
        return delivery

    def _token(self) -> str:
        return self._feed.tokens.write(self._binding, self.position)


def _passed(log_time_ms: int | None, told_ms: int | None, seconds: float) -> bool:
    """Whether log time has moved on far enough from what the reader was told last."""
    if log_time_ms is None:
        return False
    return told_ms is None or log_time_ms - told_ms >= 1000 * seconds


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
