"""Objects on the ground: tracks of several cameras joined into the one thing that they see.

Input: the tracks after a tick. State: one table row per object, kept 8 s beyond its last row so that a track that
begins where a predicted object must be takes it over; pairs of objects that keep together; which tracks were which
object. Output: the object table, each observation counted once.
"""

import msgspec
import numpy as np

from city_brain.city.roads import Roads
from city_brain.fusion.tracking.joining import PairMemory, attach, merge_pairs, strained
from city_brain.fusion.tracking.sightings import MEANT, Sightings
from city_brain.fusion.tracking.tracks import MOVING_MPS, STANDING_MPS, TrackBook, count_votes
from city_brain.numerics import KeyIndex
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Ints

MEMORY_MS = 8_000
"""Hand-over between cameras: an object is predicted for this long after its last row."""

_SCHEMA: dict[str, object] = {
    "id": np.int64, "birth_key": np.int64, "cls": np.int64, "votes": (np.float64, (len(ObjectClass),)),
    "conf_sum": np.float64,
    "n_rows": np.int64, "first_ms": np.int64, "last_ms": np.int64, "time_ms": np.int64, "x": np.float64,
    "y": np.float64,
    "sigma_m": np.float64, "vx": np.float64, "vy": np.float64, "speed": np.float64, "top_speed": np.float64,
    "hx": np.float64,
    "hy": np.float64, "lane": np.int64, "offset_m": np.float64, "along_m": np.float64, "to_stop_m": np.float64,
    "ux": np.float64,
    "uy": np.float64, "n_cameras": np.int64, "fresh": np.bool_, "arrived": np.bool_, "standing_since_ms": np.int64,
    "stand_n": np.int64, "stand_x": np.float64, "stand_y": np.float64, "brake": np.float64,
}  # fmt: skip
_BORN_WITH = (
    "cls", "x", "y", "sigma_m", "vx", "vy", "speed", "hx", "hy", "lane", "offset_m", "along_m", "to_stop_m", "ux", "uy",
)  # fmt: skip
"""What an object has of its first track."""

_MEMBER_SCHEMA = {"key": np.int64, "source": np.int64, "track": np.int64, "object_id": np.int64}


class ObjectBook(msgspec.Struct, dict=True):
    """All objects in order of `id`. Columns as of tracks, and: `birth_key` the key of the first track · `time_ms` what
    `x`, `y` refer to · `n_cameras` that saw it in this tick · `fresh` seen in this tick · `arrived` one of its
    tracks saw it come and stand.

    `members` tells which tracks (key, source, track) are which object; `ended` those of the objects that ended in this
    tick.
    """

    table: Table
    members: Table
    ended: Table
    pairs: PairMemory
    next_id: int

    @classmethod
    def empty(cls) -> "ObjectBook":
        """No object yet."""
        return cls(Table(_SCHEMA), Table(_MEMBER_SCHEMA), Table(_MEMBER_SCHEMA), PairMemory.empty(), 1)

    def step(self, tick: Tick, tracks: TrackBook, roads: Roads) -> None:
        """Takes the tracks after a tick."""
        self._forget(tick.end_ms)
        if self.table.n == 0 and tracks.table.n == 0:
            self.pairs = PairMemory.empty()
            return
        self.table["fresh"], self.table["n_cameras"] = False, 0
        sightings = Sightings(tracks.table, tick.end_ms, self.by_id)
        self._fuse(sightings, sightings.of >= 0)
        self._join(sightings)
        self._merge(sightings)
        self._split(sightings)
        self._fuse(sightings, sightings.of_changed_objects(self.by_id))
        self._count(sightings, tick.rows)
        self._place(roads)

    @property
    def by_id(self) -> KeyIndex:
        """Finds objects by id; made anew when objects have come or gone."""
        index: KeyIndex | None = self.__dict__.get("by_id")
        if index is None or index.keys is not self.table["id"]:
            index = self.__dict__["by_id"] = KeyIndex(self.table["id"], ascending=True)
        return index

    def index_of(self, object_id: Ints) -> Ints:
        """Table index (n,) of objects by id (n,), -1 where there is none."""
        return self.by_id.find(object_id)

    def _forget(self, now_ms: int) -> None:
        old = self.table["last_ms"] < now_ms - MEMORY_MS
        self.ended = Table(_MEMBER_SCHEMA)
        ended = self.table["id"][old]
        if len(ended):
            self.table.keep(~old)
            gone = KeyIndex(ended, ascending=True).find(self.members["object_id"]) >= 0
            last = {name: column[gone] for name, column in self.members.columns().items()}
            self.ended.append(len(last["key"]), **last)
            self.members.keep(~gone)

    def _join(self, sightings: Sightings) -> None:
        """Finds an object for each track that has none, one that is known or a new one."""
        tracks, seeking = sightings.tracks, (sightings.of < 0).nonzero()[0]
        seekers = sightings.at[seeking]
        sightings.of[seeking] = attach(sightings, seekers, self.table)
        joined = sightings.of[seeking] >= 0
        tracks["object_id"][seekers[joined]] = self.table["id"][sightings.of[seeking[joined]]]
        self._bear(sightings, seeking[~joined])
        self.members.append(len(seekers), **{name: tracks[name][seekers] for name in _MEMBER_SCHEMA})

    def _bear(self, sightings: Sightings, which: Ints) -> None:
        """Makes an object of each of the sightings `which`."""
        tracks, at, count = sightings.tracks, sightings.at[which], len(which)
        if count == 0:
            return
        ids = self.next_id + np.arange(count, dtype=np.int64)
        self.next_id += count
        tracks["object_id"][at], sightings.of[which] = ids, self.table.n + np.arange(count)
        self.table.append(
            count, id=ids, birth_key=tracks["key"][at], votes=0.0, conf_sum=0.0, n_rows=0,
            first_ms=tracks["first_ms"][at],
            last_ms=tracks["last_ms"][at], time_ms=tracks["last_ms"][at], top_speed=0.0, n_cameras=0, fresh=False,
            arrived=False,
            standing_since_ms=-1, stand_n=0, stand_x=0.0, stand_y=0.0, brake=0.0,
            **{name: tracks[name][at] for name in _BORN_WITH},
        )  # fmt: skip

    def _fuse(self, sightings: Sightings, chosen: Bools) -> None:
        """Moves objects to the mean of the tracks that saw them in this tick, of those `chosen`, weighted by 1/σ²."""
        of, weight, values = sightings.of, sightings.weight, sightings.mean_of
        if not chosen.all():
            of, weight, values = of[chosen], weight[chosen], values[:, chosen]
        if len(of) == 0:
            return
        n, table, now_ms = self.table.n, self.table, sightings.now_ms
        total = np.bincount(of, weights=weight, minlength=n)
        seen = (total > 0).nonzero()[0]
        total = total[seen]
        x, y, *velocity, hx, hy = (np.bincount(of, weights=weight * v, minlength=n)[seen] / total for v in values)
        table["x"][seen], table["y"][seen] = x, y
        for name, mean in zip(MEANT[:4], velocity, strict=True):
            table[name][seen] = mean
        norm = np.maximum(np.sqrt(hx * hx + hy * hy), 1e-9)
        table["hx"][seen], table["hy"][seen] = hx / norm, hy / norm
        table["sigma_m"][seen] = np.sqrt(1.0 / total)
        table["time_ms"][seen] = now_ms
        table["n_cameras"][seen] = np.bincount(of, minlength=n)[seen]
        table["fresh"][seen] = True

    def _merge(self, sightings: Sightings) -> None:
        """Makes one object of two that have kept together."""
        older, younger = merge_pairs(sightings, self.table, self.pairs)
        if len(older) == 0:
            return
        table = self.table
        into, gone = self.index_of(older), self.index_of(younger)
        for name in ("votes", "conf_sum", "n_rows"):
            table[name][into] += table[name][gone]
        table["first_ms"][into] = np.minimum(table["first_ms"][into], table["first_ms"][gone])
        table["top_speed"][into] = np.maximum(table["top_speed"][into], table["top_speed"][gone])
        table["arrived"][into] |= table["arrived"][gone]
        renamed = KeyIndex(younger)
        for owner in (sightings.tracks, self.members):
            object_id = owner["object_id"]
            at = renamed.find(object_id)
            moves = (at >= 0).nonzero()[0]
            object_id[moves] = older[at[moves]]
        keep, moved = np.ones(table.n, dtype=np.bool_), np.arange(table.n)
        keep[gone], moved[gone] = False, into
        sightings.of = (keep.cumsum() - 1)[moved][sightings.of]
        table.keep(keep)

    def _split(self, sightings: Sightings) -> None:
        """Gives tracks that no longer fit their object an object of their own."""
        apart = strained(sightings, self.table.n)
        if len(apart) == 0:
            return
        self._bear(sightings, apart)
        tracks, at = sightings.tracks, sightings.at[apart]
        found = KeyIndex(tracks["key"][at]).find(self.members["key"])
        moves = (found >= 0).nonzero()[0]
        self.members["object_id"][moves] = tracks["object_id"][at[found[moves]]]

    def _count(self, sightings: Sightings, rows: Rows) -> None:
        """Adds this tick's rows to their objects, each once."""
        at, of, tracks, n, table = sightings.at, sightings.of, sightings.tracks, self.table.n, self.table
        if len(at) == 0:
            return
        row = tracks["row"][at]
        seen = count_votes(table, of, rows.code[row], rows.value[row])
        last = np.full(n, -1, dtype=np.int64)
        np.maximum.at(last, of, tracks["last_ms"][at])
        table["last_ms"][seen] = np.maximum(table["last_ms"][seen], last[seen])
        table["top_speed"][seen] = np.maximum(table["top_speed"][seen], table["speed"][seen])
        witnessed = np.bincount(of, weights=tracks["arrived"][at], minlength=n) > 0
        self._stand(seen, witnessed[seen])

    def _stand(self, seen: Ints, witnessed: Bools) -> None:
        table = self.table
        speed = table["speed"][seen]
        table["arrived"][seen] = (table["arrived"][seen] | witnessed) & (speed <= MOVING_MPS)
        standing = speed < STANDING_MPS
        since = table["standing_since_ms"][seen]
        begins = standing & (since < 0)
        since = np.where(begins, table["last_ms"][seen], np.where(speed > 1.5, -1, since))
        count = np.where(since < 0, 0, np.where(begins, 1, table["stand_n"][seen] + standing))
        for name, place in (("stand_x", "x"), ("stand_y", "y")):
            mean, here = table[name][seen], table[place][seen]
            table[name][seen] = np.where(
                begins, here, np.where(standing, mean + (here - mean) / np.maximum(count, 1), mean)
            )
        table["standing_since_ms"][seen], table["stand_n"][seen] = since, count

    def _place(self, roads: Roads) -> None:
        """Matches the objects seen in this tick to lanes."""
        seen = np.flatnonzero(self.table["fresh"])
        match = roads.match(self.table["x"][seen], self.table["y"][seen])
        for name in ("lane", "offset_m", "along_m", "to_stop_m", "ux", "uy"):
            self.table[name][seen] = getattr(match, name)
