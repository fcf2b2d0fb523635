"""Crash: a vehicle that stops abruptly on the road and stays, and what else speaks for a collision there.

A candidate is a stand that began with hard braking, or while a bang was heard. Independent witnesses then weigh in:
how hard it braked, whether noise sensors agree on a bang at that place and time, whether vehicles there stand askew,
a second one that stopped in the same seconds, people on the lane. Silence of sensors that must have heard it
contradicts.
"""

import msgspec
import numpy as np

from city_brain.fusion.queues.stands import IS_VEHICLE
from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.crash.bang import BangParameters, Heard, hear, places_in_noise
from city_brain.incidents.hypothesis import Evidence, Finding, Note
from city_brain.incidents.members import log_rows, object_sources
from city_brain.numerics import find_sorted
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Ints

_BRAKED = {"object_id": np.int64, "time_ms": np.int64, "brake": np.float64, "row": (np.int64, (3,))}


class CrashParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Crash`."""

    brake_min_mps2: float
    """Drivers brake with up to 4.5 m/s²; tyres hold 7 to 8 on a dry road."""
    brake_weight: float
    brake_weight_per_mps2: float
    brake_weight_max: float
    braked_within_s: float
    stays_s: float
    candidate_age_max_s: float
    """A stop older than this and not suspect is no candidate any more."""
    hopeless_log_odds: float
    """Below it, once noise has settled, people and skew cannot make a crash of it."""
    offset_max_m: float
    skew_weight_per_sine: float
    skew_weight_max: float
    skew_margin: float
    skew_margin_one: float
    """A sine of heading to lane that says nothing: `skew_margin` + `skew_margin_one` / √n for n headings."""
    company_m: float
    company_s: float
    company_weight: float
    company_braked_weight: float
    people_m: float
    people_within_s: float
    people_weight_each: float
    people_weight_max: float
    crosswalk_m: float
    cluster_m: float
    prior_log_odds: float
    believed_s: float
    bang: BangParameters


class Candidate(msgspec.Struct):
    """A stop that may be a crash; `brake` m/s², 0 where no hard braking was seen; `heard` once noise has settled."""

    stand: int
    x: float
    y: float
    since_ms: int
    brake: float
    brake_ms: int
    brake_row: tuple[int, int, int]
    heard: Heard | None = None
    people: int = 0
    people_ms: int = 0
    log_odds: float = 0.0
    told: bool = False


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
        judged: list[tuple[Candidate, Finding]] = []
        for name, candidate in list(self.state.candidates.items()):
            stand = self._stand(candidate, scene)
            if stand is None:
                if candidate.told:
                    judged.append((candidate, self._gone(name, candidate)))
                del self.state.candidates[name]
                continue
            finding = self._judge(name, candidate, stand, scene)
            if finding is not None:
                judged.append((candidate, finding))
            elif self._hopeless(candidate, scene.now_ms):
                del self.state.candidates[name]
        return self._strongest(judged)

    def _note_braking(self, scene: Scene) -> None:
        limits, objects, rows = self.parameters, scene.objects.table, scene.tick.rows
        braked = self.state.braked
        braked.keep(braked["time_ms"] >= scene.now_ms - int(1000 * limits.braked_within_s))
        mask = objects["fresh"] & (objects["brake"] >= limits.brake_min_mps2) & (objects["lane"] >= 0)
        at = np.flatnonzero(mask & IS_VEHICLE[objects["cls"]])
        if len(at):
            tracks = scene.tracks.table
            fresh = np.flatnonzero(tracks["fresh"])
            order = np.argsort(tracks["object_id"][fresh], kind="stable")
            row = tracks["row"][fresh[order][find_sorted(tracks["object_id"][fresh][order], objects["id"][at])]]
            place = np.stack([rows.raw_partition[row], rows.offset[row], rows.sub[row]], axis=1)
            braked.append(
                len(at), object_id=objects["id"][at], time_ms=scene.now_ms, brake=objects["brake"][at], row=place
            )

    def _take_candidates(self, scene: Scene) -> None:
        """Makes candidates of the stands that just began abruptly, or while something was loud around them."""
        limits, stands, braked = self.parameters, scene.queues.stands.table, self.state.braked
        young_ms = int(1000 * limits.braked_within_s)
        new = stands["fresh"] & (scene.now_ms - stands["since_ms"] <= young_ms) & (stands["road"] >= 0)
        new &= (np.abs(stands["offset_m"]) <= limits.offset_max_m) & (stands["arrived"] | stands["appeared"])
        at = np.flatnonzero(new)
        if len(at) == 0:
            return
        hardest = self._hardest(stands["object_id"][at])
        since_ms = scene.now_ms - young_ms
        loud = places_in_noise(scene.sensors, limits.bang, stands["x"][at], stands["y"][at], since_ms)
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
            )  # fmt: skip

    def _hardest(self, object_id: Ints) -> Ints:
        """Row (n,) in `braked` of the hardest braking of each object, -1 for none."""
        braked = self.state.braked
        order = np.lexsort((-braked["brake"], braked["object_id"]))
        found = find_sorted(braked["object_id"][order], object_id)
        return np.where(found >= 0, order[found] if len(order) else -1, -1)

    def _stand(self, candidate: Candidate, scene: Scene) -> int | None:
        """Index of the candidate's stand, None when it drove off or has long been out of sight."""
        stands = scene.queues.stands.table
        where = np.flatnonzero(stands["key"] == candidate.stand)
        if len(where) == 0 or scene.now_ms - stands["last_ms"][where[0]] > 1000 * self.parameters.believed_s:
            return None
        return int(where[0])

    def _hopeless(self, candidate: Candidate, now_ms: int) -> bool:
        """Whether what may still come cannot make a crash of it."""
        limits = self.parameters
        age_s = (now_ms - candidate.since_ms) / 1000.0
        settled = age_s > 2.0 * limits.bang.late_s
        return age_s > limits.candidate_age_max_s or (settled and candidate.log_odds < limits.hopeless_log_odds)

    def _judge(self, name: str, candidate: Candidate, stand: int, scene: Scene) -> Finding | None:
        """The finding of a candidate now, None while it is not suspect."""
        limits, stands = self.parameters, scene.queues.stands.table
        candidate.x, candidate.y = float(stands["x"][stand]), float(stands["y"][stand])
        company = self._company(candidate, scene)
        self._count_people(candidate, scene)
        heard = self._heard(candidate, scene)
        askew, skew_weight, sine = self._skew(np.append(company, stand), scene)
        weights = {
            "abrupt_stop": self._brake_weight(candidate.brake),
            "bang": heard.weight if heard is not None else 0.0,
            "stands_askew": skew_weight,
            "second_vehicle": self._company_weight(candidate, company, scene),
            "people_on_lane": min(limits.people_weight_each * candidate.people, limits.people_weight_max),
        }
        candidate.log_odds = limits.prior_log_odds + sum(weights.values())
        if scene.now_ms - candidate.since_ms < 1000 * limits.stays_s or candidate.log_odds <= 0.0:
            return None
        note: dict[str, Note] = {
            "abrupt_stop": {"brake_mps2": round(candidate.brake, 1)},
            "stands_askew": {"sine": round(sine, 2), "headings": int(stands["head_n"][askew])},
            "people_on_lane": {"people": candidate.people},
        }
        who = {"stands_askew": askew, "second_vehicle": int(company[0]) if len(company) else stand}
        evidence = [
            self._evidence(what, weight, who.get(what, stand), note.get(what, {}), candidate, scene)
            for what, weight in weights.items()
            if weight != 0.0 and what != "bang"
        ]
        if heard is not None:
            evidence.append(_bang_evidence(heard))
        return Finding(
            type=self.type_name,
            key=name,
            x=candidate.x,
            y=candidate.y,
            position_error_m=2.0,
            first_seen_ms=candidate.since_ms,
            log_odds=candidate.log_odds,
            evidence=tuple(evidence),
            road=scene.ground.roads.road_id[int(stands["road"][stand])],
        )

    def _evidence(
        self, what: str, weight: float, stand: int, note: Note, candidate: Candidate, scene: Scene
    ) -> Evidence:
        stands = scene.queues.stands.table
        object_id = int(stands["object_id"][stand])
        first_ms, last_ms = int(stands["since_ms"][stand]), int(stands["last_ms"][stand])
        rows = log_rows(scene, object_id)
        if what == "abrupt_stop":
            first_ms = last_ms = candidate.brake_ms
            rows = (candidate.brake_row,)
        elif what == "people_on_lane":
            first_ms = last_ms = candidate.people_ms
        return Evidence(
            what=what, sources=object_sources(scene, object_id), weight=weight, first_ms=first_ms, last_ms=last_ms,
            rows=rows, note=note,
        )  # fmt: skip

    def _brake_weight(self, brake: float) -> float:
        limits = self.parameters
        if brake <= 0.0:
            return 0.0
        over = brake - limits.brake_min_mps2
        return min(limits.brake_weight + limits.brake_weight_per_mps2 * over, limits.brake_weight_max)

    def _heard(self, candidate: Candidate, scene: Scene) -> Heard | None:
        """What was heard of it; asked anew until it has settled."""
        if candidate.heard is not None:
            return candidate.heard
        limits, now_ms = self.parameters.bang, scene.now_ms
        heard = hear(scene.sensors, limits, candidate.x, candidate.y, candidate.since_ms, now_ms)
        if heard is not None and heard.settled and now_ms - candidate.since_ms > 2000 * limits.late_s:
            candidate.heard = heard
        return heard

    def _company(self, candidate: Candidate, scene: Scene) -> Ints:
        """Stands within reach that began in the same seconds, the nearest first."""
        limits, stands = self.parameters, scene.queues.stands.table
        away2 = (stands["x"] - candidate.x) ** 2 + (stands["y"] - candidate.y) ** 2
        mask = (away2 <= limits.company_m**2) & (stands["key"] != candidate.stand)
        mask &= np.abs(stands["since_ms"] - candidate.since_ms) <= 1000 * limits.company_s
        mask &= (np.abs(stands["offset_m"]) <= limits.offset_max_m) & (stands["arrived"] | stands["appeared"])
        at = np.flatnonzero(mask)
        ordered: Ints = at[np.argsort(away2[at], kind="stable")]
        return ordered

    def _company_weight(self, candidate: Candidate, company: Ints, scene: Scene) -> float:
        limits, stands = self.parameters, scene.queues.stands.table
        if len(company) == 0:
            return 0.0
        other = self.state.candidates.get(f"{int(stands['key'][company[0]]):016x}")
        braked = other is not None and other.brake > 0.0 and candidate.brake > 0.0
        return limits.company_braked_weight if braked else limits.company_weight

    def _skew(self, at: Ints, scene: Scene) -> tuple[int, float, float]:
        """Of the stands `at` the one that stands most clearly across its lane: its index, log-odds, sine."""
        limits, stands = self.parameters, scene.queues.stands.table
        n = stands["head_n"][at]
        hx, hy = stands["head_x"][at], stands["head_y"][at]
        length = np.maximum(np.sqrt(hx * hx + hy * hy), 1e-9)
        sine = np.abs(hx * stands["uy"][at] - hy * stands["ux"][at]) / length
        margin = limits.skew_margin + limits.skew_margin_one / np.sqrt(np.maximum(n, 1))
        weight = np.minimum(limits.skew_weight_per_sine * (sine - margin), limits.skew_weight_max)
        weight = np.where(n >= 3, np.maximum(weight, 0.0), 0.0)
        best = int(np.argmax(weight))
        return int(at[best]), float(weight[best]), float(sine[best])

    def _count_people(self, candidate: Candidate, scene: Scene) -> None:
        """People who stand about on the road beside the stopped vehicle, away from any crosswalk."""
        limits, objects, now_ms = self.parameters, scene.objects.table, scene.now_ms
        if now_ms - candidate.since_ms > 1000 * limits.people_within_s:
            return
        away2 = (objects["x"] - candidate.x) ** 2 + (objects["y"] - candidate.y) ** 2
        mask = objects["fresh"] & (objects["cls"] == ObjectClass.PERSON) & (away2 <= limits.people_m**2)
        mask &= (objects["lane"] >= 0) & (objects["standing_since_ms"] >= 0) & (objects["n_rows"] >= 3)
        mask &= np.abs(objects["offset_m"]) <= limits.offset_max_m
        if not mask.any():
            return
        x, y = np.array([candidate.x]), np.array([candidate.y])
        if float(scene.ground.views.near_crosswalk(x, y)[0]) > limits.crosswalk_m:
            count = int(np.count_nonzero(mask))
            if count > candidate.people:
                candidate.people, candidate.people_ms = count, now_ms

    def _strongest(self, findings: list[tuple[Candidate, Finding]]) -> list[Finding]:
        """Of candidates within `cluster_m` of each other only the strongest, the oldest of equals."""
        ordered = sorted(findings, key=lambda pair: (-pair[1].log_odds, pair[0].since_ms, pair[1].key))
        kept: list[tuple[Candidate, Finding]] = []
        for candidate, finding in ordered:
            alone = all(
                (candidate.x - other.x) ** 2 + (candidate.y - other.y) ** 2 > self.parameters.cluster_m**2
                for other, _ in kept
            )
            if finding.gone or alone:
                kept.append((candidate, finding))
                candidate.told = not finding.gone
        return [finding for _, finding in kept]

    def _gone(self, name: str, candidate: Candidate) -> Finding:
        return Finding(
            type=self.type_name, key=name, x=candidate.x, y=candidate.y, position_error_m=2.0,
            first_seen_ms=candidate.since_ms, log_odds=candidate.log_odds, evidence=(), gone=True,
        )  # fmt: skip


def _bang_evidence(heard: Heard) -> Evidence:
    return Evidence(
        what="bang_fits" if heard.sources else "no_bang_heard",
        sources=heard.sources,
        weight=heard.weight,
        first_ms=heard.first_ms,
        last_ms=heard.last_ms,
        rows=heard.rows,
        note={"deviation_db": round(heard.deviation_db, 2), "sensors": len(heard.sources)},
    )
