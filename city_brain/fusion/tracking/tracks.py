"""Tracks: what one camera follows under one id, from its first row to a few seconds after its last.

Input: the detections of a tick. State: one table row per live track. Output: the same table, with bias-corrected
position, motion, lane, class by vote, and how it came to stand. A camera that loses an object and finds it again gives
it a new id, so an object has many tracks; an id is not taken to mean two objects.
"""

import msgspec
import numpy as np

from city_brain.city.roads import LaneMatch, Roads
from city_brain.city.views import Views
from city_brain.fusion.tracking.bias import CameraBias
from city_brain.fusion.tracking.noise import EVERY_ROWS, CameraNoise
from city_brain.numerics import KeyIndex, pair_key, sin_cos_deg
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind, ObjectClass
from city_brain.table import Table
from city_brain.ticks.tick import Tick
from city_brain.types import Column, Floats, Ints

VEHICLES = (ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.BUS, ObjectClass.MOTORCYCLE)
IS_VEHICLE = np.array([cls in VEHICLES for cls in ObjectClass])
"""By class code: what keeps to lanes and queues in them."""

FORGET_AFTER_MS = 6_000
MOVING_MPS = 2.0
STANDING_MPS = 0.7
BIAS_SPEED_MPS = 3.0
VELOCITY_GAIN = 0.6
"""Share of a new row's velocity in the smoothed one; cameras report speed to about 0.3 m/s and heading to 3-5° when
moving.
"""

ARRIVAL_WITHIN_MS = 6_000
ARRIVAL_WITHIN_M = 7.0
"""A track was seen arriving if it stood within this time and distance of where it last moved."""

_SCHEMA: dict[str, object] = {
    "key": np.int64, "source": np.int64, "track": np.int64, "camera": np.int64, "cls": np.int64,
    "votes": (np.float64, (len(ObjectClass),)), "conf_sum": np.float64, "n_rows": np.int64, "first_ms": np.int64,
    "last_ms": np.int64,
    "x": np.float64, "y": np.float64, "vx": np.float64, "vy": np.float64,
    "speed": np.float64, "top_speed": np.float64, "hx": np.float64, "hy": np.float64, "sigma_m": np.float64,
    "lane": np.int64, "offset_m": np.float64, "along_m": np.float64, "to_stop_m": np.float64, "ux": np.float64,
    "uy": np.float64,
    "last_moving_ms": np.int64, "moving_x": np.float64, "moving_y": np.float64, "arrived": np.bool_,
    "standing_since_ms": np.int64, "stand_n": np.int64, "stand_x": np.float64, "stand_y": np.float64,
    "fresh": np.bool_, "born": np.bool_, "object_id": np.int64, "row": np.int64, "brake": np.float64,
    "strain": np.int64,
}  # fmt: skip


FARTHEST_M = 500.0
"""No camera places anything much farther away than this; it bounds what is assumed of one."""


def range_sigma_m(distance_m: Floats) -> Floats:
    """Usual 1 σ (n,) of a camera's ground position at a distance (n,), per axis: .5 m near, 1.1 m at 150 m.

    Where the distance is infinite, since the camera is not on the map, it is that of a camera which looks very far.
    """
    return 0.5 + 0.005 * np.clip(distance_m - 30.0, 0.0, FARTHEST_M)


class TrackBook(msgspec.Struct, dict=True):
    """All live tracks in order of birth. Columns (units in the name; angles as unit vectors):

    `key` content hash of (source, track) · `camera` index, -1 unmapped · `cls` · `conf_sum` over `n_rows` · `x`, `y`
    corrected · `vx`, `vy`, `speed`, `top_speed` m/s · `brake` m/s² of the last second · `lane` -1 off the road, with
    signed `offset_m`, `along_m`, `to_stop_m` and its direction `ux`, `uy` · `standing_since_ms` -1 when moving,
    `stand_x`, `stand_y` the mean place standing · `arrived` seen moving, then standing, by this one track · `fresh` has
    a row in this tick · `born` in this tick · `row` its row in the tick, -1 when not fresh · `object_id` the fused
    object, -1 until joined.
    """

    table: Table
    bias: CameraBias
    noise: CameraNoise

    @classmethod
    def empty(cls, cameras: int) -> "TrackBook":
        """No track, and no error known of `cameras` cameras."""
        return cls(Table(_SCHEMA), CameraBias.none(cameras), CameraNoise.none(cameras))

    def step(self, tick: Tick, views: Views, roads: Roads) -> None:
        """Takes the detections of a tick."""
        table = self.table
        table.keep(table["last_ms"] >= tick.start_ms - FORGET_AFTER_MS)
        table["fresh"], table["born"], table["row"] = False, False, -1
        rows = tick.rows
        at = (rows.kind == int(Kind.DETECTION)).nonzero()[0]
        if len(at) == 0:
            return
        index = self._index(rows, at, tick.time_ms, views)
        seen = count_votes(table, index, rows.code[at], rows.value[at])
        # Rows are in order of time: of a track's rows the last that is written stays.
        newest = np.zeros(table.n, dtype=np.int64)
        newest[index] = at
        at = newest[seen]
        news = tick.time_ms[at] > table["last_ms"][seen]
        if not news.all():
            seen, at = seen[news], at[news]
        self._move(seen, rows, at, tick.time_ms[at], views)
        self._on_lane(seen, roads)
        self._stand(seen)

    @property
    def by_key(self) -> KeyIndex:
        """Finds tracks by key; made anew when tracks have come or gone."""
        index: KeyIndex | None = self.__dict__.get("by_key")
        if index is None or index.keys is not self.table["key"]:
            index = self.__dict__["by_key"] = KeyIndex(self.table["key"])
        return index

    def _index(self, rows: Rows, at: Ints, time_ms: Ints, views: Views) -> Ints:
        """Table index (n,) of the tracks of rows `at` (n,); unseen ones are born, in the rows' order."""
        key, n = pair_key(rows.source[at], rows.track[at]), self.table.n
        index = self.by_key.find(key)
        unseen = (index < 0).nonzero()[0]
        if len(unseen):
            keys, first, of = np.unique(key[unseen], return_index=True, return_inverse=True)
            order = first.argsort(kind="stable")
            birth = np.empty(len(keys), dtype=np.int64)
            birth[order] = np.arange(len(keys))
            index[unseen] = n + birth[of]
            first_row = at[unseen[first[order]]]
            self._bear(keys[order], rows.take(first_row), time_ms[first_row], views)
        return index

    def _bear(self, key: Ints, rows: Rows, time_ms: Ints, views: Views) -> None:
        self.table.append(
            len(key), key=key, source=rows.source, track=rows.track, camera=views.camera_index(rows.source),
            cls=rows.code,
            votes=0.0, conf_sum=0.0, n_rows=0, first_ms=time_ms, last_ms=time_ms - 1,
            x=rows.x, y=rows.y,
            vx=0.0, vy=0.0, speed=0.0, top_speed=0.0, hx=0.0, hy=0.0, sigma_m=1.0, lane=-1, offset_m=0.0, along_m=0.0,
            to_stop_m=0.0, ux=0.0, uy=0.0, last_moving_ms=-1, moving_x=0.0, moving_y=0.0, arrived=False,
            standing_since_ms=-1,
            stand_n=0, stand_x=0.0, stand_y=0.0, fresh=False, born=True, object_id=-1, row=-1, brake=0.0, strain=0,
        )  # fmt: skip

    def _move(self, index: Ints, rows: Rows, at: Ints, time_ms: Ints, views: Views) -> None:
        """Takes the newest rows `at` (n,) of tracks `index` (n,)."""
        table = self.table
        reported, x, y, sigma_m = rows.speed[at], rows.x[at], rows.y[at], rows.sigma[at]
        hx, hy = sin_cos_deg(rows.heading[at])
        speed = np.where(np.isfinite(reported), reported, 0.0)
        born = table["born"][index]
        elapsed_s = np.where(born, 1.0, np.maximum((time_ms - table["last_ms"][index]) / 1000.0, 0.2))
        table["brake"][index] = np.where(born, 0.0, (table["speed"][index] - speed) / elapsed_s)
        gain = np.where(born, 1.0, VELOCITY_GAIN)
        for name, news in (("vx", speed * hx), ("vy", speed * hy)):
            before = table[name][index]
            table[name][index] = before + gain * (news - before)
        table["speed"][index] = speed
        table["top_speed"][index] = np.maximum(table["top_speed"][index], speed)
        turn = np.where(born, 1.0, np.where(speed > 1.0, 0.6, 0.1))
        mx, my = table["hx"][index], table["hy"][index]
        mx += turn * (hx - mx)
        my += turn * (hy - my)
        norm = np.maximum(np.sqrt(mx * mx + my * my), 1e-9)
        table["hx"][index], table["hy"][index] = mx / norm, my / norm
        camera = table["camera"][index]
        table["x"][index], table["y"][index] = self.bias.correct(camera, x, y)
        stated = np.isfinite(sigma_m)
        if not stated.all():
            sigma_m = np.where(stated, sigma_m, range_sigma_m(views.distance_m(camera, x, y)))
        table["sigma_m"][index] = sigma_m * self.noise.of(camera)
        table["last_ms"][index], table["fresh"][index], table["row"][index] = time_ms, True, at

    def _on_lane(self, index: Ints, roads: Roads) -> None:
        table = self.table
        match: LaneMatch = roads.match(table["x"][index], table["y"][index])
        for name in ("lane", "offset_m", "along_m", "to_stop_m", "ux", "uy"):
            table[name][index] = getattr(match, name)
        along = match.ux * table["hx"][index] + match.uy * table["hy"][index]
        steady = (table["speed"][index] > BIAS_SPEED_MPS) & (along > 0.97) & (match.lane >= 0)
        camera, n_rows = table["camera"][index], table["n_rows"][index]
        steady &= n_rows > 2
        self.bias.learn(camera, match.ux, match.uy, match.offset_m, steady)
        steady &= (camera >= 0) & (n_rows % EVERY_ROWS == 3) & IS_VEHICLE[table["cls"][index]]
        look = steady.nonzero()[0]
        look = look[self.bias.known(camera[look])]
        self.noise.learn(camera[look], match.offset_m[look], table["sigma_m"][index[look]])

    def _stand(self, index: Ints) -> None:
        table = self.table
        speed, now_ms, x, y = (table[name][index] for name in ("speed", "last_ms", "x", "y"))
        moving, standing = speed > MOVING_MPS, speed < STANDING_MPS
        moves = index[moving]
        table["last_moving_ms"][moves] = now_ms[moving]
        table["moving_x"][moves], table["moving_y"][moves] = x[moving], y[moving]
        since, last_moving = table["standing_since_ms"][index], table["last_moving_ms"][index]
        begins = standing & (since < 0)
        reach = np.sqrt((x - table["moving_x"][index]) ** 2 + (y - table["moving_y"][index]) ** 2)
        witnessed = begins & (last_moving >= 0) & (now_ms - last_moving <= ARRIVAL_WITHIN_MS)
        witnessed &= reach <= ARRIVAL_WITHIN_M
        table["arrived"][index] = (table["arrived"][index] | witnessed) & ~moving
        since = np.where(speed > 1.5, -1, np.where(begins, now_ms, since))
        table["standing_since_ms"][index] = since
        n = np.where(since < 0, 0, table["stand_n"][index] + standing)
        share = np.where(standing & (n > 0), 1.0 / np.maximum(n, 1), 0.0)
        for name, values in (("stand_x", x), ("stand_y", y)):
            mean = np.where(begins, values, table[name][index])
            table[name][index] = mean + share * (values - mean)
        table["stand_n"][index] = n


def count_votes(table: Table, index: Ints, code: Column, confidence: Floats) -> Ints:
    """Adds rows (n,) to the tracks or objects `index` (n,) of a table: their classes, weighted, and how many.

    Answers which rows of the table were seen, ascending.
    """
    n, classes = table.n, len(ObjectClass)
    number = np.bincount(index, minlength=n)
    seen = number.nonzero()[0]
    table["n_rows"] += number
    table["conf_sum"] += np.bincount(index, weights=confidence, minlength=n)
    place = np.zeros(n, dtype=np.int64)
    place[seen] = np.arange(len(seen))
    votes = np.bincount(place[index] * classes + code, weights=confidence, minlength=len(seen) * classes)
    total = table["votes"][seen]
    total += votes.reshape(len(seen), classes)
    table["votes"][seen], table["cls"][seen] = total, total.argmax(axis=1)
    return seen
