"""All stages in one process: observations of raw logs in, the city's tick records out.

The runner does what the programs on Kafka do, with the same step functions and nothing between them: it admits, routes
rows to the partitions of fusion, and lets the desk join what they read of each tick. It does no I/O; its state goes to
bytes and back between any two rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.errors import CapError, StateError
from city_brain.feeds.heartbeat import Readied
from city_brain.formats.cap.readiness import ReadinessBook
from city_brain.fusion.scene import Ground
from city_brain.incidents.desk import Desk, DeskState
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.incidents.tick_record import TickRecord
from city_brain.observations.admission import Refused
from city_brain.observations.columns import Observations
from city_brain.observations.counters import Counters
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import DeadLetter
from city_brain.pipeline import Door, Engine, Reading
from city_brain.pipeline.configuration import Configurations, Configured
from city_brain.pipeline.readiness import AlertQueue, ReadinessDesk, packed_alert
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.ticks.tick import TickSettings
from city_brain.types import Bools, Ints


@dataclass(frozen=True, slots=True)
class ClosedTick:
    """One tick of the city: its record, and what each partition read of it."""

    record: TickRecord
    readings: tuple[Reading, ...]
    readied: Readied
    """What areas must be ready for, since others warn of it."""


class RunnerState(msgspec.Struct):
    """All that a runner remembers: partitions, desk, what was refused at the door, and warnings."""

    engines: list[bytes]
    desk: DeskState
    refused: Counters
    alerts: AlertQueue
    readiness: ReadinessBook


class Runner:
    """The street in one process (see the module)."""

    def __init__(
        self,
        ground: Ground,
        types: IncidentTypes,
        settings: TickSettings | None = None,
        partitions: int = 1,
        raw_partitions: int = 1,
        city: str = "city",
        desk: DeskSettings | None = None,
    ) -> None:
        self.city, self.settings = city, settings or TickSettings()
        self.configured = Configured(ground, types, self.settings, desk or DeskSettings(), partitions)
        self.door = Door(Configurations(self.configured))
        self.engines = [
            Engine(ground, types, self.settings, raw_partitions, self.configured.routing, partition)
            for partition in range(partitions)
        ]
        self.desk = self._new_desk(None)
        self.readiness = ReadinessDesk(city)
        self.refused = Counters()
        self.alerts = AlertQueue()
        self.refusing: Callable[[Observations, Refused], None] = lambda observations, refused: None
        """Hears which rows of a batch were not believed."""
        self.straying: Callable[[str, Rows, Bools], None] = lambda why, rows, which: None
        """Hears which admitted rows were not believed after all, and why."""

    def _new_desk(self, state: DeskState | None) -> Desk:
        now = self.configured
        return Desk(self.city, now.ground.city, now.types, now.desk, now.versions, state)

    @property
    def ground(self) -> Ground:
        """The map that holds now."""
        return self.configured.ground

    @property
    def types(self) -> IncidentTypes:
        """The incident types that hold now."""
        return self.configured.types

    def announce(self, record: bytes, stamp_ms: int) -> None:
        """Takes a record of `control`, before any row that arrives within `LEAD_MS` of its stamp or later."""
        change = self.door.configurations.add(record)
        if change.since_ms:
            self.door.schedule.announce(change.holds_from_ms(stamp_ms), change.configuration.version)

    def read(self, raw_partition: int, observations: Observations, offset: int | Ints) -> None:
        """Takes a batch that follows the last mark of its raw partition; `offset` as in `admit`."""
        self.read_rows(raw_partition, self.admit(raw_partition, observations, offset))

    def admit(self, raw_partition: int, observations: Observations, offset: int | Ints) -> Rows:
        """The rows of a batch that are believed; the others are counted."""
        rows, refused = self.door.admit(observations, raw_partition, offset)
        self.refused.read += observations.n - rows.n
        self.refusing(observations, refused)
        for reason, count in refused.counts().items():
            self.refused.quarantine(reason, count)
        return rows

    def stray(self, why: str, rows: Rows, which: Bools) -> None:
        """Counts admitted rows (n,) that are not believed after all, and go no further."""
        count = int(np.count_nonzero(which))
        self.refused.read += count
        self.refused.quarantine(why, count)
        self.straying(why, rows, which)

    def dead_letter(self, reason: str, rows: int = 1) -> None:
        """Counts what could not be read as observations."""
        self.refused.read += rows
        self.refused.dead_letter(reason, rows)

    def warn(self, raw_partition: int, cap: bytes, offset: int, stamp_ms: int) -> None:
        """Takes a message of CAP that follows the last mark of its raw partition; counts one that cannot be read."""
        try:
            packed = packed_alert(cap)
        except CapError:
            self.dead_letter(DeadLetter.WARNING)
        else:
            self.alerts.take(self.engines[0].ticker.state.log_time, raw_partition, offset, stamp_ms, packed)

    def read_rows(self, raw_partition: int, rows: Rows) -> None:
        """Takes admitted rows."""
        for engine, mine in zip(self.engines, self.door.route(rows), strict=True):
            engine.read(raw_partition, mine)

    def mark(self, raw_partition: int, mark_ms: int) -> None:
        """Takes a mark of a raw partition."""
        for engine in self.engines:
            engine.mark(raw_partition, mark_ms)

    def begin_at(self, index: int) -> None:
        """Begins with tick `index` instead of the first row's, before anything is read."""
        for engine in self.engines:
            engine.ticker.begin_at(index)

    def closed(self) -> Iterator[ClosedTick]:
        """The ticks of the city that are due by now, in order."""
        self._begin_together()
        rounds = zip(*(engine.readings(self._adopt) for engine in self.engines), strict=True)
        for readings in rounds:
            yield self._join(readings)

    def _adopt(self, due_ms: int) -> None:
        """Goes on with what holds for the tick that was due, all partitions and the desk at once."""
        now = self.door.configurations.at(self.door.schedule, due_ms - 1)
        if now.version != self.configured.version:
            for engine in self.engines:
                engine.adopt(now.ground, now.types, now.routing)
            self.configured = now
            self.desk.adopt(now.ground.city, now.types, now.desk, now.versions, due_ms)

    def _begin_together(self) -> None:
        """Lets every partition begin with the first tick of any, as soon as that is due."""
        tickers = [engine.ticker for engine in self.engines]
        if tickers[0].state.next_tick is not None:
            return
        first = [ticker.first_tick for ticker in tickers if ticker.first_tick is not None]
        if first and tickers[0].state.log_time.now_ms >= self.settings.due_ms(min(first)):
            for ticker in tickers:
                ticker.begin_at(min(first))

    def _join(self, readings: tuple[Reading, ...]) -> ClosedTick:
        tick, due_ms = readings[0].tick, readings[0].due_ms
        record = self.desk.step(tick, due_ms, [reading.findings for reading in readings])
        alerts = self.alerts.due(due_ms)
        if alerts.let_go:
            self.dead_letter(DeadLetter.WARNING, alerts.let_go)
        return ClosedTick(record, readings, self.readiness.step(self.ground.city, due_ms, alerts.packed))

    @property
    def counters(self) -> Counters:
        """Where every row read has ended; rows that wait for their tick are in `held`."""
        total = Counters()
        for counters in (self.refused, *(engine.ticker.state.counters for engine in self.engines)):
            total.add(counters)
        total.read += sum(engine.ticker.waiting for engine in self.engines)
        return total

    @property
    def failures(self) -> dict[str, int]:
        """In how many ticks a detector has raised and was skipped, by incident type."""
        return dict(sorted(sum((Counter(engine.failures) for engine in self.engines), Counter[str]()).items()))

    @property
    def held(self) -> int:
        """Rows read that are in no counter yet."""
        return sum(engine.ticker.held + engine.ticker.waiting for engine in self.engines)

    def to_bytes(self) -> bytes:
        """The state; the same state gives the same bytes."""
        engines = [engine.to_bytes() for engine in self.engines]
        return to_bytes(RunnerState(engines, self.desk.state, self.refused, self.alerts, self.readiness.book))

    def restore(self, data: bytes) -> None:
        """Goes on from a state that the same code, map and types wrote."""
        state = from_bytes(RunnerState, data)
        if len(state.engines) != len(self.engines):
            raise StateError(f"snapshot: wanted {len(self.engines)} partitions, got {len(state.engines)}")
        for engine, memory in zip(self.engines, state.engines, strict=True):
            engine.restore(memory)
        self.desk = self._new_desk(state.desk)
        self.readiness = ReadinessDesk(self.city, state.readiness)
        self.refused, self.alerts = state.refused, state.alerts
