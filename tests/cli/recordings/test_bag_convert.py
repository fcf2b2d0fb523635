"""`city-brain bag convert` as people call it: lines to a recording that can be run at once, and back."""

import json
import time
from pathlib import Path

import msgspec
import pytest
import zstandard

from city_brain.cli.common import DATA_LOST, FAILED, INTERRUPTED, USAGE
from city_brain.incidents.incident import Incident
from city_brain.replay.comparing import announced, compare
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running


@pytest.fixture(scope="module")
def recording(world: Fused, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world of these tests as a recording; the garbage of its lines is told."""
    path = tmp_path_factory.mktemp("convert") / "day.mcap"
    done = city_brain("bag", "convert", world.observations, path, "--map", world.city_map)
    dead = world.result["counters"]["dead_lettered"]
    words = ", ".join(f"{reason} {count}" for reason, count in sorted(dead.items()))
    assert (done.code, done.err) == (DATA_LOST, f"{sum(dead.values())} lines rejected: {words}\n")
    assert done.out.startswith(f"{path}: {world.result['counters']['read'] - sum(dead.values())} rows, ")
    return path


def test_run_announces_what_fuse_announces(world: Fused, recording: Path, tmp_path: Path) -> None:
    """The same incidents at the same places and times, from a recording that never saw a broker."""
    done = city_brain("bag", "run", recording, "--incidents", tmp_path / "incidents.jsonl")
    assert done.code == 0, done.err
    ours, theirs = (
        [msgspec.json.decode(line, type=Incident) for line in path.read_bytes().splitlines()]
        for path in (tmp_path / "incidents.jsonl", world.incidents)
    )
    found = compare(ours, theirs)
    assert (found.alone, found.worst_m, found.worst_s) == ((), 0.0, 0.0)
    assert found.pairs == len(announced(theirs)) > 0


def test_back_into_lines(world: Fused, recording: Path, tmp_path: Path) -> None:
    """Packed where the name says so, or on standard output; `fuse` says the same of them, and they convert again."""
    packed = tmp_path / "lines.jsonl.zst"
    done = city_brain("bag", "convert", recording, packed, "--json")
    assert (done.code, json.loads(done.out)["configurations"]) == (0, 1), done.err
    plain = city_brain("bag", "convert", recording, "-")
    assert plain.out.encode() == zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read()
    assert plain.err.startswith("-: ") and plain.err.endswith("; 1 configuration left out\n")
    fuse = city_brain("fuse", packed, "--map", world.city_map, "--incidents", tmp_path / "i.jsonl", "--json")
    assert json.loads(fuse.out)["announced"] == world.result["announced"]
    again = city_brain("bag", "convert", "-", tmp_path / "day.mcap", "--map", world.city_map, given=plain.out.encode())
    assert again.code == 0, again.err
    assert (tmp_path / "day.mcap").read_bytes() == recording.read_bytes()


def test_what_cannot_be_done_is_refused(world: Fused, recording: Path, tmp_path: Path) -> None:
    """With words about the option or the file at fault, and nothing is left of it."""
    no_map = city_brain("bag", "convert", world.observations, tmp_path / "a.mcap")
    assert no_map.code == USAGE and "wanted --map with lines, got none" in no_map.err
    a_map = city_brain("bag", "convert", recording, tmp_path / "a.jsonl", "--map", world.city_map)
    assert a_map.code == USAGE and "wanted --map and --types with lines only, got a recording" in a_map.err
    there = city_brain("bag", "convert", world.observations, recording, "--map", world.city_map)
    assert there.code == FAILED and "wanted a file that is not there yet, got one" in there.err
    over = city_brain("bag", "convert", recording, recording)
    assert over.code == USAGE and "wanted a file of its own to write" in over.err
    data = bytearray(recording.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "broken.mcap").write_bytes(data)
    broken = city_brain("bag", "convert", tmp_path / "broken.mcap", tmp_path / "b.jsonl")
    assert broken.code == FAILED and "broken.mcap byte" in broken.err and "Traceback" not in broken.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.mcap"]


def test_ctrl_c_leaves_nothing_that_looks_whole(world: Fused, tmp_path: Path) -> None:
    """In the middle of the lines, which go on to come: only a `.part`, and it is said."""
    lines = zstandard.ZstdDecompressor().stream_reader(world.observations.read_bytes()).read().decode().splitlines(True)
    part = tmp_path / "a.mcap.part"
    with running("bag", "convert", "-", tmp_path / "a.mcap", "--map", world.city_map) as convert:
        assert convert.process.stdin is not None
        convert.process.stdin.write("".join(lines[: len(lines) // 2]))
        convert.process.stdin.flush()
        deadline_s = time.monotonic() + 60.0
        while not (part.exists() and part.stat().st_size > 10_000):
            assert time.monotonic() < deadline_s, "waited for a minute"
            time.sleep(0.05)
        assert convert.interrupted() == INTERRUPTED
    assert convert.err == [f"interrupted: {part} is what was written by then, and no whole recording\n"]
    assert [path.name for path in tmp_path.iterdir()] == [part.name]
    assert city_brain("bag", "recover", part).code == 0


def test_lines_of_a_cut_recording_are_told_to_be_fewer(recording: Path, tmp_path: Path) -> None:
    """What is whole of it comes, and exit code 3 says that it is not all."""
    (tmp_path / "cut.mcap").write_bytes(recording.read_bytes()[:-100_000])
    done = city_brain("bag", "convert", tmp_path / "cut.mcap", tmp_path / "lines.jsonl")
    assert done.code == DATA_LOST and "cut: " in done.err and " rows, " in done.out
