"""`city-brain synth` writes a world, the same one for the same settings, and refuses what makes no sense."""

import re
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from city_brain.city.loading import load_city
from city_brain.scoring import read_identity, read_truth
from city_brain.sources.recording import read_blocks
from city_brain.synth import SynthSettings
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain

FILES = ("city.geojson", "observations.jsonl.zst", "truth.json", "identity.json")


def test_synth_writes_a_world_that_every_reader_takes(world: Fused) -> None:
    assert world.synth.code == 0, world.synth.err
    told = msgspec.json.decode(world.synth.out)
    truth = read_truth((world.folder / "truth.json").read_bytes())
    assert len(load_city(world.city_map).cameras) == truth.cameras == told["cameras"] == 12
    assert len(truth.incidents) == told["incidents"] > 0
    assert read_identity((world.folder / "identity.json").read_bytes())
    blocks = list(read_blocks(world.observations))
    assert sum(block.observations.n + len(block.rejected) for block in blocks) == told["lines"]


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    words = ("--seed", 5, "--sources", 40, "--minutes", 0.2, "--start", "2026-06-11T08:00:00+08:00")
    for name in ("a", "b"):
        done = city_brain("synth", tmp_path / name, *words)
        assert done.code == 0, done.err
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert read_truth((tmp_path / "a" / "truth.json").read_bytes()).start_ms == 1_781_136_000_000


def test_every_setting_of_a_synthetic_city_has_an_option() -> None:
    """A setting without an option could not be tried from the command line."""
    text = city_brain("synth", "--help").out
    named = {
        "start_ms": "start",
        "warm_up_s": "warm-up",
        "garbage_fraction": "garbage",
        "reports_per_incident": "reports",
        "incident_types": "incident-type",
        "distractor_kinds": "distractor-kind",
        "scenes": "scene",
    }
    for field in SynthSettings.__struct_fields__:
        option = named.get(field, field.removesuffix("_per_hour_per_100_cameras"))
        assert f"--{option} " in text, field


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--start", "yesterday"), "--start: wanted RFC 3339"),
        (("--start", "2026-06-11T08:00:00"), "wanted an offset"),
        (("--cameras", "0"), "--cameras: wanted 1 to"),
        (("--minutes", "0"), "--minutes: wanted"),
        (("--incident-type", "flood"), "--incident-type: wanted some of stopped_vehicle, crash"),
        (("--cameras", "many"), "valid integer"),
        (("--scene", "crash_at_signal"), "--scene: wanted NAME@SECOND"),
        (("--scene", "crash@5"), "--scene: wanted some of crash_at_signal, stopped_before_camera, got 'crash'"),
        (("--scene", "crash_at_signal@90", "--minutes", "1"), "--scene: wanted crash_at_signal from second 0 to 59"),
    ],
)
def test_settings_that_make_no_sense_are_refused_as_usage(tmp_path: Path, words: tuple[str, str], said: str) -> None:
    done = city_brain("synth", tmp_path / "world", *words)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "world").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = city_brain("synth", tmp_path / "file" / "world", "--minutes", 0.1)
    assert done.code == 2
    assert f"{tmp_path / 'file' / 'world'}: wanted a folder to write into" in done.err


def test_the_defaults_that_are_shown_are_those_of_the_settings() -> None:
    """They stand in the help as text, so that help does not wait for what makes cities."""
    text = " ".join(city_brain("synth", "--help").out.replace("│", " ").split())
    settings = SynthSettings()
    shown = [settings.seed, settings.cameras, settings.minutes, settings.incidents_per_hour_per_100_cameras]
    shown += [settings.distractors_per_hour_per_100_cameras, settings.reports_per_incident]
    shown += [settings.garbage_fraction, settings.warm_up_s]
    defaults = re.findall(r"\[default: \(?([^\s()]+)\)?\]", text)
    start = datetime.fromisoformat(next(found for found in defaults if "T" in found))
    assert sorted(float(found) for found in defaults if "T" not in found) == sorted(map(float, shown))
    assert start.timestamp() * 1000 == settings.start_ms
