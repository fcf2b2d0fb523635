"""`python -m streams.ingest SITE`: raw records in, parcels of admitted rows and dead letters out.

Without a state: it is taken up again behind the last mark whose rows and parcels are all stored. What it reads for a
few milliseconds goes on its way together.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiokafka
from faust.types import TP

from city_brain.distributed import MARK_HEADER, Ingest, RawPartitions, RawRecord
from city_brain.kafka.dead_letters import REDRIVEN_HEADER, DeadLetter
from city_brain.kafka.topics import CONTROL, DEAD_LETTERS, OBSERVATIONS, raw_partitions
from city_brain.site import Site
from streams.command import logger, run_program
from streams.outbox import Outgoing
from streams.program import Program

_TOLD_EVERY_S = 5.0
"""How often it is told that nothing can be read on."""


class IngestProgram(Program):
    """Reads the raw topics."""

    name = "ingest"

    def __init__(self, site: Site, slot: str, accept_gap: bool = False) -> None:
        super().__init__(site, slot)
        counts = raw_partitions(self.kafka)
        self.raw = RawPartitions(list(counts.values()))
        self._inputs = [self.kafka.topic(name) for name in counts]
        self._names = dict(zip(self._inputs, counts, strict=True))
        self._control = TP(self.kafka.topic(CONTROL), 0)
        self.ingest = Ingest(site.configurations, self._number(self._control))
        self._heard = asyncio.Condition()
        self.beside = (self._follow,)
        self._assigned: frozenset[TP] = frozenset()
        self._redriven: dict[tuple[int, int], str] = {}
        self._flush_at: asyncio.TimerHandle | None = None
        self._flushing = asyncio.Lock()
        self._storing: asyncio.Future[None] | None = None

    @property
    def inputs(self) -> Sequence[str]:
        """The raw topics."""
        return self._inputs

    def _number(self, tp: TP) -> int:
        return self.raw.number(self._names[tp.topic], tp.partition)

    async def resume(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Partitions that stay are read on; the others from the commit, or from what is left of the log."""
        fresh = await self._committed(assigned - self._assigned)
        for tp, offset in fresh.items():
            self.ingest.begin(self._number(tp), offset)
        self._assigned = assigned
        self.metrics.only({self._number(tp) for tp in assigned})
        return {tp: self.ingest.next_offset(self._number(tp)) for tp in assigned}

    def next_offsets(self) -> dict[TP, int]:
        """What is read next of each raw partition."""
        return {tp: self.ingest.next_offset(self._number(tp)) for tp in self._assigned}

    async def _committed(self, partitions: frozenset[TP]) -> dict[TP, int]:
        if not partitions:
            return {}
        places = {tp: aiokafka.TopicPartition(tp.topic, tp.partition) for tp in sorted(partitions)}
        async with aiokafka.AIOKafkaConsumer(
            group_id=self.group, enable_auto_commit=False, **self.kafka.connection()
        ) as consumer:
            consumer.assign(list(places.values()))
            begin = await consumer.beginning_offsets(list(places.values()))
            return {tp: max(await consumer.committed(place) or 0, begin[place]) for tp, place in places.items()}

    async def take(self, message: Any) -> None:
        """Takes a raw record; a little later all that came in the meantime is sent on."""
        tp = TP(message.topic, message.partition)
        if tp not in self._assigned:
            return
        number = self._number(tp)
        if message.offset < self.ingest.next_offset(number):
            return
        headers = dict(message.headers or ())
        mark = MARK_HEADER in headers
        if REDRIVEN_HEADER in headers:
            self._redriven[number, message.offset] = headers[REDRIVEN_HEADER].decode(errors="replace")
        stamp_ms = round(message.timestamp * 1000.0)
        if tp != self._control:
            await self._hear_until(stamp_ms, message)
        if mark:
            self.metrics.log_time(number, stamp_ms)
        self.ingest.read(RawRecord(number, message.offset, stamp_ms, message.value, mark))
        if self.ingest.is_full:
            await self._flush()
        elif self._flush_at is None:
            loop = asyncio.get_running_loop()
            self._flush_at = loop.call_later(self.workers.flush_after_ms / 1000.0, self._flush_soon)

    async def _hear_until(self, stamp_ms: int, message: Any) -> None:
        """Waits until all configurations that may concern a record of this stamp have been heard of.

        Only a clock that stands still keeps us waiting, and with it the whole city.
        """
        wait_s = min(_TOLD_EVERY_S, self.workers.stalled_after_s / 2.0)
        while not self.ingest.may_read(stamp_ms):
            async with self._heard:
                try:
                    await asyncio.wait_for(self._heard.wait(), wait_s)
                except TimeoutError:
                    self.watchdog.saw(message.topic, message.partition, message.offset - 1)
                    logger.warning("waits for marks in %s: is a clock running?", self._control.topic)

    async def _follow(self) -> None:
        """Follows `control` from its beginning, beside the partitions of the group."""
        async with aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **self.kafka.connection()) as consumer:
            place = aiokafka.TopicPartition(*self._control)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            while True:
                records = (await consumer.getmany(timeout_ms=500)).get(place, ())
                for record in records:
                    mark = MARK_HEADER in dict(record.headers or ())
                    number = self._number(self._control)
                    self.ingest.hear(RawRecord(number, record.offset, record.timestamp, record.value, mark))
                if records:
                    async with self._heard:
                        self._heard.notify_all()

    def _flush_soon(self) -> None:
        self._flush_at = None
        asyncio.ensure_future(self.guard(self._flush()))  # noqa: RUF006 - guard ends the process where it fails

    async def _flush(self) -> None:
        """Sends what was read, as soon as what was sent before is stored; then that is stored, and its marks committed,
        while more is read.
        """
        async with self._flushing:
            batch = self.ingest.flush()
            redriven, self._redriven = self._redriven, {}
            await self._stored()
            for partition, parcel in batch.parcels:
                self.metrics.rows_sent.inc(parcel.rows.n if parcel.rows is not None else 0)
                key = str(parcel.raw_partition).encode()
                await self.outbox.send(
                    Outgoing(self.kafka.topic(OBSERVATIONS), parcel.to_bytes(), key=key, partition=partition)
                )
            for dead in batch.dead:
                tp = self._place(dead.record.partition)
                self.metrics.refuse(dead.reasons)
                redriven_from = redriven.get((dead.record.partition, dead.record.offset), "")
                letter = DeadLetter.of(tp.topic, tp.partition, dead, redriven_from)
                key = str(dead.record.partition).encode()
                await self.outbox.send(
                    Outgoing(self.kafka.topic(DEAD_LETTERS), letter.value, key=key, partition=0, headers=letter.headers)
                )
            self._storing = asyncio.ensure_future(self.guard(self._store(batch.positions)))

    async def _stored(self) -> None:
        if self._storing is not None:
            await self._storing

    async def _store(self, positions: dict[int, int]) -> None:
        await self.outbox.stored()
        await self.commit({self._place(number): position for number, position in positions.items()})

    def _place(self, number: int) -> TP:
        topic, partition = self.raw.place(number)
        return TP(self.kafka.topic(topic), partition)

    async def settle(self) -> None:
        """Sends on what waits, and stores it."""
        await self._flush()
        await self._stored()


if __name__ == "__main__":
    run_program(IngestProgram)
