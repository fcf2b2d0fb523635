"""Faust's Kafka driver with one gate: a partition is read from where the program says, never from the commit.

A worker that wakes up late may save an older snapshot over a newer one, while the group's commit stands at the newer;
from the commit on, state and position would never meet again. So the program gives the positions, and a commit is only
a figure for people who look at lag.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import TRANSPORTS, aiokafka
from faust.types import TP

SCHEME = "city-brain"
"""Of broker addresses that are to be spoken to through this driver."""

FETCH_WAIT_MS = 50
"""How long brokers may hold a fetch back that finds nothing.

One fetch at a time is under way, over the partitions of which nothing is left to be read. Those that get a record only
now and then hold it up, and with it the next records of the busy ones: with the 1,500 of Faust a worker that has to
catch up with one busy partition stands still most of the time.
"""


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """Fetches without long waits, and commits only what is still assigned: aiokafka raises where nothing is left."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # Faust has no setting for it
        return consumer

    def look_again(self) -> None:
        """Wakes whoever waits for fetched records."""
        fetcher = self._ensure_consumer()._fetcher
        self.thread_loop.call_soon_threadsafe(lambda: [fetcher._notify(waiter) for waiter in fetcher._fetch_waiters])

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        return bool(mine) and await super()._commit(mine)


class Consumer(aiokafka.Consumer):
    """Asks the program for the position of every assigned partition.

    A fetch runs in a thread of its own. One that a rebalance overtakes brings records from before the seek, and Faust
    would stamp them with the new generation: what waited for the reader is skipped, and these would come in its place.
    """

    _seeks = 0
    _fetched_in = 0
    """The generation in which the last fetch began and ended."""

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """What a seek or a rebalance has overtaken is dropped, and read again from where the program says."""
        before = self._seeks, self.app.consumer_generation_id
        records = await super()._getmany(active_partitions, timeout)
        if before == (self._seeks, self.app.consumer_generation_id):
            self._fetched_in = before[1]
            return records
        with suppress(IllegalStateError):  # partitions have moved once more: their own seek is still to come
            await self.perform_seek()
        return {}

    def on_buffer_drop(self, tp: TP) -> None:
        """A partition may be read on, since little of it waits for the reader any more.

        A look that has passed over its records meanwhile would sleep to its end over them: a second, at nearly every
        fetch of a worker that has to catch up.
        """
        super().on_buffer_drop(tp)
        cast("ConsumerThread", self._thread).look_again()

    def _to_message(self, tp: TP, record: Any) -> Any:
        message = super()._to_message(tp, record)
        message.generation_id = self._fetched_in
        return message

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Holds the flow up until all partitions are where they are to be read from.

        Faust leaves that out for a worker that had none. It would read its first ones from the commit while their state
        is still being fetched, and go on from there, past what the state lacks.
        """
        self.stop_flow()
        await super().on_partitions_revoked(revoked)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Every way to resume goes through here: after a rebalance, and after the flow was held up."""
        self._seeks += 1
        positions: Mapping[TP, int] = await cast("Any", self.app).program.positions(frozenset(self.assignment()))
        await self._thread.seek_wait(positions)
        self._seeks += 1
        return positions


class Producer(aiokafka.Producer):
    """Writes each record once and in order, and holds it for written when all brokers that must have it do."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(aiokafka.Transport):
    """The driver."""

    Consumer = Consumer
    Producer = Producer


TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"
