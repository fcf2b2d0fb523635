"""Bugs that a street on Kafka might have: each is planted in one program before that runs, and must be caught.

They live here alone. `python -m tests.chaos.faulty BUG MODULE …` runs a program with one of them.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from faust.transport.drivers import aiokafka as stock

from city_brain.distributed import CityDesk, FusePartition, Ingest, TickSequence
from city_brain.distributed.city_desk import CityTick
from city_brain.distributed.fuse_partition import FuseState
from city_brain.distributed.ingest import IngestBatch
from city_brain.distributed.parcel import Parcel
from city_brain.incidents.tick_record import PartitionTick
from city_brain.pipeline import Engine, Reading, Schedule
from city_brain.pipeline.configuration import LEAD_MS
from city_brain.snapshot import from_bytes, to_bytes
from streams import driver
from streams.outbox import Outbox, Outgoing
from streams.stateful import Job, StatefulProgram

HELD_BACK_S = 3.0
"""How long a program that takes sent for stored keeps what it sends, as a slow broker would; longer than snapshots are
apart, so that the last one always says more than was stored.
"""
RECORDS_APART = 20
"""Between what a torn snapshot says of its position and of its state."""
RECORDS_AHEAD = 3

PLANT: dict[str, Callable[[], None]] = {}
"""By the name of each bug: what plants it."""


def bug(plant: Callable[[], None]) -> Callable[[], None]:
    """Gives a bug the name of what plants it."""
    PLANT[plant.__name__.replace("_", "-")] = plant
    return plant


@bug
def takes_sent_for_stored() -> None:
    """Commits, or saves its state, before its outputs are stored."""
    stored_later: list[tuple[float, Outbox, Outgoing]] = []
    send = Outbox.send

    async def post() -> None:
        while True:
            while stored_later and stored_later[0][0] <= time.monotonic():
                _, outbox, record = stored_later.pop(0)
                await send(outbox, record)
            await asyncio.sleep(0.01)

    tasks: list[asyncio.Task[None]] = []

    async def send_later(self: Outbox, record: Outgoing) -> None:
        if record.topic.endswith(".state"):
            await send(self, record)
            return
        if not tasks:
            tasks.append(asyncio.ensure_future(post()))
        stored_later.append((time.monotonic() + HELD_BACK_S, self, record))

    async def stored(self: Outbox) -> None:
        return None

    Outbox.send, Outbox.stored = send_later, stored


@bug
def seeks_to_the_commit() -> None:
    """Reads on from the group's commit, as Faust does, whatever the state says."""

    async def seek_to_committed(self: Any) -> Any:
        await self.app.program.positions(frozenset(self.assignment()))
        return await stock.Consumer.seek_to_committed(self)

    driver.Consumer.seek_to_committed = seek_to_committed


@bug
def skips_a_row() -> None:
    """Loses the rows of one raw record in fifty."""
    read = Engine.read

    def without_some(self: Engine, raw_partition: int, rows: Any) -> None:
        read(self, raw_partition, rows.take((rows.offset % 50 != 7).nonzero()[0]))

    Engine.read = without_some


@bug
def marks_before_rows() -> None:
    """Sends a mark before the rows that it follows."""

    def turned(parcel: Parcel) -> list[Parcel]:
        if not parcel.marks_ms or parcel.rows is None or parcel.upto - parcel.after < 2:
            return [parcel]
        mark = Parcel(parcel.raw_partition, parcel.after, parcel.upto - 1, parcel.marks_ms)
        rows = Parcel(parcel.raw_partition, parcel.upto - 1, parcel.upto, (), parcel.rows, parcel.refusals)
        return [mark, rows]

    def flush_turned(self: Ingest) -> IngestBatch:
        for raw_partition in list(self._marked_ms):  # rows wait for their mark
            self._close(raw_partition)
        batch, self._batch, self._waiting_bytes = self._batch, IngestBatch(), 0
        batch.parcels = [(to, part) for to, parcel in batch.parcels for part in turned(parcel)]
        return batch

    Ingest.flush = flush_turned


@bug
def takes_parcels_again() -> None:
    """Does not know a parcel that it has taken before."""
    take = FusePartition._take

    def take_all(self: FusePartition, parcel: Parcel) -> None:
        self._covered.pop(parcel.raw_partition, None)
        take(self, parcel)

    FusePartition._take = take_all


@bug
def takes_ticks_again() -> None:
    """Does not know a tick that it has taken before."""

    def accepts(self: TickSequence, tick: int, record: bytes, place: str) -> bool:
        self.next_tick = tick + 1
        return True

    TickSequence.accepts = accepts


@bug
def reads_the_clock() -> None:
    """Takes the wall's time for that of the log, in one tick of five."""
    record = FusePartition._record

    def at_the_wall(self: FusePartition, reading: Reading) -> PartitionTick:
        said = record(self, reading)
        return msgspec.structs.replace(said, due_ms=round(time.time() * 1000.0)) if said.tick % 5 == 0 else said

    FusePartition._record = at_the_wall


def _states(keep: Callable[[FuseState, FuseState], FuseState]) -> None:
    """Saves what is made of a state and of the one that was some records ago."""
    read, to_state = FusePartition.read, FusePartition.to_bytes

    def read_and_remember(self: FusePartition, offset: int, record: bytes) -> Iterator[PartitionTick]:
        if offset % RECORDS_APART == 0:
            vars(self)["earlier"] = to_state(self)
        return read(self, offset, record)

    def torn(self: FusePartition) -> bytes:
        now = to_state(self)
        earlier = vars(self).get("earlier", now)
        return to_bytes(keep(from_bytes(FuseState, earlier), from_bytes(FuseState, now)))

    FusePartition.read, FusePartition.to_bytes = read_and_remember, torn


@bug
def saves_a_state_ahead_of_its_position() -> None:
    """Takes the position, reads on, and then takes the state."""
    _states(lambda earlier, now: msgspec.structs.replace(now, next_offset=earlier.next_offset, covered=earlier.covered))


@bug
def saves_a_position_ahead_of_its_state() -> None:
    """Takes the state, reads on, and then takes the position."""
    _states(lambda earlier, now: msgspec.structs.replace(earlier, next_offset=now.next_offset))


@bug
def drops_its_state() -> None:
    """Forgets what it knew when partitions move, and reads on all the same."""
    resume = StatefulProgram._resume

    async def resume_without(self: StatefulProgram, partition: int) -> Job:
        job = await resume(self, partition)
        return Job(self.new_work(partition), job.read_to, job.outbox)

    StatefulProgram._resume = resume_without


@bug
def keeps_dead_letters() -> None:
    """Does not write every second letter."""
    flush = Ingest.flush

    def flush_some(self: Ingest) -> IngestBatch:
        batch = flush(self)
        batch.dead = [dead for dead in batch.dead if dead.record.offset % 2]
        return batch

    Ingest.flush = flush_some


@bug
def commits_ahead_of_its_mark() -> None:
    """Says that it may be taken up some records behind its mark."""
    flush = Ingest.flush

    def flush_ahead(self: Ingest) -> IngestBatch:
        batch = flush(self)
        batch.positions = {raw: position + RECORDS_AHEAD for raw, position in batch.positions.items()}
        return batch

    Ingest.flush = flush_ahead


@bug
def says_findings_in_no_order() -> None:
    """Says findings in the order of a set, which changes from process to process."""
    record = FusePartition._record

    def shuffled(self: FusePartition, reading: Reading) -> PartitionTick:
        said = record(self, reading)
        by_text = {repr(finding): finding for finding in said.findings}
        return msgspec.structs.replace(said, findings=tuple(by_text[text] for text in set(by_text)))

    FusePartition._record = shuffled


@bug
def does_not_wait_for_a_partition() -> None:
    """Closes a tick of the city when all partitions but one have spoken."""

    def complete(self: CityDesk) -> Iterator[CityTick]:
        waiting = self._waiting
        while sum(map(bool, waiting.values())) >= self.partitions - 1:
            index = self._next_tick or min(min(ticks) for ticks in waiting.values() if ticks)
            parts = [ticks.pop(index).tick for ticks in waiting.values() if index in ticks]
            if not parts:
                return
            self._next_tick = index + 1
            yield self._join(parts)
            for ticks in waiting.values():
                for old in [tick for tick in ticks if tick <= index]:
                    del ticks[old]

    CityDesk._complete = complete


@bug
def changes_at_once() -> None:
    """Goes by a configuration as soon as it hears of it, not from its tick on."""
    announce = Schedule.announce

    def at_once(self: Schedule, since_ms: int, version: str) -> None:
        announce(self, since_ms - LEAD_MS, version)

    Schedule.announce = at_once


@dataclass(frozen=True)
class Planted:
    """A bug in a program, and what must happen so that it shows: kills, freezes, and of which programs."""

    bug: str
    program: str
    kills: int = 2
    freezes: int = 0
    hit: tuple[str, ...] = ()
    busy: bool = False
    """Whether it shows only where much is found."""
    change_every_s: int = 0
    """Where it shows only when the city's configuration changes: seconds of the city between two changes."""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.program}-{self.bug}"

    def plant(self, module: str) -> None:
        """Plants the bug, if it belongs to the program."""
        if module == f"streams.{self.program}":
            PLANT[self.bug]()


ALL = (
    Planted("takes-sent-for-stored", "ingest"),
    Planted("takes-sent-for-stored", "fuse"),
    Planted("takes-sent-for-stored", "desk"),
    Planted("seeks-to-the-commit", "fuse", kills=0, freezes=6),
    Planted("skips-a-row", "fuse", kills=0),
    Planted("marks-before-rows", "ingest", kills=0),
    Planted("takes-parcels-again", "fuse", kills=8, hit=("ingest",)),
    Planted("takes-ticks-again", "desk", hit=("fuse",)),
    Planted("reads-the-clock", "fuse", kills=0),
    Planted("saves-a-state-ahead-of-its-position", "fuse"),
    Planted("saves-a-position-ahead-of-its-state", "fuse"),
    Planted("drops-its-state", "fuse"),
    Planted("keeps-dead-letters", "ingest", kills=0),
    Planted("commits-ahead-of-its-mark", "ingest"),
    Planted("says-findings-in-no-order", "fuse", kills=1, busy=True),
    Planted("does-not-wait-for-a-partition", "desk", kills=0),
    Planted("changes-at-once", "fuse", kills=1, change_every_s=3),
)
BY_NAME = {planted.name: planted for planted in ALL}
