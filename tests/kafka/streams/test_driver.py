"""The driver: nothing is read before a seek or from before it, and no look sleeps over records that may be read on."""

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


def test_the_flow_of_a_worker_without_partitions_is_held_up_too() -> None:
    """Faust holds up only that of one that has some; resumed it is once they have been sought."""

    async def run() -> None:
        consumer: Any = Consumer.__new__(Consumer)
        consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
        consumer.not_waiting_next_records = asyncio.Event()
        consumer._reset_state()
        consumer.app = SimpleNamespace(_start_span_from_rebalancing=lambda _: nullcontext(), tracer=None)
        consumer.diag = SimpleNamespace(set_flag=print, unset_flag=print)
        flowed: list[bool] = []

        async def callback(_: set[TP]) -> None:
            flowed.append(consumer.flow_active)

        consumer._on_partitions_revoked = callback
        assert consumer.flow_active
        await consumer.on_partitions_revoked(set())
        assert flowed == [False] and not consumer.can_resume_flow.is_set()

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
