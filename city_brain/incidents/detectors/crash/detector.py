"""Crash: a vehicle that stops abruptly on the road and stays, and what else speaks for a collision there.

A candidate is a stand that began with hard braking, or while a bang was heard. Independent witnesses then weigh in:
how hard it braked, whether noise sensors agree on a bang at that place and time, whether vehicles there stand askew,
a second one that stopped in the same seconds, people on the lane. Silence of sensors that must have heard it
contradicts.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from city_brain.city.grid.pairs import near_pairs
from city_brain.fusion.scene import Scene
from city_brain.fusion.tracking.tracks import IS_VEHICLE
from city_brain.incidents.detectors.crash.bang import Ears, Hearing
from city_brain.incidents.detectors.crash.parameters import CrashParameters
from city_brain.incidents.detectors.crash.weighing import Candidate, Weighed, stands_of, weigh
from city_brain.incidents.detectors.looking import Looked, Ring, listed
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.members import lamp_evidence, log_rows, object_sources
from city_brain.numerics import find_sorted
from city_brain.table import Table
from city_brain.types import Floats, Ints

_BRAKED = {"object_id": np.int64, "time_ms": np.int64, "brake": np.float64, "row": (np.int64, (3,))}


class CrashState(msgspec.Struct):
    """Hard braking of the last seconds, and candidates by the key of their stand."""

    braked: Table
    candidates: dict[str, Candidate]


class Crash:
    """Follows abrupt stops (see the module)."""

    def __init__(self, type_name: str, parameters: CrashParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = CrashState(Table(_BRAKED), {})

    def step(self, scene: Scene) -> list[Finding]:
        """Findings of the candidates that are suspect; of several at one place only the strongest."""
        self._note_braking(scene)
        self._take_candidates(scene)
        if not self.state.candidates:
            return []
        gone = self._drop_absent(scene)
        names, candidates = list(self.state.candidates), list(self.state.candidates.values())
        stand = stands_of(candidates, scene.queues.stands.table)
        weighed = weigh(candidates, stand, scene, self.parameters)
        said = [(candidate.log_odds, candidate.since_ms, name, -1) for name, candidate in gone.items()]
        for k, (name, candidate) in enumerate(zip(names, candidates, strict=True)):
            if self._believe(candidate, int(stand[k]), float(weighed.total[k]), scene):
                said.append((candidate.log_odds, candidate.since_ms, name, k))
            elif self._hopeless(candidate, scene):
                del self.state.candidates[name]
        return self._strongest(said, gone, stand, weighed, scene)

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The abrupt stops in a ring with what speaks for each, and the vehicles that have just stopped gently."""
        known, stands = self.state.candidates, scene.queues.stands.table
        stand = stands_of(list(known.values()), stands)
        candidates = [item for item, at in zip(known.items(), stand.tolist(), strict=True) if at >= 0]
        inside = [(name, item) for name, item in candidates if ring.holds(np.array(item.x), np.array(item.y))]
        found = [self._abrupt(name, item, scene) for name, item in inside]
        young_ms = scene.now_ms - int(1000 * self.parameters.braked_within_s)
        gentle = stands["fresh"] & (stands["since_ms"] >= young_ms) & (stands["road"] >= 0) & stands["arrived"]
        for at in np.flatnonzero(gentle & ring.holds(stands["x"], stands["y"])).tolist():
            name = f"{int(stands['key'][at]):016x}"
            if name not in known:
                found.append(self._gentle(name, at, scene))
        return found

    def _abrupt(self, name: str, candidate: Candidate, scene: Scene) -> Looked:
        weighed = weigh([candidate], stands_of([candidate], scene.queues.stands.table), scene, self.parameters)
        columns = (
            ("braking", weighed.abrupt), (_heard(weighed.heard), weighed.heard.weight), ("stands askew", weighed.skew),
            ("second vehicle", weighed.second), ("people on the lane", weighed.people),
        )  # fmt: skip
        parts = listed([("prior", self.parameters.prior_log_odds), *((what, float(of[0])) for what, of in columns)])
        stood_s, wanted_s = self._age_s(candidate, scene), self.parameters.stays_s
        lacks = "" if candidate.log_odds > 0.0 else "what speaks for a crash does not outweigh the prior"
        if not lacks and stood_s < wanted_s:
            lacks = f"it must stand for {wanted_s:.0f} s"
        braked = f"braked with {candidate.brake:.1f} m/s² and " if candidate.brake > 0.0 else ""
        return Looked(
            key=name, x=candidate.x, y=candidate.y, since_ms=candidate.since_ms,
            what=f"a vehicle {braked}stopped ({parts})", lacks=lacks, log_odds=candidate.log_odds,
        )  # fmt: skip

    def _gentle(self, name: str, stand: int, scene: Scene) -> Looked:
        limits, stands = self.parameters, scene.queues.stands.table
        return Looked(
            key=name,
            x=float(stands["x"][stand]),
            y=float(stands["y"][stand]),
            since_ms=int(stands["since_ms"][stand]),
            what="a vehicle stopped gently",
            lacks=f"nobody saw it brake with {limits.brake_min_mps2} m/s² or more, "
            f"nor did {limits.bang.sensors_min} noise sensors hear something loud then",
            sources=object_sources(scene, int(stands["object_id"][stand])),
        )

    def _believe(self, candidate: Candidate, stand: int, total: float, scene: Scene) -> bool:
        """Takes a total over; answers whether it is suspect, and has stood long enough to be."""
        stands = scene.queues.stands.table
        candidate.x, candidate.y, candidate.log_odds = float(stands["x"][stand]), float(stands["y"][stand]), total
        return total > 0.0 and self._age_s(candidate, scene) >= self.parameters.stays_s

    def _hopeless(self, candidate: Candidate, scene: Scene) -> bool:
        """Whether what may still come cannot make a crash of it."""
        limits, age_s = self.parameters, self._age_s(candidate, scene)
        settled = age_s > 2.0 * limits.bang.late_s
        past = age_s > limits.candidate_age_max_s and candidate.log_odds < 0.0
        return past or (settled and candidate.log_odds < limits.hopeless_log_odds)

    def _age_s(self, candidate: Candidate, scene: Scene) -> float:
        return (scene.now_ms - candidate.since_ms) / 1000.0

    def _drop_absent(self, scene: Scene) -> dict[str, Candidate]:
        """Forgets the candidates whose stand is gone or long out of sight; answers those handed over before."""
        known, stands = self.state.candidates, scene.queues.stands.table
        stand = stands_of(list(known.values()), stands)
        if stands.n:
            believed_ms = scene.now_ms - 1000 * self.parameters.believed_s
            stand[stands["last_ms"][stand] < believed_ms] = -1
        absent = [name for name, at in zip(list(known), stand.tolist(), strict=True) if at < 0]
        dropped = {name: known.pop(name) for name in absent}
        return {name: candidate for name, candidate in dropped.items() if candidate.told}

    def _note_braking(self, scene: Scene) -> None:
        limits, objects, rows = self.parameters, scene.objects.table, scene.tick.rows
        braked = self.state.braked
        braked.keep(braked["time_ms"] >= scene.now_ms - int(1000 * limits.braked_within_s))
        mask = objects["fresh"] & (objects["brake"] >= limits.brake_min_mps2) & (objects["lane"] >= 0)
        at = np.flatnonzero(mask & IS_VEHICLE[objects["cls"]])
        if len(at):
            tracks = [scene.fresh_tracks_of.of(number)[:1] for number in objects["id"][at].tolist()]
            at = at[[len(found) > 0 for found in tracks]]
            row = scene.tracks.table["row"][scene.fresh_tracks[np.concatenate(tracks)]]
            place = np.stack([rows.raw_partition[row], rows.offset[row], rows.sub[row]], axis=1)
            braked.append(
                len(at), object_id=objects["id"][at], time_ms=scene.now_ms, brake=objects["brake"][at], row=place
            )

    def _take_candidates(self, scene: Scene) -> None:
        """Makes candidates of the stands that just began abruptly, or while something was loud."""
        limits, stands, braked = self.parameters, scene.queues.stands.table, self.state.braked
        young_ms = int(1000 * limits.braked_within_s)
        new = stands["fresh"] & (scene.now_ms - stands["since_ms"] <= young_ms) & (stands["road"] >= 0)
        new &= (np.abs(stands["offset_m"]) <= limits.offset_max_m) & (stands["arrived"] | stands["appeared"])
        at = np.flatnonzero(new)
        if len(at) == 0:
            return
        hardest = self._hardest(stands["object_id"][at])
        loud = self._loud_about(scene, stands["x"][at], stands["y"][at]) >= limits.bang.sensors_min
        for k in np.flatnonzero((hardest >= 0) | (loud & ~stands["queued"][at])).tolist():
            stand, event = int(at[k]), int(hardest[k])
            name = f"{int(stands['key'][stand]):016x}"
            known = self.state.candidates.get(name)
            if known is not None and (event < 0 or known.brake >= braked["brake"][event]):
                continue
            hard = event >= 0
            self.state.candidates[name] = Candidate(
                stand=int(stands["key"][stand]), x=float(stands["x"][stand]), y=float(stands["y"][stand]),
                since_ms=int(stands["since_ms"][stand]), brake=float(braked["brake"][event]) if hard else 0.0,
                brake_ms=int(braked["time_ms"][event]) if hard else 0,
                brake_row=tuple(braked["row"][event].tolist()) if hard else (0, 0, 0),
                people=0, people_ms=0, log_odds=0.0, told=False,
            )  # fmt: skip

    def _loud_about(self, scene: Scene, x: Floats, y: Floats) -> Ints:
        """How many sensors within reach of places (n,) have been loud in the last seconds."""
        limits, table = self.parameters, scene.sensors.table
        ears = Ears.of(scene.sensors, limits.bang)
        loud = ears.loud_since(scene.now_ms - int(1000 * limits.braked_within_s))
        place, _ = near_pairs(x, y, table["x"][loud], table["y"][loud], limits.bang.reach_m)
        return np.bincount(place, minlength=len(x))

    def _hardest(self, object_id: Ints) -> Ints:
        """Row (n,) in `braked` of the hardest braking of each object, -1 for none."""
        braked = self.state.braked
        order = np.lexsort((-braked["brake"], braked["object_id"]))
        found = find_sorted(braked["object_id"][order], object_id)
        return np.where(found >= 0, order[found] if len(order) else -1, -1)

    def _strongest(
        self,
        said: list[tuple[float, int, str, int]],
        gone: dict[str, Candidate],
        stand: Ints,
        weighed: Weighed,
        scene: Scene,
    ) -> list[Finding]:
        """Of candidates within `cluster_m` of each other only the strongest, the oldest of equals; and the ends.

        `said`: log-odds, beginning, name and number of those that may be told, number -1 for those `gone`.
        """
        kept: list[Candidate] = []
        findings: list[Finding] = []
        for _, _, name, number in sorted(said, key=lambda item: (-item[0], item[1], item[2])):
            candidate = gone[name] if number < 0 else self.state.candidates[name]
            alone = all(
                (candidate.x - other.x) ** 2 + (candidate.y - other.y) ** 2 > self.parameters.cluster_m**2
                for other in kept
            )
            if number < 0:
                findings.append(self._gone(name, candidate))
            elif alone:
                findings.append(self._finding(name, candidate, number, int(stand[number]), weighed, scene))
            if alone or number < 0:
                kept.append(candidate)
                candidate.told = number >= 0
        return findings

    def _finding(
        self, name: str, candidate: Candidate, number: int, stand: int, weighed: Weighed, scene: Scene
    ) -> Finding:
        return Finding(
            type=self.type_name,
            key=name,
            x=candidate.x,
            y=candidate.y,
            position_error_m=2.0,
            first_seen_ms=candidate.since_ms,
            log_odds=candidate.log_odds,
            evidence=tuple(self._evidence(candidate, number, stand, weighed, scene)),
            road=scene.ground.roads.road_id[int(scene.queues.stands.table["road"][stand])],
        )

    def _evidence(
        self, candidate: Candidate, number: int, stand: int, weighed: Weighed, scene: Scene
    ) -> Iterator[Evidence]:
        """What was weighed, in words; `number` of the candidate among those weighed."""
        sources = object_sources(scene, int(scene.queues.stands.table["object_id"][stand]))
        if candidate.brake > 0.0:
            yield Evidence(
                what="abrupt_stop",
                sources=sources,
                weight=float(weighed.abrupt[number]),
                first_ms=candidate.brake_ms,
                last_ms=candidate.brake_ms,
                rows=(candidate.brake_row,),
                note={"brake_mps2": round(candidate.brake, 1)},
            )
        if weighed.heard.said[number]:
            yield _bang_evidence(weighed.heard, number)
        if weighed.skew[number] > 0.0:
            yield self._askew(int(weighed.askew[number]), float(weighed.skew[number]), scene)
        if weighed.beside[number] >= 0:
            yield self._second(int(weighed.beside[number]), float(weighed.second[number]), scene)
        if candidate.people:
            yield Evidence(
                what="people_on_lane",
                sources=sources,
                weight=float(weighed.people[number]),
                first_ms=candidate.people_ms,
                last_ms=candidate.people_ms,
                note={"people": candidate.people},
            )
        yield from lamp_evidence(scene, stand)

    def _second(self, stand: int, weight: float, scene: Scene) -> Evidence:
        stands = scene.queues.stands.table
        object_id = int(stands["object_id"][stand])
        return Evidence(
            what="second_vehicle",
            sources=object_sources(scene, object_id),
            weight=weight,
            first_ms=int(stands["since_ms"][stand]),
            last_ms=int(stands["last_ms"][stand]),
            rows=log_rows(scene, object_id),
        )

    def _askew(self, stand: int, weight: float, scene: Scene) -> Evidence:
        stands = scene.queues.stands.table
        object_id, n = int(stands["object_id"][stand]), int(stands["head_n"][stand])
        hx, hy, ux, uy = (float(stands[name][stand]) for name in ("head_x", "head_y", "ux", "uy"))
        sine = abs(hx * uy - hy * ux) / max(math.sqrt(hx * hx + hy * hy), 1e-9)
        return Evidence(
            what="stands_askew",
            sources=object_sources(scene, object_id),
            weight=weight,
            first_ms=int(stands["since_ms"][stand]),
            last_ms=int(stands["last_ms"][stand]),
            rows=log_rows(scene, object_id),
            note={"sine": round(sine, 2), "headings": n},
        )

    def _gone(self, name: str, candidate: Candidate) -> Finding:
        return Finding(
            type=self.type_name, key=name, x=candidate.x, y=candidate.y, position_error_m=2.0,
            first_seen_ms=candidate.since_ms, log_odds=candidate.log_odds, evidence=(), gone=True,
        )  # fmt: skip


def _bang_evidence(hearing: Hearing, number: int) -> Evidence:
    heard = hearing.of(number)
    return Evidence(
        what="bang_fits" if heard.sources else "no_bang_heard",
        sources=heard.sources,
        weight=float(hearing.weight[number]),
        first_ms=heard.first_ms,
        last_ms=heard.last_ms,
        rows=heard.rows,
        note={
            "deviation_db": round(float(hearing.deviation_db[number]), 2), "verified": bool(hearing.verified[number])
        },
    )  # fmt: skip


def _heard(hearing: Hearing) -> str:
    """What is heard at the first place, in words."""
    if not hearing.fits[0]:
        return "no bang heard where one must be"
    return "bang" if hearing.weight[0] > 0.0 else "noise that lasts or that others near do not hear"
