"""Crossings: vehicles that pass a stop line, each witnessed on both sides of it by one track, or by two of one object:
a camera may lose it before the line, and another find it beyond.

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
from city_brain.types import Bools, Column, Indices, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

APPROACH_M = 35.0
FORGET_MS = 4_000
EXIT_WITHIN_MS = 10_000
HANDED_OVER_WITHIN_MS = 2_000
"""So soon after a camera has lost a vehicle before the line, what another finds beyond it is the same vehicle."""
ALONG_COS = 0.7
ENTERED_M = 8.0
"""So far straight beyond its stop line a vehicle has entered the junction, and does not merely stand too far ahead."""

_APPROACH = {
    "key": np.int64, "object_id": np.int64, "road": np.int64, "to_stop_m": np.float64, "time_ms": np.int64,
    "speed": np.float64,
}  # fmt: skip
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
        vehicle: Bools = table["fresh"] & IS_VEHICLE[table["cls"]]
        seen = _Seen(tracks, vehicle)
        self._leave(tick, ground, seen)
        self._enter(tick, ground, seen)
        self._begin(tick, ground, seen)
        self._approach(ground, seen)

    def _approach(self, ground: "Ground", seen: "_Seen") -> None:
        """Remembers the last place of every vehicle that comes up to a stop line."""
        table, known = seen.table, self.approaching
        at = (seen.which & (table["to_stop_m"] < APPROACH_M) & (table["to_stop_m"] > 0.5)).nonzero()[0]
        at = at[_along(table, at)]
        at = at[ground.junctions.approach_of(_road(ground, table, at))[0] >= 0]
        at = at[_junction(ground, table, at) < 0]
        here = np.zeros(table.n, dtype=np.bool_)
        here[at] = True
        again = seen.by_key(known)
        known.keep((again < 0) | ~here[again])
        known.append(
            len(at), key=table["key"][at], object_id=table["object_id"][at], road=_road(ground, table, at),
            to_stop_m=table["to_stop_m"][at], time_ms=table["last_ms"][at], speed=table["speed"][at],
        )  # fmt: skip

    def _begin(self, tick: Tick, ground: "Ground", seen: "_Seen") -> None:
        """Opens a crossing for vehicles that were before a stop line and are now in the junction or beyond."""
        table, known = seen.table, self.approaching
        before, at = self._arrived(seen)
        came, road = known["road"][before].astype(np.int32), _road(ground, table, at)
        intersection, side = ground.junctions.approach_of(came)
        leaving = (road >= 0) & (road != came) & (ground.junctions.exit_of(road)[0] == intersection)
        passed = leaving | (_junction(ground, table, at) == intersection)
        if not passed.any():
            return
        at, before = at[passed], before[passed]
        elapsed_ms = table["last_ms"][at] - known["time_ms"][before]
        mean = np.maximum(0.5 * (table["speed"][at] + known["speed"][before]), 0.5)
        to_line_ms = np.rint(1000.0 * known["to_stop_m"][before] / mean).astype(np.int64)
        place = _places(tick, table, at)
        self.open.append(
            len(at), key=table["key"][at], object_id=table["object_id"][at], source=table["source"][at],
            intersection=intersection[passed], side=side[passed], in_road=came[passed], out_road=-1, movement=-1,
            cross_ms=known["time_ms"][before] + np.minimum(to_line_ms, elapsed_ms), line_speed=mean,
            least_speed=np.minimum(table["speed"][at], known["speed"][before]),
            confidence=table["conf_sum"][at] / np.maximum(table["n_rows"][at], 1), first_row=place, last_row=place,
            has_entered=False,
        )  # fmt: skip
        known.keep(_all_but(before, known.n))

    def _arrived(self, seen: "_Seen") -> tuple[Ints, Ints]:
        """Of vehicles before a stop line that are seen in this tick: where they were, and the row of their track; each
        track once, its own last place before that of another one.
        """
        known, table = self.approaching, seen.table
        row = seen.rows(known)
        before = (row >= 0).nonzero()[0]
        at = row[before]
        other = known["key"][before] != table["key"][at]
        handed = before[other]
        handed = handed[table["last_ms"][row[handed]] - known["time_ms"][handed] <= HANDED_OVER_WITHIN_MS]
        handed = handed[~np.isin(known["object_id"][handed], self.open["object_id"])]
        handed = handed[stable_order(-known["time_ms"][handed])]
        handed = handed[np.unique(row[handed], return_index=True)[1]]
        before = np.concatenate([before[~other], handed[~np.isin(row[handed], at[~other])]])
        before = before[stable_order(row[before])]
        return before, row[before]

    def _leave(self, tick: Tick, ground: "Ground", seen: "_Seen") -> None:
        """Completes the crossings of vehicles that are now driving on a road out of their junction."""
        table, crossings = seen.table, self.open
        row = seen.rows(crossings)
        which = (row >= 0).nonzero()[0]
        at = row[which]
        crossings["least_speed"][which] = np.minimum(crossings["least_speed"][which], table["speed"][at])
        road = _road(ground, table, at)
        out = _along(table, at) & (road >= 0) & (road != crossings["in_road"][which])
        out &= ground.junctions.exit_of(road)[0] == crossings["intersection"][which]
        out[out] &= _junction(ground, table, at[out]) < 0
        if not out.any():
            return
        which, at, road = which[out], at[out], road[out]
        done: dict[str, Column] = {name: column[which] for name, column in crossings.columns().items()}
        done |= {"out_road": road, "last_row": _places(tick, table, at), "object_id": table["object_id"][at]}
        done["movement"] = ground.junctions.movement(done["in_road"].astype(np.int32), road)
        self.completed.append(len(at), **done)
        self.completed.keep(self.completed["movement"] != NO_MOVEMENT)
        crossings.keep(_all_but(which, crossings.n))

    def _enter(self, tick: Tick, ground: "Ground", seen: "_Seen") -> None:
        """Tells, once, of crossings whose vehicle is seen again, now well beyond the line, wherever it may go."""
        table, crossings = seen.table, self.open
        row = seen.rows(crossings)
        which = (row >= 0).nonzero()[0]
        at = row[which]
        road = crossings["in_road"][which]
        way, stop = ground.roads.road_end_u[road], ground.junctions.stop_xy[road]
        beyond_m = (table["x"][at] - stop[:, 0]) * way[:, 0] + (table["y"][at] - stop[:, 1]) * way[:, 1]
        straight = table["hx"][at] * way[:, 0] + table["hy"][at] * way[:, 1] > ALONG_COS
        now = straight & ~crossings["has_entered"][which] & (beyond_m >= ENTERED_M)
        if not now.any():
            return
        which, at = which[now], at[now]
        crossings["has_entered"][which] = True
        said: dict[str, Column] = {name: column[which] for name, column in crossings.columns().items()}
        said |= {"last_row": _places(tick, table, at), "object_id": table["object_id"][at]}
        self.entered.append(len(at), **said)

    def slot(self) -> Ints:
        """The lamp (n,) that governs each completed crossing: 3 × side + movement."""
        slot: Ints = self.completed["side"] * LAMPS_PER_SIDE + np.minimum(
            self.completed["movement"], LAMPS_PER_SIDE - 1
        )
        return slot


class _Seen:
    """The vehicles seen in a tick: rows of the tracks `which` (tracks,), to be found by key or by object."""

    def __init__(self, tracks: TrackBook, which: Bools) -> None:
        self.table, self.which, self._index = tracks.table, which, tracks.by_key
        row = which.nonzero()[0]
        row = row[stable_order(self.table["object_id"][row])]
        owner = self.table["object_id"][row]
        last = np.append(owner[1:] != owner[:-1], True)[: len(row)]
        self._row, self._owner = row[last], owner[last]

    def by_key(self, known: Table) -> Ints:
        """The row of each track (n,) of `known`, -1 where it is not seen."""
        row = self._index.find(known["key"])
        return np.where((row >= 0) & self.which[row], row, -1)

    def rows(self, known: Table) -> Ints:
        """The same, but where a track is not seen the last one of its object, if any is."""
        row = self.by_key(known)
        lost = (row < 0).nonzero()[0]
        found = find_sorted(self._owner, known["object_id"][lost])
        row[lost[found >= 0]] = self._row[found[found >= 0]]
        return row


def _all_but(which: Ints, n: int) -> Bools:
    """A mask (n,) without the rows `which`."""
    mask = np.ones(n, dtype=np.bool_)
    mask[which] = False
    return mask


def _along(table: Table, at: Ints) -> Bools:
    """Whether tracks head along their lane; false beside the road."""
    along: Bools = table["ux"][at] * table["hx"][at] + table["uy"][at] * table["hy"][at] > ALONG_COS
    return along


def _road(ground: "Ground", table: Table, at: Ints) -> Indices:
    """The roads that tracks are on, -1 for none."""
    lane = table["lane"][at]
    return np.where(lane >= 0, ground.roads.road[lane], -1)


def _junction(ground: "Ground", table: Table, at: Ints) -> Indices:
    """The intersections that tracks are in, -1 for none."""
    return ground.views.in_intersection(table["x"][at], table["y"][at])


def _places(tick: Tick, table: Table, at: Ints) -> Ints:
    """Log positions (n, 3) of the rows that tracks `at` (n,) have in this tick."""
    row = table["row"][at]
    rows = tick.rows
    return np.column_stack([rows.raw_partition[row], rows.offset[row], rows.sub[row]]).astype(np.int64)
