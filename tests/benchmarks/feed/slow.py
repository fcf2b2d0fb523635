"""Readers of the ordinary kind for what is no routine: those that stop reading, and those that come back at once."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import Reason
from city_brain.servers.client.feed_reader import reason_of
from city_brain.servers.codec.feeds import wanted_to_proto
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.benchmarks.feed.case import Stalled

_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))
"""A connection of its own, whose window stays as HTTP/2 opens it."""
_PATIENCE_S = 30.0


@dataclass
class SlowReader:
    """A reader with a connection of its own, which can go and come back."""

    address: str
    wanted: Wanted = field(default_factory=Wanted)
    token: str = ""
    why: str = ""
    """Why the watch has ended, as the reason of its status."""
    number: int = -1
    numbers: list[int] = field(default_factory=list)
    _channel: Any = None
    _call: Any = None

    async def dial(self) -> None:
        """Opens a watch behind what the reader has."""
        self._channel = grpc.aio.insecure_channel(self.address, _OPTIONS)
        stub = feed_pb2_grpc.FeedServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._call = stub.WatchIncidents()
        await self._call.write(
            feed_pb2.WatchIncidentsRequest(filter=wanted_to_proto(self.wanted), resume_token=self.token)
        )

    async def read(self) -> bool:
        """Takes one message; False where the watch has ended."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            self.why = reason_of(error)
            return False
        if message is grpc.aio.EOF:
            return False
        match message.WhichOneof("event"):
            case "change":
                self.number = message.change.change_number
                self.numbers.append(self.number)
            case "heartbeat":
                self.number = message.heartbeat.change_number
            case "snapshot":
                self.number = message.snapshot.change_number
        self.token = message.resume_token or self.token
        return True

    async def until(self, number: int) -> bool:
        """Reads until it has been told everything up to a number; False where the watch ends before."""
        async with asyncio.timeout(_PATIENCE_S):
            while self.number < number:
                if not await self.read():
                    return False
        return True

    async def go(self) -> None:
        """Breaks the connection."""
        if self._channel is not None:
            await self._channel.close(None)


@asynccontextmanager
async def readers(address: str, count: int) -> AsyncIterator[list[SlowReader]]:
    """Readers that want everything, read their snapshot, and then nothing."""
    slow = [SlowReader(address) for _ in range(count)]
    try:
        for one in slow:
            await one.dial()
            await one.until(0)
        yield slow
    finally:
        for one in slow:
            await one.go()


async def resumed(slow: Sequence[SlowReader], last: int) -> Stalled:
    """Lets them read on, and where they were cut, come back with their token."""
    cut = back = missing = 0
    for one in slow:
        done = await one.until(last)
        if not done:
            cut += one.why == Reason.READER_TOO_SLOW
            await one.go()
            await one.dial()
            done = await one.until(last)
        back += done
        missing += len(set(range(1, last + 1)) ^ set(one.numbers)) + len(one.numbers) - len(set(one.numbers))
    return Stalled(cut=cut, resumed=back, missing=missing)


async def come_back(all_of_them: Sequence[SlowReader], last: int) -> tuple[float, float]:
    """Lets all dial at once; seconds until the last of them, and half of them, hold everything up to a number."""
    began_s = time.monotonic()

    async def one_comes(one: SlowReader) -> float:
        await one.dial()
        if not await one.until(last):
            raise ConnectionError(f"the server ended a watch: {one.why}")
        return time.monotonic() - began_s

    took_s = await asyncio.gather(*(one_comes(one) for one in all_of_them))
    return max(took_s), statistics.median(took_s)
