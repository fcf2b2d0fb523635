"""A recording read through the street under a stopwatch: which stage took how much of it, and how long ticks took.

Time is processor time, since other programs may share the machine; the time by the clock is taken beside it. What
happens between two batches, such as waiting for them to be made, counts only as far as it is the reading itself.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from city_brain.measuring.measured import PARTS, Measured, Part, machine, part_of
from city_brain.measuring.memory import held_bytes, peak_bytes
from city_brain.runner import ClosedTick, Runner

_MB = 1 << 20


class Stopwatch:
    """Gives the time since it was last read to a stage."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self._stages = defaultdict[str, float](float)
        self._last_s, self._last_wall_s = time.process_time(), time.perf_counter()

    def start(self) -> None:
        """Begins; what went before belongs to no stage."""
        self._last_s, self._last_wall_s = time.process_time(), time.perf_counter()

    def read(self, stage: str) -> None:
        """Ends a stage."""
        now_s, now_wall_s = time.process_time(), time.perf_counter()
        self._stages[stage] += now_s - self._last_s
        self.wall_s += now_wall_s - self._last_wall_s
        self._last_s, self._last_wall_s = now_s, now_wall_s

    def lap(self) -> dict[str, float]:
        """Seconds of processor time by stage since this was last asked."""
        taken, self._stages = self._stages, defaultdict(float)
        return taken


class Reading:
    """A runner under a stopwatch. Its map is ready, and it has read nothing."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._watch = Stopwatch()
        for engine in runner.engines:
            engine.profile = self._watch.read
        self._ground_mb = held_bytes() // _MB
        self.forget()

    def forget(self) -> None:
        """Counts anew from here on."""
        self._watch.wall_s, self._before = 0.0, self.runner.counters.read
        self._stages, self._ticks = defaultdict[str, float](float), list[dict[str, float]]()

    def take(self, batches: Iterable[Callable[[], None]]) -> Iterator[ClosedTick]:
        """The ticks that batches close: each is decoded when it is asked for, and admitted when it is called."""
        self._watch.start()
        for admit in batches:
            self._watch.read("decode")
            admit()
            self._watch.read("admission")
            self._add(self._watch.lap())
            for closed in self.runner.closed():
                closed.record.to_line()
                self._watch.read("desk")
                tick = self._watch.lap()
                self._add(tick)
                self._ticks.append(_by_part(tick))
                yield closed
                self._watch.start()

    def measured(self) -> Measured:
        """What it took so far; at least one tick must have closed since it began to count."""
        total_s, rows = sum(self._stages.values()), max(self.runner.counters.read - self._before, 1)
        seconds = len(self._ticks) * self.runner.settings.tick_ms / 1000.0
        parts = _by_part(self._stages)
        return Measured(
            sources=len(self.runner.ground.city.sources),
            ticks=len(self._ticks),
            seconds=seconds,
            observations=rows,
            came_per_second=round(rows / seconds, 1),
            per_second=round(rows / total_s),
            per_wall_second=round(rows / self._watch.wall_s),
            headroom=round(seconds / total_s, 1),
            us=round(1e6 * total_s / rows, 3),
            parts={name: Part(us=round(1e6 * parts[name] / rows, 3), tick_ms=self._tick_ms(name)) for name in PARTS},
            stages_us={stage: round(1e6 * s / rows, 3) for stage, s in self._stages.items()},
            tick_ms=_spread([sum(tick.values()) for tick in self._ticks]),
            ground_mb=self._ground_mb,
            peak_mb=peak_bytes() // _MB,
            load=round(os.getloadavg()[0] / (os.cpu_count() or 1), 1),
            machine=machine(),
            counters=self.runner.counters,
        )

    def _add(self, lap: dict[str, float]) -> None:
        for stage, seconds in lap.items():
            self._stages[stage] += seconds

    def _tick_ms(self, part: str) -> tuple[float, float, float] | None:
        taken = [tick[part] for tick in self._ticks if part in tick]
        return _spread(taken) if taken else None


def _by_part(stages: dict[str, float]) -> dict[str, float]:
    parts = defaultdict[str, float](float)
    for stage, seconds in stages.items():
        parts[part_of(stage)] += seconds
    return parts


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and longest, in milliseconds."""
    median, high, most = (round(1000.0 * float(np.quantile(seconds, share)), 2) for share in (0.5, 0.95, 1.0))
    return median, high, most
