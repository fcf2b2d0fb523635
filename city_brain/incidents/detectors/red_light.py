"""Red-light running: several vehicles within a short time pass one junction's stop lines on a lamp that is surely red.

A crossing counts when the lamp of its movement was red before, at and after it, by messages that agree on both sides,
and the vehicle neither crept nor waited. A lost message makes one "violation" of a whole platoon; so the next message
must be red too. Of a vehicle that is well beyond the line its movement need not be known where the lamps of all that
its road leads to are red: few cameras see both the line and the way out.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.observations.rows import LAMPS_PER_SIDE
from city_brain.observations.vocabulary import Colour
from city_brain.table import Table
from city_brain.types import Bools, Ints

_SCHEMA = {
    "signal": np.int64, "intersection": np.int64, "side": np.int64, "in_road": np.int64,
    "governs": (np.bool_, (LAMPS_PER_SIDE,)), "cross_ms": np.int64, "key": np.int64, "object_id": np.int64,
    "source": np.int64, "first_row": (np.int64, (3,)), "last_row": (np.int64, (3,)),
}  # fmt: skip


class RedLightParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `RedLightRunning`."""

    red_before_s: float
    red_after_s: float
    line_speed_min_mps: float
    least_speed_min_mps: float
    confidence_min: float
    decide_within_s: float
    window_s: float
    apart_s: float = 1.0
    """Two cameras' crossings of one stop line that are nearer in time may be of one vehicle, and count as one."""
    weight_each: float
    weight_max: float
    prior_log_odds: float


class RedLightState(msgspec.Struct):
    """Crossings that wait for the next signal message, and the violations of the window."""

    waiting: Table
    violations: Table


class RedLightRunning:
    """Judges crossings against the lamps (see the module)."""

    def __init__(self, type_name: str, parameters: RedLightParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = RedLightState(Table(_SCHEMA), Table(_SCHEMA))

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for each junction with violations in the window."""
        now_ms, limits, crossings = scene.now_ms, self.parameters, scene.crossings
        violations = self.state.violations
        if crossings.completed.n == crossings.entered.n == self.state.waiting.n == violations.n == 0:
            return []
        if crossings.completed.n:
            movement = crossings.completed["movement"]
            self._take(scene, crossings.completed, movement[:, None] == np.arange(LAMPS_PER_SIDE))
        if crossings.entered.n:
            roads = crossings.entered["in_road"]
            self._take(scene, crossings.entered, scene.ground.junctions.movements[roads, :LAMPS_PER_SIDE])
        self._judge(scene)
        violations.keep(violations["cross_ms"] >= now_ms - 1000 * limits.window_s)
        return [self._finding(scene, int(k)) for k in np.unique(violations["intersection"])]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The vehicles that have just crossed the lines of a ring's junctions, and what each lacks."""
        done, limits, junctions = scene.crossings.completed, self.parameters, scene.ground.city.intersections
        near = [k for k, each in enumerate(junctions) if ring.holds(np.array(each.x), np.array(each.y))]
        at = np.flatnonzero(np.isin(done["intersection"], near) & (done["movement"] < LAMPS_PER_SIDE))
        signal = scene.signals.of_intersection[done["intersection"][at]] if len(at) else at
        at, signal = at[signal >= 0], signal[signal >= 0]
        if len(at) == 0:
            return []
        slot, cross_ms = scene.crossings.slot()[at], done["cross_ms"][at]
        shown = scene.signals.colour(signal, slot, cross_ms)
        red_before = self._red(scene, signal, slot, np.stack([cross_ms - int(1000 * limits.red_before_s), cross_ms]))
        found = []
        for k, crossing in enumerate(at.tolist()):
            known = int(shown[k]) < len(Colour)
            colour = Colour(int(shown[k])).name.lower() if known else "a lamp that nobody knew"
            speed, sure = float(done["line_speed"][crossing]), float(done["confidence"][crossing])
            slow = speed <= limits.line_speed_min_mps or done["least_speed"][crossing] <= limits.least_speed_min_mps
            reasons = (
                ("that is not red", colour != "red"),
                (f"it had been red for less than {limits.red_before_s} s", not red_before[k]),
                ("it crept over the line or waited behind it", bool(slow)),
                ("cameras were too unsure of the vehicle", sure < limits.confidence_min),
            )
            junction = junctions[int(done["intersection"][crossing])]
            looked = Looked(
                key=f"{int(done['key'][crossing]):016x}:{int(cross_ms[k])}", x=junction.x, y=junction.y,
                since_ms=int(cross_ms[k]), what=f"a vehicle crossed the line at {speed:.1f} m/s on {colour}",
                lacks=next((why for why, holds in reasons if holds), "counts if the signal still shows red next"),
                log_odds=limits.prior_log_odds if colour == "red" else None,
                sources=(int(done["source"][crossing]),),
            )  # fmt: skip
            found.append(looked)
        return found

    def _take(self, scene: Scene, crossings: Table, governs: Bools) -> None:
        """Lets crossings wait for their signal; `governs` (n, 3): the movements whose lamps must be red."""
        limits = self.parameters
        signal = scene.signals.of_intersection[crossings["intersection"]]
        brisk = crossings["line_speed"] > limits.line_speed_min_mps
        brisk &= crossings["least_speed"] > limits.least_speed_min_mps
        guilty_already = np.isin(crossings["key"], self.state.violations["key"])
        good = np.flatnonzero(
            (signal >= 0)
            & brisk
            & (crossings["confidence"] >= limits.confidence_min)
            & governs.any(axis=1)
            & ~guilty_already
        )
        if len(good):
            same = {name: crossings[name][good] for name in _SCHEMA if name not in ("signal", "governs")}
            self.state.waiting.append(len(good), signal=signal[good], governs=governs[good], **same)

    def _judge(self, scene: Scene) -> None:
        """Decides the crossings after which their signal has spoken; those it never speaks about are dropped."""
        waiting, limits = self.state.waiting, self.parameters
        if waiting.n == 0:
            return
        cross_ms, after_ms = waiting["cross_ms"], waiting["cross_ms"] + int(1000 * limits.red_after_s)
        spoken = scene.signals.last_ms[waiting["signal"]] >= after_ms
        guilty = spoken.copy()
        if spoken.any():
            moments = np.stack([cross_ms - int(1000 * limits.red_before_s), cross_ms, after_ms])[:, spoken]
            guilty[spoken] = self._all_red(scene, waiting, spoken, moments)
        if guilty.any():
            self.state.violations.append(
                int(np.count_nonzero(guilty)), **{name: waiting[name][guilty] for name in _SCHEMA}
            )
        patient = waiting["cross_ms"] >= scene.now_ms - 1000 * limits.decide_within_s
        waiting.keep(~spoken & patient)

    def _all_red(self, scene: Scene, waiting: Table, spoken: Bools, moments_ms: Ints) -> Bools:
        """Whether all lamps that govern crossings (n,) were red at all of their moments (k, n)."""
        crossing, movement = np.nonzero(waiting["governs"][spoken])
        slot = waiting["side"][spoken][crossing] * LAMPS_PER_SIDE + movement
        red = self._red(scene, waiting["signal"][spoken][crossing], slot, moments_ms[:, crossing])
        innocent = np.bincount(crossing[~red], minlength=int(np.count_nonzero(spoken))) > 0
        return ~innocent

    def _red(self, scene: Scene, signal: Ints, slot: Ints, moments_ms: Ints) -> Bools:
        """Whether lamps (n,) were red at all of their moments (k, n)."""
        red: Bools = (scene.signals.colour(signal, slot, moments_ms) == int(Colour.RED)).all(axis=0)
        return red

    def _finding(self, scene: Scene, intersection: int) -> Finding:
        violations = self.state.violations
        mine = np.flatnonzero(violations["intersection"] == intersection)
        mine = self._vehicles(mine)
        evidence = [*(self._evidence(int(k)) for k in mine), self._lamp(scene, mine)]
        junction = scene.ground.city.intersections[intersection]
        weight = min(self.parameters.weight_each * len(mine), self.parameters.weight_max)
        return Finding(
            type=self.type_name,
            key=junction.id,
            x=junction.x,
            y=junction.y,
            position_error_m=0.0,
            first_seen_ms=int(violations["cross_ms"][mine].min()),
            log_odds=self.parameters.prior_log_odds + weight,
            evidence=tuple(evidence),
            intersection=junction.id,
            magnitude=float(len(mine)),
        )

    def _vehicles(self, violations: Ints) -> Ints:
        """One violation of each vehicle, in order of time."""
        row, kept = self.state.violations, list[int]()
        for at in violations[np.argsort(row["cross_ms"][violations], kind="stable")].tolist():
            if not any(self._same(row, at, other) for other in kept):
                kept.append(at)
        return np.array(kept, dtype=np.int64)

    def _same(self, row: Table, one: int, other: int) -> bool:
        """Whether two violations are, or may be, of one vehicle."""
        if row["key"][one] == row["key"][other] or row["object_id"][one] == row["object_id"][other]:
            return True
        apart_ms = abs(int(row["cross_ms"][one]) - int(row["cross_ms"][other]))
        witnesses = row["source"][one] != row["source"][other] and row["in_road"][one] == row["in_road"][other]
        return bool(witnesses and apart_ms < 1000 * self.parameters.apart_s)

    def _lamp(self, scene: Scene, violations: Ints) -> Evidence:
        """That the lamps were red, by the signal; of no weight of its own, since no crossing counts without it."""
        row = self.state.violations
        signal, crossed_ms = int(row["signal"][violations[0]]), row["cross_ms"][violations]
        said = (scene.signals.positions(signal, at_ms, at_ms) for at_ms in crossed_ms.tolist())
        return Evidence(
            what="lamp_was_red",
            sources=(int(scene.signals.key[signal]),),
            weight=0.0,
            first_ms=int(crossed_ms.min()),
            last_ms=int(crossed_ms.max()),
            rows=tuple(dict.fromkeys(position for positions in said for position in positions)),
            note={"crossings": len(violations)},
        )

    def _evidence(self, violation: int) -> Evidence:
        row = self.state.violations
        cross_ms = int(row["cross_ms"][violation])
        return Evidence(
            what="crossed_on_red",
            sources=(int(row["source"][violation]),),
            weight=self.parameters.weight_each,
            first_ms=cross_ms,
            last_ms=cross_ms,
            rows=tuple(
                (int(p), int(o), int(s)) for p, o, s in (row["first_row"][violation], row["last_row"][violation])
            ),
            note={"vehicle": f"{int(row['key'][violation]):016x}"},
        )
