"""`city-brain bag run`, `step` and `verify`: rates, kills, places and processes change nothing."""

import os
import re
import signal
import time
from pathlib import Path

import msgspec
import pytest

import city_brain as package
from city_brain.digest import TreeHead
from tests.cli.processes import city_brain, running
from tests.distributed import kit
from tests.playback.recorded import record


def _digest(lines: list[bytes]) -> str:
    head = TreeHead()
    for line in lines:
        head.add(line)
    return head.digest().hex()


def _time(ms: int) -> str:
    """As options take it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // 1000))}.{ms % 1000:03d}+00:00"


@pytest.mark.parametrize(("rate", "seconds"), [(0.5, 2), (1, 3), (10, 40), (0, None)])
def test_no_rate_changes_a_byte(tmp_path: Path, rate: float, seconds: int | None) -> None:
    """The same ticks at each, and no faster than was asked for."""
    file, wanted = record(tmp_path / "a.mcap", 1, 7), kit.oracle(1)
    first_ms = msgspec.json.decode(wanted[0])["due_ms"]
    until = [] if seconds is None else ["--until", _time(first_ms + 1000 * seconds)]
    begun_s = time.monotonic()
    done = city_brain("bag", "run", file, "--rate", rate, "--ticks", tmp_path / "ticks", *until, "--json")
    assert done.code == 0, done.err
    lines = (tmp_path / "ticks").read_bytes().splitlines()
    assert lines == (wanted if seconds is None else wanted[: seconds + 1])
    assert msgspec.json.decode(done.out)["digest"] == _digest(lines)
    if seconds is not None:
        assert time.monotonic() - begun_s >= seconds / rate
        assert f"of {rate:g} wanted" in done.err


def test_a_killed_run_goes_on_from_its_last_state(tmp_path: Path) -> None:
    """With kill -9 in the middle the digest is that of a run that nobody killed."""
    file, wanted = record(tmp_path / "a.mcap", 3, 7), kit.oracle(3)
    words = ("bag", "run", file, "--state", tmp_path / "state")
    with running(*words, "--rate", 4) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "state").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(run.process.pid, signal.SIGKILL)
        assert run.ended() == -signal.SIGKILL
    done = city_brain(*words, "--from-state", tmp_path / "state", "--ticks", tmp_path / "ticks", "--json")
    assert done.code == 0, done.err
    rest = (tmp_path / "ticks").read_bytes().splitlines()
    assert 0 < len(rest) < len(wanted)
    assert rest == wanted[-len(rest) :]
    said = msgspec.json.decode(done.out)
    assert (said["digest"], said["ticks"]) == (_digest(wanted), len(wanted))


def test_it_stops_at_an_incident_and_branches_from_there(tmp_path: Path) -> None:
    """The state that it leaves goes on to the digest of the whole; with other types it goes elsewhere."""
    file, state = record(tmp_path / "a.mcap", 1, 7), tmp_path / "state"
    done = city_brain("bag", "run", file, "--until-incident", "signal_fault", "--state", state, "--json")
    assert [one["type"] for one in msgspec.json.decode(done.out)["announced"]] == ["signal_fault"]
    said = msgspec.json.decode(city_brain("bag", "run", file, "--from-state", state, "--json").out)
    assert said["digest"] == _digest(kit.oracle(1))
    assert [one["type"] for one in said["announced"]] == ["fire"]
    types = tmp_path / "types"
    types.mkdir()
    words = ("bag", "run", file, "--from-state", state, "--types", types, "--json")
    assert msgspec.json.decode(city_brain(*words).out) == said
    own = (Path(package.__file__).parent / "incidents/types/fire.yaml").read_text()
    (types / "fire.yaml").write_text(re.sub(r"open_log_odds: .*", "open_log_odds: 20.0", own))
    other = msgspec.json.decode(city_brain(*words).out)
    assert (other["ticks"], other["announced"]) == (said["ticks"], [])


def test_verify_holds_it_against_what_the_city_said(tmp_path: Path) -> None:
    """Restores, hash seeds and processor features included; a tick that the city said otherwise is shown, exit 4."""
    wanted = kit.oracle(1)
    good = record(tmp_path / "a.mcap", 1, 7, said=wanted)
    done = city_brain("bag", "verify", good)
    assert done.code == 0, done.out + done.err
    *ways, told = done.out.splitlines()
    assert [way.split()[0] for way in ways] == ["same"] * 4
    assert told.startswith(f"{len(wanted)} of {len(wanted)} recorded ticks came again")
    spoilt = [*wanted]
    spoilt[20] = spoilt[20].replace(b'"tick":', b'"tick": ')
    done = city_brain("bag", "verify", record(tmp_path / "b.mcap", 1, 7, said=spoilt), "--here", "--restores", 0)
    assert done.code == 4
    assert f"tick {msgspec.json.decode(wanted[20])['tick']}, byte" in done.out
    done = city_brain("bag", "verify", record(tmp_path / "c.mcap", 1, 7), "--here")
    assert (done.code, len(done.out.splitlines())) == (0, 3), done.err
    assert "what the city said is not recorded" in done.out


def test_it_is_stepped_through_by_words(tmp_path: Path) -> None:
    """On standard input; what is no word, or cannot be done, is told, and the place stays."""
    file, wanted = record(tmp_path / "a.mcap", 1, 7), [msgspec.json.decode(line) for line in kit.oracle(1)]
    words = [
        "next 3",
        "back",
        "to 40",
        "incident",
        "show",
        "fly",
        "next x",
        "back 100",
        "save",
        f"save {tmp_path}/s",
        "quit",
    ]
    done = city_brain("bag", "step", file, "--zone", "UTC", given="\n".join([*words, ""]).encode())
    assert done.code == 0, done.err
    places = [line.split(",")[0] for line in done.out.splitlines() if line.startswith("tick ")]
    announced = next(
        number for number, tick in enumerate(wanted, 1)
        if number > 40 and any(one["detected_ms"] == tick["due_ms"] for one in tick["incidents"])
    )  # fmt: skip
    assert places == [
        "tick 3",
        "tick 2",
        "tick 40",
        f"tick {announced}",
        f"tick {announced}",
        "tick 0: nothing has been said yet",
    ]
    assert "fly: wanted next, back, incident, to, show, save, help or quit" in done.out
    assert "wanted a number of ticks, got 'x'" in done.out
    assert "save: wanted a file to write, got none" in done.out
    assert (tmp_path / "s").exists()
