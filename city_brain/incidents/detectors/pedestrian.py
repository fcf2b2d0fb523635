"""Pedestrian on the carriageway: a person who stands or walks in a lane, away from any crosswalk.

Per look the log-likelihood of "inside the lane" against "beside it" grows with z² / 2σ², z being how far the person is
from the nearer edge where people may walk and σ how well the camera can tell: whoever is across the middle of a kerb
lane, or in the next lane, is hardly somebody on the pavement who is badly located. Camera noise lasts, so a look a
second after the last one counts as a quarter of one, and looks farther apart for more. Waiting people drift slowly at
the kerb, people who walk along it stay beside it: both weigh less than they seem to, and so does whom a camera has in
view and does not report. What is not yet known of a camera's constant error is the same in all its looks: n looks that
vary by σ and are all off by what varies by τ are worth 1 / (1 + n τ² / σ²) of what they weigh.
"""

import msgspec
import numpy as np

from city_brain.city.grid.pairs import near_pairs
from city_brain.fusion.scene import Scene
from city_brain.fusion.tracking.bias import USUAL_M
from city_brain.fusion.tracking.tracks import range_sigma_m
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.following import follow
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.members import log_rows, object_sources
from city_brain.numerics import find_sorted
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Floats, Ints

_SCHEMA = {
    "object_id": np.int64, "first_ms": np.int64, "last_ms": np.int64, "weight": np.float64, "n": np.int64,
    "depth_m": np.float64, "looks": np.float64, "worth": np.float64,
}  # fmt: skip

MOST_OF_A_LOOK = 3.0
"""No look weighs more: now and then a camera is off by more than its spread lets expect."""


class PedestrianParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `PedestrianOnCarriageway`."""

    edge_m: float
    """Half of a lane and what a person's feet may be off: a person nearer to the centre is inside."""
    sigma_near_m: float
    sigma_per_m: float
    share_of_look: float
    """What a look counts for each second since the last one, up to a whole one."""
    outside_weight: float
    """Taken from every look's weight: people are beside the lane far more often than in it."""
    standing_mps: float
    standing_factor: float
    walking_mps: float
    walking_factor: float
    unseen_factor: float
    """For each nearer camera that should see the person and does not."""
    unseen_far_factor: float = 0.8
    """For each farther one."""
    company_m: float
    company: int
    company_factor: float
    crosswalk_m: float
    prior_log_odds: float
    confidence_min: float
    weight_max: float
    forget_s: float


class PedestrianState(msgspec.Struct):
    """People near lanes, in order of object id; `weight` is the sum of log-likelihoods of so many whole `looks`, and
    `worth` the share of it that a constant error leaves.
    """

    people: Table


class PedestrianOnCarriageway:
    """Follows people at lanes (see the module)."""

    def __init__(self, type_name: str, parameters: PedestrianParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = PedestrianState(Table(_SCHEMA))

    def step(self, scene: Scene) -> list[Finding]:
        """Findings of people who have been inside a lane long enough to be suspected."""
        people, limits, now_ms = self.state.people, self.parameters, scene.now_ms
        people.keep(people["last_ms"] >= now_ms - 1000 * limits.forget_s)
        objects = scene.objects.table
        if objects.n == 0:
            return []
        at = self._on_lanes(scene)
        if len(at):
            self._weigh(scene, at)
        people.keep(people["weight"] > -1.0)
        if people.n == 0:
            return []
        index = find_sorted(objects["id"], people["object_id"])
        confidence = objects["conf_sum"][index] / np.maximum(objects["n_rows"][index], 1)
        good = (index >= 0) & (people["weight"] > 0.5) & (confidence >= limits.confidence_min)
        return [self._finding(scene, int(k), int(index[k])) for k in np.flatnonzero(good)]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The people on or beside lanes in a ring, and what each lacks."""
        people, limits, objects = self.state.people, self.parameters, scene.objects.table
        seen = objects["fresh"] & (objects["cls"] == int(ObjectClass.PERSON)) & (objects["lane"] >= 0)
        at = np.flatnonzero(seen & ring.holds(objects["x"], objects["y"]))
        followed, told = find_sorted(people["object_id"], objects["id"][at]), people["weight"] * people["worth"]
        crosswalk_m = scene.ground.views.near_crosswalk(objects["x"][at], objects["y"][at])
        inside = scene.ground.views.in_intersection(objects["x"][at], objects["y"][at]) >= 0
        found = []
        for k, index in enumerate(at.tolist()):
            weight = float(told[followed[k]]) if followed[k] >= 0 else None
            sure = float(objects["conf_sum"][index] / max(int(objects["n_rows"][index]), 1))
            reasons = (
                ("at a crosswalk, where people may walk", crosswalk_m[k] <= limits.crosswalk_m),
                ("in a junction, where people cross", bool(inside[k])),
                ("beside the lane, not in it", weight is None),
                ("cameras were too unsure that it is a person", sure < limits.confidence_min),
                ("not in the lane for long or surely enough", weight is not None and weight <= 0.5),
            )
            offset_m, speed = abs(float(objects["offset_m"][index])), float(objects["speed"][index])
            looked = Looked(
                key=f"{int(objects['birth_key'][index]):016x}",
                x=float(objects["x"][index]),
                y=float(objects["y"][index]),
                since_ms=int(objects["first_ms"][index]),
                what=f"a person {offset_m:.1f} m from the middle of a lane, at {speed:.1f} m/s",
                lacks=next((why for why, holds in reasons if holds), ""),
                log_odds=None if weight is None else limits.prior_log_odds + weight,
                sources=object_sources(scene, int(objects["id"][index])),
            )
            found.append(looked)
        return found

    def _on_lanes(self, scene: Scene) -> Ints:
        """People inside a lane, or beside it and followed already; away from crosswalks and junctions."""
        limits, objects, views = self.parameters, scene.objects.table, scene.ground.views
        person = objects["fresh"] & (objects["cls"] == int(ObjectClass.PERSON)) & (objects["lane"] >= 0)
        at: Ints = person.nonzero()[0]
        known = find_sorted(self.state.people["object_id"], objects["id"][at]) >= 0
        at = at[known | (np.abs(objects["offset_m"][at]) < limits.edge_m)]
        if len(at):
            at = at[views.near_crosswalk(objects["x"][at], objects["y"][at]) > limits.crosswalk_m]
        if len(at):
            at = at[views.in_intersection(objects["x"][at], objects["y"][at]) < 0]
        return at

    def _weigh(self, scene: Scene, at: Ints) -> None:
        limits, objects, now_ms = self.parameters, scene.objects.table, scene.now_ms
        depth = limits.edge_m - np.abs(objects["offset_m"][at])
        person = follow(
            self.state.people, objects["id"][at], first_ms=now_ms, last_ms=now_ms - 1000, weight=0.0, n=0, depth_m=0.0,
            looks=0.0, worth=1.0,
        )  # fmt: skip
        people = self.state.people
        share = np.minimum(limits.share_of_look * (now_ms - people["last_ms"][person]) / 1000.0, 1.0)
        sigma = limits.sigma_near_m + limits.sigma_per_m * self._range_m(scene, at)
        people["looks"][person] += share
        worth = 1.0 / (1.0 + people["looks"][person] * (self._constant_m(scene, at) / sigma) ** 2)
        weight = people["weight"][person] + share * self._look(scene, at, sigma)
        people["weight"][person], people["worth"][person] = np.minimum(weight, limits.weight_max / worth), worth
        people["n"][person] += 1
        people["depth_m"][person] += (depth - people["depth_m"][person]) / people["n"][person]
        people["last_ms"][person] = now_ms

    def _look(self, scene: Scene, at: Ints, sigma: Floats) -> Floats:
        """The weight (n,) of a whole look at people that is off by `sigma` (n,) metres."""
        limits, depth = self.parameters, self._inside_m(scene, at)
        strength = np.minimum(0.5 * (depth / sigma) ** 2, MOST_OF_A_LOOK)
        weight = np.where(depth > 0, strength, -strength) - limits.outside_weight
        inside = (weight > 0).nonzero()[0]
        if len(inside):
            weight[inside] *= self._factor(scene, at[inside])
        return weight

    def _inside_m(self, scene: Scene, at: Ints) -> Floats:
        """How far inside the carriageway people in a lane are (n,), from the nearer side where people may walk.

        Negative for those beside the lane. Nobody walks between two lanes, nor between them and the oncoming ones, so
        across the middle of a kerb lane one is no nearer to a pavement, and in the next lane a lane farther from it.
        """
        roads, objects, edge_m = scene.ground.roads, scene.objects.table, self.parameters.edge_m
        lane, offset_m = objects["lane"][at], objects["offset_m"][at]
        width_m, kerbwards_m = roads.width_m[lane], offset_m if roads.drives_on_right else -offset_m
        open_middle = roads.inner_lane[lane] & (roads.opposite_road[roads.road[lane]] < 0)
        from_kerb_m = np.where(roads.kerb_lane[lane], 0.0, width_m) - np.maximum(kerbwards_m, 0.0)
        from_middle_m = np.where(open_middle, 0.0, width_m) - np.maximum(-kerbwards_m, 0.0)
        aside_m = np.abs(offset_m)
        return edge_m + np.where(aside_m < edge_m, np.minimum(from_kerb_m, from_middle_m), -aside_m)

    def _factor(self, scene: Scene, at: Ints) -> Floats:
        """What a look counts (n,) at people who stand or walk fast, whom a camera misses, who are in company."""
        limits, speed = self.parameters, scene.objects.table["speed"][at]
        factor = np.where(speed < limits.standing_mps, limits.standing_factor, 1.0)
        factor = np.where(speed > limits.walking_mps, limits.walking_factor, factor)
        factor = factor * self._factor_of_absent(scene, at)
        return np.where(self._company(scene, at) >= limits.company, limits.company_factor, factor)

    def _range_m(self, scene: Scene, at: Ints) -> Floats:
        """Distance (n,) at which the nearest camera sees each, read back from its usual spread."""
        sigma = scene.objects.table["sigma_m"][at] * np.sqrt(np.maximum(scene.objects.table["n_cameras"][at], 1))
        distance: Floats = 30.0 + np.maximum(sigma - range_sigma_m(np.zeros(1))[0], 0.0) / 0.005
        return distance

    @staticmethod
    def _constant_m(scene: Scene, at: Ints) -> Floats:
        """What is left (n,) of the constant errors of those cameras together that see each person now."""
        objects, tracks = scene.objects.table, scene.tracks.table
        seen = np.flatnonzero(tracks["fresh"] & (tracks["cls"] == int(ObjectClass.PERSON)))
        of = find_sorted(objects["id"][at], tracks["object_id"][seen])
        seen, of = seen[of >= 0], of[of >= 0]
        ux, uy = objects["ux"][at][of], objects["uy"][at][of]
        left_m = scene.tracks.bias.left_m(tracks["camera"][seen], ux, uy)
        known = np.bincount(of, weights=left_m**-2.0, minlength=len(at))
        return np.where(known > 0.0, known, USUAL_M**-2.0) ** -0.5

    def _factor_of_absent(self, scene: Scene, at: Ints) -> Floats:
        """What a look counts (n,) at people whom further cameras (two at most) have in view and do not report.

        Cameras see less the farther they look: one that is nearer than whoever reports should see the person, too.
        """
        objects, tracks, views = scene.objects.table, scene.tracks.table, scene.ground.views
        told = np.flatnonzero(tracks["fresh"] & (tracks["cls"] == int(ObjectClass.PERSON)))
        camera = views.camera_index(tracks["source"][told])
        known = camera >= 0
        told, camera = told[known], camera[known]
        away = views.distance_m(camera, tracks["x"][told], tracks["y"][told])
        of = find_sorted(objects["id"][at], tracks["object_id"][told])
        nearest = np.full(len(at), np.inf)
        np.minimum.at(nearest, of[of >= 0], away[of >= 0])
        x, y = objects["x"][at], objects["y"][at]
        seeing = views.cameras_seeing(x, y)
        distance = views.distance_m(seeing, x[:, None], y[:, None])
        nearer = np.sum((seeing >= 0) & (distance < nearest[:, None] - 2.0), axis=1)
        farther = np.sum(seeing >= 0, axis=1) - objects["n_cameras"][at] - nearer
        limits = self.parameters
        by = np.array([1.0, limits.unseen_factor, limits.unseen_factor**2])
        by_far = np.array([1.0, limits.unseen_far_factor, limits.unseen_far_factor**2])
        factor: Floats = by[np.clip(nearer, 0, 2)] * by_far[np.clip(farther, 0, 2)]
        return factor

    def _company(self, scene: Scene, at: Ints) -> Ints:
        """How many other people (n,) are near each."""
        objects = scene.objects.table
        all_people = np.flatnonzero(objects["fresh"] & (objects["cls"] == int(ObjectClass.PERSON)))
        x, y = objects["x"], objects["y"]
        i, _ = near_pairs(x[at], y[at], x[all_people], y[all_people], self.parameters.company_m)
        return np.bincount(i, minlength=len(at)) - 1

    def _finding(self, scene: Scene, person: int, index: int) -> Finding:
        people, objects = self.state.people, scene.objects.table
        object_id, weight = int(people["object_id"][person]), float(people["weight"][person] * people["worth"][person])
        evidence = Evidence(
            what="person_in_lane",
            sources=object_sources(scene, object_id),
            weight=weight,
            first_ms=int(people["first_ms"][person]),
            last_ms=int(people["last_ms"][person]),
            distance_m=round(max(self.parameters.edge_m - float(people["depth_m"][person]), 0.0), 2),
            rows=log_rows(scene, object_id),
            note={"depth_m": round(float(people["depth_m"][person]), 2), "ticks": int(people["n"][person])},
        )
        return Finding(
            type=self.type_name,
            key=f"{int(objects['birth_key'][index]):016x}",
            x=float(objects["x"][index]),
            y=float(objects["y"][index]),
            position_error_m=float(objects["sigma_m"][index]),
            first_seen_ms=int(people["first_ms"][person]),
            log_odds=self.parameters.prior_log_odds + weight,
            evidence=(evidence,),
        )
