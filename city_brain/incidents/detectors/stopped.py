"""Stopped vehicle: one that stands in a lane longer than anything explains.

Every benign stop ends: a queue moves on, a red lamp turns green, loading takes less than a minute. So what counts is
not how long a vehicle stands but for how many seconds nothing explained it: no slow leader, no red lamp, no other
vehicles standing beside it. In a jam and where the lane ahead is out of view a leader may be hidden, so more seconds
are needed; vehicles that overtake tell that the road moves. A jam is over for a vehicle when the wave in which drivers
move off, one behind the other, can have come to it.
"""

import math

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.members import lamp_evidence, log_rows, object_sources
from city_brain.numerics import KeyIndex
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

USUAL_ERROR_M = 1.0
"""1 σ of places up to which offsets mean what they say; where they are off by more, what is parked beside a lane seems
to stand in it, so only what stands nearer to its middle is believed.
"""


class StoppedParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `StoppedVehicle`."""

    unexplained_s: float
    """Seconds that nothing explained, at which a stop is announced; loading ends sooner."""
    unexplained_bus_s: float
    unexplained_unwitnessed_s: float
    """Where no track saw it come and stop."""
    unexplained_jam_s: float
    jam_fill: float
    """From this filling of the road on it is taken for jammed."""
    wave_mps: float = 4.0
    """How fast the wave in which a queue moves off runs against the traffic (Treiber and Kesting 2013)."""
    own_green_s: float
    """Seconds of its own green, alone and first at the stop line."""
    own_green_pocket_s: float
    """The same in a turn pocket, where one waits for gaps in the oncoming traffic."""
    line_s: float = 240.0
    """Seconds first at the stop line, longer than two cycles of most lamps, where `line_overtakers` others got past."""
    line_overtakers: int = 6
    beside_share: float
    """What a second counts while others stand beside it: it may stand behind a leader that nobody sees."""
    out_of_view_share: float
    """What a second counts while the lane ahead is out of view and hardly anyone has overtaken."""
    overtakers_enough: int
    weight_per_s: float
    weight_max: float
    """More seconds do not tell a breakdown from a parked car that a camera shows in the lane."""
    witnessed_weight: float
    overtaker_weight: float
    prior_log_odds: float
    offset_max_m: float
    """Mean distance from the lane's centre; parked vehicles stand farther out."""
    offset_max_unwitnessed_m: float
    confidence_min: float
    confidence_min_unwitnessed: float
    believed_s: float
    """A vehicle that nobody sees is believed to go on standing for so long."""


class Told(msgspec.Struct):
    """A stand that was handed over: what its end needs."""

    x: float
    y: float
    first_ms: int


class StoppedState(msgspec.Struct):
    """Stands handed over in the last tick, by key; when each road (R,) was last jammed, -1 for never."""

    told: dict[str, Told]
    jammed_ms: np.ndarray


class StoppedVehicle:
    """Weighs the stands of the queue book (see the module)."""

    def __init__(self, type_name: str, parameters: StoppedParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = StoppedState({}, np.zeros(0, np.int64))

    def step(self, scene: Scene) -> list[Finding]:
        """Findings of the stands that are suspect, and the ends of those that drove off."""
        stands, fill = scene.queues.stands.table, scene.queues.filling.fill
        before = self.state.jammed_ms if len(self.state.jammed_ms) else np.full(len(fill), -1)
        self.state.jammed_ms = np.where(fill >= self.parameters.jam_fill, scene.now_ms, before)
        if stands.n == 0 and not self.state.told:
            return []
        at = np.flatnonzero(self._eligible(stands, scene.now_ms))
        weight, overtaken, total = self._weigh(scene, stands, at)
        suspect = np.flatnonzero(total > 0.0)
        findings = [self._finding(scene, int(at[k]), float(weight[k]), float(overtaken[k])) for k in suspect]
        told = {f.key: Told(f.x, f.y, f.first_seen_ms) for f in findings}
        ended = [self._end(key, self.state.told[key], scene) for key in self._gone(stands)]
        self.state.told = told
        return findings + ended

    def _gone(self, stands: Table) -> list[str]:
        """The stands handed over before that are there no more."""
        told = self.state.told
        there = np.zeros(len(told) + 1, dtype=np.bool_)
        there[KeyIndex(np.array([int(key, 16) for key in told], dtype=np.int64)).find(stands["key"])] = True
        return [key for key, stays in zip(told, there[:-1].tolist(), strict=True) if not stays]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The vehicles that stand in a ring, how long and why, and what each lacks."""
        stands = scene.queues.stands.table
        at = np.flatnonzero((stands["road"] >= 0) & ring.holds(stands["x"], stands["y"]))
        if len(at) == 0:
            return []
        total, needed_s = self._weigh(scene, stands, at)[2], self._needed_s(scene, stands, at)
        counted_s = self._counted_s(stands, at)
        barred = self._barred(stands, scene.now_ms)
        found = []
        for k, stand in enumerate(at.tolist()):
            bar = next((why for why, mask in barred if mask[stand]), "")
            short = self._short(stands, stand, float(counted_s[k]), float(needed_s[k])) if total[k] <= 0.0 else ""
            looked = Looked(
                key=f"{int(stands['key'][stand]):016x}",
                x=float(stands["x"][stand]),
                y=float(stands["y"][stand]),
                since_ms=int(stands["since_ms"][stand]),
                what=_stood(stands, stand),
                size=(int(stands["last_ms"][stand]) - int(stands["since_ms"][stand])) / 1000.0,
                lacks=bar or short,
                log_odds=None if bar else float(total[k]),
                sources=object_sources(scene, int(stands["object_id"][stand])),
            )
            found.append(looked)
        return found

    def _weigh(self, scene: Scene, stands: Table, at: Ints) -> tuple[Floats, Floats, Floats]:
        """Log-odds (n,) of the unexplained seconds of stands `at` (n,), of their overtakers, and in all."""
        limits = self.parameters
        weight = self._unexplained(scene, stands, at)
        overtaken: Floats = limits.overtaker_weight * np.minimum(stands["overtaken"][at], limits.overtakers_enough)
        return weight, overtaken, limits.prior_log_odds + limits.witnessed_weight + weight + overtaken

    def _barred(self, stands: Table, now_ms: int) -> list[tuple[str, Bools]]:
        """Which stands (n,) are not weighed at all, by reason."""
        limits = self.parameters
        arrived, came = stands["arrived"], stands["arrived"] | stands["appeared"]
        offset, most = (
            np.abs(stands["offset_m"]),
            np.where(arrived, limits.offset_max_m, limits.offset_max_unwitnessed_m),
        )
        sure = np.minimum((USUAL_ERROR_M / stands["sigma_m"]) ** 2, 1.0)
        least = np.where(arrived, limits.confidence_min, limits.confidence_min_unwitnessed)
        return [
            ("nobody saw it any more", now_ms - stands["last_ms"] > 1000 * limits.believed_s),
            ("nobody saw it come: it stood there from the first look on, as parked vehicles do", ~came),
            ("it stood too far from the middle of the lane, as parked vehicles do", came & ~(offset <= most * sure)),
            ("cameras were too unsure that it is a vehicle", ~(stands["confidence"] >= least)),
        ]

    def _eligible(self, stands: Table, now_ms: int) -> Bools:
        mask: Bools = stands["road"] >= 0
        for _, barred in self._barred(stands, now_ms):
            mask &= ~barred
        return mask

    def _unexplained(self, scene: Scene, stands: Table, at: Ints) -> Floats:
        """Log-odds (n,) of the unexplained seconds of stands `at` (n,)."""
        limits, roads = self.parameters, scene.ground.roads
        flows = stands["overtaken"][at] >= limits.overtakers_enough
        on_road = limits.weight_per_s * (self._counted_s(stands, at) - self._needed_s(scene, stands, at))
        green_needed = np.where(roads.turn_lane[stands["lane"][at]], limits.own_green_pocket_s, limits.own_green_s)
        at_line = np.where(flows, limits.weight_per_s * (stands["green_s"][at] - green_needed), -np.inf)
        passed = stands["overtaken"][at] >= limits.line_overtakers
        cycles = np.where(passed, limits.weight_per_s * (stands["line_s"][at] - limits.line_s), -np.inf)
        weight: Floats = np.minimum(np.maximum(on_road, np.maximum(at_line, cycles)), limits.weight_max)
        return weight

    def _counted_s(self, stands: Table, at: Ints) -> Floats:
        """Seconds (n,) of stands `at` (n,) that nothing explained, doubtful ones in part."""
        limits = self.parameters
        flows = stands["overtaken"][at] >= limits.overtakers_enough
        seconds = stands["free_s"][at] + stands["dim_s"][at] * np.where(flows, 1.0, limits.out_of_view_share)
        counted: Floats = seconds + stands["beside_s"][at] * limits.beside_share
        return counted

    def _short(self, stands: Table, stand: int, counted_s: float, needed_s: float) -> str:
        """What a stand lacks that is weighed and too little, in words."""
        free = f"nothing explains {counted_s:.0f} s of it, {needed_s:.0f} s are needed"
        green_s, limits = float(stands["green_s"][stand]), self.parameters
        if green_s < 1.0:
            return free
        passed = f"{int(stands['overtaken'][stand])} vehicles passed it, {limits.overtakers_enough} are needed"
        green = f"its own lamp was green for {green_s:.0f} s of it, {limits.own_green_s:.0f} s are needed"
        return f"{free}; and {green}, while {passed}"

    def _needed_s(self, scene: Scene, stands: Table, at: Ints) -> Floats:
        """Seconds (n,) without an explanation at which stands `at` (n,) weigh nothing for or against."""
        limits = self.parameters
        bus, arrived, road = stands["cls"][at] == int(ObjectClass.BUS), stands["arrived"][at], stands["road"][at]
        needed: Floats = np.where(bus, limits.unexplained_bus_s, limits.unexplained_s)
        needed = np.where(arrived, needed, np.maximum(needed, limits.unexplained_unwitnessed_s))
        since_s = np.where(self.state.jammed_ms[road] < 0, np.inf, (scene.now_ms - self.state.jammed_ms[road]) / 1000.0)
        jammed = since_s <= np.maximum(stands["to_stop_m"][at], 0.0) / limits.wave_mps
        return np.where(jammed, np.maximum(needed, limits.unexplained_jam_s), needed)

    def _finding(self, scene: Scene, stand: int, weight: float, overtaken: float) -> Finding:
        stands, limits = scene.queues.stands.table, self.parameters
        object_id, since_ms, last_ms = (int(stands[name][stand]) for name in ("object_id", "since_ms", "last_ms"))
        sources = object_sources(scene, object_id)
        rows = log_rows(scene, object_id)
        figures = {
            name: round(float(stands[name][stand]), 1)
            for name in ("free_s", "dim_s", "beside_s", "line_s", "green_s", "queued_s", "offset_m", "to_stop_m")
        }
        witnessed = "seen_arriving" if stands["arrived"][stand] else "appeared_standing"
        evidence = [
            Evidence(
                what="stands_unexplained",
                sources=sources,
                weight=weight,
                first_ms=since_ms,
                last_ms=last_ms,
                rows=rows,
                note={**figures},
            ),
            Evidence(
                what=witnessed, sources=sources, weight=limits.witnessed_weight, first_ms=since_ms, last_ms=since_ms
            ),
            *lamp_evidence(scene, stand),
        ]
        if overtaken > 0.0:
            note = {"vehicles": int(stands["overtaken"][stand])}
            evidence.append(
                Evidence(
                    what="overtaken",
                    sources=sources,
                    weight=overtaken,
                    first_ms=since_ms,
                    last_ms=last_ms,
                    note={**note},
                )
            )
        return Finding(
            type=self.type_name,
            key=f"{int(stands['key'][stand]):016x}",
            x=float(stands["x"][stand]),
            y=float(stands["y"][stand]),
            position_error_m=0.6,
            first_seen_ms=since_ms,
            log_odds=limits.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
            road=scene.ground.roads.road_id[int(stands["road"][stand])],
        )

    def _end(self, key: str, last: Told, scene: Scene) -> Finding:
        """The vehicle of a stand handed over before was seen to drive off, or has long been out of sight."""
        return Finding(
            type=self.type_name, key=key, x=last.x, y=last.y, position_error_m=0.6, first_seen_ms=last.first_ms,
            log_odds=0.0, evidence=(), gone=True,
        )  # fmt: skip


def _stood(stands: Table, stand: int) -> str:
    """How long a vehicle stood, and which of its seconds something explains."""
    cls = ObjectClass(int(stands["cls"][stand])).name.lower()
    stood_s = (int(stands["last_ms"][stand]) - int(stands["since_ms"][stand])) / 1000.0
    queued_s, beside_s = float(stands["queued_s"][stand]), float(stands["beside_s"][stand])
    free_s = float(stands["free_s"][stand] + stands["dim_s"][stand])
    first_s = max(stood_s - queued_s - beside_s - free_s, 0.0)
    parts = (
        ("behind a slow vehicle", queued_s),
        ("beside standing vehicles", beside_s),
        ("first at a stop line or in a junction, or unseen", first_s),
        ("with nothing to explain it", free_s),
    )
    spent = ", ".join(f"{seconds:.0f} s {how}" for how, seconds in parts if seconds >= 1.0)
    return f"a {cls} stood for {stood_s:.0f} s" + (f" ({spent})" if spent else "")
