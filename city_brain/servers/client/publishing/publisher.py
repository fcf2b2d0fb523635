"""A client that publishes observations to a running city over gRPC or HTTP, and loses and doubles nothing.

Requests go in their order. Where the link breaks it comes back by itself, and sends again whatever was not answered:
what the city has taken already it calls duplicate.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Final, Protocol, TypeAlias

import msgspec

from city_brain.errors import RecordingError, ServiceError
from city_brain.servers.publishing.intake import Taken

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 15.0
_chance = random.SystemRandom().random


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows in the form in which they are sent."""

    number: int
    value: bytes
    is_envelope: bool
    """Else lines."""
    is_warning: bool = False
    """One line, with a warning of others."""
    lines: tuple[int, ...]
    """The number of each row's line where it came from."""


Answered: TypeAlias = Callable[[Request, Taken], None]
Broke: TypeAlias = Callable[[str, float], None]
"""Told why the link broke, and after how many seconds it is tried again."""


class BrokenError(Exception):
    """The link broke; it may come back."""


class Link(Protocol):
    """One way of sending."""

    place: str

    async def send(self, unanswered: "deque[Request]", feeder: "Feeder", answered: Answered) -> None:
        """Sends what is unanswered and what comes next, to the end.

        A request is unanswered from when it is taken from the feeder. Raises BrokenError, or ServiceError for good.
        """


class Publisher:
    """Sends all requests over a link that may break; `broken` says afterwards why they ended early, if they did.

    `wait_s`: for the first answer; afterwards a link that is broken is tried for ever, with full jitter.
    """

    def __init__(
        self, link: Link, wait_s: float, broke: Broke = lambda *_: None, jitter: Callable[[], float] = _chance
    ) -> None:
        self._link, self._wait_s, self._broke, self._jitter = link, wait_s, broke, jitter
        self._failures, self._answered = 0, False
        self.broken: RecordingError | None = None

    def run(self, requests: Iterable[Request], answered: Answered) -> None:
        """Publishes to the end; raises ServiceError where the city refuses for good, or nobody answers at first."""
        asyncio.run(self.publish(requests, answered))

    async def publish(self, requests: Iterable[Request], answered: Answered) -> None:
        """The same in a loop that runs."""
        loop = asyncio.get_running_loop()
        feeder = Feeder(requests, loop)
        unanswered: deque[Request] = deque()
        began_s = loop.time()

        def heard(request: Request, taken: Taken) -> None:
            self._failures, self._answered = 0, True
            answered(request, taken)

        while True:
            try:
                await self._link.send(unanswered, feeder, heard)
                self.broken = feeder.broken
                return
            except BrokenError as wrong:
                if not self._answered and loop.time() - began_s >= self._wait_s:
                    wanted = "wanted a city that takes observations"
                    raise ServiceError(f"{self._link.place}: {wanted}, got: {wrong}") from wrong
                pause_s = self._next_pause()
                if self._answered:
                    self._broke(str(wrong), pause_s)
                await asyncio.sleep(pause_s)

    def _next_pause(self) -> float:
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return longest * self._jitter()


class Feeder:
    """Takes requests in a thread of its own, which may wait for a line that never comes and is left behind then."""

    def __init__(self, given: Iterable[Request], loop: asyncio.AbstractEventLoop) -> None:
        self.broken: RecordingError | None = None
        self._given, self._loop = given, loop
        self._queue: asyncio.Queue[Request | Exception | None] = asyncio.Queue(1)
        self._over = False
        Thread(target=self._feed, name="requests", daemon=True).start()

    async def next(self) -> Request | None:
        """The next request, None behind the last; losing the wait for it loses no request."""
        if self._over:
            return None
        found = await self._queue.get()
        if isinstance(found, Exception):
            raise found
        self._over = found is None
        return found

    def _feed(self) -> None:
        last: Exception | None = None
        try:
            for request in self._given:
                self._put(request)
        except RecordingError as wrong:
            self.broken = wrong
        except Exception as wrong:  # noqa: BLE001 - whatever it is, it belongs to who sends
            last = wrong
        self._put(last)

    def _put(self, found: Request | Exception | None) -> None:
        putting = self._queue.put(found)
        try:
            asyncio.run_coroutine_threadsafe(putting, self._loop).result()
        except RuntimeError:  # the loop is closed: nobody waits any more
            putting.close()
