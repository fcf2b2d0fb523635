"""Crossings: vehicles that pass a stop line, each witnessed by one track on both sides of it.

Input: the tracks after a tick. State: tracks on an approach, and crossings whose exit is not known yet. Output: the
crossings completed in this tick, with movement and time, and those that have only got well beyond the line. Which
movement a vehicle makes is known only at the exit: left turners cross straight for a dozen metres.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.city.junctions import NO_MOVEMENT
from city_brain.fusion.tracking.tracks import IS_VEHICLE, TrackBook
from city_brain.numerics import find_sorted, stable_order
from city_brain.observations.rows import LAMPS_PER_SIDE
from city_brain.table import Table
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Column, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

APPROACH_M = 35.0
FORGET_MS = 4_000
EXIT_WITHIN_MS = 10_000
ALONG_COS = 0.7
ENTERED_M = 8.0
"""So far straight beyond its stop line a vehicle has entered the junction, and does not merely stand too far ahead."""

_APPROACH = {"key": np.int64, "road": np.int64, "to_stop_m": np.float64, "time_ms": np.int64, "speed": np.float64}
_CROSSING = {
    "key": np.int64, "object_id": np.int64, "source": np.int64, "intersection": np.int64, "side": np.int64,
    "in_road": np.int64,
    "out_road": np.int64, "movement": np.int64, "cross_ms": np.int64, "line_speed": np.float64,
    "least_speed": np.float64,
    "confidence": np.float64, "first_row": (np.int64, (3,)), "last_row": (np.int64, (3,)), "has_entered": np.bool_,
}  # fmt: skip


class CrossingBook(msgspec.Struct):
    """`completed`: crossings whose exit was seen in this tick; `entered`: those seen `ENTERED_M` beyond the line in it,
    after they were seen nearer, exit and movement unknown (-1). Columns: `key` of the track, `object_id`, `source`,
    `intersection`, `side` of the arm it came from, `in_road`, `out_road`, `movement` (0 left, 1 through, 2 right, 3
    back), `cross_ms` at the stop line, `line_speed` there and `least_speed` since in m/s, `confidence` of the track,
    `first_row` and `last_row` log positions on both sides of the line, `has_entered` whether that was told.
    """

    approaching: Table
    open: Table
    completed: Table
    entered: Table

    @classmethod
    def empty(cls) -> "CrossingBook":
        """No vehicle at any stop line."""
        return cls(Table(_APPROACH), Table(_CROSSING), Table(_CROSSING), Table(_CROSSING))

    def step(self, tick: Tick, ground: "Ground", tracks: TrackBook) -> None:
        """Takes the tracks after a tick."""
        self.completed, self.entered = Table(_CROSSING), Table(_CROSSING)
        self.approaching.keep(self.approaching["time_ms"] >= tick.end_ms - FORGET_MS)
        self.open.keep(self.open["cross_ms"] >= tick.end_ms - EXIT_WITHIN_MS)
        table = tracks.table
        if table.n == 0 or ground.roads.empty:
            return
        at = (table["fresh"] & IS_VEHICLE[table["cls"]]).nonzero()[0]
        if len(at) == 0:
            return
        road = np.where(table["lane"][at] >= 0, ground.roads.road[table["lane"][at]], -1)
        along = table["ux"][at] * table["hx"][at] + table["uy"][at] * table["hy"][at] > ALONG_COS
        junction = ground.views.in_intersection(table["x"][at], table["y"][at])
        self._leave(tick, ground, table, at, road, along & (junction < 0) & (road >= 0))
        self._enter(tick, ground, table, at)
        self._begin(tick, ground, table, at, road, junction)
        self._approach(ground, table, at, road, junction, along)

    def _approach(self, ground: "Ground", table: Table, at: Ints, road: Column, junction: Column, along: Bools) -> None:
        """Remembers the last place of every vehicle that comes up to a stop line."""
        before = (
            along
            & (road >= 0)
            & (junction < 0)
            & (table["to_stop_m"][at] < APPROACH_M)
            & (table["to_stop_m"][at] > 0.5)
        )
        before[before] &= ground.junctions.approach_of(road[before])[0] >= 0
        at, road = at[before], road[before]
        known = self.approaching
        known.keep(~np.isin(known["key"], table["key"][at]))
        known.append(
            len(at), key=table["key"][at], road=road, to_stop_m=table["to_stop_m"][at], time_ms=table["last_ms"][at],
            speed=table["speed"][at],
        )  # fmt: skip

    def _begin(self, tick: Tick, ground: "Ground", table: Table, at: Ints, road: Column, junction: Column) -> None:
        """Opens a crossing for vehicles that were before a stop line and are now in the junction or beyond."""
        known = self.approaching
        if known.n == 0:
            return
        before, was_before = _find(known["key"], table["key"][at])
        intersection, side = ground.junctions.approach_of(known["road"][before].astype(np.int32))
        inside = junction == intersection
        leaving = (road >= 0) & (road != known["road"][before]) & (ground.junctions.exit_of(road)[0] == intersection)
        passed = was_before & (inside | leaving)
        if not passed.any():
            return
        at, before = at[passed], before[passed]
        elapsed_ms = table["last_ms"][at] - known["time_ms"][before]
        mean = np.maximum(0.5 * (table["speed"][at] + known["speed"][before]), 0.5)
        to_line_ms = np.rint(1000.0 * known["to_stop_m"][before] / mean).astype(np.int64)
        place = _places(tick, table, at)
        self.open.append(
            len(at), key=table["key"][at], object_id=table["object_id"][at], source=table["source"][at],
            intersection=intersection[passed], side=side[passed], in_road=known["road"][before], out_road=-1,
            movement=-1,
            cross_ms=known["time_ms"][before] + np.minimum(to_line_ms, elapsed_ms), line_speed=mean,
            least_speed=np.minimum(table["speed"][at], known["speed"][before]),
            confidence=table["conf_sum"][at] / np.maximum(table["n_rows"][at], 1), first_row=place, last_row=place,
            has_entered=False,
        )  # fmt: skip
        known.keep(~np.isin(known["key"], table["key"][at]))

    def _leave(self, tick: Tick, ground: "Ground", table: Table, at: Ints, road: Column, driving: Bools) -> None:
        """Completes the crossings of vehicles that are now driving on a road out of their junction."""
        crossings = self.open
        if crossings.n == 0:
            return
        here, seen = _find(table["key"][at], crossings["key"])
        speed: Floats = table["speed"][at][here]
        crossings["least_speed"] = np.where(seen, np.minimum(crossings["least_speed"], speed), crossings["least_speed"])
        out = seen & driving[here] & (road[here] != crossings["in_road"])
        out &= ground.junctions.exit_of(road[here])[0] == crossings["intersection"]
        if not out.any():
            return
        at, road = at[here[out]], road[here[out]]
        done: dict[str, Column] = {name: column[out].copy() for name, column in crossings.columns().items()}
        done |= {"out_road": road, "last_row": _places(tick, table, at), "object_id": table["object_id"][at]}
        done["movement"] = ground.junctions.movement(done["in_road"].astype(np.int32), road)
        self.completed.append(len(at), **done)
        self.completed.keep(self.completed["movement"] != NO_MOVEMENT)
        crossings.keep(~out)

    def _enter(self, tick: Tick, ground: "Ground", table: Table, at: Ints) -> None:
        """Tells, once, of crossings whose vehicle is seen again, now well beyond the line, wherever it may go."""
        crossings = self.open
        if crossings.n == 0:
            return
        here, seen = _find(table["key"][at], crossings["key"])
        here, road = at[here], crossings["in_road"]
        way, stop = ground.roads.road_end_u[road], ground.junctions.stop_xy[road]
        beyond_m = (table["x"][here] - stop[:, 0]) * way[:, 0] + (table["y"][here] - stop[:, 1]) * way[:, 1]
        straight = table["hx"][here] * way[:, 0] + table["hy"][here] * way[:, 1] > ALONG_COS
        now = seen & straight & ~crossings["has_entered"] & (beyond_m >= ENTERED_M)
        if not now.any():
            return
        crossings["has_entered"] |= now
        said = {name: column[now].copy() for name, column in crossings.columns().items()}
        said |= {"last_row": _places(tick, table, here[now]), "object_id": table["object_id"][here[now]]}
        self.entered.append(int(np.count_nonzero(now)), **said)

    def slot(self) -> Ints:
        """The lamp (n,) that governs each completed crossing: 3 × side + movement."""
        slot: Ints = self.completed["side"] * LAMPS_PER_SIDE + np.minimum(
            self.completed["movement"], LAMPS_PER_SIDE - 1
        )
        return slot


def _find(keys: Ints, wanted: Ints) -> tuple[Ints, Bools]:
    """Where each of `wanted` (n,) stands in `keys` (k,), k > 0 and without repetition, and whether it does."""
    order = stable_order(keys)
    found = find_sorted(keys[order], wanted)
    return order[np.maximum(found, 0)], found >= 0


def _places(tick: Tick, table: Table, at: Ints) -> Ints:
    """Log positions (n, 3) of the rows that tracks `at` (n,) have in this tick."""
    row = table["row"][at]
    rows = tick.rows
    return np.column_stack([rows.raw_partition[row], rows.offset[row], rows.sub[row]]).astype(np.int64)
