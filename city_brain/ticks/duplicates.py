"""Duplicates: rows of the same source, sequence and event time as one seen within the horizon."""

import msgspec
import numpy as np

from city_brain.observations.rows import Rows
from city_brain.types import Bools

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

    def first_seen(self, rows: Rows, now_ms: int) -> Bools:
        """Marks (n,) the rows that are not copies, and remembers them; of copies in one call the earliest arrival
        stays.
        """
        identity = row_identity(rows)
        order = np.lexsort((rows.sub, rows.offset, rows.raw_partition, rows.arrival_ms, identity))
        ordered = identity[order]
        fresh = np.ones(len(ordered), dtype=np.bool_)
        fresh[1:] = ordered[1:] != ordered[:-1]
        for seen in self.slices:
            fresh &= ~_contains(seen, ordered)
        self._remember(ordered[fresh], now_ms)
        answer = np.empty(len(ordered), dtype=np.bool_)
        answer[order] = fresh
        return answer

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


def _contains(seen: np.ndarray, wanted: np.ndarray) -> Bools:
    if len(seen) == 0:
        return np.zeros(len(wanted), dtype=np.bool_)
    at = np.searchsorted(seen, wanted)
    at[at == len(seen)] = 0
    found: Bools = seen[at] == wanted
    return found
