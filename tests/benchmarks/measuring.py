"""Measuring: envelopes through decoding, admission, fusion and desk on one core, by stage, in processor time."""

import resource
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from city_brain.incidents.incident import Incident
from city_brain.observations.envelope import from_envelope
from city_brain.site import Site, SiteSettings
from tests.benchmarks.inputs import Second


@dataclass(slots=True)
class Measured:
    """Processor seconds by stage over `rows` observations, after a warm-up that is not counted."""

    name: str
    sources: int
    rows: int = 0
    seconds: int = 0
    by_stage: Counter[str] = field(default_factory=Counter)
    announced: list[Incident] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def total_s(self) -> float:
        """Processor seconds."""
        return sum(self.by_stage.values())

    @property
    def per_second(self) -> float:
        """Observations per processor second."""
        return self.rows / self.total_s if self.total_s else 0.0

    def us(self, stage: str) -> float:
        """Microseconds per observation of a stage."""
        return 1e6 * self.by_stage[stage] / max(self.rows, 1)


class _Stopwatch:
    """Gives the processor time since it was last read to a stage."""

    def __init__(self, by_stage: Counter[str]) -> None:
        self.by_stage, self._last_s = by_stage, 0.0

    def start(self) -> None:
        """Begins; what went before belongs to no stage."""
        self._last_s = time.process_time()

    def read(self, stage: str) -> None:
        """Ends a stage."""
        now_s = time.process_time()
        self.by_stage[stage] += now_s - self._last_s
        self._last_s = now_s


def measure(name: str, site: Site, seconds: Iterable[Second], warm_up: int) -> Measured:
    """Runs seconds of envelopes through a site in one process; the first `warm_up` of them are not counted."""
    runner = site.runner()
    result = Measured(name, len(site.ground.city.sources))
    stopwatch = _Stopwatch(result.by_stage)
    runner.engines[0].profile = stopwatch.read
    offset = 0
    for number, second in enumerate(seconds):
        if number == warm_up:
            result.by_stage.clear()
            result.rows = 0
        stopwatch.start()
        for envelope in second.envelopes:
            observations = from_envelope(envelope)
            stopwatch.read("decode")
            rows = runner.admit(0, observations, offset)
            offset += 1
            runner.read_rows(0, rows)
            stopwatch.read("admission")
            result.rows += observations.n
        runner.mark(0, second.mark_ms)
        for closed in runner.closed():
            stopwatch.read("desk")
            result.announced += [incident for incident in closed.record.incidents if incident.detected_ms is not None]
            stopwatch.start()
        result.seconds = number + 1 - warm_up
    result.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return result


def site_of(city_map: Path) -> Site:
    """A site with the built-in types and the usual settings."""
    return Site.of_map(city_map, None, SiteSettings(city="benchmark"))
