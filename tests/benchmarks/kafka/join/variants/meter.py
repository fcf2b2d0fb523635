"""The clock of a variant: rows per second of processor time and by the clock, without its start.

A variant counts every event that it takes. The clock begins when a twentieth is through, so that imports, the group and
the first fetch do not count, and ends when all that was said is stored.
"""

import sys
import time
from pathlib import Path

import orjson

BEGINS_AT = 0.05


class Meter:
    """Counts up to `rows` events."""

    def __init__(self, rows: int) -> None:
        self._rows, self._begins_at = rows, round(BEGINS_AT * rows)
        self._taken = self._before = 0
        self._began: tuple[float, float] | None = None

    def took(self, rows: int = 1) -> bool:
        """So many more events were taken; whether these were the last."""
        self._taken += rows
        if self._began is None and self._taken >= self._begins_at:
            self._began, self._before = (time.process_time(), time.perf_counter()), self._taken
        return self._taken >= self._rows

    def end(self) -> None:
        """All is stored: tells the figures on standard output, as JSON."""
        processor_s, wall_s = time.process_time(), time.perf_counter()
        assert self._began is not None
        told = {
            "rows": self._taken - self._before,
            "processor_s": processor_s - self._began[0],
            "wall_s": wall_s - self._began[1],
            "peak_mb": _peak_mb(),
        }
        sys.__stdout__.write(orjson.dumps(told).decode() + "\n")
        sys.__stdout__.flush()


def _peak_mb() -> int:
    # Not from getrusage: there a process begins with what the one that started it had.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM:"))
