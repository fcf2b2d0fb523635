"""The door through which ticks come into a running server, from its own loop or from a thread."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from city_brain.errors import ServiceError
from city_brain.feeds.change_log import Change, ChangeLog
from city_brain.feeds.filters import Names
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.sifting.sieve import Sieve
from city_brain.feeds.subscription import Subscription
from city_brain.feeds.tokens import Tokens
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.servers.feed.kept import Kept

_Result = TypeVar("_Result")
_SIFTED_FROM = 8
"""Changes of a tick from which on it costs less to sift them than to ask each reader about each."""


class Reader:
    """One open watch: its subscription, and the end that somebody else decides for it."""

    __slots__ = ("ended", "subscription", "wake")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.wake = asyncio.Event()
        """Set when there may be something to tell. Clear it, then look, then wait: so nothing is overlooked."""
        self.ended: asyncio.Future[RefusedError] = asyncio.get_running_loop().create_future()
        """Why the reader is turned away, even while it is stuck in a write."""

    def end(self, refusal: RefusedError) -> None:
        """Ends the watch; the first reason stands."""
        if not self.ended.done():
            self.ended.set_result(refusal)


class LiveFeed:
    """A change log that wakes its readers.

    All of it belongs to one event loop, the one that calls `open`; only `append_from_thread` may be called elsewhere.
    """

    def __init__(
        self,
        log: ChangeLog,
        types: IncidentTypes,
        area_codes: Sequence[str] = (),
        kept: Kept | None = None,
        key: bytes | None = None,
    ) -> None:
        """`kept`: the feed in its store; `key`: of the resume tokens, else they are good for this run."""
        self.log = log
        self.tokens = Tokens(key or secrets.token_bytes(32))
        self.kept = kept
        self.adopt(types, area_codes)
        self.stopping = False
        self.zone: tzinfo = UTC
        """Of times in texts for people."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: set[Reader] = set()

    def adopt(self, types: IncidentTypes, area_codes: Sequence[str]) -> None:
        """Goes on with other incident types and areas: for explanations, and for the names that new watches may ask
        for.
        """
        self.types = types
        self.names = Names(types=tuple(types.by_name), area_codes=tuple(area_codes))

    def instant(self, moment_ms: int) -> str:
        """Epoch milliseconds as RFC 3339 in the zone of the feed, to the second."""
        return datetime.fromtimestamp(moment_ms / 1000, self.zone).isoformat(timespec="seconds")

    def open(self) -> None:
        """Takes the running event loop as its own, and readers from now on."""
        self._loop = asyncio.get_running_loop()
        self.stopping = False

    @property
    def watchers(self) -> int:
        """Number of open watches."""
        return len(self._readers)

    def append(self, tick: int, incidents: Sequence[Incident], heartbeat: Heartbeat) -> bool:
        """`ChangeLog.append`, then wakes the readers and cuts those that are too slow."""
        taken = self.log.append(tick, incidents, heartbeat)
        newest = self.log.changes[-len(incidents) :] if taken and len(incidents) >= _SIFTED_FROM else None
        sieve = Sieve(newest) if newest else None
        for reader in self._readers:
            if sieve and not reader.ended.done():  # one that has ended may be of the log before
                reader.subscription.sift(sieve)
            reader.wake.set()
            if reader.subscription.too_slow:
                reader.end(reader.subscription.cut())
        return taken

    async def older(self, after: int, limit: int) -> list[Change]:
        """The changes behind a number that the log has forgotten; raises RefusedError where the store has, too.

        Never any that the log does not have yet: the store has a tick before it is told.
        """
        limit = min(limit, self.log.last_number - after)
        found = [] if self.kept is None else await asyncio.to_thread(self.kept.changes, after, limit)
        if not found:
            self.log.check_resume(after)
            raise self._gone(after)
        return found

    def append_from_thread(
        self, tick: int, incidents: Sequence[Incident], heartbeat: Heartbeat, wait_s: float = 30.0
    ) -> bool:
        """The same from another thread; returns once the tick is in the log, so a fast writer is held back.

        Raises ServiceError where the server is not running, or does not take the tick within `wait_s` seconds.
        """

        return self._from_thread(lambda: self.append(tick, incidents, heartbeat), f"tick {tick}", wait_s)

    def begin_anew(self, log: ChangeLog) -> None:
        """Goes on with another count of numbers; readers of the one before are told, and begin with a snapshot."""
        message = f"feed {self.log.feed_id}: ended; feed {log.feed_id} follows it: start again from a snapshot"
        self.log = log
        for reader in self._readers:
            reader.end(RefusedError(Reason.OTHER_FEED, message, feed_id=log.feed_id))

    def begin_anew_from_thread(self, log: ChangeLog, wait_s: float = 30.0) -> None:
        """The same from another thread."""
        self._from_thread(lambda: self.begin_anew(log), "a new feed", wait_s)

    def _from_thread(self, step: Callable[[], _Result], what: str, wait_s: float) -> _Result:
        async def taken() -> _Result:
            return step()

        loop = self._loop
        if loop is None or loop.is_closed():
            raise ServiceError(f"feed {self.log.feed_id}, {what}: wanted a running server, got none")
        waiting = asyncio.run_coroutine_threadsafe(taken(), loop)
        try:
            return waiting.result(wait_s)
        except TimeoutError:
            waiting.cancel()
            raise ServiceError(
                f"feed {self.log.feed_id}, {what}: wanted the server to take it within {wait_s:g} s, it did not"
            ) from None

    def join(self, reader: Reader, limit: int) -> None:
        """Counts a reader in; raises RefusedError where `limit` readers watch already, or the server stops."""
        if self.stopping:
            raise self._stopping()
        if len(self._readers) >= limit:
            message = f"feed {self.log.feed_id}: wanted at most {limit} readers at a time, got one more; try later"
            raise RefusedError(Reason.TOO_MANY_STREAMS, message, limit=limit)
        self._readers.add(reader)

    def leave(self, reader: Reader) -> None:
        """Counts a reader out."""
        self._readers.discard(reader)

    def stop(self) -> None:
        """Tells every reader that the server goes away; whoever comes now is told the same."""
        self.stopping = True
        for reader in self._readers:
            reader.end(self._stopping())

    def _gone(self, after: int) -> RefusedError:
        message = (
            f"feed {self.log.feed_id}: the changes after {after} are not held any more; start again from a snapshot"
        )
        return RefusedError(Reason.HISTORY_GONE, message, "after_change_number", asked=after)

    def _stopping(self) -> RefusedError:
        message = f"feed {self.log.feed_id}: the server stops; resume with the last number"
        return RefusedError(Reason.SERVER_STOPPING, message, last=self.log.last_number)
