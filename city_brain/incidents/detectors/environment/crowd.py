"""Crowd: many people who stay in one place, far more than usually wait there.

People are counted who stand or stroll within a few metres of one another. The count is averaged over some seconds
(cameras lose people behind people), and held against the usual count of the place: a bus stop has its ten people every
morning. Voices make a plateau of noise at a sensor nearby; a siren does too, but for a dozen seconds only.
"""

import math

import msgspec
import numpy as np

from city_brain.city.grid.pairs import Neighbours, near_pairs
from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.readings import distance_m, near, reading
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.members import log_rows, object_sources
from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.table import Table
from city_brain.types import Floats, Ints

_FOLLOW = 0.1
_USUAL_IN_EVENT = 0.1
_PLATEAU_WITHIN_MS = 60_000

_SCHEMA = {
    "x": np.float64, "y": np.float64, "since_ms": np.int64, "last_ms": np.int64, "now": np.int64, "people": np.float64,
    "usual": np.float64, "member": np.int64,
}  # fmt: skip


class CrowdParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Crowd`."""

    strolling_mps: float
    confidence_min: float
    company_m: float
    """People within this distance of one another are counted together."""
    same_place_m: float
    notable: int
    """From so many people on a place is watched."""
    half_weight_count: float
    """So many people weigh nothing for or against a crowd."""
    weight_per_person: float
    weight_max: float
    smoothing_s: float
    usual_share: float
    """Of the usual count of the place, taken off before weighing."""
    usual_smoothing_s: float
    forget_s: float
    noise_m: float
    noise_db: float
    noise_steady_db: float
    noise_readings: int
    noise_weight: float
    prior_log_odds: float


class CrowdState(msgspec.Struct):
    """Places where people stand together, in order of appearance.

    `now` people in this tick, `people` smoothed, `usual` smoothed far longer; `since_ms` of the present gathering, -1
    between gatherings; `member` the object in its middle.
    """

    places: Table


class Crowd:
    """Counts people who stay together (see the module)."""

    def __init__(self, type_name: str, parameters: CrowdParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = CrowdState(Table(_SCHEMA))

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every place with more people than usual."""
        limits, places = self.parameters, self.state.places
        places.keep(places["last_ms"] >= scene.now_ms - 1000 * limits.forget_s)
        places["now"] = 0
        people, company = self._company(scene)
        if len(people) and company.max() >= limits.notable:
            self._gather(scene, people, company)
        if places.n == 0:
            return []
        self._smooth((scene.tick.end_ms - scene.tick.start_ms) / 1000.0)
        above = self._weight() > -limits.prior_log_odds - 3.0
        return [
            self._finding(scene, place)
            for place in np.flatnonzero(above & (places["people"] >= limits.notable)).tolist()
        ]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The groups of people in a ring, and what each lacks."""
        limits, places, weight = self.parameters, self.state.places, self._weight()
        found = []
        for place in np.flatnonzero(ring.holds(places["x"], places["y"])).tolist():
            people, usual = float(places["people"][place]), float(places["usual"][place])
            log_odds = limits.prior_log_odds + float(weight[place])
            lacks = "" if log_odds > -3.0 else "that is not many more than are usual there"
            if people < limits.notable:
                lacks = f"a group is looked at from {limits.notable} people on"
            since_ms = int(places["since_ms"][place])
            looked = Looked(
                key=str(place),
                x=float(places["x"][place]),
                y=float(places["y"][place]),
                since_ms=scene.now_ms if since_ms < 0 else since_ms,
                what=f"{people:.0f} people stood together where {usual:.0f} are usual",
                lacks=lacks,
                log_odds=log_odds,
            )
            found.append(looked)
        return found

    def _company(self, scene: Scene) -> tuple[Ints, Ints]:
        """People who stand or stroll, as indices of objects (n,), and how many there are within reach of each (n,)."""
        limits, objects = self.parameters, scene.objects.table
        calm = (
            objects["fresh"] & (objects["cls"] == int(ObjectClass.PERSON)) & (objects["speed"] <= limits.strolling_mps)
        )
        people = np.flatnonzero(calm)
        people = people[objects["conf_sum"][people] >= limits.confidence_min * objects["n_rows"][people]]
        if len(people) < limits.notable:
            return people, np.ones(len(people), dtype=np.int64)
        x, y = objects["x"][people], objects["y"][people]
        i, _ = near_pairs(x, y, x, y, limits.company_m)
        return people, np.bincount(i, minlength=len(people))

    def _gather(self, scene: Scene, people: Ints, company: Ints) -> None:
        """Puts groups, the densest first, to their places; who belongs to one group is in no other."""
        limits, objects, places = self.parameters, scene.objects.table, self.state.places
        x, y = objects["x"][people], objects["y"][people]
        free = np.ones(len(people), dtype=np.bool_)
        dense = (company >= limits.notable).nonzero()[0]
        dense = dense[np.lexsort((objects["id"][people[dense]], -company[dense]))]
        near = Neighbours.within(x[dense], y[dense], x, y, 2.0 * limits.company_m)
        for rank, k in enumerate(dense.tolist()):
            if not free[k]:
                continue
            around = near.of(rank)
            free[around] = False
            group = around[(x[around] - x[k]) ** 2 + (y[around] - y[k]) ** 2 <= limits.company_m * limits.company_m]
            place = self._place(scene.now_ms, float(x[group].mean()), float(y[group].mean()))
            if company[k] > places["now"][place]:
                places["now"][place], places["member"][place] = company[k], objects["id"][people[k]]

    def _place(self, now_ms: int, x: float, y: float) -> int:
        """The place of a group; it follows its groups slowly, and a new one begins where there was none."""
        places = self.state.places
        if places.n:
            away2 = (places["x"] - x) ** 2 + (places["y"] - y) ** 2
            place = int(np.argmin(away2))
            if away2[place] <= self.parameters.same_place_m**2:
                for name, value in (("x", x), ("y", y)):
                    places[name][place] += _FOLLOW * (value - places[name][place])
                places["last_ms"][place] = now_ms
                return place
        places.append(1, x=x, y=y, since_ms=now_ms, last_ms=now_ms, now=0, people=0.0, usual=0.0, member=-1)
        return places.n - 1

    def _smooth(self, tick_s: float) -> None:
        limits, places = self.parameters, self.state.places
        gain = tick_s / (limits.smoothing_s + tick_s)
        places["people"] += gain * (places["now"] - places["people"])
        event = self._weight() > 0.0
        slow = tick_s / limits.usual_smoothing_s * np.where(event, _USUAL_IN_EVENT, 1.0)
        places["usual"] += slow * (places["people"] - places["usual"])
        begins = (places["people"] >= limits.notable) & (places["since_ms"] < 0)
        places["since_ms"] = np.where(begins, places["last_ms"], places["since_ms"])
        places["since_ms"][places["people"] < 0.5 * limits.notable] = -1

    def _weight(self) -> Floats:
        """What the count of each place weighs (n,)."""
        limits, places = self.parameters, self.state.places
        surplus = places["people"] - limits.usual_share * places["usual"] - limits.half_weight_count
        weight: Floats = np.minimum(limits.weight_per_person * surplus, limits.weight_max)
        return weight

    def _finding(self, scene: Scene, place: int) -> Finding:
        limits, places = self.parameters, self.state.places
        x, y, member = float(places["x"][place]), float(places["y"][place]), int(places["member"][place])
        since_ms = int(places["since_ms"][place])
        count = float(places["people"][place])
        evidence = [
            Evidence(
                what="people_together",
                sources=object_sources(scene, member),
                weight=round(float(self._weight()[place]), 2),
                first_ms=since_ms,
                last_ms=int(places["last_ms"][place]),
                rows=log_rows(scene, member),
                note={"people": round(count, 1), "usual": round(float(places["usual"][place]), 1)},
            ),
            *self._voices(scene, x, y, since_ms),
        ]
        return Finding(
            type=self.type_name,
            key=f"{since_ms}:{round(x / limits.same_place_m)}:{round(y / limits.same_place_m)}",
            x=x,
            y=y,
            position_error_m=2.0,
            first_seen_ms=since_ms,
            log_odds=limits.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
            radius_m=limits.company_m,
            magnitude=round(count),
        )

    def _voices(self, scene: Scene, x: float, y: float, since_ms: int) -> list[Evidence]:
        """A steady plateau of noise, longer than a siren, at a sensor nearby."""
        limits, sensors = self.parameters, scene.sensors
        at = near(sensors, sensors.of(Quantity.NOISE), x, y, limits.noise_m)
        if len(at) == 0:
            return []
        recent = sensors.table["ring"][at, -limits.noise_readings :]
        known = sensors.table["ring_ms"][at, -limits.noise_readings] >= scene.now_ms - _PLATEAU_WITHIN_MS
        low, high = recent.min(axis=1), recent.max(axis=1)
        plateau = (high - low <= limits.noise_steady_db) & (low >= sensors.table["base"][at] + limits.noise_db)
        return [
            reading(sensors, channel, "voices", limits.noise_weight, since_ms, distance_m(sensors, channel, x, y), {})
            for channel in at[plateau & known][:1].tolist()
        ]
