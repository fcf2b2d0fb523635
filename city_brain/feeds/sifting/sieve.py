"""The newest changes of a log as sets of bits, one bit a change: which of them could concern a filter at all.

A tick of 60 changes is looked at by every reader, as it is now and as it was before. With a set for each type, state,
level and area that occurs, and the confidences in order, that is a few operations on whole numbers for each reader
instead of 120 questions. Shapes are left out, so a sieve lets too much through, and never too little.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from city_brain.feeds.change_log import Change
from city_brain.feeds.filters import LEVELS, Wanted
from city_brain.incidents.incident import Incident


class Sieve:
    """Over changes that follow each other, at least one."""

    __slots__ = ("_before", "_changes", "_now", "first", "last")

    def __init__(self, changes: Sequence[Change]) -> None:
        self.first = changes[0].number
        """Number of the first change in it."""
        self.last = changes[-1].number
        """Number of the last change in it."""
        self._changes = changes
        self._now = _Side([change.incident for change in changes])
        self._before = _Side([change.previous for change in changes])

    def bits(self, asked: Iterable[Wanted]) -> int:
        """Those that could pass all conditions of all that is asked, or could before: bit k is change `first + k`."""
        now, before = self._now.every, self._before.every
        for one in asked:
            now &= self._now.bits(one)
            before &= self._before.bits(one)
        return now | before

    def behind(self, number: int, bits: int) -> Iterable[Change]:
        """The changes of these bits behind a number, in ascending order."""
        start = number + 1 - self.first
        left = bits >> start
        while left:
            lowest = left & -left
            yield self._changes[start + lowest.bit_length() - 1]
            left ^= lowest


class _Side:
    """One revision of each change, None where it has none."""

    __slots__ = ("_areas", "_confidences", "_levels", "_states", "_sure", "_types", "every")

    def __init__(self, incidents: Sequence[Incident | None]) -> None:
        self.every = 0
        self._types: dict[str, int] = {}
        self._states: dict[str, int] = {}
        self._levels: dict[str, int] = {}
        self._areas: dict[str, int] = {}
        by_confidence = []
        for at, incident in enumerate(incidents):
            if incident is None:
                continue
            bit = 1 << at
            self.every |= bit
            by_confidence.append((incident.confidence, at))
            for sets, word in (
                (self._types, incident.type), (self._states, incident.state), (self._levels, incident.level or ""),
                *((self._areas, code) for code in incident.place.area_codes),
            ):  # fmt: skip
                sets[word] = sets.get(word, 0) | bit
        by_confidence.sort()
        self._confidences = [confidence for confidence, _ in by_confidence]
        self._sure = [0] * (len(by_confidence) + 1)
        for rank in reversed(range(len(by_confidence))):
            self._sure[rank] = self._sure[rank + 1] | 1 << by_confidence[rank][1]

    def bits(self, wanted: Wanted) -> int:
        """Those that could pass."""
        bits = self.every
        if wanted.types:
            bits &= _union(self._types, wanted.types)
        if wanted.minimum_confidence > 0.0:
            bits &= self._sure[bisect_left(self._confidences, wanted.minimum_confidence)]
        if wanted.states:
            bits &= _union(self._states, wanted.states)
        if wanted.minimum_level:
            bits &= _union(self._levels, LEVELS[: LEVELS.index(wanted.minimum_level) + 1])
        if wanted.area_codes:
            bits &= _union(self._areas, wanted.area_codes)
        return bits


def _union(sets: dict[str, int], words: Iterable[str]) -> int:
    bits = 0
    for word in words:
        bits |= sets.get(word, 0)
    return bits
