"""Arrival and log time: the only clock behind the raw logs, read from stamps and marks.

A mark says of one raw partition that every later row arrived at or after it. A row's arrival is the later of its stamp
and the last mark before it; log time is the earliest last mark over all raw partitions. So our own slowness makes
nothing late, and no source can hold time back.
"""

import msgspec
import numpy as np

from city_brain.types import Ints

NEVER = -(1 << 62)


class LogTime(msgspec.Struct):
    """The last mark of each raw partition; a partition that has not sent one yet holds log time at NEVER."""

    last_mark_ms: dict[int, int]

    @classmethod
    def of_partitions(cls, raw_partitions: int) -> "LogTime":
        """Nothing read yet from partitions 0 … `raw_partitions` - 1."""
        return cls(dict.fromkeys(range(raw_partitions), NEVER))

    def arrival(self, raw_partition: int, stamp_ms: Ints) -> Ints:
        """Arrival (n,) of rows stamped `stamp_ms` (n,) that follow the last mark of their partition."""
        return np.maximum(stamp_ms, self.last_mark_ms[raw_partition])

    def mark(self, raw_partition: int, mark_ms: int) -> None:
        """Takes a mark; an older one than the last says nothing new."""
        self.last_mark_ms[raw_partition] = max(self.last_mark_ms[raw_partition], mark_ms)

    @property
    def now_ms(self) -> int:
        """Log time."""
        return min(self.last_mark_ms.values())
