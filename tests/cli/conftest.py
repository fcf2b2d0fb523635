"""A small synthetic world, and what `city-brain fuse` makes of it, once for all tests of the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.processes import Done, city_brain


@dataclass(frozen=True)
class Fused:
    """A world in a folder, and the answer to it beside."""

    folder: Path
    synth: Done
    fuse: Done

    @property
    def observations(self) -> Path:
        """What arrived."""
        return self.folder / "observations.jsonl.zst"

    @property
    def city_map(self) -> Path:
        """The map."""
        return self.folder / "city.geojson"

    @property
    def incidents(self) -> Path:
        """What was said of it."""
        return self.folder / "incidents.jsonl"

    @property
    def result(self) -> dict[str, Any]:
        """What `fuse --json` prints."""
        return msgspec.json.decode(self.fuse.out, type=dict[str, Any])

    def revisions(self) -> list[dict[str, Any]]:
        """All incident lines, decoded."""
        return [msgspec.json.decode(line) for line in self.incidents.read_bytes().splitlines()]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Fused:
    """Two and a half minutes of a few junctions where much happens."""
    folder = tmp_path_factory.mktemp("cli") / "small"
    much = ("--incidents", 2500, "--distractors", 1000)
    synth = city_brain("synth", folder, "--cameras", 12, "--minutes", 2.5, *much, "--json")
    outputs = [(f"--{name}", folder / f"{name}.jsonl") for name in ("incidents", "tracks", "ticks")]
    words = [word for output in outputs for word in output]
    city_map = folder / "city.geojson"
    fuse = city_brain("fuse", folder / "observations.jsonl.zst", "--map", city_map, *words, "--json")
    assert (synth.code, fuse.code) == (0, 0), synth.err + fuse.err
    return Fused(folder, synth, fuse)
