"""Red-light running: several vehicles within a short time pass one junction's stop lines on a lamp that is surely red.

A crossing counts when the lamp of its movement was red before, at and after it, by messages that agree on both sides,
and the vehicle neither crept nor waited. A lost message makes one "violation" of a whole platoon; so the next message
must be red too.
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
    "signal": np.int64, "intersection": np.int64, "slot": np.int64, "cross_ms": np.int64, "key": np.int64,
    "object_id": np.int64,
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
        now_ms, limits = scene.now_ms, self.parameters
        violations = self.state.violations
        if scene.crossings.completed.n == self.state.waiting.n == violations.n == 0:
            return []
        self._take_crossings(scene)
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

    def _take_crossings(self, scene: Scene) -> None:
        done, limits = scene.crossings.completed, self.parameters
        signal = scene.signals.of_intersection[done["intersection"]] if done.n else np.zeros(0, np.int64)
        brisk = (done["line_speed"] > limits.line_speed_min_mps) & (done["least_speed"] > limits.least_speed_min_mps)
        good = np.flatnonzero(
            (signal >= 0) & brisk & (done["confidence"] >= limits.confidence_min) & (done["movement"] < LAMPS_PER_SIDE)
        )
        if len(good) == 0:
            return
        same = ("intersection", "cross_ms", "key", "object_id", "source", "first_row", "last_row")
        self.state.waiting.append(
            len(good),
            signal=signal[good],
            slot=scene.crossings.slot()[good],
            **{name: done[name][good] for name in same},
        )

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
            guilty[spoken] = self._red(scene, waiting["signal"][spoken], waiting["slot"][spoken], moments)
        if guilty.any():
            self.state.violations.append(
                int(np.count_nonzero(guilty)), **{name: waiting[name][guilty] for name in _SCHEMA}
            )
        patient = waiting["cross_ms"] >= scene.now_ms - 1000 * limits.decide_within_s
        waiting.keep(~spoken & patient)

    def _red(self, scene: Scene, signal: Ints, slot: Ints, moments_ms: Ints) -> Bools:
        """Whether lamps (n,) were red at all of their moments (k, n)."""
        k = len(moments_ms)
        shown = scene.signals.colour(np.tile(signal, k), np.tile(slot, k), moments_ms.reshape(-1))
        red: Bools = (shown == int(Colour.RED)).reshape(k, -1).all(axis=0)
        return red

    def _finding(self, scene: Scene, intersection: int) -> Finding:
        violations = self.state.violations
        mine = np.flatnonzero(violations["intersection"] == intersection)
        _, first = np.unique(violations["object_id"][mine], return_index=True)
        mine = mine[np.sort(first)]
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
