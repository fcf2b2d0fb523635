"""What is announced of a world, fused as `city-brain fuse` does; kept, so that nothing is fused twice."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np

from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.json_twin import Parsed
from city_brain.replay.stream import StreamReader
from city_brain.runner import Runner
from city_brain.sources.recording import BLOCK_ROWS
from tests.benchmarks.altered.lesions import Lesion
from tests.benchmarks.altered.worlds import World
from tests.house import ROOT, sources

_KEPT: Final = ROOT / ".bench" / "altered"
_TYPES: Final = ROOT / "city_brain" / "incidents" / "types"
_HERE: Final = [Path(__file__).with_name(name) for name in ("worlds.py", "lesions.py")]


class Answers:
    """Incidents by world and variant, in a folder of those that this very code gave."""

    def __init__(self) -> None:
        code = blake2b(digest_size=8)
        modules = [ROOT / one.name for one in sources() if one.in_street]
        for path in (*modules, *sorted(_TYPES.glob("*.yaml")), *_HERE):
            code.update(path.read_bytes())
        self._folder = _KEPT / code.hexdigest()

    def path(self, world: Path, variant: str) -> Path:
        """Where the incidents of a world are, or are to be."""
        return self._folder / f"{world.name}, {variant}.jsonl"

    def keep(self, world: Path, variant: str, lines: list[bytes]) -> None:
        """Keeps incidents, whole or not at all."""
        path = self.path(world, variant)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(b"".join(line + b"\n" for line in lines))
        part.replace(path)


def fused(world: World, lesion: Lesion) -> list[bytes]:
    """The incidents of a world, a line for each revision."""
    runner = Runner(world.ground, lesion.of_types(load_incident_types()))
    for engine in runner.engines:
        lesion.engine(engine)
    lines = [line for closed in StreamReader(runner).read(blocks(world)) for line in closed.record.lines]
    if runner.failures:
        raise RuntimeError(f"wanted detectors that do not raise, got {runner.failures}")
    return lines


def blocks(world: World) -> Iterator[Parsed]:
    """The rows as they would be read from a file."""
    observations, line = world.recording.observations, world.recording.line
    for first in range(0, observations.n, BLOCK_ROWS):
        rows = np.arange(first, min(first + BLOCK_ROWS, observations.n))
        none = np.zeros((0, 2), dtype=np.int64)
        yield Parsed(observations.take(rows), line[rows], (), none, none[:, 0], 0)
