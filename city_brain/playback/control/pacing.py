"""Ticks of a recording given out at a rate: all times follow from the first, so that waiting never adds up.

The pace only sleeps. It feeds nothing into what is played: whatever the rate, the ticks are the same.
"""

import time
from collections.abc import Iterable, Iterator

import numpy as np

from city_brain.errors import SettingsError
from city_brain.playback.played import PlayedTick


class Pace:
    """A rate (log seconds per second; 0: as fast as it goes), and how well it was kept."""

    def __init__(self, rate: float) -> None:
        if not 0.0 <= rate < float("inf"):
            raise SettingsError(f"rate: wanted a number from 0 on, got {rate}")
        self.rate, self.took_s, self.span_s = rate, 0.0, 0.0
        self._late_s: list[float] = []

    def keep(self, ticks: Iterable[PlayedTick]) -> Iterator[PlayedTick]:
        """The ticks, each when it is due."""
        begun_s, first_ms = time.monotonic(), None
        for tick in ticks:
            due_ms = tick.said.record.due_ms
            first_ms = due_ms if first_ms is None else first_ms
            self.span_s = (due_ms - first_ms) / 1000.0
            if self.rate:
                ahead_s = begun_s + self.span_s / self.rate - time.monotonic()
                time.sleep(max(ahead_s, 0.0))
                self._late_s.append(time.monotonic() - begun_s - self.span_s / self.rate)
            self.took_s = time.monotonic() - begun_s
            yield tick

    def text(self) -> str:
        """The rate that was reached and how late ticks were, in words; empty where none was asked for."""
        if not self._late_s:
            return ""
        p50, p99, worst = (1000.0 * float(late) for late in np.percentile(self._late_s, [50, 99, 100]))
        reached = self.span_s / self.took_s if self.took_s else 0.0
        late = f"{p50:.1f} ms late at the median, {p99:.1f} ms at p99, {worst:.1f} ms at most"
        return f"{reached:.3f} log seconds per second of {self.rate:g} wanted; {late}"
