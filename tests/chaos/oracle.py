"""What the city must say of the raw topics as they lie in Kafka: the street in one process, with a reading of its own.

Nothing of `city_brain.distributed` is used but the names of topics and the header of marks.
"""

import dataclasses
import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from city_brain.distributed import MARK_HEADER
from city_brain.errors import ObservationError, StateError
from city_brain.feeds.heartbeat import heartbeat_of
from city_brain.fusion.sensors.silence import Presence
from city_brain.incidents.hypothesis import Finding
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import CONTROL
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope
from city_brain.observations.json_twin import from_lines
from city_brain.observations.vocabulary import DeadLetter
from city_brain.runner import ClosedTick, Runner
from city_brain.site import Site
from tests.chaos.logs import read_log

RawPlace = tuple[str, int, int]
"""Topic without its prefix, partition, offset."""

_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Part:
    """What one partition of fusion must say of a tick."""

    due_ms: int
    findings: tuple[Finding, ...]
    presence: Presence


@dataclass
class Wanted:
    """What must stand in the topics. `lines` and `heartbeats` by tick, in order; `parts` by (partition, tick)."""

    lines: dict[int, bytes] = field(default_factory=dict)
    heartbeats: dict[int, bytes] = field(default_factory=dict)
    parts: dict[tuple[int, int], Part] = field(default_factory=dict)
    counters: dict[int, Counter[str]] = field(default_factory=dict)
    """Of all partitions together, by tick."""
    refused: dict[RawPlace, Counter[str]] = field(default_factory=dict)
    """What goes no further of each raw record, by reason."""
    rows: int = 0
    raw_records: int = 0

    @property
    def last(self) -> int:
        """The last tick."""
        return next(reversed(self.lines))


class Oracle:
    """Reads raw logs and says what is wanted of them."""

    def __init__(self, site: Site, places: list[tuple[str, int]]) -> None:
        """`places`: topic and partition of each raw log, in the order of their numbers."""
        self.site, self.places = site, places
        self.wanted = Wanted()
        self._runner: Runner = site.runner(len(places))
        self._mark_ms = [_NEVER] * len(places)
        self._refused: list[tuple[int, Counter[str]]] = []
        self._door = Counter[str]()

    def read(self, settings: KafkaSettings) -> Wanted:
        """Reads the raw topics to their end."""
        logs = [list(read_log(settings, topic, partition)) for topic, partition in self.places]
        first = min(next(record.timestamp for record in log if _is_mark(record)) for log in logs)
        self._runner.begin_at(self.site.settings.ticks.index_at(first))
        numbered = [[(record.timestamp, raw, record) for record in log] for raw, log in enumerate(logs)]
        for _, raw, record in heapq.merge(*numbered, key=lambda item: item[:2]):
            self._take(raw, record)
        self.wanted.raw_records = sum(map(len, logs))
        return self.wanted

    def _take(self, raw: int, record: Any) -> None:
        if not _is_mark(record):
            take = self._take_configuration if self.places[raw][0] == CONTROL else self._take_rows
            take(raw, record)
            return
        self._mark_ms[raw] = max(self._mark_ms[raw], record.timestamp)
        self._runner.mark(raw, record.timestamp)
        for closed in self._runner.closed():
            self._close(closed)

    def _take_configuration(self, raw: int, record: Any) -> None:
        """One that cannot be read is refused, and counted when it has arrived, as rows are."""
        try:
            self._runner.announce(record.value or b"", record.timestamp)
        except StateError:
            refused = Counter({"read": 1, f"dead_lettered.{DeadLetter.CONFIGURATION.value}": 1})
            self._refused.append((max(record.timestamp, self._mark_ms[raw]), refused))
            self.wanted.refused[(*self.places[raw], record.offset)] = refused - Counter(read=1)

    def _take_rows(self, raw: int, record: Any) -> None:
        before = Counter(self._runner.refused.flat())
        observations = self._read_record(raw, record)
        stamp_ms = np.full(observations.n, record.timestamp, dtype=np.int64)
        common = dataclasses.replace(observations.common, arrival_ms=stamp_ms)
        self._runner.read(raw, dataclasses.replace(observations, common=common), record.offset)
        refused = Counter(self._runner.refused.flat()) - before
        self.wanted.rows += observations.n
        if refused:
            self._refused.append((max(record.timestamp, self._mark_ms[raw]), refused))
            reasons = Counter({name: rows for name, rows in refused.items() if name != "read"})
            self.wanted.refused[(*self.places[raw], record.offset)] = reasons

    def _read_record(self, raw: int, record: Any) -> Observations:
        """An envelope begins with its version; anything else is lines, and what cannot be read is counted."""
        value = record.value or b""
        if value[:1] == b"\x08":
            try:
                return from_envelope(value)
            except ObservationError:
                self._runner.dead_letter(DeadLetter.ENVELOPE.value)
                return from_lines([]).observations
        if not value:
            self._runner.dead_letter(DeadLetter.EMPTY.value)
        parsed = from_lines(value.split(b"\n"))
        for bad in parsed.rejected:
            self._runner.dead_letter(bad.reason.value)
        if len(parsed.mark_line):
            self._runner.dead_letter(DeadLetter.MARK.value, len(parsed.mark_line))
        for warning in parsed.warnings:
            self._runner.warn(raw, warning.cap, record.offset, record.timestamp)
        return parsed.observations

    def _close(self, closed: ClosedTick) -> None:
        tick, due_ms = closed.record.tick, closed.record.due_ms
        engines = self._runner.engines
        presences = [engine.books.sensors.silent.presence() for engine in engines]
        self.wanted.lines[tick] = closed.record.to_line()
        heartbeat = heartbeat_of(self._runner.ground.city, presences, due_ms, closed.readied)
        self.wanted.heartbeats[tick] = msgspec.json.encode(heartbeat)
        for partition, (reading, presence) in enumerate(zip(closed.readings, presences, strict=True)):
            self.wanted.parts[partition, tick] = Part(due_ms, tuple(reading.findings), presence)
        self.wanted.counters[tick] = self._counted(due_ms)

    def _counted(self, due_ms: int) -> Counter[str]:
        """Rows of all partitions by where they have ended: what was refused counts once it has arrived."""
        self._door.update(_sum(refused for arrival_ms, refused in self._refused if arrival_ms < due_ms))
        self._refused = [item for item in self._refused if item[0] >= due_ms]
        tickers = [engine.ticker for engine in self._runner.engines]
        total = self._door + _sum(Counter(ticker.state.counters.flat()) for ticker in tickers)
        total["held"] = sum(ticker.held for ticker in tickers)
        return +total


def _is_mark(record: Any) -> bool:
    return any(name == MARK_HEADER for name, _ in record.headers)


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total = Counter[str]()
    for counter in counters:
        total.update(counter)
    return total
