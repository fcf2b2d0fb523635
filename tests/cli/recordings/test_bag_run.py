"""`city-brain bag run`: what was announced, the digest of the tick log, and files of both."""

from pathlib import Path

import msgspec

from city_brain.digest import TreeHead
from tests.cli.processes import city_brain
from tests.distributed import kit
from tests.playback.recorded import record


def test_it_prints_the_digest_of_what_the_city_said(tmp_path: Path) -> None:
    """And writes the same tick log."""
    file, ticks = record(tmp_path / "a.mcap", 1, 7), tmp_path / "ticks.jsonl"
    done = city_brain("bag", "run", file, "--ticks", ticks, "--json")
    assert done.code == 0, done.err
    wanted, said = TreeHead(), msgspec.json.decode(done.out)
    for line in kit.oracle(1):
        wanted.add(line)
    assert (said["digest"], said["ticks"]) == (wanted.digest().hex(), wanted.size)
    assert [one["type"] for one in said["announced"]] == ["signal_fault", "fire"]
    assert ticks.read_bytes().splitlines() == kit.oracle(1)


def test_a_file_that_is_no_recording_is_told(tmp_path: Path) -> None:
    """With its name, and exit code 1; nothing is written."""
    (tmp_path / "a.mcap").write_bytes(b"no recording")
    done = city_brain("bag", "run", tmp_path / "a.mcap", "--incidents", tmp_path / "out")
    assert done.code == 1
    assert "a.mcap" in done.err
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mcap"]
