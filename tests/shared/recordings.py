"""Runs `convert` and `fuse` on a recording of the shared folder in this process, as the command line does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from city_brain.cli.app import command_line
from city_brain.incidents.incident import Incident, read_incident
from tests.conftest import ABSENT


@dataclass(frozen=True)
class Fused:
    """What `fuse` says of a converted recording, in the folder where its files are."""

    folder: Path
    result: dict[str, Any]
    incidents: tuple[Incident, ...]
    """The last revision of each, in order of appearance."""

    @property
    def announced(self) -> list[Incident]:
        """The incidents that people were told of."""
        return [incident for incident in self.incidents if incident.detected_ms is not None]


def recording(shared: Path, name: str) -> Path:
    """A file of the shared folder; skips where it is absent."""
    path = shared / name
    if not path.is_file():
        pytest.skip(f"{ABSENT}: wanted {path}")
    return path


def city_brain(*words: object) -> str:
    """Runs a command; what it prints on standard output."""
    done = CliRunner().invoke(command_line(str(words[0])), [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def convert_and_fuse(folder: Path, source_format: str, path: Path, *options: object, tick_s: float = 1.0) -> Fused:
    """Converts a file and fuses the observations on the map that the conversion gives."""
    rows, city_map, incidents = folder / "observations.jsonl.zst", folder / "city.geojson", folder / "incidents.jsonl"
    city_brain("convert", source_format, path, *options, "--out", rows, "--map-out", city_map)
    said = city_brain("fuse", rows, "--map", city_map, "--incidents", incidents, "--tick", tick_s, "--json")
    newest = {line.incident_id: line for line in map(read_incident, incidents.read_bytes().splitlines())}
    return Fused(folder, msgspec.json.decode(said), tuple(newest.values()))
