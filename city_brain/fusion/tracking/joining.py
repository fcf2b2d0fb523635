"""Joining tracks across cameras: taking over a predicted object, merging objects that keep together, splitting strained
ones.
"""

import msgspec
import numpy as np

from city_brain.fusion.tracking.associate import assign
from city_brain.fusion.tracking.gate import GATE_CHI2, REACH_SAME_TIME_M, Motions, cost_chi2, near_pairs, reach_m
from city_brain.numerics import find_sorted
from city_brain.table import Table
from city_brain.types import Bools, Column, Floats, Ints

GAP_BANDS_S = ((-1.0, 0.5), (0.5, 1.6), (1.6, 3.1), (3.1, 6.1), (6.1, 13.0))
"""Objects are looked for in bands of time since their last row, each with a reach of its own."""

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


class _Presence:
    """Which camera sees which object in this tick, as sorted codes."""

    def __init__(self, tracks: Table, objects: Table) -> None:
        at = np.flatnonzero(tracks["fresh"] & (tracks["object_id"] >= 0))
        self.sources, self.camera = np.unique(tracks["source"], return_inverse=True)
        self.cameras = max(len(self.sources), 1)
        self.objects = objects
        owner = find_sorted(objects["id"], tracks["object_id"][at])
        order = np.lexsort((self.camera[at], owner))
        self.owner, self.seen_by = owner[order], self.camera[at][order]
        self.codes = self.owner * self.cameras + self.seen_by

    def sees(self, camera: Ints, owner: Ints) -> Bools:
        """Whether camera (k,) sees object (k,) in this tick."""
        found: Bools = find_sorted(self.codes, owner * self.cameras + camera) >= 0
        return found

    def share_a_camera(self, a: Ints, b: Ints) -> Bools:
        """Whether some camera sees both object a (k,) and object b (k,) in this tick."""
        start = np.searchsorted(self.owner, a)
        length = np.searchsorted(self.owner, a, side="right") - start
        pair = np.repeat(np.arange(len(a)), length)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(length) - length, length)
        both = self.sees(self.seen_by[np.repeat(start, length) + within], b[pair])
        return np.bincount(pair, weights=both, minlength=len(a)) > 0


def attach(tracks: Table, seekers: Ints, objects: Table, now_ms: int) -> Ints:
    """The object id (n,) that each seeking track (n,) takes over, -1 where none fits or two fit alike."""
    answer = np.full(len(seekers), -1, dtype=np.int64)
    if len(seekers) == 0 or objects.n == 0:
        return answer
    ahead_s = (now_ms - tracks["last_ms"][seekers]) / 1000.0
    sought = Motions.of(tracks.columns(), seekers, ahead_s)
    left, right, gap_s = _near_objects(sought, objects, now_ms)
    presence = _Presence(tracks, objects)
    camera = presence.camera[seekers]
    allowed = ~presence.sees(camera[left], right)
    left, right, gap_s = left[allowed], right[allowed], gap_s[allowed]
    predicted = Motions.of(objects.columns(), right, gap_s)
    cost = cost_chi2(predicted, sought.take(left), gap_s)
    good = cost < GATE_CHI2
    left, right, cost = left[good], right[good], cost[good]
    best = assign(left, right * presence.cameras + camera[left], cost)
    answer[left[best]] = objects["id"][right[best]]
    return answer


def _near_objects(sought: Motions, objects: Table, now_ms: int) -> tuple[Ints, Ints, Floats]:
    """Candidates (k,): index into `sought`, index into `objects`, and the gap in seconds since the object's place was
    known.
    """
    gap_s = (now_ms - objects["time_ms"]) / 1000.0
    found: list[tuple[Column, Column]] = []
    for low, high in GAP_BANDS_S:
        band = np.flatnonzero((gap_s > low) & (gap_s <= high))
        if len(band) == 0:
            continue
        ahead = Motions.of(objects.columns(), band, gap_s[band])
        i, j = near_pairs(sought.x, sought.y, ahead.x, ahead.y, reach_m(high))
        found.append((i, band[j]))
    left = np.concatenate([i for i, _ in found]) if found else np.zeros(0, np.int64)
    right = np.concatenate([j for _, j in found]) if found else np.zeros(0, np.int64)
    return left, right, gap_s[right]


def merge_pairs(tracks: Table, objects: Table, memory: PairMemory) -> tuple[Ints, Ints]:
    """Ids (k,), (k,) of the older and the younger of the objects that have kept together long enough to be one."""
    seen = np.flatnonzero(objects["fresh"])
    i, j = near_pairs(objects["x"][seen], objects["y"][seen], objects["x"][seen], objects["y"][seen], REACH_SAME_TIME_M)
    i, j = seen[i[i < j]], seen[j[i < j]]
    apart = ~_Presence(tracks, objects).share_a_camera(i, j)
    i, j = i[apart], j[apart]
    columns = objects.columns()
    cost = cost_chi2(Motions.of(columns, i), Motions.of(columns, j), np.zeros(len(i)))
    good = cost < GATE_CHI2
    i, j, cost = i[good], j[good], cost[good]
    ticks, mean = memory.together(objects["id"][i] * _ID_LIMIT + objects["id"][j], cost)
    both_ways = assign(np.append(i, j), np.append(j, i), np.tile(np.where(ticks >= MERGE_AFTER_TICKS, mean, np.inf), 2))
    taken = np.intersect1d(both_ways, both_ways - len(i), assume_unique=True)
    return objects["id"][i[taken]], objects["id"][j[taken]]


def strained(tracks: Table, objects: Table, now_ms: int) -> Ints:
    """Tracks to split off: far from the rest of their object for several ticks, or a second one of one camera."""
    at = np.flatnonzero(tracks["fresh"])
    of = find_sorted(objects["id"], tracks["object_id"][at])
    n = objects.n
    weight = 1.0 / (tracks["sigma_m"][at] * tracks["sigma_m"][at])
    ahead_s = (now_ms - tracks["last_ms"][at]) / 1000.0
    total = np.bincount(of, weights=weight, minlength=n)[of]
    rest = np.maximum(total - weight, 1e-9)
    distance2 = np.zeros(len(at))
    for name, velocity in (("x", "vx"), ("y", "vy")):
        place = tracks[name][at] + tracks[velocity][at] * ahead_s
        others = (np.bincount(of, weights=weight * place, minlength=n)[of] - weight * place) / rest
        distance2 += (place - others) ** 2
    company = np.bincount(of, minlength=n)[of] > 1
    spread2 = 0.3 + 1.0 / weight + 1.0 / rest + (0.3 * tracks["speed"][at]) ** 2
    far = company & (distance2 > SPLIT_CHI2 * spread2)
    strain = np.where(far, tracks["strain"][at] + 1, np.maximum(tracks["strain"][at] - 1, 0))
    tracks["strain"][at] = strain
    order = np.lexsort((tracks["first_ms"][at], tracks["source"][at], of))
    second = np.zeros(len(at), dtype=np.bool_)
    same = (of[order][1:] == of[order][:-1]) & (tracks["source"][at][order][1:] == tracks["source"][at][order][:-1])
    second[order[1:]] = same
    apart = at[(strain >= SPLIT_AFTER_TICKS) | second]
    tracks["strain"][apart] = 0
    return apart
