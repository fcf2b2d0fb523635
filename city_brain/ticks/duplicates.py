"""Duplicates: rows of the same source, sequence and event time as one seen within the horizon."""

import msgspec
import numpy as np

from city_brain.numerics import first_of_run
from city_brain.observations.rows import Rows
from city_brain.ticks.ordering import repeats
from city_brain.types import Bools, Ints

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(bits: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit."""
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_A
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_B
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


def row_identity(rows: Rows) -> np.ndarray:
    """A 64-bit identity (n,) of (source, sequence, event time)."""
    bits = _mix(rows.source.astype(np.uint64) + _GOLDEN)
    bits = _mix(bits ^ rows.seq.astype(np.uint64))
    return _mix(bits + rows.event_ms.astype(np.uint64) * _GOLDEN)


class SeenRows(msgspec.Struct):
    """Identities seen, in sorted slices of a tenth of the horizon, oldest first.

    Memory: 8 bytes × rows per second × horizon in seconds. Beyond the horizon a copy would be used again; it is then at
    least that late, and counted as late.
    """

    horizon_ms: int
    slice_start_ms: list[int]
    slices: list[np.ndarray]

    @classmethod
    def within(cls, horizon_ms: int) -> "SeenRows":
        """Nothing seen yet."""
        return cls(horizon_ms, [], [])

    def first_seen(self, rows: Rows, order: Ints, slot: Ints, maybe_old: Bools, now_ms: int) -> Bools:
        """Marks (n,) the rows that are not copies, and remembers them; of copies in one call the earliest arrival
        stays.

        `slot` (n,) numbers the sources and `order` (n,) sorts by (source, sequence, event time); `maybe_old` (n,): not
        every row that may have been seen before is a copy, but every copy of an earlier row is among them.
        """
        fresh = ~_later_copies(rows, order, slot)
        identity = row_identity(rows)
        suspect = (maybe_old & fresh).nonzero()[0]
        if len(suspect):
            suspect = suspect[identity[suspect].argsort(kind="stable")]
            wanted = identity[suspect]
            for seen in self.slices:
                fresh[suspect[_contains(seen, wanted)]] = False
        new = identity[fresh]
        new.sort(kind="stable")
        self._remember(new, now_ms)
        return fresh

    def _remember(self, identity: np.ndarray, now_ms: int) -> None:
        start = now_ms - now_ms % max(1, self.horizon_ms // 10)
        if self.slices and self.slice_start_ms[-1] == start:
            merged = np.concatenate([self.slices[-1], identity])
            merged.sort(kind="stable")
            self.slices[-1] = merged
        else:
            self.slices.append(identity)
            self.slice_start_ms.append(start)
        while self.slice_start_ms[0] < now_ms - self.horizon_ms:
            del self.slices[0], self.slice_start_ms[0]


def _later_copies(rows: Rows, order: Ints, slot: Ints) -> Bools:
    """Marks (n,) rows that equal another one of this call which arrived earlier, or stands earlier in the logs."""
    copies = np.zeros(rows.n, dtype=np.bool_)
    same = repeats(order, slot, rows.seq, rows.event_ms)
    if not same.any():
        return copies
    edge = np.zeros(1, dtype=np.bool_)
    alike = (np.concatenate((same, edge)) | np.concatenate((edge, same))).nonzero()[0]
    run = np.concatenate((~edge, ~same)).cumsum()[alike]
    at = order[alike]
    ranked = np.lexsort((rows.sub[at], rows.offset[at], rows.raw_partition[at], rows.arrival_ms[at], run))
    copies[at[ranked[~first_of_run(run[ranked])]]] = True
    return copies


def _contains(seen: np.ndarray, wanted: np.ndarray) -> Bools:
    """Which of the `wanted` (n,) are among the sorted `seen`."""
    if len(seen) == 0:
        return np.zeros(len(wanted), dtype=np.bool_)
    found: Bools = seen.take(seen.searchsorted(wanted), mode="clip") == wanted
    return found
