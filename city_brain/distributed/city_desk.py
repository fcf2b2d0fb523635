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
from city_brain.fusion.scene import Ground
from city_brain.incidents.desk import Desk, DeskState
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.incidents.tick_record import PartitionTick, TickRecord
from city_brain.pipeline import versions_of
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.ticks.tick import TickSettings

WAITING_MAX: Final = 100_000
"""Records that may wait for a partition that does not speak; at a few kB each this is the desk's memory. Beyond it the
desk ends, loudly, and reads them again when it is started anew.
"""


class CityDeskState(msgspec.Struct):
    """All that the desk remembers. `next_offset`: the earliest record of the log that is still needed."""

    partitions: int
    versions: dict[str, str]
    next_offset: int
    next_tick: int | None
    sequences: list[TickSequence]
    desk: DeskState


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

    def __init__(
        self,
        city: str,
        ground: Ground,
        types: IncidentTypes,
        ticks: TickSettings,
        desk: DeskSettings,
        partitions: int = 1,
    ) -> None:
        self.city, self.partitions = city, partitions
        self.versions = versions_of(ground.city, types, ticks)
        self._ground, self._types, self._settings = ground, types, desk
        self._desk = self._new_desk(None)
        self._next_tick: int | None = None
        self._read_to = 0
        self._waiting: dict[int, dict[int, _Waiting]] = {partition: {} for partition in range(partitions)}
        self._sequences = [TickSequence() for _ in range(partitions)]

    def _new_desk(self, state: DeskState | None) -> Desk:
        return Desk(self.city, self._ground.city, self._types, self._settings, self.versions, state)

    def read(self, offset: int, record: bytes) -> Iterator[CityTick]:
        """Takes the record of `fusion.ticks` at `offset` and gives the ticks of the city that it completes."""
        self._read_to = offset + 1
        tick = PartitionTick.from_bytes(record)
        if tick.versions != self.versions or tick.partition not in self._waiting:
            raise StateError(
                f"fusion.ticks offset {offset}: wanted one of {self.partitions} partitions of {self.versions}, "
                f"got partition {tick.partition} of {tick.versions}"
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
            parts = [self._waiting[partition].pop(index).tick for partition in range(self.partitions)]
            self._next_tick = index + 1
            yield self._join(parts)

    def _first_tick(self) -> int:
        """The tick that all partitions begin with."""
        first = {partition: next(iter(waiting)) for partition, waiting in self._waiting.items()}
        if len(set(first.values())) != 1:
            raise StateError(f"fusion.ticks: wanted partitions that begin with the same tick, got {first}")
        return first[0]

    def _join(self, parts: Sequence[PartitionTick]) -> CityTick:
        tick, due_ms = parts[0].tick, parts[0].due_ms
        record = self._desk.step(tick, due_ms, [part.findings for part in parts])
        return CityTick(record, heartbeat_of(self._ground.city, [part.presence for part in parts], due_ms))

    @property
    def next_offset(self) -> int:
        """Where to read on after a restart: the earliest record that is not in the state."""
        waiting = (item.offset for records in self._waiting.values() for item in records.values())
        return min(waiting, default=self._read_to)

    def to_bytes(self) -> bytes:
        """The state between two records; the same state gives the same bytes. Waiting records are read again."""
        sequences = [sequence.before(self._next_tick) for sequence in self._sequences]
        return to_bytes(
            CityDeskState(
                self.partitions, self.versions, self.next_offset, self._next_tick, sequences, self._desk.state
            )
        )

    def restore(self, data: bytes) -> None:
        """Goes on from a state; raises StateError where it is of another number of partitions, map, type or setting."""
        state = from_bytes(CityDeskState, data)
        if (state.partitions, state.versions) != (self.partitions, self.versions):
            raise StateError(
                f"snapshot of the desk: wanted {self.partitions} partitions of {self.versions}, "
                f"got {state.partitions} of {state.versions}"
            )
        self._desk = self._new_desk(state.desk)
        self._next_tick, self._read_to, self._sequences = state.next_tick, state.next_offset, state.sequences
        self._waiting = {partition: {} for partition in range(self.partitions)}
