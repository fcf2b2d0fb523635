"""How full every road is of queue: the length that slow vehicles stand over, per metre of lane.

A vehicle in a queue stands over the gap to its leader. Where no camera looks the queue is taken to go on between slow
vehicles on both sides, and up to the stop line where nobody sees its head: length counts, not the vehicles seen.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.fusion.queues.explain import QUEUE_GAP_M, SLOW_MPS
from city_brain.fusion.queues.order import RoadOrder
from city_brain.numerics import segment_sum
from city_brain.types import Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

VEHICLE_M = 7.5
HEAD_M = 15.0
"""The first vehicle stands this near to the stop line, or it heads a queue of its own."""

UNSEEN_SLACK_M = 15.0
"""A gap of which less than this is in view may hold a vehicle that nobody sees."""

CELL_M = 10.0


class Filling(msgspec.Struct):
    """Columns of roads (R,): `queue_m` length of queue summed over lanes, `fill` the same per metre of lane,
    `tail_m` from the stop line to the end of the longest queue, `head_m` to the first slow vehicle, `speed_mps` mean
    of all vehicles (nan without any), `vehicles` seen, `slow` of them.

    From the map: `lane_m` metres of lane without turn pockets, `cover` fraction in view, `has_line` whether it ends at
    a junction's stop line, `seen_m` (cells,) metres in view from the start of the road to the start of each 10 m cell,
    `cell_first` (R + 1,).
    """

    queue_m: np.ndarray
    fill: np.ndarray
    tail_m: np.ndarray
    head_m: np.ndarray
    speed_mps: np.ndarray
    vehicles: np.ndarray
    slow: np.ndarray
    lane_m: np.ndarray
    cover: np.ndarray
    has_line: np.ndarray
    seen_m: np.ndarray
    cell_first: np.ndarray

    @classmethod
    def empty(cls, ground: "Ground") -> "Filling":
        """No vehicle on any road of the map."""
        roads, views = ground.roads, ground.views
        count = len(roads.road_id)
        through = ~roads.turn_lane
        lane_m = segment_sum(roads.length_m[through], roads.road[through].astype(np.int64), count)
        seen = np.any(views.cell_cameras >= 0, axis=1) * CELL_M
        first = np.asarray(views.cell_first, dtype=np.int64)
        whole = np.concatenate([[0.0], np.cumsum(seen)])
        before = whole[:-1] - np.repeat(whole[first[:-1]], np.diff(first))
        return cls(
            queue_m=np.zeros(count),
            fill=np.zeros(count),
            tail_m=np.zeros(count),
            head_m=np.full(count, np.inf),
            speed_mps=np.full(count, np.nan),
            vehicles=np.zeros(count, np.int64),
            slow=np.zeros(count, np.int64),
            lane_m=np.maximum(lane_m, 1.0),
            cover=np.asarray(views.road_cover, dtype=np.float64),
            has_line=ground.junctions.approach_of(np.arange(count, dtype=np.int32))[0] >= 0,
            seen_m=before,
            cell_first=first,
        )

    def step(self, order: RoadOrder, leader: Ints, gap_m: Floats, length_m: Floats) -> None:
        """Takes the vehicles in order with their leaders; `length_m` (R,) of the roads."""
        count = len(self.lane_m)
        slow = order.speed < SLOW_MPS
        behind = slow & (leader >= 0) & slow[leader]
        at_m = length_m[order.road] - order.to_stop_m
        gap = np.where(behind, gap_m, 0.0)
        hidden = behind & (self._in_view(order.road, at_m, at_m + gap) <= UNSEEN_SLACK_M)
        joined = behind & ((gap <= QUEUE_GAP_M) | hidden)
        unseen_head = self._in_view(order.road, at_m, length_m[order.road]) <= UNSEEN_SLACK_M
        first = slow & ~joined
        at_line = first & ((order.to_stop_m <= HEAD_M) | (unseen_head & (leader < 0)))
        at_line &= self.has_line[order.road]
        share = np.where(joined, gap, np.where(at_line, order.to_stop_m + VEHICLE_M / 2, VEHICLE_M))
        self.queue_m = segment_sum(np.where(slow, share, 0.0), order.road, count)
        self.fill = self.queue_m / self.lane_m
        self.vehicles = np.bincount(order.road, minlength=count)
        self.slow = np.bincount(order.road[slow], minlength=count)
        total = segment_sum(order.speed, order.road, count)
        self.speed_mps = np.where(self.vehicles > 0, total / np.maximum(self.vehicles, 1), np.nan)
        self.tail_m = np.zeros(count)
        np.maximum.at(self.tail_m, order.road[slow], order.to_stop_m[slow] + VEHICLE_M / 2)
        self.head_m = np.full(count, np.inf)
        np.minimum.at(self.head_m, order.road[slow], order.to_stop_m[slow])

    def _in_view(self, road: Ints, from_m: Floats, to_m: Floats) -> Floats:
        """Metres in view (n,) between two places of a road, both from its start."""
        return self._seen_before(road, to_m) - self._seen_before(road, from_m)

    def _seen_before(self, road: Ints, at_m: Floats) -> Floats:
        last = self.cell_first[road + 1] - 1
        cell = np.minimum(self.cell_first[road] + np.maximum(at_m / CELL_M, 0.0).astype(np.int64), last)
        seen: Floats = self.seen_m[cell]
        return seen
