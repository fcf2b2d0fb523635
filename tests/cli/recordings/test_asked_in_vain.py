"""`city-brain bag` where it cannot give what was asked for, or where what it gives is not all: said, with a code."""

from pathlib import Path

import pytest

from city_brain.bag.reading import Recording
from city_brain.cli.common import DATA_LOST, FAILED, USAGE
from tests.cli.processes import city_brain
from tests.house import ROOT

WRONG_WAY = ROOT / "playback" / "recordings" / "wrong-way.mcap"


@pytest.mark.parametrize("before", ["nan", "inf", "1e300", "-1"])
def test_a_capsule_begins_a_number_of_seconds_before(tmp_path: Path, before: str) -> None:
    """Not longer before than recordings last; nothing is written."""
    done = city_brain("bag", "capsule", WRONG_WAY, "0924-003", tmp_path / "c.mcap", "--before", before)
    assert done.code == USAGE and "Traceback" not in done.err and "--before" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("--until-incident", "nonsense"), ("--until", "2099-01-01T00:00:00+08:00")], ids=["incident", "time"]
)
def test_a_run_that_never_comes_to_its_place_says_so(words: tuple[str, str]) -> None:
    """It answers for the whole recording, and fails."""
    done = city_brain("bag", "run", WRONG_WAY, *words)
    assert done.code == FAILED and done.out.count("\n") == 3
    assert done.err == f"wanted to stop at {words[1]}, got the end of the recording before it came to that\n"


def test_a_topic_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """By ls and by filter, which write nothing; one without records is there."""
    there = "control, reports, sensor.readings, signal.states, video.detections"
    for words in (("ls", WRONG_WAY), ("filter", WRONG_WAY, tmp_path / "f.mcap")):
        done = city_brain("bag", *words, "--topic", "nope")
        assert (done.code, done.out) == (USAGE, "")
        assert f"--topic nope: wanted a topic of {WRONG_WAY}, which has {there}; got none of them" in done.err
    assert not list(tmp_path.iterdir())
    assert city_brain("bag", "filter", WRONG_WAY, tmp_path / "f.mcap", "--topic", "signal.states").code == 0


def test_a_run_of_what_lacks_records_says_so(tmp_path: Path) -> None:
    """A recording that was mended is played as far as it goes, and ends as `info` and `doctor` end; verify plays it."""
    data = bytearray(WRONG_WAY.read_bytes())
    with Recording(WRONG_WAY) as recording:
        data[recording.entries[-1].at + 100] ^= 1
    (tmp_path / "a.mcap").write_bytes(data)
    assert city_brain("bag", "recover", tmp_path / "a.mcap").code == DATA_LOST
    mended = tmp_path / "a-mended.mcap"
    done = city_brain("bag", "run", mended)
    assert done.code == DATA_LOST and "announced, digest" in done.out
    assert done.err.startswith("lost: of the file, torn: ") and done.err.count("\n") == 1
    assert city_brain("bag", "info", mended).code == DATA_LOST
    assert city_brain("bag", "verify", mended, "--restores", 0).code == 0


def test_help_says_what_is_meant() -> None:
    """Neither numbers that stand for none, nor brackets that markup eats."""
    assert "default: 4611686018427387904" not in city_brain("bag", "ls", "--help").out
    told = city_brain("bag", "fault", "--help").out
    assert "[])" not in told and "[[faults]]" in told
