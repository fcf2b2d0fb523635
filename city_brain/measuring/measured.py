"""What reading took, as a value: by part of the journey, by tick, in memory, and on which machine."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from city_brain.observations.counters import Counters

_CONTEXT: Final = ("signals", "sensors", "crossings", "queues")
_ONE_STAGE: Final = ("decode", "admission", "ticks", "tracks", "objects", "desk")
PARTS: Final = ("decode", "admission", "ticks", "tracks", "objects", "context", "detectors", "desk")
"""The parts of the journey in travelling order: `context` is signals, sensors, crossings and queues, `detectors` are
those of all incident types.
"""
_VERSIONS: Final = ("numpy", "shapely", "msgspec")
_PART_OF: Final[Mapping[str, str]] = MappingProxyType(
    {**{name: name for name in _ONE_STAGE}, **dict.fromkeys(_CONTEXT, "context")}
)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the journey: microseconds of processor time per observation, and milliseconds per tick (median, 95th
    percentile, longest); None where its work is not done tick by tick.
    """

    us: float
    tick_ms: tuple[float, float, float] | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a city took.

    `ticks` closed, which are `seconds` of its own time, with so many `observations`, which came at `came_per_second`.
    `per_second`: observations per second of processor time; `per_wall_second`: by the clock. `headroom`: how often as
    fast one core reads it as it came. `stages_us`: microseconds of processor time per observation, by stage and
    incident type. `tick_ms`: median, 95th percentile and longest processor time of a tick, from when it is due to its
    record. `ground_mb`, `peak_mb`: memory of the process with the map ready, and at most. `load`: how busy the machine
    was, programs waiting or running per core.
    """

    sources: int
    ticks: int
    seconds: float
    observations: int
    came_per_second: float
    per_second: int
    per_wall_second: int
    headroom: float
    us: float
    parts: dict[str, Part]
    stages_us: dict[str, float]
    tick_ms: tuple[float, float, float]
    ground_mb: int
    peak_mb: int
    load: float
    machine: dict[str, str]
    counters: Counters


def part_of(stage: str) -> str:
    """The part of the journey that a stage belongs to; those named after incident types are detectors."""
    return _PART_OF.get(stage, "detectors")


def machine() -> dict[str, str]:
    """Processor, cores, and versions of what does the work."""
    about = Path("/proc/cpuinfo")
    told = about.read_text().splitlines() if about.is_file() else []
    names = [line.split(":")[1].strip() for line in told if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _VERSIONS},
    }


def describe(machine: Mapping[str, str]) -> str:
    """A machine, in a line."""
    of = dict(machine)
    processor, cores, system = (of.pop(name) for name in ("processor", "cores", "system"))
    versions = ", ".join(f"{name} {number}" for name, number in of.items())
    return f"{processor}, {cores} cores, {system}; {versions}; one core, processor time"
