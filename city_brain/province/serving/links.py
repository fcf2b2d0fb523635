"""Which cities are linked at present, since when, and what ended the links before."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import msgspec

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.province.link.province_end import ProvinceEnd
from city_brain.wire.province.v1 import province_pb2

logger = logging.getLogger("city_brain")

HOUR_MS = 3_600_000
REMEMBERED = 1_000
"""Replacements of a city's links that are counted at most."""
OUTBOX = 100
"""Messages that may wait for a city; one that reads nothing is not read either."""


class Link:
    """One open link."""

    __slots__ = ("end", "ended", "outbox", "wake")

    def __init__(self, end: ProvinceEnd) -> None:
        self.end = end
        self.outbox: asyncio.Queue[province_pb2.ProvinceMessage] = asyncio.Queue(OUTBOX)
        self.wake = asyncio.Event()
        """Set when there may be an instruction to send."""
        self.ended: asyncio.Future[RefusedError] = asyncio.get_running_loop().create_future()
        """Why the province ends it."""

    def cut(self, why: RefusedError) -> None:
        """Ends it; the first reason stands, and nothing that it still brings is taken."""
        if not self.ended.done():
            self.end.end(why)
            self.ended.set_result(why)


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a city is linked."""

    linked: bool
    since_ms: int | None = None
    """Wall time of the last change; None where the city has not called yet."""
    reason: str = ""
    """Why it is down."""
    replaced: int = 0
    """How often within the last hour a link that reported another feed took the place of one that was up."""


class Links:
    """The open links by city; belongs to one event loop. `now_ms` is the clock of the wall."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._open: dict[str, Link] = {}
        self._states: dict[str, LinkState] = {}
        self._replaced: dict[str, deque[int]] = {}

    def state(self, city: str) -> LinkState:
        """How a city's link is."""
        since_ms = self._now_ms() - HOUR_MS
        replaced = sum(moment_ms > since_ms for moment_ms in tuple(self._replaced.get(city, ())))
        return msgspec.structs.replace(self._states.get(city, LinkState(linked=False)), replaced=replaced)

    @property
    def linked(self) -> list[str]:
        """Codes of the cities whose links are up."""
        return list(self._open)

    def join(self, link: Link) -> None:
        """A city has said hello; another link of it ends."""
        city = link.end.city
        before = self._open.get(city)
        if before is not None:
            message = f"link of {city}: another link of this city has begun"
            if before.end.feed_id != link.end.feed_id:
                self._replaced.setdefault(city, deque(maxlen=REMEMBERED)).append(self._now_ms())
                feeds = f"feed {link.end.feed_id} instead of {before.end.feed_id}"
                message += f", with {feeds}: a second city of this code?"
                logger.error("%s", message)
            before.cut(RefusedError(Reason.LINK_REPLACED, message))
        logger.warning("city %s: linked, feed %s", city, link.end.feed_id)
        self._open[city] = link
        self._states[city] = LinkState(linked=True, since_ms=self._now_ms())

    def leave(self, link: Link, reason: str) -> None:
        """A link is over."""
        if self._open.get(link.end.city) is link:
            logger.warning("city %s: no link (%s)", link.end.city, reason)
            del self._open[link.end.city]
            self._states[link.end.city] = LinkState(linked=False, since_ms=self._now_ms(), reason=reason)

    def wake(self, city: str) -> None:
        """There may be an instruction for a city."""
        if city in self._open:
            self._open[city].wake.set()

    def stop(self) -> None:
        """Ends all of them."""
        for link in list(self._open.values()):
            link.cut(RefusedError(Reason.SERVER_STOPPING, "the province stops; come back later"))
