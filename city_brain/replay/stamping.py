"""What the stamps of a recording of lines amount to: which are believed, when rows arrived, how far time has come.

Whoever reads such a recording, into a street or into raw logs, takes time from it in this one way.
"""

from typing import Final

import numpy as np

from city_brain.ticks.arrival import NEVER
from city_brain.types import Bools, Ints

DISORDER_MS: Final = 5_000
STRAY_MS: Final = 3_600_000
"""A stamp this far (and twice the span of the block and those before it) outside them is not believed."""
REMEMBERED: Final = 256
"""So many stamps before a block are judged with it, so that small blocks know what time it is. After a true gap up to a
tenth of them, read in small blocks, is not believed either.
"""


class StreamTime:
    """The time in one recording: it moves by rows, until the recording brings marks of its own."""

    def __init__(self, disorder_ms: int = DISORDER_MS) -> None:
        self.disorder_ms = disorder_ms
        self.latest_ms: int | None = None
        self.marked = False
        self.floor_ms = NEVER
        """What the rows before the first mark of a recording amount to."""
        self.remembered: Ints = np.empty(0, dtype=np.int64)

    @property
    def sound_ms(self) -> int | None:
        """A sound mark behind the rows so far, where the recording has none of its own."""
        return None if self.marked or self.latest_ms is None else self.latest_ms - self.disorder_ms

    def arrivals(self, stamp_ms: Ints) -> Ints:
        """Arrival (n,) of the next rows, whose stamps (n,) are believed: those stamped before the mark that the rows
        before them amount to arrive at it, wherever blocks end.
        """
        stamps = stamp_ms if self.latest_ms is None else np.append(self.latest_ms, stamp_ms)
        latest = np.maximum.accumulate(stamps)[-len(stamp_ms) :]
        self.latest_ms = int(latest[-1])
        floor_ms = np.int64(self.floor_ms) if self.marked else latest - self.disorder_ms
        self.floor_ms = int(floor_ms.max())
        return np.maximum(stamp_ms, floor_ms)

    def near_the_others(self, stamp_ms: Ints) -> Bools:
        """Which stamps (n,) stand near those before them and with them, most of which are right."""
        good: Bools = stamp_ms >= 0
        known = np.concatenate([self.remembered, stamp_ms[good]])
        self.remembered = known[-REMEMBERED:]
        if len(known) == 0:
            return good
        ordered = np.sort(known, kind="stable")
        tenth = min(max(len(ordered) // 10, 1), (len(ordered) - 1) // 2)
        low, high = int(ordered[tenth]), int(ordered[-1 - tenth])
        limit = STRAY_MS + 2 * (high - low)
        return good & (stamp_ms >= low - limit) & (stamp_ms <= high + limit)

    def is_near(self, stamp_ms: int) -> bool:
        """The same of one stamp."""
        return bool(self.near_the_others(np.array([stamp_ms], dtype=np.int64)).all())
