"""A partition of fusion: parcels of `observations` in, one record per closed tick out.

Input: parcels in the order of their log. State: the engine, how far each raw partition and the log itself were read,
and what ingest refused. Output: records of ticks, each the same bytes whoever computes it. A parcel that comes again is
dropped by its raw offsets; one that is missing, or a snapshot of another city, is a StateError: nothing goes on.
"""

from collections.abc import Iterator

import msgspec
import numpy as np

from city_brain.distributed.parcel import Parcel, Refusals
from city_brain.errors import StateError
from city_brain.incidents.tick_record import PartitionTick
from city_brain.observations.counters import Counters
from city_brain.observations.vocabulary import DeadLetter
from city_brain.pipeline import Engine, Reading
from city_brain.pipeline.configuration import Configurations, Schedule
from city_brain.pipeline.readiness import AlertQueue
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.ticks.arrival import NEVER


class FuseState(msgspec.Struct):
    """All that a partition of fusion remembers.

    `covered`: the last raw offset taken of each raw partition. `first_marks`: the first mark of each, until ticks
    begin. `refused`: what ingest refused, by arrival (epoch ms), until its tick closes; then it is in `door`.
    """

    partition: int
    versions: dict[str, str]
    schedule: Schedule
    next_offset: int
    covered: dict[int, int]
    first_marks: dict[int, int]
    refused: list[tuple[int, Refusals]]
    door: Counters
    engine: bytes
    alerts: AlertQueue = msgspec.field(default_factory=AlertQueue)


class FusePartition:
    """One partition of fusion (see the module)."""

    def __init__(self, configurations: Configurations, raw_partitions: int, partition: int = 0) -> None:
        now = configurations.first
        self.partition, self._raw_partitions = partition, raw_partitions
        self.configurations, self._now = configurations, now
        self._schedule = Schedule.of(now.version)
        self._begins_with: bytes = b""
        self.engine = Engine(now.ground, now.types, now.ticks, raw_partitions, now.routing, partition)
        self.next_offset = 0
        self._covered: dict[int, int] = {}
        self._first_marks: dict[int, int] = {}
        self._refused: list[tuple[int, Refusals]] = []
        self._door = Counters()
        self._alerts = AlertQueue()

    def read(self, offset: int, record: bytes) -> Iterator[PartitionTick]:
        """Takes the record of `observations` at `offset` and gives the ticks that it closes."""
        if offset < self.next_offset:
            return
        if offset > self.next_offset and self._covered:
            raise StateError(
                f"observations, partition {self.partition}: wanted offset {self.next_offset}, got {offset}: "
                "records are lost"
            )
        self.next_offset = offset + 1
        self._take(Parcel.from_bytes(record))
        yield from map(self._record, self.engine.readings(self._adopt))

    def _take(self, parcel: Parcel) -> None:
        raw = parcel.raw_partition
        if not 0 <= raw < self._raw_partitions:
            raise StateError(f"parcel: wanted one of {self._raw_partitions} raw partitions, got {raw}")
        covered = self._covered.get(raw, parcel.after)
        if parcel.after > covered:
            raise StateError(
                f"raw partition {raw}, partition {self.partition} of fusion: wanted what follows offset {covered}, "
                f"got what follows {parcel.after}: rows are lost"
            )
        if parcel.upto <= covered:
            return
        self._covered[raw] = parcel.upto
        for change in parcel.changes:
            if change.offset > covered:
                self.announce(change.since_ms, change.record)
        self._refuse(raw, [refusals for refusals in parcel.refusals if refusals.offset > covered])
        for item in parcel.alerts:
            if item.offset > covered:
                self._alerts.take(self.engine.ticker.state.log_time, raw, item.offset, item.stamp_ms, item.packed)
        if parcel.rows is not None:
            rows = parcel.rows
            self.engine.read(raw, rows if parcel.after == covered else rows.take(rows.offset > covered))
        if parcel.marks_ms:
            self.engine.mark(raw, max(parcel.marks_ms))
            self._begin(raw, parcel.marks_ms[0])

    def announce(self, since_ms: int, record: bytes) -> None:
        """Takes a record of `control`, and from when on (epoch ms of log time) it is to hold."""
        self._schedule.announce(since_ms, self.configurations.add(record).configuration.version)

    def _refuse(self, raw: int, refused: list[Refusals]) -> None:
        stamp_ms = np.array([refusals.stamp_ms for refusals in refused], dtype=np.int64)
        arrival_ms = self.engine.ticker.state.log_time.arrival(raw, stamp_ms)
        self._refused.extend(zip(arrival_ms.tolist(), refused, strict=True))

    def _begin(self, raw: int, mark_ms: int) -> None:
        """Begins with the tick of the earliest first mark, so that every partition of the city begins with the same."""
        ticker = self.engine.ticker
        if ticker.state.next_tick is not None:
            return
        self._first_marks.setdefault(raw, mark_ms)
        if ticker.state.log_time.now_ms != NEVER:
            ticker.begin_at(ticker.settings.index_at(min(self._first_marks.values())))
            self._first_marks.clear()

    def _adopt(self, due_ms: int) -> None:
        """Goes on with what holds for the tick that was due; its record brings the configuration to the desk."""
        now = self.configurations.at(self._schedule, due_ms - 1)
        self._begins_with = b""
        if now.version == self._now.version:
            return
        self.engine.adopt(now.ground, now.types, now.routing)
        self._schedule.reduce_to(now.version, due_ms - 1)
        self._now = now
        if self.partition == 0:
            self._begins_with = self.configurations.record(now.version)

    def _record(self, reading: Reading) -> PartitionTick:
        self._count_refused(reading.due_ms)
        alerts = self._alerts.due(reading.due_ms)
        if alerts.let_go:
            self._door.read += alerts.let_go
            self._door.dead_letter(DeadLetter.WARNING, alerts.let_go)
        return PartitionTick(
            tick=reading.tick,
            due_ms=reading.due_ms,
            partition=self.partition,
            versions=self._now.versions,
            begins_with=self._begins_with,
            counters=self.counters.flat() | {"held": self.engine.ticker.held},
            failures=dict(sorted(self.engine.failures.items())),
            presence=self.engine.books.sensors.silent.presence(),
            findings=tuple(reading.findings),
            alerts=alerts.packed or msgspec.UNSET,
        )

    def _count_refused(self, due_ms: int) -> None:
        """Counts what was refused of the records that arrived by a tick's due time, as the ticker does with rows."""
        later = []
        for arrival_ms, refusals in self._refused:
            if arrival_ms >= due_ms:
                later.append((arrival_ms, refusals))
                continue
            self._door.read += refusals.rows
            for reason, rows in refusals.quarantined.items():
                self._door.quarantine(reason, rows)
            for reason, rows in refusals.dead_lettered.items():
                self._door.dead_letter(reason, rows)
        self._refused = later

    @property
    def counters(self) -> Counters:
        """Where the rows that this partition counts have ended by its last tick; those held are in `read` only."""
        total = Counters()
        for counters in (self._door, self.engine.ticker.state.counters):
            total.add(counters)
        return total

    def to_bytes(self) -> bytes:
        """The state between two records; the same state gives the same bytes."""
        return to_bytes(
            FuseState(
                self.partition,
                self._now.versions,
                self._schedule,
                self.next_offset,
                self._covered,
                self._first_marks,
                self._refused,
                self._door,
                self.engine.to_bytes(),
                self._alerts,
            )
        )

    def restore(self, data: bytes) -> None:
        """Goes on from a state; raises StateError where it is of another partition, map, type or setting."""
        state = from_bytes(FuseState, data)
        now = self.configurations.usable(state.schedule.versions[0])
        if (state.partition, state.versions) != (self.partition, now.versions):
            raise StateError(
                f"snapshot of fusion: wanted partition {self.partition} of {now.versions}, "
                f"got {state.partition} of {state.versions}"
            )
        self.engine.adopt(now.ground, now.types, now.routing)
        self.engine.restore(state.engine)
        self._now, self._schedule = now, state.schedule
        self.next_offset, self._covered, self._first_marks = state.next_offset, state.covered, state.first_marks
        self._refused, self._door, self._alerts = state.refused, state.door, state.alerts
