"""A synthetic world as a folder: map, observations, truth and identity, written as they come."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import orjson
import zstandard

from city_brain.synth.ground.features import Feature
from city_brain.synth.senses.tracking import Scene
from city_brain.synth.senses.writing import DATUM
from city_brain.synth.world import Block, SynthCity

OBSERVATIONS, MAP, TRUTH, IDENTITY = "observations.jsonl.zst", "city.geojson", "truth.json", "identity.json"
PACKED: Final = 6
"""Level of Zstandard."""


def write_world(
    city: SynthCity,
    folder: Path,
    written: Callable[[Block], None] = lambda block: None,
    watch: Callable[[Scene], None] = lambda scene: None,
) -> int:
    """Writes the four files of a world into `folder`, which is made; gives the number of lines.

    Nothing is held but one second of the city; each goes to `written` once it is on disk, and what there is in it to
    `watch` before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_map(folder / MAP, city.features())
    lines = tracklets = 0
    with (
        (folder / OBSERVATIONS).open("wb") as raw,
        zstandard.ZstdCompressor(level=PACKED).stream_writer(raw) as packed,
        (folder / IDENTITY).open("wb") as identity,
    ):
        identity.write(b"{")
        for block in city.blocks(watch):
            said = block.lines()
            lines += len(said)
            if said:
                packed.write(b"\n".join(said) + b"\n")
            for tracklet in block.tracklets():
                key = orjson.dumps(f"{tracklet.source_id}|{tracklet.track_id}")
                value = orjson.dumps([tracklet.object_id, tracklet.first_ms, tracklet.last_ms])
                identity.write((b",\n" if tracklets else b"\n") + key + b":" + value)
                tracklets += 1
            written(block)
        identity.write(b"\n}\n")
    (folder / TRUTH).write_bytes(orjson.dumps(city.truth(), option=orjson.OPT_INDENT_2) + b"\n")
    return lines


def write_map(path: Path, features: Iterable[Feature]) -> None:
    """Writes features as a city map, a line each."""
    with path.open("wb") as out:
        out.write(b'{"type":"FeatureCollection","datum":"%s","features":[' % DATUM.encode())
        for k, feature in enumerate(features):
            out.write((b"\n" if k == 0 else b",\n") + orjson.dumps(feature))
        out.write(b"\n]}\n")
