"""What speaks for and against the candidates of a tick, weighed for all of them together.

Neighbours are looked up in one go, so a tick costs as much as there are candidates, however large the city.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.city.grid.pairs import Neighbours
from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.crash.bang import Ears, Hearing, hear
from city_brain.incidents.detectors.crash.parameters import CrashParameters
from city_brain.numerics import find_sorted, first_of_run, stable_order
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints


class Candidate(msgspec.Struct):
    """A stop that may be a crash; `brake` m/s², 0 where no hard braking was seen."""

    stand: int
    x: float
    y: float
    since_ms: int
    brake: float
    brake_ms: int
    brake_row: tuple[int, int, int]
    people: int
    people_ms: int
    log_odds: float
    told: bool


@dataclass(frozen=True, slots=True)
class Weighed:
    """Log-odds (n,) of candidates: of an `abrupt` stop, of the bang `heard`, `skew` of the stand `askew`, `second` of
    the stand `beside` (-1 for none), `people`; and `total` with the prior.
    """

    abrupt: Floats
    heard: Hearing
    skew: Floats
    askew: Ints
    second: Floats
    beside: Ints
    people: Floats
    total: Floats


def stands_of(candidates: Sequence[Candidate], stands: Table) -> Ints:
    """Index (n,) of the stand of each candidate, -1 where it is gone."""
    order = stable_order(stands["key"])
    at = find_sorted(stands["key"][order], np.array([candidate.stand for candidate in candidates], dtype=np.int64))
    known = (at >= 0).nonzero()[0]
    at[known] = order[at[known]]
    return at


def weigh(candidates: Sequence[Candidate], stand: Ints, scene: Scene, limits: CrashParameters) -> Weighed:
    """Weighs candidates (n,) whose stands are `stand` (n,), and notes the people seen about them."""
    stands = scene.queues.stands.table
    x, y = stands["x"][stand], stands["y"][stand]
    since_ms = np.array([candidate.since_ms for candidate in candidates], dtype=np.int64)
    brake = np.array([candidate.brake for candidate in candidates])
    over = limits.brake_weight + limits.brake_weight_per_mps2 * (brake - limits.brake_min_mps2)
    abrupt = np.where(brake > 0.0, np.minimum(over, limits.brake_weight_max), 0.0)
    heard = hear(Ears.of(scene.sensors, limits.bang), limits.bang, x, y, since_ms, scene.now_ms)
    company, other = _company(stand, since_ms, stands, limits)
    skew, askew = _skew(company, other, stand, stands, limits)
    second, beside = _second(company, other, brake, candidates, stands, limits)
    _count_people(candidates, x, y, scene, limits)
    count = np.array([candidate.people for candidate in candidates])
    people = np.minimum(limits.people_weight_each * count, limits.people_weight_max)
    total = limits.prior_log_odds + (abrupt + heard.weight + skew + second + people)
    return Weighed(abrupt, heard, skew, askew, second, beside, people, total)


def _company(stand: Ints, since_ms: Ints, stands: Table, limits: CrashParameters) -> tuple[Ints, Ints]:
    """Pairs (k,) of a candidate and another stand within reach that began in the same seconds, the nearest first."""
    others = (_on_road(stands, limits) & (stands["arrived"] | stands["appeared"])).nonzero()[0]
    x, y = stands["x"], stands["y"]
    near = Neighbours.within(x[stand], y[stand], x[others], y[others], limits.company_m)
    place, other = near.place(), others[near.point]
    together = np.abs(stands["since_ms"][other] - since_ms[place]) <= 1000 * limits.company_s
    together &= stands["key"][other] != stands["key"][stand[place]]
    place, other = place[together], other[together]
    away2 = (x[other] - x[stand[place]]) ** 2 + (y[other] - y[stand[place]]) ** 2
    order = np.lexsort((away2, place))
    return place[order], other[order]


def _on_road(things: Table, limits: CrashParameters) -> Bools:
    """Whether stands or objects (n,) are near enough to their lane's centre to be on the road."""
    near: Bools = np.abs(things["offset_m"]) <= limits.offset_max_m
    return near


def _skew(company: Ints, other: Ints, stand: Ints, stands: Table, limits: CrashParameters) -> tuple[Floats, Ints]:
    """Of each candidate's own stand and those in its company the one that stands most clearly across its lane."""
    place, at = np.concatenate((company, np.arange(len(stand)))), np.concatenate((other, stand))
    n, hx, hy = stands["head_n"][at], stands["head_x"][at], stands["head_y"][at]
    length = np.maximum(np.sqrt(hx * hx + hy * hy), 1e-9)
    sine = np.abs(hx * stands["uy"][at] - hy * stands["ux"][at]) / length
    margin = limits.skew_margin + limits.skew_margin_one / np.sqrt(np.maximum(n, 1))
    weight = np.minimum(limits.skew_weight_per_sine * (sine - margin), limits.skew_weight_max)
    weight = np.where(n >= 3, np.maximum(weight, 0.0), 0.0)
    order = np.lexsort((-weight, place))
    best = order[first_of_run(place[order])]
    return weight[best], at[best]


def _second(
    company: Ints, other: Ints, brake: Floats, candidates: Sequence[Candidate], stands: Table, limits: CrashParameters
) -> tuple[Floats, Ints]:
    """The nearest stand that began in the same seconds; it weighs more where both vehicles braked hard."""
    weight, beside = np.zeros(len(candidates)), np.full(len(candidates), -1, dtype=np.int64)
    nearest = first_of_run(company)
    beside[company[nearest]] = other[nearest]
    brakes = {candidate.stand: candidate.brake for candidate in candidates}
    for k in company[nearest].tolist():
        both = brake[k] > 0.0 and brakes.get(int(stands["key"][beside[k]]), 0.0) > 0.0
        weight[k] = limits.company_braked_weight if both else limits.company_weight
    return weight, beside


def _count_people(candidates: Sequence[Candidate], x: Floats, y: Floats, scene: Scene, limits: CrashParameters) -> None:
    """Notes people who stand about on the road beside the stopped vehicles, away from any crosswalk."""
    objects, now_ms = scene.objects.table, scene.now_ms
    mask = objects["fresh"] & (objects["cls"] == int(ObjectClass.PERSON)) & (objects["lane"] >= 0)
    mask &= (objects["standing_since_ms"] >= 0) & (objects["n_rows"] >= 3) & _on_road(objects, limits)
    people = mask.nonzero()[0]
    near = Neighbours.within(x, y, objects["x"][people], objects["y"][people], limits.people_m)
    count = np.diff(near.first)
    more = [
        k
        for k in count.nonzero()[0].tolist()
        if count[k] > candidates[k].people and now_ms - candidates[k].since_ms <= 1000 * limits.people_within_s
    ]
    if more:
        away_m = scene.ground.views.near_crosswalk(x[more], y[more])
        for k in np.array(more)[away_m > limits.crosswalk_m].tolist():
            candidates[k].people, candidates[k].people_ms = int(count[k]), now_ms
