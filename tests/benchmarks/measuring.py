"""Measuring one city: envelopes through decoding, admission, fusion and desk on one core, by stage.

Time is processor time, since other programs may share the machine; the time by the clock is given beside it. Run as a
program it measures the city that its argument describes and prints the result as JSON: so each city has a process, and
a peak of memory, of its own.
"""

import os
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from city_brain.incidents.incident import Incident
from city_brain.observations.counters import Counters
from city_brain.observations.envelope import from_envelope
from city_brain.replay.comparing import announced
from city_brain.site import Site, SiteSettings
from tests.benchmarks.inputs import City, Maker, Second

_VERSIONS = ("numpy", "shapely", "msgspec")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a city took. `stages_us`: microseconds of processor time per observation, by stage.

    `per_second`: observations per second of processor time; `per_wall_second`: by the clock. `tick_ms`: median, 95th
    percentile and longest processor time of a second of the city. `ground_mb`, `peak_mb`: memory of the process with
    the map ready, and at most. `load`: how busy the machine was, programs waiting or running per core.
    """

    city: City
    sources: int
    seconds: int
    observations: int
    per_second: int
    per_wall_second: int
    us: float
    stages_us: dict[str, float]
    tick_ms: tuple[float, float, float]
    ground_mb: int
    peak_mb: int
    load: float
    machine: dict[str, str]
    counters: Counters
    announced: list[Incident]


class _Stopwatch:
    """Gives the processor time since it was last read to a stage."""

    def __init__(self) -> None:
        self.by_stage: Counter[str] = Counter()
        self._last_s = 0.0

    def start(self) -> None:
        """Begins; what went before belongs to no stage."""
        self._last_s = time.process_time()

    def read(self, stage: str) -> None:
        """Ends a stage."""
        now_s = time.process_time()
        self.by_stage[stage] += now_s - self._last_s
        self._last_s = now_s


class _Reading:
    """A city being read: stages, times of its seconds, and what comes out."""

    def __init__(self, site: Site) -> None:
        self.runner = site.runner()
        self.stopwatch = _Stopwatch()
        self.runner.engines[0].profile = self.stopwatch.read
        self.revisions: list[Incident] = []
        self.rows = self.envelopes = 0
        self.wall_s: list[float] = []
        self.tick_s: list[float] = []

    def take(self, second: Second) -> None:
        """Reads one second of the city."""
        lines: list[list[Incident]] = []
        wall_s, begun_s = time.perf_counter(), time.process_time()
        self.stopwatch.start()
        for envelope in second.envelopes:
            observations = from_envelope(envelope)
            self.stopwatch.read("decode")
            self.runner.read(0, observations, self.envelopes)
            self.stopwatch.read("admission")
            self.envelopes += 1
            self.rows += observations.n
        self.runner.mark(0, second.mark_ms)
        for closed in self.runner.closed():
            closed.record.to_line()
            self.stopwatch.read("desk")
            lines.append(closed.record.incidents)
            self.stopwatch.start()
        self.tick_s.append(time.process_time() - begun_s)
        self.wall_s.append(time.perf_counter() - wall_s)
        self.revisions += [incident for told in lines for incident in told]

    def forget(self) -> None:
        """Counts anew from here on."""
        self.stopwatch.by_stage.clear()
        self.wall_s, self.tick_s, self.rows = [], [], 0


def measure(city: City) -> Measured:
    """Reads a city in this process."""
    maker = Maker(city)
    with tempfile.TemporaryDirectory() as folder:
        city_map = Path(folder) / "city.geojson"
        city_map.write_bytes(maker.city_map)
        site = Site.of_map(city_map, None, SiteSettings(city="benchmark"))
    return _measured(city, site, maker.seconds())


def _measured(city: City, site: Site, seconds: Iterable[Second]) -> Measured:
    reading, ground_mb = _Reading(site), _resident_mb()
    for number, second in enumerate(seconds):
        if number == city.warm_up:
            reading.forget()
        reading.take(second)
    total_s, rows = sum(reading.stopwatch.by_stage.values()), max(reading.rows, 1)
    median, high, most = (1000.0 * float(np.quantile(reading.tick_s, share)) for share in (0.5, 0.95, 1.0))
    return Measured(
        city=city,
        sources=len(site.ground.city.sources),
        seconds=len(reading.tick_s),
        observations=reading.rows,
        per_second=round(rows / total_s),
        per_wall_second=round(rows / sum(reading.wall_s)),
        us=round(1e6 * total_s / rows, 3),
        stages_us={stage: round(1e6 * s / rows, 3) for stage, s in reading.stopwatch.by_stage.items()},
        tick_ms=(round(median, 1), round(high, 1), round(most, 1)),
        ground_mb=ground_mb,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        load=round(os.getloadavg()[0] / (os.cpu_count() or 1), 1),
        machine=machine(),
        counters=reading.runner.counters,
        announced=announced(reading.revisions),
    )


def _resident_mb() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def machine() -> dict[str, str]:
    """Processor, cores, and versions of what does the work."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in told if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _VERSIONS},
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(msgspec.json.decode(sys.argv[1], type=City))))
