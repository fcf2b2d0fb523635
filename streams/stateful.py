"""A program with a state per partition: fusion and desk. Steps are pure; this is where they are saved and resumed.

Output first, then the snapshot, then the commit: each only when the one before is stored. So whatever stands in a
snapshot has been said, and a crash at any moment is a re-computation from the last one.
"""

import abc
import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from faust.types import TP

from city_brain.errors import StateError
from city_brain.kafka.control import read_control
from city_brain.site import Site
from streams.command import logger
from streams.outbox import Outbox, Outgoing
from streams.program import Program
from streams.snapshots import Snapshots

SAVING_SHARE_MAX: Final = 0.05
"""Of a worker's time that may go into snapshots: those of a large city are saved less often than settings say."""


class Work(Protocol):
    """What one partition remembers and does: `FusePartition` and `CityDesk`."""

    @property
    def next_offset(self) -> int:
        """Where to read on from after a restart."""

    def read(self, offset: int, record: bytes) -> Iterable[Any]:
        """Takes a record, gives what is to be said."""

    def to_bytes(self) -> bytes:
        """The state."""

    def restore(self, data: bytes) -> None:
        """Goes on from a state."""


@dataclass(slots=True)
class Job:
    """An assigned partition. `read_to`: the offset that is read next."""

    work: Work
    read_to: int
    outbox: Outbox
    saved_s: float = field(default_factory=time.monotonic)
    saving: asyncio.Task[None] | None = None
    saving_s: float = 0.0
    """What the last snapshot took to compute."""
    unsaved: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a record is taken: in between, the state is ahead of what was said."""


class StatefulProgram(Program):
    """Reads one topic; a snapshot per partition in a compacted one."""

    def __init__(self, site: Site, slot: str, accept_gap: bool = False) -> None:
        """`accept_gap`: begins with what the log still holds where its beginning is gone and there is no snapshot."""
        super().__init__(site, slot)
        self.snapshots = Snapshots(self.kafka, self.kafka.topic(self.state_topic))
        self.accept_gap = accept_gap
        self.jobs: dict[int, Job] = {}

    input_topic: str
    state_topic: str

    @property
    def inputs(self) -> Sequence[str]:
        """Its one topic."""
        return [self.kafka.topic(self.input_topic)]

    @abc.abstractmethod
    def new_work(self, partition: int) -> Work:
        """One that has read nothing."""

    @abc.abstractmethod
    def outgoing(self, partition: int, said: Any) -> Outgoing:
        """The record for something that was said."""

    @abc.abstractmethod
    def show(self, partition: int, said: Any) -> int:
        """Shows its figures in the metrics; the log time at which it was due."""

    async def resume(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Partitions that stay keep their state, which is a function of the log up to where they read."""
        mine = {tp.partition: tp for tp in assigned if tp.topic == self.inputs[0]}
        self.jobs = {partition: job for partition, job in self.jobs.items() if partition in mine}
        for partition in sorted(mine.keys() - self.jobs.keys()):
            self.jobs[partition] = await self._resume(partition)
        self.metrics.only(set(mine))
        return {tp: self.jobs[partition].read_to for partition, tp in mine.items()}

    def next_offsets(self) -> dict[TP, int]:
        """What is read next of each partition."""
        return {TP(self.inputs[0], partition): job.read_to for partition, job in self.jobs.items()}

    async def _resume(self, partition: int) -> Job:
        work = self.new_work(partition)
        state, begin = await self.snapshots.newest(partition, self.inputs[0])
        if state is not None:
            await asyncio.to_thread(self._hear_of_configurations)
            work.restore(state)
        if begin > work.next_offset and not (state is None and self.accept_gap):
            raise StateError(
                f"{self.inputs[0]} partition {partition}: wanted to read on from offset {work.next_offset}, the log "
                f"begins with {begin}: records are lost; a new beginning must be asked for: --accept-gap"
            )
        place = {"topic": self.inputs[0], "partition": partition, "offset": work.next_offset}
        logger.info("resumes", extra=place)
        return Job(work, max(work.next_offset, begin), Outbox(self.app))

    def _hear_of_configurations(self) -> None:
        """A worker that stood by has heard of none since it started; the state that it takes over may name any."""
        for entry in read_control(self.kafka):
            self.site.configurations.add(entry.record)

    async def take(self, message: Any) -> None:
        """Says what the record means, and saves from time to time."""
        job = self.jobs.get(message.partition)
        if job is not None:
            async with job.lock:
                await self._take(job, message)

    async def _take(self, job: Job, message: Any) -> None:
        if message.offset < job.read_to:
            return
        if message.offset > job.read_to:
            raise StateError(
                f"{message.topic} partition {message.partition}: wanted offset {job.read_to}, got {message.offset}"
            )
        job.unsaved = False  # what is broken off amid a record must never be saved
        ticks = iter(job.work.read(message.offset, message.value))
        begun_s = time.perf_counter()
        while (said := next(ticks, None)) is not None:
            taken_s = time.perf_counter() - begun_s
            self.metrics.closed(message.partition, self.show(message.partition, said), taken_s)
            await job.outbox.send(self.outgoing(message.partition, said))
            begun_s = time.perf_counter()
        job.read_to = message.offset + 1
        job.unsaved = True
        idle = job.saving is None or job.saving.done()
        if idle and time.monotonic() - job.saved_s >= self._pause_s(job):
            saved = self._taken(job)
            job.saving = asyncio.ensure_future(self.guard(self._save(message.partition, job, *saved)))

    def _pause_s(self, job: Job) -> float:
        """Between two snapshots of a partition, while the others of this worker cost about as much."""
        return max(self.workers.snapshot_every_s, len(self.jobs) * job.saving_s / SAVING_SHARE_MAX)

    @staticmethod
    def _taken(job: Job) -> tuple[bytes, int]:
        """State and position between two records, when all that the state has said is with the outbox."""
        job.saved_s, job.unsaved = time.monotonic(), False
        state, offset = job.work.to_bytes(), job.work.next_offset
        job.saving_s = time.monotonic() - job.saved_s
        return state, offset

    async def _save(self, partition: int, job: Job, state: bytes, offset: int) -> None:
        """Stores outputs, then the state, then the position."""
        await job.outbox.stored()
        packing_s = time.monotonic()
        packed = await asyncio.to_thread(self.snapshots.pack, state)
        job.saving_s += time.monotonic() - packing_s
        key = str(partition).encode()
        await job.outbox.send(Outgoing(self.snapshots.topic, packed, key=key, partition=partition))
        await job.outbox.stored()
        self.metrics.saved(partition, len(packed))
        await self.commit({TP(self.inputs[0], partition): offset})

    async def settle(self) -> None:
        """Saves every partition that has read something since."""
        for partition, job in list(self.jobs.items()):
            if job.saving is not None:
                await job.saving
            async with job.lock:
                if job.unsaved:
                    await self._save(partition, job, *self._taken(job))
