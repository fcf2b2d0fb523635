"""What a benchmark reads: seconds of envelopes, made before the clock runs, from a synthetic or a tiled city."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from city_brain.observations.columns import Observations
from city_brain.observations.envelope import to_envelope
from city_brain.sources.recording import read_blocks
from city_brain.synth import SynthCity, SynthSettings
from tests.benchmarks.tiling import read_map, tile_city, tile_observations, tile_offsets

ENVELOPE_ROWS = 1_000
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Second:
    """The envelopes that arrive in one second, and the mark at its end."""

    envelopes: list[bytes]
    mark_ms: int


def write_synthetic(folder: Path, sources: int, seconds: int, seed: int = 1) -> None:
    """Writes `city.geojson` and `seconds.bin` of a synthetic city, so that its making is not in what is measured."""
    settings = SynthSettings(seed=seed, sources=sources, minutes=seconds / 60.0, warm_up_s=60)
    city = SynthCity(settings)
    (folder / "city.geojson").write_bytes(msgspec.json.encode(city.geojson()))
    with (folder / "seconds.bin").open("wb") as file:
        for block in city.blocks():
            observations = block.observations()
            if observations.n:
                mark_ms = int(observations.common.arrival_ms.max())
                data = msgspec.msgpack.encode(Second(by_gateway(observations), mark_ms))
                file.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)


def read_seconds(folder: Path) -> Iterator[Second]:
    """The seconds that `write_synthetic` wrote, one at a time."""
    with (folder / "seconds.bin").open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield msgspec.msgpack.decode(file.read(int.from_bytes(length, "little")), type=Second)


def by_gateway(observations: Observations) -> list[bytes]:
    """The rows in envelopes of about `ENVELOPE_ROWS`, whole sources to one gateway each."""
    gateways = max(1, round(observations.n / ENVELOPE_ROWS))
    gateway = observations.common.source % gateways
    parts = [observations.take(np.flatnonzero(gateway == g)) for g in range(gateways)]
    return [to_envelope(part) for part in parts if part.n]


class TiledWorld:
    """A recorded world laid beside itself `tiles` times, read second by second."""

    def __init__(self, folder: Path, tiles: int) -> None:
        geojson = read_map((folder / "city.geojson").read_bytes())
        self.offsets = tile_offsets(geojson, tiles)
        self.city_map: bytes = msgspec.json.encode(tile_city(geojson, tiles))
        blocks = [block.observations for block in read_blocks(folder / "observations.jsonl.zst")]
        self._observations = Observations.concat(blocks)

    def seconds(self, count: int | None = None) -> Iterator[Second]:
        """The seconds of all tiles, in order of arrival; at most `count`."""
        arrival_ms = self._observations.common.arrival_ms
        second = (arrival_ms - np.sort(arrival_ms, kind="stable")[len(arrival_ms) // 1000]) // 1000
        plausible = (second >= -2) & (second <= np.sort(second, kind="stable")[-1 - len(second) // 1000] + 60)
        for at in range(-2, int(second[plausible].max()) + 1 if count is None else count):
            rows = np.flatnonzero(second == at)
            if len(rows):
                part = self._observations.take(rows)
                envelopes = [to_envelope(tile_observations(part, k, *offset)) for k, offset in enumerate(self.offsets)]
                yield Second(envelopes, int(arrival_ms[rows].max()))


def machine() -> dict[str, Any]:
    """Processor, and versions of what does the work."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": names[0] if names else platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
