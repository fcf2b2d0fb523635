"""Duplicates: rows of the same source, sequence and event time as one seen within the horizon."""

import msgspec
import numpy as np

from city_brain.numerics import GOLDEN, first_of_run, mix64
from city_brain.observations.rows import Rows
from city_brain.ticks.ordering import repeats
from city_brain.types import Bools, Ints


def row_identity(rows: Rows) -> np.ndarray:
    """A 64-bit identity (n,) of (source, sequence, event time)."""
    bits = mix64(rows.source.astype(np.uint64) + GOLDEN)
    bits = mix64(bits ^ rows.seq.astype(np.uint64))
    return mix64(bits + rows.event_ms.astype(np.uint64) * GOLDEN)


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
