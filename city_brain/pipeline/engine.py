"""The journey of a city's observations as one literal: from a raw row to what the desk is told.

The same steps run in process, on Kafka and in tests. An `Engine` is one partition of the city: rows and marks in, one
`Reading` per tick out. It does no I/O and reads no clock; all its memory is in `EngineState`, which goes to bytes and
back between any two rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.city.loading import fingerprint
from city_brain.city.routing import Routing
from city_brain.errors import StateError
from city_brain.fusion.crossings import CrossingBook
from city_brain.fusion.queues import QueueBook
from city_brain.fusion.scene import Ground, Scene
from city_brain.fusion.sensors import SensorBook
from city_brain.fusion.signals import SignalBook
from city_brain.fusion.tracking.objects import ObjectBook
from city_brain.fusion.tracking.tracks import TrackBook
from city_brain.incidents.detectors import DETECTORS, Detector
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import IncidentType, IncidentTypes
from city_brain.observations.rows import Rows
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.table import Table
from city_brain.ticks.tick import Tick, TickSettings
from city_brain.ticks.ticker import Ticker, TickerState


class Books(msgspec.Struct):
    """What fusion knows, in the order in which a tick passes through it."""

    tracks: TrackBook
    objects: ObjectBook
    signals: SignalBook
    sensors: SensorBook
    crossings: CrossingBook
    queues: QueueBook

    @classmethod
    def empty(cls, ground: Ground) -> "Books":
        """Nothing known yet of a city."""
        return cls(
            TrackBook.empty(len(ground.city.cameras)),
            ObjectBook.empty(),
            SignalBook.empty(ground),
            SensorBook.empty(ground),
            CrossingBook.empty(),
            QueueBook.empty(ground),
        )


STAGES: tuple[tuple[str, Callable[[Books, Tick, Ground], object]], ...] = (
    ("tracks", lambda books, tick, ground: books.tracks.step(tick, ground.views, ground.roads)),
    ("objects", lambda books, tick, ground: books.objects.step(tick, books.tracks, ground.roads)),
    ("signals", lambda books, tick, ground: books.signals.step(tick, ground)),
    ("sensors", lambda books, tick, ground: books.sensors.step(tick, ground)),
    ("crossings", lambda books, tick, ground: books.crossings.step(tick, ground, books.tracks)),
    ("queues", lambda books, tick, ground: books.queues.step(tick, ground, books.tracks, books.objects, books.signals)),
)
"""Fusion in travelling order; behind it stand the detectors, one per incident type, each reading the scene."""


class EngineState(msgspec.Struct):
    """All that a partition remembers."""

    ticker: TickerState
    books: Books
    detectors: dict[str, bytes]
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one partition makes of one tick: its findings, and the tracks (source, track, object_id) of objects that
    ended.
    """

    tick: int
    due_ms: int
    findings: list[Finding]
    ended: Table
    failed: dict[str, str]
    """Incident types whose detector raised in this tick and was skipped, and what it raised."""


class Engine:
    """One partition of the city (see the module).

    A detector that raises says nothing in that tick, and is counted: one rule must not stop a city, and whoever
    computes the tick again meets the same error.
    """

    skipped: type[Exception] | tuple[()] = Exception
    """What of a detector is survived."""

    def __init__(
        self,
        ground: Ground,
        types: IncidentTypes,
        settings: TickSettings,
        raw_partitions: int = 1,
        routing: Routing | None = None,
        partition: int = 0,
    ) -> None:
        self.ground, self.types = ground, types
        self.ticker = Ticker(settings, raw_partitions)
        self.books = Books.empty(ground)
        self.routing, self.partition = routing, partition
        self.detectors: dict[str, Detector] = {kind.type: _detector(kind) for kind in types}
        self.failures: dict[str, int] = {}
        """How often a detector has raised, by incident type."""
        self.profile: Callable[[str], None] = lambda stage: None
        self.watchers: list[Callable[[Scene], None]] = []
        """Each sees the scene of each tick behind the detectors, and changes nothing in it."""

    def adopt(self, ground: Ground, types: IncidentTypes, routing: Routing | None) -> None:
        """Goes on with another configuration, between two ticks. On the same map all is remembered, except by detectors
        whose type has changed; on another one only the clocks of sources are.
        """
        same_map = ground is self.ground or fingerprint(ground.city) == fingerprint(self.ground.city)
        if not same_map:
            self.books = Books.empty(ground)
        before, old = self.detectors, self.types
        self.detectors = {
            kind.type: before[kind.type]
            if same_map and kind.type in before and _same_detector(kind, old[kind.type])
            else _detector(kind)
            for kind in types
        }
        self.ground, self.types, self.routing = ground, types, routing

    def read(self, raw_partition: int, rows: Rows) -> None:
        """Takes admitted rows that follow the last mark of their raw partition."""
        self.ticker.read(raw_partition, rows)

    def mark(self, raw_partition: int, mark_ms: int) -> None:
        """Takes a mark of a raw partition."""
        self.ticker.mark(raw_partition, mark_ms)

    def readings(self, before_step: Callable[[int], None] = lambda due_ms: None) -> Iterator[Reading]:
        """What the ticks that are due by now say, in order; `before_step` hears when each was due, and may `adopt`."""
        for tick in self.ticker.closed():
            self.profile("ticks")
            before_step(tick.due_ms)
            yield self._step(tick)

    def _step(self, tick: Tick) -> Reading:
        for name, stage in STAGES:
            stage(self.books, tick, self.ground)
            self.profile(name)
        books = self.books
        scene = Scene(
            self.ground,
            tick,
            self.ticker.state.clocks,
            books.tracks,
            books.objects,
            books.signals,
            books.sensors,
            books.crossings,
            books.queues,
        )
        findings: list[Finding] = []
        failed: dict[str, str] = {}
        for name, detector in self.detectors.items():
            try:
                findings.extend(detector.step(scene))
            except self.skipped as wrong:
                failed[name] = f"{type(wrong).__name__}: {wrong}"
                self.failures[name] = self.failures.get(name, 0) + 1
            self.profile(name)
        for watch in self.watchers:
            watch(scene)
        return Reading(tick.index, tick.due_ms, self._own(findings), books.objects.ended, failed)

    def _own(self, findings: list[Finding]) -> list[Finding]:
        """The findings that lie in this partition's cells."""
        if self.routing is None or not findings:
            return findings
        x, y = np.array([finding.x for finding in findings]), np.array([finding.y for finding in findings])
        owner = self.routing.owner(x, y)
        return [finding for finding, of in zip(findings, owner.tolist(), strict=True) if of == self.partition]

    def to_bytes(self) -> bytes:
        """The state between two rows; the same state gives the same bytes."""
        memory = {name: to_bytes(detector.state) for name, detector in self.detectors.items()}
        return to_bytes(EngineState(self.ticker.state, self.books, memory, self.failures))

    def restore(self, data: bytes) -> None:
        """Goes on from a state that the same code, map and types wrote."""
        state = from_bytes(EngineState, data)
        if state.detectors.keys() != self.detectors.keys():
            raise StateError(f"snapshot: wanted the types {list(self.detectors)}, got {list(state.detectors)}")
        self.ticker.state, self.books, self.failures = state.ticker, state.books, state.failures
        for name, detector in self.detectors.items():
            detector.state = from_bytes(type(detector.state), state.detectors[name])


def _detector(kind: IncidentType) -> Detector:
    return DETECTORS[kind.detector].build(kind.type, kind.parameters)


def _same_detector(one: IncidentType, other: IncidentType) -> bool:
    return (one.detector, one.parameters) == (other.detector, other.parameters)
