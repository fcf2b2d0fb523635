"""The queue book: the vehicles of every road in order, what explains each stand, and how full the roads are."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.fusion.queues.explain import SLOW_MPS, Exits, explain
from city_brain.fusion.queues.filling import Filling
from city_brain.fusion.queues.order import RoadOrder, passed
from city_brain.fusion.queues.stands import Stands
from city_brain.fusion.signals import SignalBook
from city_brain.fusion.tracking.objects import ObjectBook
from city_brain.fusion.tracking.tracks import IS_VEHICLE, TrackBook
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

RECENT_MS = 2_500
"""An object is on its road until this long after its last row; beyond, only its stand speaks for it."""

STAND_BELIEVED_MS = 40_000
"""A stand that nobody sees is believed to be there, as a leader, for this long."""

BESIDE_LANE_M = 1.5
"""Vehicles standing farther from a lane's centre are parked beside it, and lead nobody."""

HALF_IN_LANE_M = 2.2
"""A vehicle that came and stopped this far from the centre still stands in the way of who followed it."""

SEEN_LATELY_MS = 5_000
"""Vehicles overtake a stand only while it is seen: later it may have driven off."""

PASSING_MPS = 2.0
PASS_LIMIT_M = 45.0
"""A vehicle cannot drive farther between two rows of its object."""


class QueueBook(msgspec.Struct):
    """Queues after a tick.

    `stands`: who stands where since when, and for how many seconds each explanation held. `filling`: columns of
    roads. Of the objects, aligned with `objects.table`: `leader` its index (-1 for none or one that is not seen
    now), `gap_m` to it (inf for none), `leader_speed` m/s, `beside` a slow vehicle stands in another lane. Earlier
    places of objects, for overtaking: `known_id` ascending, `known_road`, `known_m`. `exits` of roads, from the map.
    """

    stands: Stands
    filling: Filling
    leader: np.ndarray
    gap_m: np.ndarray
    leader_speed: np.ndarray
    beside: np.ndarray
    known_id: np.ndarray
    known_road: np.ndarray
    known_m: np.ndarray
    exits: Exits

    @classmethod
    def empty(cls, ground: "Ground") -> "QueueBook":
        """Empty roads."""
        none = np.zeros(0, np.int64)
        return cls(
            Stands.empty(),
            Filling.empty(ground),
            none,
            np.zeros(0),
            np.zeros(0),
            np.zeros(0, np.bool_),
            none,
            none,
            np.zeros(0),
            Exits.of(ground),
        )

    def step(self, tick: Tick, ground: "Ground", tracks: TrackBook, objects: ObjectBook, signals: SignalBook) -> None:
        """Takes the books of a tick that were filled before this one."""
        if ground.roads.empty:
            return
        now_ms = tick.end_ms
        self.stands.step(tick, ground, tracks, objects)
        stand_of = self._stand_of_object(objects)
        order = self._order(now_ms, ground, objects, stand_of)
        leader, gap_m = order.leaders()
        self.filling.step(order, leader, gap_m, ground.roads.road_length_m)
        self._lead(order, leader, gap_m, objects.table.n)
        self._overtake(now_ms, ground, objects)
        self._explain(now_ms, order, ground, objects, signals)

    def _stand_of_object(self, objects: ObjectBook) -> Ints:
        """Index (n,) of the stand of each object, -1 for none."""
        owner = objects.index_of(self.stands.table["object_id"])
        answer = np.full(objects.table.n, -1, dtype=np.int64)
        here = np.flatnonzero(owner >= 0)
        answer[owner[here]] = here
        return answer

    def _order(self, now_ms: int, ground: "Ground", objects: ObjectBook, stand_of: Ints) -> RoadOrder:
        """Every vehicle on a road, seen lately or believed to stand; row = object index, or n + stand index."""
        seen, stands = objects.table, self.stands.table
        mask: Bools = (seen["last_ms"] >= now_ms - RECENT_MS) & (seen["lane"] >= 0) & IS_VEHICLE[seen["cls"]]
        reach = np.where(stands["arrived"], HALF_IN_LANE_M, BESIDE_LANE_M)
        in_way = (np.abs(stands["offset_m"]) <= reach) & (stands["road"] >= 0)
        mask &= (stand_of < 0) | (in_way[stand_of] if stands.n else True)
        at = np.flatnonzero(mask)
        of = stand_of[at]
        stands_now = of >= 0
        unseen = (stands["last_ms"] < now_ms) & (stands["last_ms"] >= now_ms - STAND_BELIEVED_MS)
        unseen &= in_way
        covered = np.zeros(stands.n, dtype=np.bool_)
        covered[of[stands_now]] = True
        more = np.flatnonzero(unseen & ~covered)
        columns = []
        for name in ("to_stop_m", "x", "y", "ux", "uy"):
            here = np.where(stands_now, stands[name][of] if stands.n else 0.0, seen[name][at])
            columns.append(np.concatenate([here, stands[name][more]]))
        road = np.concatenate([ground.roads.road[seen["lane"][at]].astype(np.int64), stands["road"][more]])
        road[: len(at)][stands_now] = stands["road"][of[stands_now]]
        speed = np.concatenate([seen["speed"][at], np.zeros(len(more))])
        row = np.concatenate([at, seen.n + more])
        on = np.flatnonzero(road >= 0)
        to_stop_m, *places = (column[on] for column in columns)
        return RoadOrder.sort(road[on], to_stop_m, tuple(places), speed[on], row[on])

    def _lead(self, order: RoadOrder, leader: Ints, gap_m: Floats, n: int) -> None:
        """Spreads leaders over the objects and the stands."""
        ahead_row = np.where(leader >= 0, order.row[leader], -1) if len(leader) else leader
        ahead_speed = np.where(leader >= 0, order.speed[leader], np.nan) if len(leader) else gap_m
        self.leader, self.gap_m, self.leader_speed = np.full(n, -1, np.int64), np.full(n, np.inf), np.full(n, np.nan)
        seen = np.flatnonzero(order.row < n)
        row = order.row[seen]
        self.beside = np.zeros(n, dtype=np.bool_)
        self.beside[row] = order.beside(order.speed < SLOW_MPS)[seen]
        self.leader[row] = np.where(ahead_row[seen] < n, ahead_row[seen], -1)
        self.gap_m[row], self.leader_speed[row] = gap_m[seen], ahead_speed[seen]

    def _overtake(self, now_ms: int, ground: "Ground", objects: ObjectBook) -> None:
        """Counts for each stand the vehicles that drove past it in this tick."""
        seen, stands = objects.table, self.stands.table
        at = np.flatnonzero(seen["fresh"] & (seen["lane"] >= 0) & IS_VEHICLE[seen["cls"]])
        road, to_m = ground.roads.road[seen["lane"][at]].astype(np.int64), seen["to_stop_m"][at]
        last_road, last_m = np.full(seen.n, -1), np.full(seen.n, np.nan)
        known = objects.index_of(self.known_id)
        here = (known >= 0).nonzero()[0]
        last_road[known[here]], last_m[known[here]] = self.known_road[here], self.known_m[here]
        from_m = last_m[at]
        drove = (last_road[at] == road) & (seen["speed"][at] > PASSING_MPS)
        drove &= (from_m > to_m) & (from_m - to_m < PASS_LIMIT_M)
        went = drove.nonzero()[0]
        past = passed(road[went], from_m[went], to_m[went], stands["road"], stands["to_stop_m"])
        stands["overtaken"] += np.where(now_ms - stands["last_ms"] <= SEEN_LATELY_MS, past, 0)
        last_road[at], last_m[at] = road, to_m
        now = (last_road >= 0).nonzero()[0]
        self.known_id, self.known_road, self.known_m = seen["id"][now], last_road[now], last_m[now]

    def _explain(
        self, now_ms: int, order: RoadOrder, ground: "Ground", objects: ObjectBook, signals: SignalBook
    ) -> None:
        """Adds this tick to the seconds that something, or nothing, explained of each stand."""
        stands = self.stands.table
        owner = objects.index_of(stands["object_id"])
        here = owner >= 0
        gap_m = np.where(here, self.gap_m[owner], np.inf) if objects.table.n else np.full(stands.n, np.inf)
        speed = np.where(here, self.leader_speed[owner], np.nan) if objects.table.n else np.full(stands.n, np.nan)
        beside = here & self.beside[owner] if objects.table.n else np.zeros(stands.n, np.bool_)
        blocked = self.exits.blocked(order, ground.roads.road_length_m)
        explain(stands, gap_m, speed, beside, blocked, ground, signals, now_ms)
