"""`city-brain backtest` as people call it: what passes, what is blocked, and the report."""

import json
from pathlib import Path

import pytest

from city_brain.cli.common import OUTPUTS_DIFFER, USAGE
from city_brain.incidents.incident_type import built_in_files
from city_brain.synth import SynthCity, write_world
from tests.cli.processes import city_brain
from tests.distributed.kit import SETTINGS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a small city, with a fire in it, and its truth."""
    folder = tmp_path_factory.mktemp("backtest") / "day"
    write_world(SynthCity(SETTINGS), folder)
    return folder


def _types(folder: Path, log_odds: str) -> Path:
    """Types with another threshold for fires."""
    folder.mkdir()
    lines = built_in_files()["fire.yaml"].decode().splitlines()
    changed = [f"open_log_odds: {log_odds}" if line.startswith("open_log_odds:") else line for line in lines]
    (folder / "fire.yaml").write_text("\n".join(changed) if log_odds else "\n".join(lines))
    return folder


def test_types_that_change_nothing_may_pass(world: Path, tmp_path: Path) -> None:
    """Exit code 0; the same incidents before and after."""
    done = city_brain("backtest", "--types", _types(tmp_path / "same", ""), "--on", world, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["changes"] == [] == told["blocked"]
    assert told["whole"]["before"] == told["whole"]["after"] > 0


def test_types_that_lose_an_incident_are_blocked(world: Path, tmp_path: Path) -> None:
    """Exit code 4 and the bound; what is lost stands in the report; a policy that allows it lets them pass, and one
    that asks for recall does not.
    """
    types, report, policy = _types(tmp_path / "deaf", "19.0"), tmp_path / "report.md", tmp_path / "policy.toml"
    done = city_brain("backtest", "--types", types, "--on", world, "--report", report)
    assert done.code == OUTPUTS_DIFFER
    assert done.err == "blocked: all types, lost: wanted at most 0, got 1\n"
    assert done.out.startswith("blocked: ")
    assert "- lost: fire " in report.read_text()
    policy.write_text("[whole]\nlost = 1\n")
    assert city_brain("backtest", "--types", types, "--on", world, "--policy", policy).code == 0
    policy.write_text("[types.fire]\nrecall = 0.5\n[whole]\n")
    done = city_brain("backtest", "--types", types, "--on", world, "--policy", policy)
    assert (done.code, done.err) == (OUTPUTS_DIFFER, "blocked: fire, recall: wanted at least 0.5, got 0\n")


def test_a_recording_is_judged_as_its_folder_is(world: Path, tmp_path: Path) -> None:
    """With the types that it holds as those that hold now, and with the truth that lies beside it."""
    file, types = tmp_path / "day.mcap", _types(tmp_path / "deaf", "19.0")
    packed = next(world.glob("observations.jsonl*"))
    assert city_brain("bag", "convert", packed, file, "--map", world / "city.geojson").code in (0, 3)
    (tmp_path / "day.truth.json").write_bytes((world / "truth.json").read_bytes())
    done = city_brain("backtest", "--types", types, "--on", file, "--json")
    assert done.code == OUTPUTS_DIFFER, done.err
    told, folder = json.loads(done.out), city_brain("backtest", "--types", types, "--on", world, "--json")
    wanted = json.loads(folder.out)
    assert [(one["what"], one["type"]) for one in told["changes"]] == [("lost", "fire")]
    for name in ("before", "after", "lost", "recall_before", "recall_after", "false_before"):
        assert told["whole"][name] == wanted["whole"][name], name


def test_what_cannot_be_judged_is_refused(world: Path, tmp_path: Path) -> None:
    """A policy that bounds a type that nobody has, a folder that is no recording, types that are not there."""
    types, policy = _types(tmp_path / "same", ""), tmp_path / "policy.toml"
    policy.write_text("[types.fyre]\nlost = 0\n")
    done = city_brain("backtest", "--types", types, "--on", world, "--policy", policy)
    assert done.code == USAGE and "got 'fyre'" in done.err
    assert city_brain("backtest", "--types", tmp_path / "none", "--on", world).code == USAGE
    assert city_brain("backtest", "--types", types, "--on", tmp_path).code != 0
