"""`city-brain bag diff` and `bag golden`: exit codes, and what people and machines are told."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

import city_brain as package
from tests.cli.processes import city_brain
from tests.house import ROOT

RECORDINGS = ROOT / "playback" / "recordings"


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """A folder of types in which nobody drives the wrong way who has not done so for 60 m."""
    own = (Path(package.__file__).parent / "incidents/types/wrong_way.yaml").read_text()
    (tmp_path / "types").mkdir()
    (tmp_path / "types/wrong_way.yaml").write_text(re.sub(r"travelled_min_m: .*", "travelled_min_m: 60.0", own))
    return tmp_path / "types"


def test_a_regression_is_found_in_one_command(stricter: Path) -> None:
    """Tick, incident, input record, rule and parameter; exit 4."""
    words = ("bag", "diff", RECORDINGS / "wrong-way.mcap", "--types-b", stricter, "--first-divergence")
    done = city_brain(*words)
    assert done.code == 4, done.err
    assert "they part at tick 68" in done.out
    assert re.search(r"input  video\.detections/\d+ \d+, row 0: cam-\S+, cam-\S+ against_lane", done.out), done.out
    assert done.out.splitlines()[-1] == "  rule   wrong_way, parameters.travelled_min_m: 18.0 -> 60.0"
    done = city_brain(
        "bag", "diff", RECORDINGS / "wrong-way.mcap", "--types-b", stricter, "--first-divergence", "--json"
    )
    assert msgspec.json.decode(done.out)["parameters"][0]["path"] == "parameters.travelled_min_m"


def test_answers_are_held_against_each_other(stricter: Path, tmp_path: Path) -> None:
    """Recordings, tick logs and lines of incidents alike; what may differ may be named."""
    file, ticks, lines = RECORDINGS / "wrong-way.mcap", tmp_path / "ticks.jsonl", tmp_path / "incidents.jsonl"
    assert city_brain("bag", "run", file, "--ticks", ticks, "--incidents", lines, "--types", stricter).code == 0
    for other in (ticks, lines):
        done = city_brain("bag", "diff", file, other, "--junit", tmp_path / "junit.xml")
        assert done.code == 4, done.err
        assert re.search(r"~ \S+ wrong_way at .*, 3 s later", done.out), done.out
        assert done.out.splitlines()[-1] == (
            "1 incident the same, 0 added, 0 removed, 1 changed; 1 later by at most 3 s"
        )
        assert ElementTree.parse(tmp_path / "junit.xml").getroot()[0].get("failures") == "1"  # noqa: S314
    assert city_brain("bag", "diff", ticks, lines).code == 0
    done = city_brain("bag", "diff", file, lines, "--ignore", "incident_id", "--ignore", "detected_ms", "--json")
    assert (done.code, len(msgspec.json.decode(done.out)["found"])) in ((0, 0), (4, 1))


def test_what_cannot_be_compared_is_told(stricter: Path, tmp_path: Path) -> None:
    """One answer alone, lines that other types are to be tried on, and what is neither."""
    file, junk = RECORDINGS / "wrong-way.mcap", tmp_path / "junk"
    junk.write_bytes(b"no line of ours\n")
    for words, wanted in (
        ((file,), "wanted another answer"),
        ((junk, file), "junk line 1: wanted an incident or a tick"),
        ((file, junk, "--types-b", stricter), "wanted a recording to try other types on"),
        ((file, tmp_path / "none"), "wanted a recording or lines of incidents"),
        ((file, file, "--first-divergence", "--ignore", "x"), "wanted neither --ignore nor --junit"),
    ):
        done = city_brain("bag", "diff", *words)
        assert done.code in (1, 2), done
        assert wanted in done.err


def test_goldens_are_checked_and_blessed(tmp_path: Path) -> None:
    """Exit 0 where every byte is as expected, 4 where one is not; blessing renews what is expected."""
    done = city_brain("bag", "golden", "check", RECORDINGS, "--junit", tmp_path / "junit.xml")
    assert done.code == 0, done.out + done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["same"] * 3
    assert {suite.get("failures") for suite in ElementTree.parse(tmp_path / "junit.xml").getroot()} == {"0"}  # noqa: S314
    file = tmp_path / "a.mcap"
    shutil.copy(RECORDINGS / "dark-signal.mcap", file)
    assert city_brain("bag", "golden", "add", file).code == 0
    shutil.copy(RECORDINGS / "wrong-way.mcap", file)
    done = city_brain("bag", "golden", "check", tmp_path)
    assert done.code == 4
    assert (
        "DIFFERS" in done.out
        and re.search(r"- \S+ signal_fault", done.out)
        and re.search(r"\+ \S+ wrong_way", done.out)
    )
    assert city_brain("bag", "golden", "bless", file).code == 0
    assert city_brain("bag", "golden", "check", file).code == 0
