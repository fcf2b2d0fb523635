"""The door through which ticks come into a running server, from its own loop or from a thread."""

import asyncio
from collections.abc import Sequence

from city_brain.errors import ServiceError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import Names
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.subscription import Subscription
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentTypes


class Reader:
    """One open watch: its subscription, and the end that somebody else decides for it."""

    __slots__ = ("ended", "subscription")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
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

    def __init__(self, log: ChangeLog, types: IncidentTypes, area_codes: Sequence[str] = ()) -> None:
        self.log = log
        self._area_codes = tuple(area_codes)
        self.adopt(types)
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._appended = asyncio.Event()
        self._readers: set[Reader] = set()

    def adopt(self, types: IncidentTypes) -> None:
        """Goes on with other incident types: for explanations, and for the names that new watches may ask for."""
        self.types = types
        self.names = Names(types=tuple(types.by_name), area_codes=self._area_codes)

    def open(self) -> None:
        """Takes the running event loop as its own, and readers from now on."""
        self._loop = asyncio.get_running_loop()
        self.stopping = False

    @property
    def appended(self) -> asyncio.Event:
        """Set at the next append. Get it first, then look into the log, then wait: so no append is overlooked."""
        return self._appended

    @property
    def watchers(self) -> int:
        """Number of open watches."""
        return len(self._readers)

    def append(self, tick: int, incidents: Sequence[Incident], heartbeat: Heartbeat) -> bool:
        """`ChangeLog.append`, then wakes the readers and cuts those that are too slow."""
        taken = self.log.append(tick, incidents, heartbeat)
        self._appended.set()
        self._appended = asyncio.Event()
        for reader in self._readers:
            if reader.subscription.too_slow:
                reader.end(reader.subscription.cut())
        return taken

    def append_from_thread(
        self, tick: int, incidents: Sequence[Incident], heartbeat: Heartbeat, wait_s: float = 30.0
    ) -> bool:
        """The same from another thread; returns once the tick is in the log, so a fast writer is held back.

        Raises ServiceError where the server is not running, or does not take the tick within `wait_s` seconds.
        """

        async def append() -> bool:
            return self.append(tick, incidents, heartbeat)

        loop = self._loop
        if loop is None or loop.is_closed():
            raise ServiceError(f"feed {self.log.feed_id}, tick {tick}: wanted a running server, got none")
        waiting = asyncio.run_coroutine_threadsafe(append(), loop)
        try:
            return waiting.result(wait_s)
        except TimeoutError:
            waiting.cancel()
            raise ServiceError(
                f"feed {self.log.feed_id}, tick {tick}: wanted the server to take it within {wait_s:g} s, it did not"
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

    def _stopping(self) -> RefusedError:
        message = f"feed {self.log.feed_id}: the server stops; resume with the last number"
        return RefusedError(Reason.SERVER_STOPPING, message, last=self.log.last_number)
