"""Sightings: the tracks that have a row in this tick, their columns gathered once for everything that joins them.

Of each track its place is moved on to the end of the tick. Which object each is, `of`, changes while tracks find their
objects; so does who sees what, which `Presence` tells.
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
    """Columns (n,) of the tracks `at` seen in a tick: `weight` 1/σ² of their place, `mean_of` (8, n) x, y and MEANT."""

    def __init__(self, tracks: Table, now_ms: int) -> None:
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
        self.of: Ints = np.zeros(0, dtype=np.int64)
        self._before: Ints = tracks["object_id"][self.at]
        self._objects = KeyIndex(self.of)

    def find_objects(self, objects: KeyIndex) -> None:
        """Looks up the object of each track by its id, an index into `objects`, -1 for none yet."""
        self._objects = objects
        self.of = objects.find(self.tracks["object_id"][self.at])

    def of_changed_objects(self) -> Bools:
        """Marks (n,) the tracks of objects that gained or lost a track in this tick."""
        before, now = self._before, self.tracks["object_id"][self.at]
        changed = (before != now).nonzero()[0]
        mark = np.zeros(len(self._objects), dtype=np.bool_)
        mark[self.of[changed]] = True
        left = self._objects.find(before[changed])
        mark[left[left >= 0]] = True
        marked: Bools = mark[self.of]
        return marked


class Presence:
    """Which source sees which object in this tick."""

    def __init__(self, source: Ints, of: Ints) -> None:
        """Of sightings (n,) the source and the object, an index into their table."""
        self._seen = KeyIndex(pair_code(source, of))
        self._source, self._of = source, of

    def sees(self, source: Ints, owner: Ints) -> Bools:
        """Whether source (k,) sees object (k,)."""
        found: Bools = self._seen.find(pair_code(source, owner)) >= 0
        return found

    def share_a_camera(self, a: Ints, b: Ints, objects: int) -> Bools:
        """Whether some source sees both object a (k,) and object b (k,) of so many `objects`."""
        by_object = self._source[stable_order(self._of)]
        number = np.bincount(self._of, minlength=objects)
        first = number.cumsum() - number
        pair, place = ragged(number[a])
        both = self.sees(by_object[first[a][pair] + place], b[pair])
        return np.bincount(pair[both], minlength=len(a)) > 0


def pair_code(source: Ints, owner: Ints) -> Ints:
    """A content hash (n,) of source and object."""
    bits = (source.view(np.uint64) ^ (owner.astype(np.uint64) * _GOLDEN)) * np.uint64(0xBF58476D1CE4E5B9)
    code: Ints = (bits ^ (bits >> np.uint64(31))).view(np.int64)
    return code
