"""`python -m tests.benchmarks.partition`: one partition of a city that is cut into many, in a process of its own.

The city is a synthetic one laid out many times. The process holds the map of all of it, and rows are made of those
tiles alone that the partition or its halo touches. Time is processor time; map and rows are made in other processes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from city_brain.measuring.memory import held_bytes, peak_bytes
from city_brain.observations.envelope import from_envelope
from city_brain.pipeline import Door, Engine
from city_brain.site import Site, SiteSettings
from city_brain.synth import SynthCity, SynthSettings
from tests.benchmarks.inputs import Second, envelopes_of, read_frame, write_frame
from tests.benchmarks.tiling import tile_city, tile_observations, tile_offsets

HEAD = (
    "sources", "partitions", "map, MB of GeoJSON", "s to load", "MB map", "MB peak", "rows of the partition",
    "of them halo", "µs decode, admission and routing", "µs fusion", "ms per tick, median / most",
)  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """What is run: a city of so many sources, laid out so many times, and `partition` of its partitions."""

    sources: int
    tiles: int
    partitions: int
    partition: int
    seconds: int
    warm_up: int

    def city(self) -> SynthCity:
        """The city of each tile."""
        minutes = (self.warm_up + self.seconds) / 60.0
        return SynthCity(SynthSettings(seed=1, sources=self.sources, minutes=minutes, warm_up_s=60))


def main() -> None:
    """Prints a row."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.partition", description=__doc__)
    add = parser.add_argument
    add("--sources", type=int, default=10_000, help="of each tile")
    add("--tiles", type=int, default=100, help="how often the city is laid out")
    add("--partitions", type=int, default=40, help="of the whole city")
    add("--partition", type=int, default=20, help="the one that is run")
    add("--seconds", type=int, default=20, help="that count")
    add("--warm-up", type=int, default=20, help="seconds before them that do not")
    asked = Asked(**vars(parser.parse_args()))
    print("| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "city.geojson"
        subprocess.run([sys.executable, "-m", __spec__.name, _told(asked), str(path)], check=True)
        print("| " + " | ".join(_measured(asked, path)) + " |", flush=True)


def _told(asked: Asked) -> str:
    return msgspec.json.encode(asked).decode()


def _measured(asked: Asked, path: Path) -> tuple[str, ...]:
    before, begun_s = held_bytes(), time.process_time()
    site = Site.of_map(path, None, SiteSettings(city="benchmark", partitions=asked.partitions))
    now = site.configurations.first
    door, routing = Door(site.configurations), now.routing
    assert routing is not None and now.admission is not None
    engine = Engine(now.ground, now.types, now.ticks, 1, routing, asked.partition)
    loaded_s, map_mb = time.process_time() - begun_s, (held_bytes() - before) >> 20
    city = now.ground.city
    mine = routing.partitions_of(city.source_keys)[:, asked.partition]
    tiles = sorted({int(city.source_ids[at].partition("/")[0]) for at in np.flatnonzero(mine).tolist()})
    print(f"partition {asked.partition}: {mine.sum():,} sources with its halo, in tiles {tiles}", file=sys.stderr)
    door_s, fusion_s, ticks, sent, came, own = 0.0, 0.0, list[float](), 0, 0, 0
    for number, second in enumerate(_seconds(asked, tiles)):
        counts = number >= asked.warm_up
        for envelope in second.envelopes:
            begun_s = time.process_time()
            rows, _ = door.admit(from_envelope(envelope), 0, number)
            part = door.route(rows)[asked.partition]
            door_s += counts * (time.process_time() - begun_s)
            engine.read(0, part)
            sent, came, own = sent + counts * rows.n, came + counts * part.n, own + counts * int(part.home.sum())
        engine.mark(0, second.mark_ms)
        begun_s = time.process_time()
        for _ in engine.readings():
            taken_s = time.process_time() - begun_s
            fusion_s += counts * taken_s
            ticks += [taken_s] * counts
            begun_s = time.process_time()
    ms = [round(1e3 * float(found), 1) for found in (np.median(ticks), max(ticks))]
    return (
        f"{len(city.sources):,}", f"{asked.partitions}", f"{path.stat().st_size >> 20:,}", f"{loaded_s:.0f}",
        f"{map_mb:,}", f"{peak_bytes() >> 20:,}", f"{came:,}", f"{100 * (1 - own / came):.0f} %",
        f"{1e6 * door_s / sent:.2f}", f"{1e6 * fusion_s / came:.2f}", f"{ms[0]} / {ms[1]}",
    )  # fmt: skip


def _seconds(asked: Asked, tiles: list[int]) -> Iterator[Second]:
    command = [sys.executable, "-m", __spec__.name, _told(asked), *map(str, tiles), "rows"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        while frame := read_frame(maker.stdout):
            yield msgspec.msgpack.decode(frame, type=Second)


def _make_map(asked: Asked, path: Path) -> None:
    path.write_bytes(msgspec.json.encode(tile_city(asked.city().geojson(), asked.tiles)))


def _make_rows(asked: Asked, tiles: list[int]) -> None:
    city = asked.city()
    offsets: list[Any] = tile_offsets(city.geojson(), asked.tiles)
    for block in city.blocks():
        rows = block.observations()
        envelopes = [one for tile in tiles for one in envelopes_of(tile_observations(rows, tile, *offsets[tile]))]
        second = Second(envelopes, block.start_ms + 1000 * (block.second + 1))
        write_frame(sys.stdout.buffer, msgspec.msgpack.encode(second))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1].startswith("{"):
        told = msgspec.json.decode(sys.argv[1], type=Asked)
        if sys.argv[-1] == "rows":
            _make_rows(told, [int(tile) for tile in sys.argv[2:-1]])
        else:
            _make_map(told, Path(sys.argv[2]))
    else:
        main()
