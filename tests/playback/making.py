"""Makes the recordings in `playback/recordings` again: synthetic worlds of two minutes, by their seeds."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from city_brain.cli.common import DATA_LOST
from tests.cli.processes import city_brain
from tests.house import ROOT

RECORDINGS: Final = ROOT / "playback" / "recordings"
SEEDS: Final = {"crash-and-plume": 1, "dark-signal": 7, "wrong-way": 4}
"""Seeds in whose two minutes the incidents happen after which the recordings are called."""
MADE_OF: Final = {
    "crash-and-plume": "ffc1643297ed0c04", "dark-signal": "1a62c0dfc4d5c21f", "wrong-way": "2bb38e20dd6590b6"
}  # fmt: skip
"""The observations, by fingerprint. On another build of numpy the last bits of traffic may differ, and so these."""
_WORLD: Final = ("--minutes", 2, "--warm-up", 40, "--incidents", 3000, "--distractors", 1500, "--cameras", 6)


def make(name: str, folder: Path) -> Path:
    """Makes the recording `name` in a folder that exists; the city is called after the folder `world` in it."""
    world, recording = folder / "world", folder / f"{name}.mcap"
    for words in (
        ("synth", world, "--seed", SEEDS[name], *_WORLD),
        ("bag", "convert", world / "observations.jsonl.zst", recording, "--map", world / "city.geojson"),
    ):
        done = city_brain(*words)
        if done.code not in (0, DATA_LOST):
            raise SystemExit(f"{name}: city-brain {words[0]}: exit code {done.code}: {done.err}")
    return recording


if __name__ == "__main__":
    for each in SEEDS:
        with tempfile.TemporaryDirectory() as scratch:
            made = make(each, Path(scratch)).read_bytes()
        there = RECORDINGS / f"{each}.mcap"
        word = "the same" if there.exists() and there.read_bytes() == made else "written anew"
        there.write_bytes(made)
        sys.stdout.write(f"{there.relative_to(ROOT)}: {len(made)} bytes, {word}\n")
