"""Stands: vehicles that stand on a road, remembered by place, so that a lost track does not end a stop.

Cameras lose standing vehicles behind trucks and between two ids. A stand goes on under another object that was never
seen moving and stands at the same place; it ends when its vehicle is seen to drive. Places of vehicles that stood
there from the beginning are remembered longer: a vehicle seen there again is parked, not stopped.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.city.grid.pairs import near_pairs
from city_brain.fusion.tracking.associate import assign
from city_brain.fusion.tracking.objects import ObjectBook
from city_brain.fusion.tracking.tracks import IS_VEHICLE, TrackBook
from city_brain.numerics import find_sorted, segment_sum, sin_cos_deg, stable_order
from city_brain.observations.rows import Rows
from city_brain.table import Table
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

SAME_PLACE_M = 3.0
"""Two means of one standing vehicle differ less; two queued vehicles stand farther apart."""

ASIDE_M = 1.6
"""A parked vehicle and one in the lane beside it differ more across the lane."""

NOBODY = -1
LOST_MS = 4_000
"""A stand not seen for this long may be known under another object by now."""

LEFT_M = 5.0
"""An object this far from its stand has crept on, or is another vehicle under the same id."""

BEGAN_WITHIN_MS = 10_000
"""A stand began no earlier than this before it was noted: what its object did elsewhere does not count."""

ARRIVED_MEMORY_MS = 120_000
QUEUED_MEMORY_MS = 40_000
TAKE_OVER_QUEUED_MS = 15_000
"""A place in a queue is soon another vehicle's: a stand in company is remembered, and taken over, for less long."""

COMPANY_S = 10.0
"""Seconds behind or beside others from which on a stand is one of a queue."""

PARKED_AFTER_MS = 120_000
"""Who nobody saw coming and has stood this long is parked: its place is known, whatever passes for it for a while."""
PARKED_MEMORY_MS = 900_000
MEAN_OVER = 60
"""Ticks over which a place is averaged; camera noise lasts about ten of them."""

PLACED_OFTEN = 4
PLACED_EVERY = 8
DOUBLES_EVERY_MS = 4_000

LOOKED_BEFORE_MS = 60_000
"""A vehicle that appears standing where this long nothing stood has come, though no track shows it coming."""

_SCHEMA: dict[str, object] = {
    "object_id": np.int64, "key": np.int64, "cls": np.int64, "x": np.float64, "y": np.float64, "sigma_m": np.float64,
    "n": np.int64, "lane": np.int64, "road": np.int64, "offset_m": np.float64, "to_stop_m": np.float64,
    "along_m": np.float64,
    "ux": np.float64, "uy": np.float64, "since_ms": np.int64, "last_ms": np.int64, "arrived": np.bool_,
    "appeared": np.bool_, "fresh": np.bool_, "inside": np.bool_, "confidence": np.float64,
    "confidence_sum": np.float64, "rows": np.int64, "gap_m": np.float64, "queued": np.bool_, "queued_s": np.float64,
    "free_s": np.float64, "dim_s": np.float64, "line_s": np.float64, "green_s": np.float64, "beside_s": np.float64,
    "overtaken": np.int64,
    "head_x": np.float64, "head_y": np.float64, "head_n": np.int64, "ahead_seen": np.bool_, "counted_ms": np.int64,
}  # fmt: skip

_BORN_WITH = {
    "object_id": "id", "key": "birth_key", "cls": "cls", "x": "x", "y": "y", "sigma_m": "sigma_m",
    "since_ms": "standing_since_ms",
}  # fmt: skip

COUNTED = ("queued_s", "beside_s", "free_s", "dim_s", "line_s", "green_s", "overtaken")
"""What is counted over the whole of a stand."""


class Stands(msgspec.Struct):
    """The stands in order of birth. Columns:

    `object_id` who stands there now or did last, `key` the birth key of its first object · `x`, `y` mean place over `n`
    ticks and `sigma_m` the mean spread of one look, with its lane, `road`, `offset_m`, `to_stop_m`, `along_m`,
    direction `ux`, `uy` · `since_ms`, `last_ms` seen standing · `arrived` one track saw it come and stop; `appeared` it
    stands where nothing stood while somebody looked · `fresh` seen in this tick · `inside` an intersection ·
    `confidence` mean of its `rows` · `gap_m` to the leader, inf for none; `queued` the leader is slow and near ·
    seconds so far: `queued_s` behind a slow leader; on the open road with slow vehicles `beside_s` it, or alone with
    the lane ahead in view (`free_s`) or out of view (`dim_s`); `line_s` first at the stop line, `green_s` alone
    there while its own lamp was green and the exits free · vehicles that have `overtaken` it · `head_x`, `head_y`
    sum of `head_n` unit headings while it stood · `ahead_seen` a camera looks at the lane ahead · `counted_ms`
    seconds are counted up to here.
    """

    table: Table
    began_ms: int

    @classmethod
    def empty(cls) -> "Stands":
        """Nobody stands."""
        return cls(Table(_SCHEMA), -1)

    def step(self, tick: Tick, ground: "Ground", tracks: TrackBook, objects: ObjectBook) -> None:
        """Takes the tracks and objects after a tick."""
        now_ms = tick.end_ms
        if self.began_ms < 0:
            self.began_ms = now_ms
        self._end(now_ms, objects)
        table, seen = self.table, objects.table
        table["fresh"] = False
        mask = seen["fresh"] & (seen["standing_since_ms"] >= 0) & (seen["lane"] >= 0) & IS_VEHICLE[seen["cls"]]
        at = np.flatnonzero(mask)
        if len(at) == 0:
            return
        order = stable_order(table["object_id"])
        known = find_sorted(table["object_id"][order], seen["id"][at])
        stand = np.where(known >= 0, order[known] if table.n else -1, -1)
        unknown = np.flatnonzero(stand < 0)
        if len(unknown):
            stand[unknown] = self._take_over(at[unknown], now_ms, objects)
            unknown = np.flatnonzero(stand < 0)
            stand[unknown] = self._bear(at[unknown], now_ms, objects)
        self._average(stand, at, now_ms, objects)
        self._add_rows(stand, at, tick.rows, tracks, objects)
        if now_ms % DOUBLES_EVERY_MS < tick.end_ms - tick.start_ms:
            self._drop_doubles(now_ms)
        self._place(ground)

    def _end(self, now_ms: int, objects: ObjectBook) -> None:
        """Drops the stands whose vehicle drives, and those not seen for long."""
        table, seen = self.table, objects.table
        if table.n == 0:
            return
        index = objects.index_of(table["object_id"])
        here = np.flatnonzero(index >= 0)
        away2 = np.zeros(table.n)
        away2[here] = (seen["x"][index[here]] - table["x"][here]) ** 2 + (
            seen["y"][index[here]] - table["y"][here]
        ) ** 2
        drives = np.zeros(table.n, dtype=np.bool_)
        drives[here] = seen["fresh"][index[here]] & (
            (seen["standing_since_ms"][index[here]] < 0) | (away2[here] > LEFT_M**2)
        )
        parked = self._parked()
        # An object takes the name of what passes it close by; that does not move the parked car.
        table["object_id"][drives & parked] = NOBODY
        memory = np.where(self._in_company(), QUEUED_MEMORY_MS, ARRIVED_MEMORY_MS)
        memory = np.where(self._came(), memory, PARKED_MEMORY_MS)
        table.keep((~drives | parked) & (now_ms - table["last_ms"] <= memory))

    def _came(self) -> Bools:
        """Which stands (n,) are of vehicles that came while somebody looked."""
        came: Bools = self.table["arrived"] | self.table["appeared"]
        return came

    def _parked(self) -> Bools:
        """Which stands (n,) are of vehicles that were there before anybody looked, and stayed."""
        table = self.table
        parked: Bools = ~self._came() & (table["last_ms"] - table["since_ms"] >= PARKED_AFTER_MS)
        return parked

    def _in_company(self) -> Bools:
        """Which stands (n,) are of a queue, by the seconds they stood behind or beside others."""
        company: Bools = self.table["queued_s"] + self.table["beside_s"] >= COMPANY_S
        return company

    def _take_over(self, at: Ints, now_ms: int, objects: ObjectBook) -> Ints:
        """The stand (n,) that each standing object `at` (n,) goes on with, -1 for none."""
        table, seen = self.table, objects.table
        answer = np.full(len(at), -1, dtype=np.int64)
        free = np.flatnonzero(table["last_ms"] < now_ms)
        left, right = near_pairs(seen["x"][at], seen["y"][at], table["x"][free], table["y"][free], SAME_PLACE_M)
        right = free[right]
        index = objects.index_of(table["object_id"][right])
        lost = (index < 0) | ~seen["fresh"][index]
        lost &= self._in_line(right, seen["x"][at[left]], seen["y"][at[left]])
        brief = self._in_company() & ~self._parked()
        lost &= ~brief[right] | (now_ms - table["last_ms"][right] <= TAKE_OVER_QUEUED_MS)
        lost &= ~seen["arrived"][at[left]] & (seen["top_speed"][at[left]] < 2.0)
        left, right = left[lost], right[lost]
        away2 = (seen["x"][at[left]] - table["x"][right]) ** 2 + (seen["y"][at[left]] - table["y"][right]) ** 2
        best = assign(left, right, away2, margin=0.0)
        answer[left[best]] = right[best]
        table["object_id"][right[best]] = seen["id"][at[left[best]]]
        return answer

    def _bear(self, at: Ints, now_ms: int, objects: ObjectBook) -> Ints:
        seen, n = objects.table, self.table.n
        looked = now_ms - self.began_ms >= LOOKED_BEFORE_MS
        copied = {name: seen[of][at] for name, of in _BORN_WITH.items()}
        copied["since_ms"] = np.maximum(copied["since_ms"], now_ms - BEGAN_WITHIN_MS)
        self.table.append(
            len(at), **copied, n=0, lane=-1, road=-1, offset_m=0.0, to_stop_m=0.0, along_m=0.0, ux=0.0, uy=0.0,
            last_ms=now_ms, arrived=False, appeared=looked, fresh=True, inside=False, confidence=0.0,
            confidence_sum=0.0, rows=0,
            gap_m=np.inf, queued=False, queued_s=0.0, free_s=0.0, dim_s=0.0, line_s=0.0, green_s=0.0, beside_s=0.0,
            overtaken=0,
            head_x=0.0, head_y=0.0, head_n=0, ahead_seen=False, counted_ms=now_ms,
        )  # fmt: skip
        return n + np.arange(len(at), dtype=np.int64)

    def _average(self, stand: Ints, at: Ints, now_ms: int, objects: ObjectBook) -> None:
        table, seen = self.table, objects.table
        table["n"][stand] += 1
        share = 1.0 / np.minimum(table["n"][stand], MEAN_OVER)
        for name in ("x", "y", "sigma_m"):
            table[name][stand] += share * (seen[name][at] - table[name][stand])
        table["cls"][stand] = seen["cls"][at]
        table["last_ms"][stand], table["fresh"][stand] = now_ms, True

    def _add_rows(self, stand: Ints, at: Ints, rows: Rows, tracks: TrackBook, objects: ObjectBook) -> None:
        """Adds this tick's rows of the objects `at` (n,): were they seen to come here, confidence, headings."""
        table, seen = self.table, tracks.table
        fresh = np.flatnonzero(seen["fresh"] & (seen["object_id"] >= 0))
        of, row = objects.index_of(seen["object_id"][fresh]), seen["row"][fresh]
        fresh, of, row = fresh[of >= 0], of[of >= 0], row[of >= 0]
        stand_of = np.full(objects.table.n, -1, dtype=np.int64)
        stand_of[at] = stand
        came = np.flatnonzero(seen["arrived"][fresh] & (stand_of[of] >= 0))
        track, here = fresh[came], stand_of[of[came]]
        away2 = (seen["stand_x"][track] - table["x"][here]) ** 2 + (seen["stand_y"][track] - table["y"][here]) ** 2
        same = (away2 <= SAME_PLACE_M**2) & self._in_line(here, seen["stand_x"][track], seen["stand_y"][track])
        # Who stood here before the track came to stand is another vehicle than the track's.
        same &= table["since_ms"][here] >= seen["standing_since_ms"][track] - BEGAN_WITHIN_MS
        table["arrived"][here[same]] = True
        count, heading = objects.table.n, rows.heading[row]
        table["rows"][stand] += np.bincount(of, minlength=count)[at]
        table["confidence_sum"][stand] += segment_sum(rows.value[row], of, count)[at]
        table["confidence"][stand] = table["confidence_sum"][stand] / np.maximum(table["rows"][stand], 1)
        known = np.isfinite(heading)
        east, north = sin_cos_deg(heading[known])
        table["head_n"][stand] += np.bincount(of[known], minlength=count)[at]
        for name, part in (("head_x", east), ("head_y", north)):
            table[name][stand] += segment_sum(part, of[known], count)[at]

    def _drop_doubles(self, now_ms: int) -> None:
        """Of two stands at one place, one of them unseen, the seen one stays and takes over what the other knew.

        It takes over nothing where its vehicle came after the other was last seen, nor where one of the vehicles came
        while the other stood here: they are two. What was parked is remembered all the same.
        """
        table = self.table
        now, before = np.flatnonzero(table["fresh"]), np.flatnonzero(~table["fresh"])
        left, right = near_pairs(table["x"][now], table["y"][now], table["x"][before], table["y"][before], SAME_PLACE_M)
        if len(left) == 0:
            return
        left, right = now[left], before[right]
        gone = now_ms - table["last_ms"][right] >= LOST_MS
        gone &= self._in_line(left, table["x"][right], table["y"][right])
        left, right = left[gone], right[gone]
        since, last, came = table["since_ms"], table["last_ms"], table["arrived"]
        after = came[left] & (last[right] < since[left])
        two = came[left] & (since[right] < since[left] - BEGAN_WITHIN_MS) & ~after
        two |= came[right] & (since[left] < since[right] - BEGAN_WITHIN_MS)
        recent = ~two & ~after
        recent &= ~self._in_company()[right] | (now_ms - last[right] <= TAKE_OVER_QUEUED_MS)
        keep: Bools = np.ones(table.n, dtype=np.bool_)
        keep[right[~(two & self._parked()[right])]] = False
        table["appeared"][left[~table["appeared"][right]]] = False
        left, right = left[recent], right[recent]
        np.logical_or.at(came, left, came[right])
        np.minimum.at(since, left, since[right])
        table["key"][left] = table["key"][right]
        for name in COUNTED:
            np.maximum.at(table[name], left, table[name][right])
        self._share_place(left, right)
        table.keep(keep)

    def _share_place(self, stand: Ints, other: Ints) -> None:
        """Averages the places of stands (n,) with those of others (n,) that were the same vehicle's: what is counted
        over the whole of a stand was counted there, too.
        """
        table = self.table
        ticks = np.minimum(table["n"], MEAN_OVER)
        total = ticks.copy()
        np.add.at(total, stand, ticks[other])
        for name in ("x", "y", "sigma_m"):
            moment = table[name] * ticks
            np.add.at(moment, stand, moment[other])
            table[name][stand] = moment[stand] / total[stand]
        # A multiple, so that the place is matched to its lane at once.
        table["n"][stand] = -(-total[stand] // PLACED_EVERY) * PLACED_EVERY

    def _in_line(self, stand: Ints, x: Floats, y: Floats) -> Bools:
        """Whether points (n,) lie on the line along the lane through their stand (n,), within what cameras are off."""
        dx, dy = x - self.table["x"][stand], y - self.table["y"][stand]
        near: Bools = np.abs(dx * self.table["uy"][stand] - dy * self.table["ux"][stand]) <= ASIDE_M
        return near

    def _place(self, ground: "Ground") -> None:
        """Matches the mean places to lanes: in their first ticks, later now and then, since a mean hardly moves."""
        n = self.table["n"]
        at = np.flatnonzero(self.table["fresh"] & ((n <= PLACED_OFTEN) | (n % PLACED_EVERY == 0)))
        if len(at) == 0:
            return
        x, y = self.table["x"][at], self.table["y"][at]
        match = ground.roads.match(x, y)
        for name in ("lane", "road", "offset_m", "to_stop_m", "along_m", "ux", "uy"):
            self.table[name][at] = getattr(match, name)
        self.table["inside"][at] = ground.views.in_intersection(x, y) >= 0
