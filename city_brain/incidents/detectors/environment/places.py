"""Places where cameras keep reporting something that does not move: smoke, flames, water.

Cameras break what they see of such things into many short tracks. A place gathers them: each second in which any camera
reports the class within reach counts once.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.hypothesis import LogPosition
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Ints

MOST_SOURCES = 4
MOST_ROWS = 8
KEEP_EVERY = 4
"""One row in so many is kept as an example."""

_SCHEMA = {
    "x": np.float64, "y": np.float64, "first_ms": np.int64, "last_ms": np.int64, "seconds": np.int64,
    "seconds_of": (np.int64, (len(ObjectClass),)), "rows_n": np.int64, "conf_sum": np.float64,
    "source": (np.int64, (MOST_SOURCES,)), "row": (np.int64, (MOST_ROWS, 3)),
}  # fmt: skip


class Places(msgspec.Struct):
    """Places in order of their first row.

    `x`, `y` m, the mean over its rows; `seconds` in which something was reported, `seconds_of` (n, classes) by class;
    `rows_n`, `conf_sum` over its rows; `source` (n, 4) keys of the first cameras, -1 padded; `row` (n, 8, 3) log
    positions spread over its seconds, -1 padded.
    """

    table: Table

    @classmethod
    def empty(cls) -> "Places":
        """No place yet."""
        return cls(Table(_SCHEMA))

    def step(self, scene: Scene, classes: tuple[ObjectClass, ...], reach_m: float, forget_s: float) -> None:
        """Takes the tick's tracks of `classes`; places without a row for `forget_s` are forgotten."""
        self.table.keep(self.table["last_ms"] >= scene.now_ms - 1000 * forget_s)
        tracks = scene.tracks.table
        if tracks.n == 0:
            return
        wanted = np.zeros(len(ObjectClass), dtype=np.bool_)
        wanted[list(classes)] = True
        at = np.flatnonzero(tracks["fresh"] & wanted[tracks["cls"]])
        if len(at) == 0:
            return
        touched = np.zeros((self.table.n + len(at), len(ObjectClass)), dtype=np.bool_)
        for track in at.tolist():
            place = self._place(scene, track, reach_m)
            self._add(scene, place, track)
            touched[place, tracks["cls"][track]] = True
        table = self.table
        touched = touched[: table.n]
        table["seconds_of"] += touched
        seen = touched.any(axis=1)
        table["seconds"] += seen
        table["last_ms"][seen] = scene.now_ms

    def _place(self, scene: Scene, track: int, reach_m: float) -> int:
        """The nearest place within reach of a track, or a new one."""
        tracks, table = scene.tracks.table, self.table
        x, y = float(tracks["x"][track]), float(tracks["y"][track])
        if table.n:
            dx, dy = table["x"] - x, table["y"] - y
            distance2 = dx * dx + dy * dy
            nearest = int(np.argmin(distance2))
            if distance2[nearest] <= reach_m * reach_m:
                return nearest
        table.append(
            1, x=x, y=y, first_ms=tracks["last_ms"][track], last_ms=scene.now_ms, seconds=0, rows_n=0, seconds_of=0,
            conf_sum=0.0, source=-1, row=-1,
        )  # fmt: skip
        return table.n - 1

    def _add(self, scene: Scene, place: int, track: int) -> None:
        tracks, table, rows = scene.tracks.table, self.table, scene.tick.rows
        row = int(tracks["row"][track])
        table["rows_n"][place] += 1
        n = int(table["rows_n"][place])
        for name in ("x", "y"):
            table[name][place] += (tracks[name][track] - table[name][place]) / n
        table["conf_sum"][place] += rows.value[row]
        known = table["source"][place]
        if tracks["source"][track] not in known and (known == -1).any():
            known[int(np.argmax(known == -1))] = tracks["source"][track]
        if (n - 1) % KEEP_EVERY == 0 and (n - 1) // KEEP_EVERY < MOST_ROWS:
            table["row"][place, (n - 1) // KEEP_EVERY] = rows.raw_partition[row], rows.offset[row], rows.sub[row]

    def sources(self, place: int) -> tuple[int, ...]:
        """Keys of the cameras that see a place, ascending."""
        known = self.table["source"][place]
        return tuple(np.sort(known[known >= 0]).tolist())

    def rows(self, place: int) -> tuple[LogPosition, ...]:
        """Log positions of some of a place's rows."""
        row: Ints = self.table["row"][place]
        return tuple((int(a), int(b), int(c)) for a, b, c in row[row[:, 1] >= 0].tolist())
