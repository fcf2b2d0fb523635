"""`city-brain models` as people call it: lists, fetches from a folder, checks and measures."""

import shutil
from pathlib import Path

import msgspec
import pytest

from city_brain.cli.common import FAILED, USAGE
from tests.cli.processes import city_brain
from tests.house import ROOT
from tests.vision.cards.test_card import TEXT

TINY = ROOT / "models" / "tiny"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with the tiny network under another name, whose weights are not there, and with a broken card."""
    for name in ("own", "broken"):
        (tmp_path / "site" / "models" / name).mkdir(parents=True)
    card = (TINY / "card.toml").read_text().replace('name = "tiny"', 'name = "own"')
    (tmp_path / "site" / "models" / "own" / "card.toml").write_text(card)
    (tmp_path / "site" / "models" / "broken" / "card.toml").write_text(TEXT.replace("licence", "license"))
    return tmp_path / "site"


def test_cards_are_listed() -> None:
    """With layout, size, licence and whether weights are here; exit code 0."""
    done = city_brain("models", "list", "--weights", "nowhere")
    assert (done.code, done.err) == (0, "")
    assert f"tiny  yolox, 320 × 192, Apache-2.0, here: {TINY / 'tiny.onnx'}\n" in done.out
    assert "yolox-nano  yolox, 416 × 416, Apache-2.0, not fetched\n" in done.out


def test_a_broken_card_hides_no_other(site: Path) -> None:
    """It is told of on standard error, and the exit code is 1."""
    done = city_brain("models", "list", "--site", site, "--json")
    listed = msgspec.json.decode(done.out)
    assert done.code == FAILED
    assert {"own", "tiny", "yolox-nano"} == {model["name"] for model in listed["models"]}
    assert len(listed["broken"]) == 1
    assert "did you mean 'licence'" in done.err


def test_weights_are_fetched_checked_and_measured(site: Path, tmp_path: Path) -> None:
    """From a folder, for a site without a network; before that, checking says what is missing."""
    said = ("--site", site, "--weights", tmp_path / "fetched")
    missing = city_brain("models", "check", "own", *said)
    assert missing.code == USAGE
    assert "wanted weights, got none: `city-brain models fetch own`" in missing.err
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.copy(TINY / "tiny.onnx", stick / "whatever.onnx")
    fetched = city_brain("models", "fetch", "own", "--from", stick, *said, "--json")
    assert fetched.code == 0, fetched.err
    weights = msgspec.json.decode(fetched.out)["weights"]
    assert Path(weights).read_bytes() == (TINY / "tiny.onnx").read_bytes()
    checked = city_brain("models", "check", "own", *said, "--json")
    report = msgspec.json.decode(checked.out)
    assert (checked.code, report["card"], report["file"]) == (0, "own", weights)
    assert report["report"]["outputs"] == {"output": [1, 960, 11]}
    bench = city_brain("models", "bench", "own", *said, "--runs", 1, "--json")
    measured = msgspec.json.decode(bench.out)
    assert (bench.code, list(measured["ms_per_frame"]), measured["threads"]) == (0, ["1", "4", "16"], 1)


def test_a_file_is_held_against_the_card_of_its_hash(tmp_path: Path) -> None:
    """Or against the one that is named; a flipped bit is refused with exit code 1."""
    file = tmp_path / "some.onnx"
    data = bytearray((TINY / "tiny.onnx").read_bytes())
    file.write_bytes(data)
    assert f"{file}: as the card of tiny says" in city_brain("models", "check", file).out
    data[-1] ^= 1
    file.write_bytes(data)
    wrong = city_brain("models", "check", file, "--card", TINY / "card.toml")
    assert wrong.code == FAILED
    assert "wanted sha256" in wrong.err
    file.write_bytes(bytes(100))
    broken = city_brain("models", "check", file)
    assert (broken.code, broken.out) == (FAILED, "")
    assert "wanted a model in ONNX" in broken.err


@pytest.mark.parametrize("word", ["check", "fetch", "bench"])
def test_a_wrong_name_is_wrong_usage(word: str) -> None:
    """Exit code 2, with the nearest name."""
    done = city_brain("models", word, "tiney")
    assert done.code == USAGE
    assert "got 'tiney'; did you mean 'tiny'" in done.err
    assert ("and no file of that name" in done.err) == (word != "fetch")


def test_weights_that_come_with_the_card_need_no_fetching() -> None:
    """Fetching says where they are."""
    done = city_brain("models", "fetch", "tiny")
    assert (done.code, done.err) == (0, "")
    assert str(TINY / "tiny.onnx") in done.out


def test_the_shared_detector_passes_its_check(shared: Path, tmp_path: Path) -> None:
    """YOLOX-nano, found in a folder by its hash, fits its card."""
    said = ("--weights", tmp_path)
    assert city_brain("models", "fetch", "yolox-nano", "--from", shared / "data" / "onnx-detector", *said).code == 0
    done = city_brain("models", "check", "yolox-nano", *said)
    assert done.code == 0, done.err
    assert "images 1 × 3 × 416 × 416 -> output 1 × 3549 × 85" in done.out
