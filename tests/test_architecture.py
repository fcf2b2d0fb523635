"""ARCHITECTURE.md describes the house that stands: its packages in travelling order, and the life of an incident."""

import re

from city_brain.incidents.lifecycle import diagram
from tests.house import ROOT, STREET

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_packages_stand_in_travelling_order() -> None:
    """Every package of the street has its step, in the order in which the street imports."""
    steps = [name for line in re.findall(r"^### (.*)$", TEXT, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)]
    assert steps == [name for name in STREET if (ROOT / "city_brain" / name).is_dir() or name in ("pipeline", "runner")]


def test_the_diagram_is_that_of_the_table() -> None:
    """The life of an incident is drawn as `city_brain.incidents.lifecycle` has it."""
    assert re.findall(r"^```mermaid\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) == [diagram()]


def test_what_it_points_at_exists() -> None:
    """Links lead to files, and so do the paths that stand as code."""
    paths = re.findall(r"\]\(([\w./-]+)\)", TEXT) + re.findall(r"`((?:city_brain|tests)/[\w/]+\.py)`", TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
