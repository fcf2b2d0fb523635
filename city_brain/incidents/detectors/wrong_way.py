"""Wrong way: a vehicle that keeps to a lane of the oncoming carriageway.

Two hypotheses for a moving vehicle: it is in the lane that lies nearest, whose direction it opposes (mean distance
d_n), or in the nearest lane of its own direction (d_c) and badly located. With position variance v of one independent
look, log-odds = prior + n (d_c² - d_n²) / 2v. Looks of one camera are not independent for about ten seconds, so n
counts cameras and spells of twelve seconds, not rows.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.fusion.tracking.tracks import IS_VEHICLE
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.following import follow
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.members import log_rows, object_sources
from city_brain.numerics import find_sorted
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

_SCHEMA = {
    "object_id": np.int64, "first_ms": np.int64, "last_ms": np.int64, "n": np.int64, "cameras": np.float64,
    "nearest_m": np.float64,
    "same_m": np.float64, "start_x": np.float64, "start_y": np.float64, "confidence": np.float64,
}  # fmt: skip


SPREAD_MIN = 2.5
"""A look's variance is at least so many times what its camera says of its error, or what is usual so far off: for usual
errors up to 100 m less than `variance_m2`.
"""


class WrongWayParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `WrongWay`."""

    speed_min_mps: float
    opposes_cos: float
    """Heading and lane oppose where their cosine is below the negative of this."""
    fixes_min: int
    travelled_min_m: float
    centre_max_m: float
    """Mean distance from the oncoming lane's centre; beyond it the vehicle rides beside the lane."""
    unlaned_m: float
    """d_c where no lane of its own direction is near."""
    variance_m2: float
    spell_s: float
    weight_max: float = 8.0
    """Beyond it no distance says more: a cyclist, or somebody who turns round, is as far from a lane of his own."""
    prior_log_odds: float
    confidence_min: float
    forget_s: float


class WrongWayState(msgspec.Struct):
    """Vehicles that oppose their nearest lane, in order of object id; sums over their fixes."""

    runs: Table


class WrongWay:
    """Follows vehicles against the direction of their lane (see the module)."""

    def __init__(self, type_name: str, parameters: WrongWayParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = WrongWayState(Table(_SCHEMA))

    def step(self, scene: Scene) -> list[Finding]:
        """Findings of the vehicles followed long and far enough."""
        runs, now_ms = self.state.runs, scene.now_ms
        runs.keep(runs["last_ms"] >= now_ms - 1000 * self.parameters.forget_s)
        objects = scene.objects.table
        if objects.n == 0:
            return []
        at = self._opposing(scene)
        if len(at):
            self._follow(scene, at)
        if runs.n == 0:
            return []
        index = find_sorted(objects["id"], runs["object_id"])
        turned = (index >= 0) & objects["fresh"][index] & (objects["speed"][index] > self.parameters.speed_min_mps)
        runs.keep(~turned | (runs["last_ms"] == now_ms))
        return self._findings(scene)

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The vehicles in a ring that drive against their nearest lane, and what each lacks."""
        runs, objects = self.state.runs, scene.objects.table
        if runs.n == 0 or objects.n == 0:
            return []
        index = find_sorted(objects["id"], runs["object_id"])
        travelled_m, weight = self._travelled_m(index, objects), self._weight(index, objects)
        barred = self._barred(travelled_m)
        found = []
        for k in np.flatnonzero((index >= 0) & ring.holds(objects["x"][index], objects["y"][index])).tolist():
            doubt = "it fits a lane of its own direction as well" if weight[k] <= 0.0 else ""
            bar = next((why for why, mask in barred if mask[k]), "")
            off_m, speed = float(runs["nearest_m"][k]), float(objects["speed"][index[k]])
            looked = Looked(
                key=f"{int(objects['birth_key'][index[k]]):016x}",
                x=float(objects["x"][index[k]]),
                y=float(objects["y"][index[k]]),
                since_ms=int(runs["first_ms"][k]),
                what=f"a vehicle drove {travelled_m[k]:.0f} m against a lane, {off_m:.1f} m off it, at {speed:.1f} m/s",
                lacks=bar or doubt,
                log_odds=None if bar else self.parameters.prior_log_odds + float(weight[k]),
                sources=object_sources(scene, int(runs["object_id"][k])),
            )
            found.append(looked)
        return found

    def _travelled_m(self, index: Ints, objects: Table) -> Floats:
        """How far (n,) the vehicles followed, `index` (n,) of the objects, have come."""
        runs = self.state.runs
        dx, dy = objects["x"][index] - runs["start_x"], objects["y"][index] - runs["start_y"]
        travelled: Floats = np.sqrt(dx**2 + dy**2)
        return travelled

    def _barred(self, travelled_m: Floats) -> list[tuple[str, Bools]]:
        """Which of the vehicles followed (n,) are not weighed, by reason."""
        limits, runs = self.parameters, self.state.runs
        return [
            (f"it must be followed for {limits.fixes_min} s", ~(runs["n"] >= limits.fixes_min)),
            (f"it must drive {limits.travelled_min_m:.0f} m so", ~(travelled_m >= limits.travelled_min_m)),
            ("it drove beside the lane, not in it", ~(runs["nearest_m"] <= limits.centre_max_m)),
            ("cameras were too unsure that it is a vehicle", ~(runs["confidence"] >= limits.confidence_min)),
        ]

    def _weight(self, index: Ints, objects: Table) -> Floats:
        """Log-odds (n,) of being in the oncoming lane against being badly located, of the vehicles followed, `index`
        (n,) of the objects.
        """
        limits, runs = self.parameters, self.state.runs
        looks = 1.0 + 0.5 * (runs["cameras"] - 1.0) + (runs["last_ms"] - runs["first_ms"]) / 1000.0 / limits.spell_s
        spread_m2 = objects["sigma_m"][index] ** 2 * np.maximum(objects["n_cameras"][index], 1)
        variance_m2 = np.maximum(limits.variance_m2, SPREAD_MIN * spread_m2)
        weight = looks * (runs["same_m"] ** 2 - runs["nearest_m"] ** 2) / (2.0 * variance_m2)
        bounded: Floats = np.minimum(weight, limits.weight_max)
        return bounded

    def _opposing(self, scene: Scene) -> Ints:
        """Vehicles that drive against their nearest lane, outside of junctions."""
        objects, limits = scene.objects.table, self.parameters
        along = objects["ux"] * objects["hx"] + objects["uy"] * objects["hy"]
        mask = objects["fresh"] & (objects["speed"] >= limits.speed_min_mps) & (objects["lane"] >= 0)
        mask &= (along < -limits.opposes_cos) & IS_VEHICLE[objects["cls"]]
        at = mask.nonzero()[0]
        if len(at):
            at = at[scene.ground.views.in_intersection(objects["x"][at], objects["y"][at]) < 0]
        return at

    def _follow(self, scene: Scene, at: Ints) -> None:
        objects, runs, now_ms = scene.objects.table, self.state.runs, scene.now_ms
        columns = {
            name: objects[name][at]
            for name in ("x", "y", "hx", "hy", "id", "n_cameras", "conf_sum", "n_rows", "offset_m")
        }
        match = scene.ground.roads.match_same_direction(columns["x"], columns["y"], columns["hx"], columns["hy"])
        same: Floats = np.where(match.lane >= 0, np.abs(match.offset_m), self.parameters.unlaned_m)
        same = np.minimum(same, self.parameters.unlaned_m)
        run = follow(
            runs, columns["id"], first_ms=now_ms, last_ms=now_ms, n=0, cameras=0.0, nearest_m=0.0, same_m=0.0,
            start_x=columns["x"], start_y=columns["y"], confidence=0.0,
        )  # fmt: skip
        runs["n"][run] += 1
        runs["last_ms"][run] = now_ms
        share = 1.0 / runs["n"][run]
        for name, value in (
            ("nearest_m", np.abs(columns["offset_m"])),
            ("same_m", same),
            ("cameras", columns["n_cameras"]),
        ):
            runs[name][run] += share * (value - runs[name][run])
        runs["confidence"][run] = columns["conf_sum"] / np.maximum(columns["n_rows"], 1)

    def _findings(self, scene: Scene) -> list[Finding]:
        runs, objects = self.state.runs, scene.objects.table
        index = find_sorted(objects["id"], runs["object_id"])
        weight = self._weight(index, objects)
        good = (index >= 0) & (weight > 0)
        for _, barred in self._barred(self._travelled_m(index, objects)):
            good &= ~barred
        return [self._finding(scene, int(k), int(index[k]), float(weight[k])) for k in np.flatnonzero(good)]

    def _finding(self, scene: Scene, run: int, index: int, weight: float) -> Finding:
        runs, objects = self.state.runs, scene.objects.table
        object_id = int(runs["object_id"][run])
        evidence = Evidence(
            what="against_lane",
            sources=object_sources(scene, object_id),
            weight=weight,
            first_ms=int(runs["first_ms"][run]),
            last_ms=int(runs["last_ms"][run]),
            distance_m=float(runs["nearest_m"][run]),
            rows=log_rows(scene, object_id),
            note={
                "speed_mps": round(float(objects["speed"][index]), 1),
                "own_lane_m": round(float(runs["same_m"][run]), 1),
            },
        )
        return Finding(
            type=self.type_name,
            key=f"{int(objects['birth_key'][index]):016x}",
            x=float(objects["x"][index]),
            y=float(objects["y"][index]),
            position_error_m=float(objects["sigma_m"][index]),
            first_seen_ms=int(runs["first_ms"][run]),
            log_odds=self.parameters.prior_log_odds + weight,
            evidence=(evidence,),
        )
