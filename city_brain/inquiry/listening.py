"""Listening to a run: what was said, weighed, looked at and seen about one place at one time.

A listener hears a runner tick by tick and changes nothing in it, so the run gives the bytes that it gives unheard. It
costs a look at the ticks about the time that is asked for, and of all others only what they announce.
"""

from dataclasses import dataclass, field
from functools import partial

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.geo import LocalFrame
from city_brain.incidents.desk.case import identity_of
from city_brain.incidents.desk.joining import Shape, gap_m, shape_of
from city_brain.incidents.detectors.looking import Looked, Looks, Ring
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident import Incident
from city_brain.inquiry.spells import Spells
from city_brain.numerics import find_sorted
from city_brain.observations.vocabulary import Kind
from city_brain.pipeline import Engine
from city_brain.runner import ClosedTick, Runner
from city_brain.types import Ints


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when; degrees, epoch ms."""

    lon: float
    lat: float
    time_ms: int
    radius_m: float
    within_s: float
    type: str = ""
    """Empty: whatever it was."""

    def ring(self, frame: LocalFrame) -> Ring:
        """The place in metres."""
        return Ring(*frame.to_metres(self.lon, self.lat), self.radius_m)

    @property
    def since_ms(self) -> int:
        """The first moment that it asks for."""
        return self.time_ms - round(1000 * self.within_s)

    @property
    def until_ms(self) -> int:
        """The last one."""
        return self.time_ms + round(1000 * self.within_s)

    def overlaps(self, first_ms: int, last_ms: int) -> bool:
        """Whether a span of time touches that of the question."""
        return first_ms <= self.until_ms and last_ms >= self.since_ms


@dataclass(slots=True)
class Weighed:
    """A finding near the place: as it was at its surest, when it was handed over, and the case that had it last."""

    surest: Finding
    away_m: float
    first_ms: int
    last_ms: int
    case: str = ""
    case_type: str = ""
    held: bool = False


@dataclass(slots=True)
class Noticed:
    """Something that a detector looked at: as it was at its most telling, and as it was weighed last."""

    looked: Looked
    at_ms: int
    latest: Looked
    last_ms: int


@dataclass(slots=True)
class Listener:
    """What one question wants to know of a run (see the module).

    `rows`, `near` (sources,): rows of each source of the map in the time, and those of them that lie near the place;
    `before_ms`, `after_ms` (sources,): its last row up to the moment that is asked for, and its first one after it, -1
    where there was none. `reports`: people's reports there. `first_ms`, `last_ms`: the ticks that were heard at all, by
    their end.
    """

    runner: Runner
    question: Question
    revisions: list[Incident] = field(default_factory=list)
    weighed: dict[str, Weighed] = field(default_factory=dict)
    noticed: dict[tuple[str, str], Noticed] = field(default_factory=dict)
    spells: Spells = field(default_factory=Spells)
    rows: Ints = field(init=False)
    near: Ints = field(init=False)
    before_ms: Ints = field(init=False)
    after_ms: Ints = field(init=False)
    reports: int = 0
    first_ms: int | None = None
    last_ms: int = 0

    def __post_init__(self) -> None:
        count = len(self.runner.ground.city.source_keys)
        self.rows, self.near = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.before_ms, self.after_ms = np.full(count, -1), np.full(count, -1)
        for engine in self.runner.engines:
            engine.watchers.append(partial(self._watch, engine))

    @property
    def ring(self) -> Ring:
        """The place in metres."""
        return self.question.ring(self.runner.ground.city.frame)

    def take(self, closed: ClosedTick) -> None:
        """Takes what a tick says."""
        self.revisions += closed.record.incidents
        self.spells.take(self.runner, closed.record.due_ms)
        end_ms = closed.record.due_ms - self.runner.settings.lateness_budget_ms
        self.first_ms = end_ms - self.runner.settings.tick_ms if self.first_ms is None else self.first_ms
        self.last_ms = end_ms
        self._hear()
        if self._asked(end_ms):
            for finding in (finding for reading in closed.readings for finding in reading.findings):
                self._weigh(finding, end_ms)

    def _hear(self) -> None:
        """Notes when each source was heard about the moment that is asked for."""
        heard = np.max([engine.books.sensors.silent.last_ms for engine in self.runner.engines], axis=0)
        after = (heard > self.question.time_ms) & (self.after_ms < 0)
        self.after_ms[after] = heard[after]
        self.before_ms = np.where(heard <= self.question.time_ms, heard, self.before_ms)

    def _asked(self, end_ms: int) -> bool:
        return self.question.since_ms <= end_ms <= self.question.until_ms + self.runner.settings.tick_ms

    def _weigh(self, finding: Finding, end_ms: int) -> None:
        ring = self.ring
        away_m = gap_m(shape_of(finding), Shape(((ring.x, ring.y),)))
        # What its detector looked at there, such as the queue of a road through the place, may itself lie farther off.
        if finding.gone or (away_m > ring.radius_m and (finding.type, finding.key) not in self.noticed):
            return
        name = identity_of(finding)
        known = self.weighed.get(name)
        if known is None:
            known = self.weighed[name] = Weighed(finding, away_m, end_ms, end_ms)
        known.last_ms = end_ms
        if finding.log_odds > known.surest.log_odds:
            known.surest, known.away_m = finding, away_m
        case = self.runner.desk.state.cases.get(self.runner.desk.state.owner.get(name, ""))
        if case is not None:
            known.case, known.case_type, known.held = case.id, case.type, case.held and case.published is None

    def _watch(self, engine: Engine, scene: Scene) -> None:
        if not self._asked(scene.now_ms):
            return
        self._count(scene)
        for name, detector in engine.detectors.items():
            if isinstance(detector, Looks):
                for looked in detector.looked_at(scene, self.ring):
                    self._notice(name, looked, scene.now_ms)

    def _notice(self, type_name: str, looked: Looked, now_ms: int) -> None:
        known = self.noticed.get((type_name, looked.key))
        if known is None:
            self.noticed[type_name, looked.key] = Noticed(looked, now_ms, looked, now_ms)
            return
        if looked.log_odds is not None or known.latest.log_odds is None:
            known.latest, known.last_ms = looked, now_ms
        if self._telling(looked, now_ms) >= self._telling(known.looked, known.at_ms):
            known.looked, known.at_ms = looked, now_ms

    def _telling(self, looked: Looked, now_ms: int) -> tuple[float, float, int]:
        """The surest tells most; of what was never weighed the largest, and the nearest to the time asked for."""
        sure = -np.inf if looked.log_odds is None else looked.log_odds
        return sure, looked.size, -abs(now_ms - self.question.time_ms)

    def _count(self, scene: Scene) -> None:
        rows, home = scene.tick.rows, scene.tick.rows.home
        inside = self.ring.holds(rows.x, rows.y) & home
        of = find_sorted(scene.ground.city.source_keys, rows.source)
        self.rows += np.bincount(of[home & (of >= 0)], minlength=len(self.rows))
        self.near += np.bincount(of[inside & (of >= 0)], minlength=len(self.rows))
        self.reports += int(np.count_nonzero(inside & (rows.kind == int(Kind.REPORT))))
