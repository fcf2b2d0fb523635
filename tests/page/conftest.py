"""A browser for the tests of one file, and the report of a small world where much happens, made once."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from city_brain.incidents.incident import Incident, read_incident
from tests.cli.processes import city_brain
from tests.page.browser import Browser, browsing


class Reported(msgspec.Struct, frozen=True):
    """A world that was fused with a report beside its incidents."""

    folder: Path

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    @property
    def observations(self) -> Path:
        """What arrived."""
        return self.folder / "observations.jsonl.zst"

    def revisions(self) -> list[Incident]:
        """All that was said, in order."""
        return [read_incident(line) for line in (self.folder / "incidents.jsonl").read_bytes().splitlines()]

    def newest(self) -> dict[str, Incident]:
        """The newest revision of each incident."""
        return {incident.incident_id: incident for incident in self.revisions()}


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Two and a half minutes of a few junctions, fused with `--report`."""
    folder = tmp_path_factory.mktemp("page") / "small"
    much = ("--incidents", 2500, "--distractors", 1000)
    synth = city_brain("synth", folder, "--cameras", 12, "--minutes", 2.5, *much)
    words = ("--map", folder / "city.geojson", "--incidents", folder / "incidents.jsonl")
    fuse = city_brain("fuse", folder / "observations.jsonl.zst", *words, "--report", folder / "report.html")
    assert (synth.code, fuse.code) == (0, 0), synth.err + fuse.err
    return Reported(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; of one file of tests, since its event loop is in the way of others."""
    with browsing() as open_browser:
        yield open_browser
