"""The end of a city over gRPC: calls the province, reports what is in the city's store, and calls again.

It reads the store and nothing else, so the city never waits for it; what was not reported while the link was cut waits
in the store, and compaction leaves it there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
import msgspec

from city_brain.errors import CityBrainError, StoreError
from city_brain.feeds.refusals import Reason
from city_brain.province.books.city_book import CityStore
from city_brain.province.link.city_end import CityEnd
from city_brain.province.serving.pauses import Pauses
from city_brain.province.settings import ReportSettings
from city_brain.servers.client.feed_reader import reason_of
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc

POLL_S: Final = 0.25
"""Time between two looks for new changes."""
STATUS_S: Final = 5.0
"""Time between signs of life."""
SILENCE_S: Final = 15.0
"""Without an answer to three signs of life the link is taken for dead."""
_PASSING: Final = frozenset({Reason.SERVER_STOPPING, Reason.STORE_FAILS, Reason.TOO_MANY_STREAMS})
"""Refusals that go away by themselves."""
logger = logging.getLogger("city_brain")
Result = TypeVar("Result")


class LinkNow(msgspec.Struct, kw_only=True):
    """How the link is, for whoever watches the city."""

    up: bool = False
    why: str = "not linked yet"
    """Why it is down."""
    acknowledged: int = 0
    """Number up to which the province has the changes."""
    disagreement: str = ""
    """Where both ends hold different lines; somebody must look."""


class Forwarder:
    """Reports a city to its province, for ever. After a failure it waits as its `pauses` say."""

    def __init__(self, settings: ReportSettings, book: CityStore, name: str, pauses: Pauses | None = None) -> None:
        self._settings, self._book, self._name, self._pauses = settings, book, name, pauses or Pauses()
        self._up_s = 0.0
        self._doing = "calling"
        """What it was about when gRPC ends a link with words of its own, which say nothing of it."""
        self.now = LinkNow()

    async def run(self) -> None:
        """Links, and links again, until it is cancelled."""
        while True:
            refused = False
            try:
                await self._wait_for_feed()
                await self._link()
                why = "the province ended the link"
            except TimeoutError:
                why = f"no answer for {SILENCE_S:g} s"
            except grpc.aio.AioRpcError as wrong:
                reason = reason_of(wrong)
                why = f"{reason or wrong.code().name}: {wrong.details()}{'' if reason else f', while {self._doing}'}"
                refused = bool(reason) and reason not in _PASSING
            except CityBrainError as wrong:
                why, refused = str(wrong), not isinstance(wrong, StoreError)
            except Exception as wrong:  # the city goes on, whatever is wrong with its link
                logger.exception("link to province %s", self._settings.address)
                why = f"{type(wrong).__name__}: {wrong}"
            # A cut is told once, however its errors read; a refusal is another matter.
            if self.now.up or why.split(":")[0] != self.now.why.split(":")[0]:
                logger.warning("province %s: no link (%s); trying again", self._settings.address, why)
            lasted_s = time.monotonic() - self._up_s if self.now.up else 0.0
            self.now.up, self.now.why = False, why
            await asyncio.sleep(self._pauses.after(lasted_s, refused=refused))

    async def _wait_for_feed(self) -> None:
        """Before the first tick there is nothing to report, and no feed to name."""
        while not (await asyncio.to_thread(self._book.head)).feed_id:
            await asyncio.sleep(POLL_S)
        await asyncio.to_thread(self._book.hold_back)

    async def _link(self) -> None:
        self._doing = "calling"
        async with self._settings.endpoint().channel() as channel:
            call = province_pb2_grpc.ProvinceServiceStub(channel).Report()  # type: ignore[no-untyped-call]
            end = CityEnd(self._book, self._settings.city_code, self._settings.name or self._name)
            one_by_one = asyncio.Lock()

            async def say(work: Callable[[], Sequence[province_pb2.CityMessage]]) -> None:
                """What is said follows from what was heard before, so both happen one by one."""
                async with one_by_one:
                    for message in await asyncio.to_thread(work):
                        await _write(call, message)

            await say(lambda: [end.opening()])
            both = [asyncio.create_task(work) for work in (self._listen(call, end, say), self._talk(end, say))]
            try:
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    await one
            finally:
                for one in both:
                    one.cancel()
                call.cancel()

    async def _listen(self, call: Any, end: CityEnd, say: Callable[[Any], Any]) -> None:
        while True:
            async with asyncio.timeout(SILENCE_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                await _raise_for_status(call)
                return
            await say(partial(end.received, message))
            self._saw(end)

    async def _talk(self, end: CityEnd, say: Callable[[Any], Any]) -> None:
        """Looks for changes, and gives signs of life; what goes wrong here ends the link."""
        quiet_s = 0.0
        while True:
            await asyncio.sleep(POLL_S)
            quiet_s += POLL_S
            if end.acknowledged is not None:
                await say(end.poll)
                if quiet_s >= STATUS_S:
                    await say(lambda: [end.status()])
                    quiet_s = 0.0

    def _saw(self, end: CityEnd) -> None:
        if end.acknowledged is None:
            return
        if not self.now.up:
            self._doing = f"reporting the changes after {end.acknowledged}"
            logger.warning("province %s: linked; it has %d changes", self._settings.address, end.acknowledged)
            self._up_s = time.monotonic()
        self.now.up, self.now.why = True, ""
        self.now.acknowledged = end.acknowledged
        if end.disagreement and end.disagreement != self.now.disagreement:
            logger.error("%s", end.disagreement)
        self.now.disagreement = end.disagreement


async def _write(call: Any, message: province_pb2.CityMessage) -> None:
    """Sends a message; where the link has ended meanwhile, the next read says why."""
    try:
        await call.write(message)
    except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
        return


async def _raise_for_status(call: Any) -> None:
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise grpc.aio.AioRpcError(
            code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
        )
