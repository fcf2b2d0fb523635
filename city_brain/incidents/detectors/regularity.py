"""Regularity of signals: whether a controller runs a fixed programme, so that every lamp state lasts as long each time.

A controller that traffic actuates extends its greens while vehicles come and rests in green where none wait: how long a
state may last says nothing there, however many have been seen. Under a fixed programme it says nearly all.
"""

import msgspec
import numpy as np

from city_brain.numerics import find_sorted, pair_key
from city_brain.table import Table
from city_brain.types import Bools, Ints

SAME_WITHIN_MS = 1_500
"""Messages tell of a change when they come; a programme itself is exact."""
FIXED_SHARE = 0.8
"""Share of the time, in states that had one like it before, in which they lasted as long, from which on a programme is
taken for fixed. Policemen and faults cost a fixed one some; one that traffic actuates within a cycle has about a half.
"""
COMPARED_MS = 90_000
"""Less than this, about a cycle, shows nothing."""
_KEPT = 0.97
"""What a run leaves of those before it: some thirty count, a few cycles."""


class Regularity(msgspec.Struct):
    """Runs of S signals: `last` length in ms by signal and lamps, fading sums (S,) of the time in runs that had one of
    the same lamps before them (`compared_ms`) and in those as long as it (`same_ms`).
    """

    last: Table
    compared_ms: np.ndarray
    same_ms: np.ndarray

    @classmethod
    def unknown(cls, signals: int) -> "Regularity":
        """No run seen."""
        return cls(Table({"key": np.int64, "length_ms": np.int64}), np.zeros(signals), np.zeros(signals))

    def learn(self, signal: Ints, lamps: Ints, length_ms: Ints) -> None:
        """Takes runs that ended, at most one of each signal: columns (n,)."""
        if len(signal) == 0:
            return
        last, key = self.last, pair_key(signal + 1, lamps)
        found = find_sorted(last["key"], key)
        known = np.flatnonzero(found >= 0)
        before = last["length_ms"][found[known]]
        now, of = length_ms[known], signal[known]
        same = np.abs(now - before) <= SAME_WITHIN_MS
        self.compared_ms[of] = _KEPT * self.compared_ms[of] + now
        self.same_ms[of] = _KEPT * self.same_ms[of] + np.where(same, now, 0)
        last["length_ms"][found[known]] = now
        new = np.flatnonzero(found < 0)
        if len(new):
            last.append(len(new), key=key[new], length_ms=length_ms[new])
            order = np.argsort(last["key"], kind="stable")
            for name in last:
                last[name] = last[name][order]

    def fixed(self) -> Bools:
        """Signals (S,) that run a fixed programme, as far as is known."""
        fixed: Bools = (self.compared_ms >= COMPARED_MS) & (self.same_ms >= FIXED_SHARE * self.compared_ms)
        return fixed
