"""Sightings: the tracks that have a row in this tick, their columns gathered once for everything that joins them.

Of each track its place is moved on to the end of the tick. Which object each is, `of`, changes while tracks find their
objects, and whoever changes it keeps it; so does who sees what, which `Presence` tells.
"""

import numpy as np

from city_brain.city.grid.cells import ragged
from city_brain.numerics import KeyIndex, stable_order
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

MEANT = ("vx", "vy", "speed", "brake", "hx", "hy")
"""What an object has as the mean of its tracks, besides its place."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Sightings:
    """Columns (n,) of the tracks `at` seen in a tick: `weight` 1/σ² of their place, `mean_of` (8, n) x, y and MEANT;
    `of` the index of their object, -1 for none yet.
    """

    def __init__(self, tracks: Table, now_ms: int, objects: KeyIndex) -> None:
        self.tracks, self.now_ms = tracks, now_ms
        self.at: Ints = tracks["fresh"].nonzero()[0]
        self.source: Ints = tracks["source"][self.at]
        self.ahead_s: Floats = (now_ms - tracks["last_ms"][self.at]) / 1000.0
        sigma_m = tracks["sigma_m"][self.at]
        self.weight: Floats = 1.0 / (sigma_m * sigma_m)
        self.mean_of: Floats = np.empty((2 + len(MEANT), len(self.at)))
        for row, name in enumerate(("x", "y", *MEANT)):
            tracks[name].take(self.at, out=self.mean_of[row])
        self.mean_of[0] += self.mean_of[2] * self.ahead_s
        self.mean_of[1] += self.mean_of[3] * self.ahead_s
        self._before: Ints = tracks["object_id"][self.at]
        self.of: Ints = objects.find(self._before)

    def of_changed_objects(self, objects: KeyIndex) -> Bools:
        """Marks (n,) the tracks of objects that gained or lost a track in this tick."""
        before, now = self._before, self.tracks["object_id"][self.at]
        changed = (before != now).nonzero()[0]
        mark = np.zeros(len(objects), dtype=np.bool_)
        mark[self.of[changed]] = True
        left = objects.find(before[changed])
        mark[left[left >= 0]] = True
        marked: Bools = mark[self.of]
        return marked


class Presence:
    """Which sources see which object in this tick."""

    def __init__(self, source: Ints, of: Ints, objects: int) -> None:
        """Of sightings (n,) the source and the object, an index into a table of so many `objects`."""
        self._source = source[stable_order(of)]
        self._number = np.bincount(of, minlength=objects)
        self._first = self._number.cumsum() - self._number

    def sees(self, source: Ints, owner: Ints) -> Bools:
        """Whether source (k,) sees object (k,)."""
        pair, seen_by = self._sources_of(owner)
        return np.bincount(pair[seen_by == source[pair]], minlength=len(owner)) > 0

    def share_a_camera(self, a: Ints, b: Ints) -> Bools:
        """Whether some source sees both object a (k,) and object b (k,), each of which some source sees."""
        share: Bools = self._source[self._first[a]] == self._source[self._first[b]]
        rest = (~share).nonzero()[0]
        pair, seen_by = self._sources_of(a[rest])
        share[rest[pair[self.sees(seen_by, b[rest[pair]])]]] = True
        return share

    def _sources_of(self, owner: Ints) -> tuple[Ints, Ints]:
        """The sources that see objects (k,), and for each of them which of the objects."""
        pair, place = ragged(self._number[owner])
        return pair, self._source[self._first[owner][pair] + place]


def pair_code(source: Ints, owner: Ints) -> Ints:
    """A content hash (n,) of source and object."""
    bits = (source.view(np.uint64) ^ (owner.astype(np.uint64) * _GOLDEN)) * np.uint64(0xBF58476D1CE4E5B9)
    code: Ints = (bits ^ (bits >> np.uint64(31))).view(np.int64)
    return code
