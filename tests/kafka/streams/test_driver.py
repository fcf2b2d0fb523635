"""The driver: what a seek has overtaken is fetched again or put back, and no look sleeps over records to be read on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchError
from faust.types import TP

from streams.driver import Consumer, ConsumerThread

PLACE = TP("observations", 0)


class Thread:
    """A fetch that is held up, as Faust's thread holds it up, while `meanwhile` happens."""

    def __init__(self) -> None:
        self.position = 476
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def getmany(self, *_: Any) -> dict[TP, list[int]]:
        """The records at the position where the fetch began."""
        found = {PLACE: [self.position]}
        self.position += 1
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return found

    async def seek_wait(self, positions: dict[TP, int]) -> None:
        """Moves the position."""
        self.position = positions[PLACE]

    def assignment(self) -> set[TP]:
        """The one partition."""
        return {PLACE}


class Program:
    """Wants to read on from 388."""

    async def positions(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Where each partition is to be read from."""
        return dict.fromkeys(assigned, 388)


class App:
    """An app with its program."""

    program = Program()
    consumer_generation_id = 5


@pytest.mark.parametrize("what", ["a seek", "a new generation"])
def test_a_fetch_that_is_overtaken_is_made_again(what: str) -> None:
    """Records from before the seek would come under the new generation, and those between would be missing."""

    async def run() -> None:
        consumer: Any = Consumer.__new__(Consumer)
        app, thread = App(), Thread()
        consumer.app, consumer._thread = app, thread
        consumer._read_offset, consumer._committed_offset = {}, {}

        async def rebalance() -> None:
            app.consumer_generation_id = 6

        thread.meanwhile = consumer.seek_to_committed if what == "a seek" else rebalance
        assert await consumer._getmany({PLACE}, 1.0) == {}
        assert await consumer._getmany({PLACE}, 1.0) == {PLACE: [388]}
        assert await consumer._getmany({PLACE}, 1.0) == {PLACE: [389]}

    asyncio.run(run())


def test_a_look_that_passed_over_a_full_partition_looks_again() -> None:
    """Its records are there, so no fetch will wake the look; what it finds here instead of records is an error."""

    async def run() -> None:
        fetcher: Any = Fetcher.__new__(Fetcher)
        fetcher._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda _: True)
        fetcher._records = {PLACE: FetchError(error=EOFError("found"), backoff=0.0)}
        fetcher._fetch_waiters, fetcher._closed, fetcher._wait_consume_future = set(), False, None
        fetcher._loop = asyncio.get_running_loop()
        thread: Any = ConsumerThread.__new__(ConsumerThread)
        thread._consumer, thread.thread_loop = SimpleNamespace(_fetcher=fetcher), fetcher._loop
        consumer: Any = Consumer.__new__(Consumer)
        consumer._thread, consumer._active_partitions = thread, {TP("another", 0)}
        consumer._buffered_partitions = {PLACE}
        look = asyncio.ensure_future(fetcher.fetched_records(consumer._active_partitions, timeout=60.0))
        await asyncio.sleep(0.01)
        assert not look.done(), "it passes over what waits"
        consumer.on_buffer_drop(PLACE)
        with pytest.raises(EOFError):
            await asyncio.wait_for(look, 5.0)

    asyncio.run(run())


@pytest.mark.parametrize("sought", [True, False])
def test_a_look_that_nobody_waits_for_any_more_takes_nothing_after_a_seek(sought: bool) -> None:
    """A rebalance cancels the reader; its look goes on in the thread, and finds the first records after the seek."""

    async def run() -> None:
        position, arrived = {PLACE: 476}, asyncio.Event()

        async def fetched_records(*_: Any, **__: Any) -> dict[TP, list[SimpleNamespace]]:
            await arrived.wait()
            first = position[PLACE]
            position[PLACE] += 80
            return {PLACE: [SimpleNamespace(offset=first), SimpleNamespace(offset=first + 79)]}

        async def position_of(tp: TP) -> int:
            return position[tp]

        fetcher = SimpleNamespace(
            _closed=False, _subscriptions=SimpleNamespace(fetch_context=nullcontext), fetched_records=fetched_records
        )
        client = SimpleNamespace(_closed=False, _fetcher=fetcher, seek=position.__setitem__, position=position_of)
        thread: Any = ConsumerThread.__new__(ConsumerThread)
        thread.consumer, thread.log = SimpleNamespace(flow_active=True, _read_offset={}), SimpleNamespace(dev=print)
        thread.app = SimpleNamespace(conf=SimpleNamespace(broker_request_timeout=5.0))
        look = asyncio.ensure_future(thread._fetch_records(client, {PLACE}, timeout=60.0, max_records=80))
        await asyncio.sleep(0)
        if sought:
            await thread._seek_wait(client, {PLACE: 388})
        arrived.set()
        assert bool(await look) is not sought
        assert position[PLACE] == (388 if sought else 556)

    asyncio.run(run())
