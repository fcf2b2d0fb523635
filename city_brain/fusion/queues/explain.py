"""What explains a stand: a slow leader, its own red lamp, a full exit; and for how long nothing did."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.fusion.queues.order import RoadOrder
from city_brain.fusion.signals import SignalBook
from city_brain.numerics import segment_sum
from city_brain.observations.rows import LAMPS_PER_SIDE
from city_brain.observations.vocabulary import MOVEMENTS, Colour
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

SLOW_MPS = 2.4
QUEUE_GAP_M = 19.0
"""Centre to centre, of two vehicles of one queue: a bus, its gap, and what cameras are off."""

STOP_ZONE_M = 22.0
"""Who stands within this of the stop line, behind nobody, is first at the signal."""

UNSEEN_QUEUE_M = 60.0
"""Who stands within this of the stop line, the lane ahead out of view, may stand behind those who wait at red."""

EXIT_M = 25.0
"""A road whose first metres hold a slow vehicle lets nobody in."""

LOOK_M = (9.0, 16.0)
"""Places ahead of a stand that a camera must view for the lane ahead to count as seen."""

LOOK_EVERY = 32
LONGEST_STEP_MS = 5_000
"""Of a longer time unseen, what explained the stand is not known."""

LAMP_LAG_MS = 1_000
"""Lamps are asked for a little before now, so that a change known late is known."""


class Exits(msgspec.Struct):
    """The roads that each road leads into, as pairs `road`, `onto` (k,)."""

    road: np.ndarray
    onto: np.ndarray

    @classmethod
    def of(cls, ground: "Ground") -> "Exits":
        """Reads them off the map."""
        onto = [np.asarray(ground.roads.downstream(road), dtype=np.int64) for road in range(len(ground.roads.road_id))]
        road = np.repeat(np.arange(len(onto), dtype=np.int64), [len(roads) for roads in onto])
        return cls(road, np.concatenate(onto) if onto else np.zeros(0, np.int64))

    def blocked(self, order: RoadOrder, length_m: Floats) -> Bools:
        """Whether a road that each road (R,) leads into is full where it begins."""
        count = len(length_m)
        entering = (order.speed < SLOW_MPS) & (length_m[order.road] - order.to_stop_m < EXIT_M)
        full = np.bincount(order.road[entering], minlength=count) > 0
        blocked: Bools = segment_sum(full[self.onto].astype(np.float64), self.road, count) > 0
        return blocked


def explain(
    stands: Table,
    gap_m: Floats,
    leader_speed: Floats,
    beside: Bools,
    blocked: Bools,
    ground: "Ground",
    signals: SignalBook,
    now_ms: int,
) -> None:
    """Adds a tick to the seconds of each explanation of the stands seen now.

    `gap_m`, `leader_speed`, `beside` (stands,); `blocked` (R,) roads whose exits are full.
    """
    at = np.flatnonzero(stands["fresh"] & (stands["road"] >= 0))
    if len(at) == 0:
        return
    _look_ahead(stands, at, ground)
    gap, speed, road = gap_m[at], leader_speed[at], stands["road"][at]
    queued = (gap <= QUEUE_GAP_M) & (speed < SLOW_MPS)
    stands["gap_m"][at], stands["queued"][at] = gap, queued
    inside = stands["inside"][at]
    signalled = np.asarray(ground.roads.road_end_intersection)[road] >= 0
    first = ~queued & (inside | (signalled & (stands["to_stop_m"][at] <= STOP_ZONE_M)))
    open_road, alone = ~queued & ~first, ~beside[at]
    seen = stands["ahead_seen"][at]
    hidden = open_road & ~seen & signalled & (stands["to_stop_m"][at] <= UNSEEN_QUEUE_M)
    may_go, held = first & ~inside & ~blocked[road], hidden
    asked = may_go | hidden
    if asked.any():
        green, red = _own_lamp(at[asked], stands, ground, signals, now_ms - LAMP_LAG_MS)
        may_go[asked], held[asked] = may_go[asked] & green, hidden[asked] & red
    elapsed_s = np.minimum(now_ms - stands["counted_ms"][at], LONGEST_STEP_MS) / 1000.0
    stands["counted_ms"][at] = now_ms
    for name, holds in (
        ("queued_s", queued),
        ("beside_s", open_road & ~alone),
        ("free_s", open_road & alone & seen),
        ("dim_s", open_road & alone & ~seen & ~held),
        ("line_s", first & ~inside),
        ("green_s", may_go & alone),
    ):
        stands[name][at] += np.where(holds, elapsed_s, 0.0)


def _look_ahead(stands: Table, at: Ints, ground: "Ground") -> None:
    """Asks, now and then, whether a camera views the lane ahead."""
    due = at[stands["n"][at] % LOOK_EVERY == 1]
    if len(due) == 0:
        return
    ahead = np.repeat(LOOK_M, len(due))
    x = np.tile(stands["x"][due], len(LOOK_M)) + ahead * np.tile(stands["ux"][due], len(LOOK_M))
    y = np.tile(stands["y"][due], len(LOOK_M)) + ahead * np.tile(stands["uy"][due], len(LOOK_M))
    seen = ground.views.cameras_seeing(x, y)[:, 0] >= 0
    stands["ahead_seen"][due] = seen.reshape(len(LOOK_M), len(due)).all(axis=0)


def _own_lamp(at: Ints, stands: Table, ground: "Ground", signals: SignalBook, moment_ms: int) -> tuple[Bools, Bools]:
    """Whether the lamp of the stands' (n,) own movement is green, and whether it is red.

    A pocket on the inner side is for the turn across oncoming traffic. Any other lane goes by the lamp straight on,
    or, where there is none, by all lamps of its side. The innermost lane without a pocket may be one for that turn
    alone: maps do not say, so it may go only where either way is free.
    """
    intersection, side = ground.junctions.approach_of(stands["road"][at].astype(np.int32))
    known = (intersection >= 0) & (side >= 0)
    signal = np.where(known, signals.of_intersection[intersection], -1)
    first = np.maximum(side, 0).astype(np.int64) * LAMPS_PER_SIDE
    slots = np.stack([first + MOVEMENTS.index(name) for name in ("left", "through", "right")])
    left, through, right = signals.colour(signal, slots, np.full(len(at), moment_ms))
    across = left if ground.roads.drives_on_right else right
    lane = stands["lane"][at]
    inner = ground.roads.inner_lane[lane] & (across != int(Colour.ABSENT))
    pocket = ground.roads.turn_lane[lane] & inner
    free = [(turn == int(Colour.GREEN)) | (turn == int(Colour.ABSENT)) for turn in (left, right)]
    sides = free[0] & free[1] & ((left == int(Colour.GREEN)) | (right == int(Colour.GREEN)))
    straight = np.where(through != int(Colour.ABSENT), through == int(Colour.GREEN), sides)
    turns = across == int(Colour.GREEN)
    green: Bools = (signal >= 0) & np.where(pocket, turns, straight & (turns | ~inner))
    red: Bools = (signal >= 0) & (np.where(pocket, across, through) == int(Colour.RED))
    return green, red
