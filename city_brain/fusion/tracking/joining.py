"""Joining tracks across cameras: taking over a predicted object, merging objects that keep together, splitting strained
ones.
"""

import msgspec
import numpy as np

from city_brain.city.grid.pairs import close_pairs, near_pairs
from city_brain.fusion.tracking.associate import assign
from city_brain.fusion.tracking.gate import GATE_CHI2, REACH_SAME_TIME_M, Motions, cost_chi2, reach_m
from city_brain.fusion.tracking.sightings import Presence, Sightings, pair_code
from city_brain.numerics import find_sorted, first_of_run, stable_order
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

GAP_BANDS_S = (0.5, 1.6, 3.1, 6.1, 13.0)
"""Objects are looked for in bands of time since their last row, each with a reach of its own."""

_GAPS_S, _REACHES_M = np.array(GAP_BANDS_S[:-1]), np.array([*map(reach_m, GAP_BANDS_S)])

MERGE_AFTER_TICKS = 2
SPLIT_CHI2 = 30.0
SPLIT_AFTER_TICKS = 4
_ID_LIMIT = 1 << 31


class PairMemory(msgspec.Struct):
    """Pairs of objects seen near each other: `pair` (k,) sorted codes of two ids, `ticks` (k,) in a row, `cost_sum`
    (k,).
    """

    pair: np.ndarray
    ticks: np.ndarray
    cost_sum: np.ndarray

    @classmethod
    def empty(cls) -> "PairMemory":
        """No pairs yet."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    def together(self, pair: Ints, cost: Floats) -> tuple[Ints, Floats]:
        """Takes this tick's pairs (sorted codes) and costs; answers ticks in a row and mean cost of each."""
        at = find_sorted(self.pair, pair)
        known = at >= 0
        ticks = np.where(known, self.ticks[at] if len(self.ticks) else 0, 0) + 1
        total = np.where(known, self.cost_sum[at] if len(self.ticks) else 0.0, 0.0) + cost
        self.pair, self.ticks, self.cost_sum = pair, ticks, total
        return ticks, total / ticks


def attach(sightings: Sightings, seekers: Ints, objects: Table) -> Ints:
    """The index of the object (n,) that each seeking track (n,) takes over, -1 where none fits or two fit alike."""
    answer = np.full(len(seekers), -1, dtype=np.int64)
    if len(seekers) == 0 or objects.n == 0:
        return answer
    tracks, now_ms = sightings.tracks, sightings.now_ms
    sought = Motions.of(tracks, seekers, (now_ms - tracks["last_ms"][seekers]) / 1000.0)
    left, right, gap_s = _near_objects(sought, objects, now_ms)
    known = sightings.of >= 0
    presence = Presence(sightings.source[known], sightings.of[known], objects.n)
    source = tracks["source"][seekers]
    allowed = ~presence.sees(source[left], right)
    left, right, gap_s = left[allowed], right[allowed], gap_s[allowed]
    predicted = Motions.of(objects, right, gap_s)
    cost = cost_chi2(predicted, sought.take(left), gap_s)
    good = cost < GATE_CHI2
    left, right, cost = left[good], right[good], cost[good]
    if len(left) == 0:
        return answer
    # One camera gives an object at most one of the seekers; several cameras may each give it one.
    _, claim = np.unique(pair_code(source[left], right), return_inverse=True)
    best = assign(left, claim, cost)
    answer[left[best]] = right[best]
    return answer


def _near_objects(sought: Motions, objects: Table, now_ms: int) -> tuple[Ints, Ints, Floats]:
    """Candidates (k,): index into `sought`, index into `objects`, and the gap in seconds since the object's place was
    known.
    """
    gap_s = (now_ms - objects["time_ms"]) / 1000.0
    reach = _REACHES_M[_GAPS_S.searchsorted(gap_s)]
    ahead_x, ahead_y = objects["x"] + objects["vx"] * gap_s, objects["y"] + objects["vy"] * gap_s
    left, right = near_pairs(sought.x, sought.y, ahead_x, ahead_y, reach)
    return left, right, gap_s[right]


def merge_pairs(sightings: Sightings, objects: Table, memory: PairMemory) -> tuple[Ints, Ints]:
    """Ids (k,), (k,) of the older and the younger of the objects that have kept together long enough to be one."""
    seen = objects["fresh"].nonzero()[0]
    i, j = close_pairs(objects["x"][seen], objects["y"][seen], REACH_SAME_TIME_M)
    i, j = seen[i], seen[j]
    apart = ~Presence(sightings.source, sightings.of, objects.n).share_a_camera(i, j)
    i, j = i[apart], j[apart]
    cost = cost_chi2(Motions.of(objects, i), Motions.of(objects, j), np.zeros(len(i)))
    good = cost < GATE_CHI2
    i, j, cost = i[good], j[good], cost[good]
    ticks, mean = memory.together(objects["id"][i] * _ID_LIMIT + objects["id"][j], cost)
    enough = (ticks >= MERGE_AFTER_TICKS).nonzero()[0]
    i, j, mean = i[enough], j[enough], mean[enough]
    both_ways = assign(np.concatenate((i, j)), np.concatenate((j, i)), np.concatenate((mean, mean)))
    taken = np.intersect1d(both_ways, both_ways - len(i), assume_unique=True)
    return objects["id"][i[taken]], objects["id"][j[taken]]


def strained(sightings: Sightings, objects: int) -> Ints:
    """Sightings to split off: far from the rest of their object for several ticks, or a second one of one camera."""
    tracks, at, of, weight = sightings.tracks, sightings.at, sightings.of, sightings.weight
    total = np.bincount(of, weights=weight, minlength=objects)[of]
    rest = np.maximum(total - weight, 1e-9)
    distance2 = np.zeros(len(at))
    for place in sightings.mean_of[:2]:
        others = (np.bincount(of, weights=weight * place, minlength=objects)[of] - weight * place) / rest
        distance2 += (place - others) ** 2
    company = np.bincount(of, minlength=objects)[of] > 1
    spread2 = 0.3 + 1.0 / weight + 1.0 / rest + (0.3 * tracks["speed"][at]) ** 2
    far = company & (distance2 > SPLIT_CHI2 * spread2)
    strain = np.where(far, tracks["strain"][at] + 1, np.maximum(tracks["strain"][at] - 1, 0))
    tracks["strain"][at] = strain
    apart = ((strain >= SPLIT_AFTER_TICKS) | _second_of_a_camera(sightings, company)).nonzero()[0]
    tracks["strain"][at[apart]] = 0
    return apart


def _second_of_a_camera(sightings: Sightings, company: Bools) -> Bools:
    """Marks (n,) the tracks of whose object the same camera has an older track too; only those in `company` can be."""
    second = np.zeros(len(company), dtype=np.bool_)
    some = company.nonzero()[0]
    code = pair_code(sightings.source[some], sightings.of[some])
    order = stable_order(code)
    twice = ~first_of_run(code[order])
    if not twice.any():
        return second
    # Rare: put those in order of age.
    first_ms = sightings.tracks["first_ms"][sightings.at[some]]
    order = stable_order(code, stable_order(first_ms))
    second[some[order[twice]]] = True
    return second
