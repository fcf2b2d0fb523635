"""What a benchmark reads: seconds of envelopes of a synthetic or a tiled city, made in a process of their own.

The maker waits while a second is read, so making counts neither as time nor as memory of what is measured. Frames on
its standard output: eight bytes of length, then the map, then MessagePack of a `Second` for each line asked for.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from city_brain.observations.columns import Observations
from city_brain.observations.envelope import to_envelope
from city_brain.sources.recording import read_blocks
from city_brain.synth import SynthCity, SynthSettings
from tests.benchmarks.tiling import read_map, tile_city, tile_observations, tile_offsets

ENVELOPE_ROWS = 1_000
_LENGTH_BYTES = 8


class City(msgspec.Struct, frozen=True, kw_only=True):
    """A city to read: a synthetic one of so many `sources`, or the `world` in a folder laid out `tiles` times."""

    name: str
    sources: int = 0
    world: str = ""
    tiles: int = 1
    seconds: int | None = None
    """Of what is recorded only so many; None: all."""
    warm_up: int = 20
    """Seconds that are read and not counted."""
    garbage: float = 0.0
    """Share of rows that are garbage besides the others (synthetic cities)."""
    seed: int = 1


class Second(msgspec.Struct, frozen=True):
    """The envelopes that arrive in one second, and the mark at its end."""

    envelopes: list[bytes]
    mark_ms: int


class Maker:
    """The process that makes a city's map and seconds."""

    def __init__(self, city: City) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.inputs", msgspec.json.encode(city).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.city_map = self._frame()

    def seconds(self) -> Iterator[Second]:
        """One second after the other; the next is made when it is asked for."""
        while frame := self._ask():
            yield msgspec.msgpack.decode(frame, type=Second)
        if self._process.wait() != 0:
            raise RuntimeError(f"maker: wanted exit 0, got {self._process.returncode}")

    def _ask(self) -> bytes:
        asked = self._process.stdin
        assert asked is not None
        asked.write(b"\n")
        asked.flush()
        return self._frame()

    def _frame(self) -> bytes:
        made = self._process.stdout
        assert made is not None
        return read_frame(made)


def make(city: City, asked: IO[bytes], made: IO[bytes]) -> None:
    """Writes the map, then a second for each line that comes in."""
    city_map, seconds = _tiled(city) if city.world else _synthetic(city)
    write_frame(made, city_map)
    for second in seconds:
        if not asked.readline():
            return
        write_frame(made, msgspec.msgpack.encode(second))
    asked.readline()
    write_frame(made, b"")


def read_frame(made: IO[bytes]) -> bytes:
    """The next frame; empty at the end."""
    length = made.read(_LENGTH_BYTES)
    return made.read(int.from_bytes(length, "little")) if length else b""


def write_frame(made: IO[bytes], frame: bytes) -> None:
    """Writes a frame, at once."""
    made.write(len(frame).to_bytes(_LENGTH_BYTES, "little") + frame)
    made.flush()


def _synthetic(city: City) -> tuple[bytes, Iterator[Second]]:
    assert city.seconds is not None
    made = SynthCity(
        SynthSettings(
            seed=city.seed,
            sources=city.sources,
            minutes=(city.warm_up + city.seconds) / 60.0,
            garbage_fraction=city.garbage,
            warm_up_s=60,
        )
    )

    def seconds() -> Iterator[Second]:
        for block in made.blocks():
            observations = block.observations()
            yield Second(list(envelopes_of(observations)), block.start_ms + 1000 * (block.second + 1))

    return msgspec.json.encode(made.geojson()), seconds()


def envelopes_of(observations: Observations) -> Iterator[bytes]:
    """The rows in envelopes of about `ENVELOPE_ROWS`, whole sources to one gateway each."""
    gateways = max(1, round(observations.n / ENVELOPE_ROWS))
    source = observations.common.source
    gateway = (source - source.min(initial=0)) * gateways // (int(source.max(initial=0)) + 1)
    for number in range(gateways):
        at = np.flatnonzero(gateway == number)
        if len(at):
            yield to_envelope(compact(observations.take(at)))


def compact(observations: Observations) -> Observations:
    """The same rows with only the texts that they use, as a gateway would send them."""
    columns = [
        getattr(group, name)
        for group in observations.groups().values()
        for name, spec in group.specs.items()
        if spec.text
    ]
    used = np.unique(np.concatenate([column.ravel() for column in columns]))
    used = used[used >= 0]
    number = np.full(len(observations.strings) + 1, -1, dtype=np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    groups = {
        key: type(group)(
            **{
                name: number[getattr(group, name)] if spec.text else getattr(group, name)
                for name, spec in group.specs.items()
            }
        )
        for key, group in observations.groups().items()
    }
    return Observations(tuple(observations.strings[text] for text in used.tolist()), **groups)


def _tiled(city: City) -> tuple[bytes, Iterator[Second]]:
    folder = Path(city.world)
    geojson = read_map((folder / "city.geojson").read_bytes())
    offsets = tile_offsets(geojson, city.tiles)
    observations = Observations.concat([block.observations for block in read_blocks(folder / "observations.jsonl.zst")])

    def seconds() -> Iterator[Second]:
        for rows, mark_ms in _by_second(observations.common.arrival_ms, city):
            part = observations.take(rows)
            together = max(1, ENVELOPE_ROWS // len(rows))
            tiles = [tile_observations(part, tile, *offset) for tile, offset in enumerate(offsets)]
            batches = (tiles[k : k + together] for k in range(0, len(tiles), together))
            yield Second([to_envelope(Observations.concat(batch)) for batch in batches], mark_ms)

    return msgspec.json.encode(tile_city(geojson, city.tiles)), seconds()


def _by_second(arrival_ms: np.ndarray, city: City) -> Iterable[tuple[np.ndarray, int]]:
    """The rows of each second of arrival and its end; rows whose stamp lies outside the recording are left out."""
    ordered = np.sort(arrival_ms, kind="stable")
    start_ms, last_ms = int(ordered[len(ordered) // 1000]), int(ordered[-1 - len(ordered) // 1000])
    second = (arrival_ms - start_ms) // 1000
    last = (last_ms - start_ms) // 1000 + 60 if city.seconds is None else city.warm_up + city.seconds
    order = np.argsort(second, kind="stable")
    for at in range(-2, last):
        first, after = np.searchsorted(second[order], (at, at + 1))
        if after > first:
            yield order[first:after], start_ms + 1000 * (at + 1)


if __name__ == "__main__":
    make(msgspec.json.decode(sys.argv[1], type=City), sys.stdin.buffer, sys.stdout.buffer)
