"""A synthetic world as a folder: map, observations, truth and identity, written as they come."""

from collections.abc import Callable
from pathlib import Path

import orjson
import zstandard

from city_brain.synth.senses.writing import DATUM
from city_brain.synth.world import Block, SynthCity

OBSERVATIONS, MAP, TRUTH, IDENTITY = "observations.jsonl.zst", "city.geojson", "truth.json", "identity.json"


def write_world(city: SynthCity, folder: Path, written: Callable[[Block], None] = lambda block: None) -> int:
    """Writes the four files of a world into `folder`, which is made; gives the number of lines.

    Nothing is held but one second of the city; each goes to `written` once it is on disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MAP).open("wb") as out:
        out.write(b'{"type":"FeatureCollection","datum":"%s","features":[' % DATUM.encode())
        for k, feature in enumerate(city.features()):
            out.write((b"\n" if k == 0 else b",\n") + orjson.dumps(feature))
        out.write(b"\n]}\n")
    lines = tracklets = 0
    with (
        (folder / OBSERVATIONS).open("wb") as raw,
        zstandard.ZstdCompressor(level=6).stream_writer(raw) as packed,
        (folder / IDENTITY).open("wb") as identity,
    ):
        identity.write(b"{")
        for block in city.blocks():
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
