"""The city's desk: records of all partitions of fusion in, one record per tick of the city out.

Input: records of `fusion.ticks`, each partition's in order, partitions in any. State: the desk, the next tick of the
city, and digests of the last records. Output: the city's tick record and heartbeat, once every partition has spoken. A
record that comes again is dropped; one with other bytes under the same tick, or a jump, is a StateError.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from city_brain.distributed.tick_sequence import TickSequence
from city_brain.errors import StateError
from city_brain.feeds.heartbeat import Heartbeat, heartbeat_of
from city_brain.formats.cap.readiness import ReadinessBook
from city_brain.incidents.desk import Desk, DeskState
from city_brain.incidents.tick_record import PartitionTick, TickRecord
from city_brain.pipeline.configuration import Configurations
from city_brain.pipeline.readiness import ReadinessDesk
from city_brain.snapshot import from_bytes, to_bytes

WAITING_MAX: Final = 100_000
"""Records that may wait for a partition that does not speak; at a few kB each this is the desk's memory. Beyond it the
desk ends, loudly, and reads them again when it is started anew.
"""


class CityDeskState(msgspec.Struct):
    """All that the desk remembers. `next_offset`: the earliest record of the log that is still needed;
    `configuration`: the version of what holds.
    """

    partitions: int
    configuration: str
    versions: dict[str, str]
    next_offset: int
    next_tick: int | None
    sequences: list[TickSequence]
    desk: DeskState
    readiness: ReadinessBook = msgspec.field(default_factory=ReadinessBook)


@dataclass(frozen=True, slots=True)
class CityTick:
    """One tick of the city: its record, and who spoke."""

    record: TickRecord
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class _Waiting:
    offset: int
    tick: PartitionTick


class CityDesk:
    """The desk over all partitions of a city (see the module)."""

    def __init__(self, city: str, configurations: Configurations) -> None:
        self.city, self.configurations = city, configurations
        self._now = configurations.first
        self.partitions = partitions = self._now.partitions
        self._desk = self._new_desk(None)
        self._readiness = ReadinessDesk(city)
        self._next_tick: int | None = None
        self._read_to = 0
        self._waiting: dict[int, dict[int, _Waiting]] = {partition: {} for partition in range(partitions)}
        self._sequences = [TickSequence() for _ in range(partitions)]

    def _new_desk(self, state: DeskState | None) -> Desk:
        now = self._now
        return Desk(self.city, now.ground.city, now.types, now.desk, now.versions, state)

    def read(self, offset: int, record: bytes) -> Iterator[CityTick]:
        """Takes the record of `fusion.ticks` at `offset` and gives the ticks of the city that it completes."""
        self._read_to = offset + 1
        tick = PartitionTick.from_bytes(record)
        if tick.partition not in self._waiting:
            raise StateError(
                f"fusion.ticks offset {offset}: wanted one of {self.partitions} partitions, got {tick.partition}"
            )
        if self._sequences[tick.partition].accepts(tick.tick, record, f"fusion.ticks, partition {tick.partition}"):
            self._waiting[tick.partition][tick.tick] = _Waiting(offset, tick)
            if sum(map(len, self._waiting.values())) > WAITING_MAX:
                slow = min(self._waiting, key=lambda partition: len(self._waiting[partition]))
                raise StateError(f"fusion.ticks: wanted ticks of partition {slow}, got {WAITING_MAX} of the others")
            yield from self._complete()

    def _complete(self) -> Iterator[CityTick]:
        """The ticks that every partition has spoken of."""
        while all(self._waiting.values()):
            if self._next_tick is None:
                self._next_tick = self._first_tick()
            index = self._next_tick
            parts = [self._waiting[partition].pop(index) for partition in range(self.partitions)]
            self._next_tick = index + 1
            self._adopt(parts[0].tick)
            for part in parts:
                self._check(part)
            yield self._join([part.tick for part in parts])

    def _first_tick(self) -> int:
        """The tick that all partitions begin with."""
        first = {partition: next(iter(waiting)) for partition, waiting in self._waiting.items()}
        if len(set(first.values())) != 1:
            raise StateError(f"fusion.ticks: wanted partitions that begin with the same tick, got {first}")
        return first[0]

    def _adopt(self, tick: PartitionTick) -> None:
        """Goes on with the configuration that a tick brings."""
        if not tick.begins_with:
            return
        version = self.configurations.add(tick.begins_with).configuration.version
        now = self._now = self.configurations.usable(version)
        self._desk.adopt(now.ground.city, now.types, now.desk, now.versions, tick.due_ms)

    def _check(self, part: _Waiting) -> None:
        if part.tick.versions != self._now.versions:
            raise StateError(
                f"fusion.ticks offset {part.offset}: wanted a tick of {self._now.versions}, "
                f"got one of partition {part.tick.partition} of {part.tick.versions}"
            )

    def _join(self, parts: Sequence[PartitionTick]) -> CityTick:
        tick, due_ms = parts[0].tick, parts[0].due_ms
        record = self._desk.step(tick, due_ms, [part.findings for part in parts])
        city, presences = self._now.ground.city, [part.presence for part in parts]
        readied = self._readiness.step(city, due_ms, parts[0].alerts or ())
        return CityTick(record, heartbeat_of(city, presences, due_ms, readied))

    @property
    def configuration(self) -> str:
        """The version of what holds."""
        return self._now.version

    @property
    def next_offset(self) -> int:
        """Where to read on after a restart: the earliest record that is not in the state."""
        waiting = (item.offset for records in self._waiting.values() for item in records.values())
        return min(waiting, default=self._read_to)

    def to_bytes(self) -> bytes:
        """The state between two records; the same state gives the same bytes. Waiting records are read again."""
        sequences = [sequence.before(self._next_tick) for sequence in self._sequences]
        now = self._now
        return to_bytes(
            CityDeskState(
                self.partitions,
                now.version,
                now.versions,
                self.next_offset,
                self._next_tick,
                sequences,
                self._desk.state,
                self._readiness.book,
            )
        )

    def restore(self, data: bytes) -> None:
        """Goes on from a state; raises StateError where it is of another number of partitions, map, type or setting."""
        state = from_bytes(CityDeskState, data)
        now = self.configurations.usable(state.configuration)
        if (state.partitions, state.versions) != (self.partitions, now.versions):
            raise StateError(
                f"snapshot of the desk: wanted {self.partitions} partitions of {now.versions}, "
                f"got {state.partitions} of {state.versions}"
            )
        self._now = now
        self._desk = self._new_desk(state.desk)
        self._readiness = ReadinessDesk(self.city, state.readiness)
        self._next_tick, self._read_to, self._sequences = state.next_tick, state.next_offset, state.sequences
        self._waiting = {partition: {} for partition in range(self.partitions)}
