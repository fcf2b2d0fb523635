"""`city-brain run --record`: a run recorded as its engine saw it says the same again, however it ended."""

import os
import re
import signal
from pathlib import Path

import msgspec
import zstandard

from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running

WORDS = ("--listen", "127.0.0.1:0", "--store", "memory")


def _verified(file: Path) -> dict[str, int]:
    """What `bag verify` counts; it must find nothing that differs."""
    done = city_brain("bag", "verify", file, "--here", "--restores", 5, "--json")
    assert done.code == 0, done.out + done.err
    said = msgspec.json.decode(done.out)
    assert len({way["digest"] for way in said["ways"]}) == 1
    assert said["recorded"] == said["same"] > 0
    return {name: said[name] for name in ("recorded", "same")}


def test_a_recorded_run_says_the_same_again(world: Fused, tmp_path: Path) -> None:
    """Every tick in the same bytes: that of the run, and of what fuse makes of the same rows; a capsule ends with the
    tick and the digest that were told when it was made, though the input went on.
    """
    file = tmp_path / "a.mcap"
    done = city_brain("run", world.folder, "--from", world.observations, *WORDS, "--record", file, "--exit-at-end")
    assert done.code == 0, done.err
    counted = _verified(file)
    played = city_brain("bag", "run", file, "--ticks", tmp_path / "ticks", "--json")
    assert played.code == 0, played.err
    said = msgspec.json.decode(played.out)
    assert (said["digest"], said["ticks"]) == (world.result["digest"], counted["recorded"])
    assert (tmp_path / "ticks").read_bytes() == (world.folder / "ticks.jsonl").read_bytes()
    for one in (said["announced"][0], said["announced"][-1]):
        capsule = tmp_path / f"{one['number']}.mcap"
        done = city_brain("bag", "capsule", file, one["number"], capsule, "--json")
        assert done.code == 0, done.err
        made = msgspec.json.decode(done.out)
        assert _verified(capsule)["recorded"] == made["last_tick"] - made["first_tick"] + 1
        again = msgspec.json.decode(city_brain("bag", "run", capsule, "--json").out)
        assert (again["digest"], again["ticks"]) == (made["digest"], made["last_tick"])


def test_live_input_is_recorded_with_what_is_wrong_in_it(world: Fused, tmp_path: Path) -> None:
    """Garbage, marks and warnings of others on standard input: what became of them comes again."""
    file = tmp_path / "a.mcap"
    rows = zstandard.ZstdDecompressor().stream_reader(world.observations.read_bytes()).read().splitlines()
    half = len(rows) // 2
    garbage = [b"no JSON", b'{"kind":"sensor"}', b"\xff"]
    stamp_ms = min(msgspec.json.decode(row)["arrival_time_ms"] for row in rows if b'"arrival_time_ms"' in row)
    marks = [msgspec.json.encode({"kind": "mark", "arrival_time_ms": stamp_ms - 60_000})]
    warning = msgspec.json.encode({"kind": "warning", "cap": "<alert>no such thing</alert>"})
    given = b"\n".join([*garbage, *marks, *rows[:half], warning, *garbage, *rows[half:], b""])
    done = city_brain("run", world.folder, *WORDS, "--record", file, "--exit-at-end", given=given)
    assert done.code == 0, done.err
    assert re.search(r"not_json 3, not_utf8 2, .*warning 1", done.err), done.err
    _verified(file)


def test_a_run_that_was_stopped_or_killed_leaves_what_can_be_verified(world: Fused, tmp_path: Path) -> None:
    """Ctrl-C: a whole recording. Kill: what was written out, once it is recovered."""
    words = (world.folder, "--from", world.observations, *WORDS, "--rate", 30)
    with running("run", *words, "--record", tmp_path / "stopped.mcap") as run:
        run.wait_for(r"(active)")
        assert run.interrupted() == 130
    _verified(tmp_path / "stopped.mcap")
    with running("run", *words, "--record", tmp_path / "killed.mcap") as run:
        run.wait_for(r"(active)")
        os.kill(run.process.pid, signal.SIGKILL)
        run.ended()
    assert city_brain("bag", "recover", tmp_path / "killed.mcap.part").code in (0, 3)
    _verified(tmp_path / "killed.mcap")


def test_a_full_recording_does_not_end_the_city(world: Fused, tmp_path: Path) -> None:
    """It is said and what was recorded is whole; a file that is there already is refused before the city starts."""
    words = (
        "run",
        world.folder,
        "--from",
        world.observations,
        *WORDS,
        "--exit-at-end",
        "--record",
        tmp_path / "a.mcap",
    )
    done = city_brain(*words, "--record-budget", 1_700_000)
    assert done.code == 0, done.err
    assert "the recording ends here, the city goes on" in done.err
    assert (tmp_path / "a.mcap").stat().st_size <= 1_700_000
    assert _verified(tmp_path / "a.mcap")["recorded"] < world.result["ticks"]
    done = city_brain(*words)
    assert done.code == 1
    assert "wanted a file that is not there yet" in done.err
