"""The calls of a province: links of cities, the table of cities, instructions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar

import grpc.aio

from city_brain.errors import StoreError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.province.books.instructions import LISTED
from city_brain.province.books.province_book import ProvinceStore
from city_brain.province.link.province_end import WINDOW_BYTES, WINDOW_CHANGES, ProvinceEnd
from city_brain.province.serving.links import Link, Links
from city_brain.servers.codec.incidents import to_timestamp
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.doors.policy import OPERATOR
from city_brain.servers.feed.refusing import refusing
from city_brain.servers.settings import Limits
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc

SERVICE: Final = "citybrain.province.v1.ProvinceService"
SILENCE_S: Final = 20.0
"""Without any message of a city for so long, four of its signs of life, its link is taken for dead."""
Result = TypeVar("Result")


class ProvinceService(province_pb2_grpc.ProvinceServiceServicer):
    """Serves one province. `thread` runs what blocks, one after the other; `trouble` is told what
    the store says when it fails, and "" when it works."""

    def __init__(
        self,
        book: ProvinceStore,
        cities: dict[str, str],
        links: Links,
        doors: Doors,
        limits: Limits,
        thread: Executor,
        trouble: Callable[[str], Awaitable[None]],
    ) -> None:
        self._book, self._cities, self._links, self._doors, self._limits = book, cities, links, doors, limits
        self._thread, self._trouble = thread, trouble
        self._window = (WINDOW_CHANGES, min(WINDOW_BYTES, limits.receive_bytes // 2))

    @refusing
    async def Report(  # noqa: N802 (the name of the call)
        self, requests: AsyncIterator[province_pb2.CityMessage], context: grpc.aio.ServicerContext
    ) -> None:
        """The link of one city, until it goes, is silent, or is turned away."""
        caller = self._doors.caller(context)
        link = Link(ProvinceEnd(self._book, None if caller.name == OPERATOR else caller.name, self._window))
        work = [
            asyncio.create_task(one)
            for one in (self._read(link, requests), self._write(link, context), self._instruct(link))
        ]
        reason = "the city is gone"
        try:
            waited: list[asyncio.Future[Any]] = [*work, link.ended]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if link.ended.done():
                raise link.ended.result()
            for done in work:
                if done.done():
                    await done
        except RefusedError as refusal:
            reason = f"{refusal.reason}: {refusal}"
            raise
        finally:
            for one in work:
                one.cancel()
            link.end.end(RefusedError(Reason.LINK_REPLACED, "this link is over"))
            self._links.leave(link, reason)

    @refusing
    async def ListCities(  # noqa: N802
        self, request: province_pb2.ListCitiesRequest, context: grpc.aio.ServicerContext
    ) -> province_pb2.ListCitiesResponse:
        """Every city: link, how far, whether both ends hold the same."""
        cities = await self._blocking(lambda: [self._city(code) for code in sorted(self._cities)])
        return province_pb2.ListCitiesResponse(cities=cities)

    @refusing
    async def SendInstruction(  # noqa: N802
        self, request: province_pb2.SendInstructionRequest, context: grpc.aio.ServicerContext
    ) -> province_pb2.InstructionState:
        """Stores an instruction, then wakes the link of its city."""
        issuer = self._doors.caller(context).name
        order = partial(self._book.instruct, request.city_code, request.instruction, issuer)
        state = await self._blocking(order, writes=True)
        self._links.wake(request.city_code)
        return state

    @refusing
    async def GetInstruction(  # noqa: N802
        self, request: province_pb2.GetInstructionRequest, context: grpc.aio.ServicerContext
    ) -> province_pb2.InstructionState:
        """One instruction, and where it is."""
        return await self._blocking(lambda: self._book.orders.get(request.instruction_id))

    @refusing
    async def ListInstructions(  # noqa: N802
        self, request: province_pb2.ListInstructionsRequest, context: grpc.aio.ServicerContext
    ) -> province_pb2.ListInstructionsResponse:
        """The newest instructions, as many as a message holds; without the incidents that answers show, which
        GetInstruction has.
        """
        response, size = province_pb2.ListInstructionsResponse(), 0
        for state in (await self._blocking(lambda: self._book.orders.all(request.city_code)))[:LISTED]:
            for answer in state.answers:
                answer.ClearField("lines")
            size += state.ByteSize()
            if response.instructions and size > self._limits.piece_bytes:
                break
            response.instructions.append(state)
        return response

    async def _read(self, link: Link, requests: AsyncIterator[province_pb2.CityMessage]) -> None:
        messages = aiter(requests)
        while True:
            wait_s = SILENCE_S if link.end.city else self._limits.opening_s
            try:
                async with asyncio.timeout(wait_s):
                    message = await anext(messages)
            except StopAsyncIteration:
                return
            except TimeoutError:
                told = f"link of {link.end.city or 'nobody yet'}: wanted a message within {wait_s:g} s, got none"
                raise RefusedError(Reason.BAD_REQUEST, told) from None
            answers = await self._blocking(partial(link.end.received, message), writes=message.HasField("changes"))
            if message.HasField("hello"):
                self._links.join(link)
                link.wake.set()
            for answer in answers:
                await link.outbox.put(answer)

    async def _write(self, link: Link, context: grpc.aio.ServicerContext) -> None:
        while True:
            await context.write(await link.outbox.get())

    async def _instruct(self, link: Link) -> None:
        while True:
            await link.wake.wait()
            link.wake.clear()
            for instruction in await self._blocking(link.end.poll):
                await link.outbox.put(instruction)

    async def _blocking(self, work: Callable[[], Result], *, writes: bool = False) -> Result:
        """Does what blocks in the one thread of the store; raises RefusedError where the store fails.

        A full disk can still be read, so only what certainly `writes` shows that the store works again.
        """
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except StoreError as wrong:
            await self._trouble(str(wrong))
            raise RefusedError(Reason.STORE_FAILS, str(wrong)) from wrong
        if writes:
            await self._trouble("")
        return done

    def _city(self, code: str) -> province_pb2.City:
        state = self._links.state(code)
        feed_id, head = self._book.mirror_of(code)
        heard = self._book.heard_of.get(code)
        city = province_pb2.City(
            city_code=code,
            name=self._cities[code],
            linked=state.linked,
            link_change_time=to_timestamp(state.since_ms),
            link_reason=state.reason,
            replaced_by_other_feed=state.replaced,
            feed_id=feed_id,
            change_number=head.last_number,
            city_change_number=max(head.last_number, heard.last_number if heard else 0),
            last_change_time=to_timestamp(head.log_time_ms),
            digest=bytes.fromhex(head.digest),
        )
        if heard is not None:
            city.city_digest = heard.digest
            city.compared_change_number = heard.compared
            if heard.log_time_ms is not None:
                city.log_time.FromMilliseconds(heard.log_time_ms)
            if heard.agrees is not None:
                city.agrees = heard.agrees
        return city
