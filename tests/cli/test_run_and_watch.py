"""`city-brain run` serves what it finds, `city-brain watch` prints it: two processes over loopback."""

import re
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from city_brain.cli.following.watching import FEED
from city_brain.servers.settings import ListenSettings
from tests.cli.conftest import Fused
from tests.cli.processes import Running, city_brain, running
from tests.formats.samples import warning

SERVING = r"serving the incident feed on (\S+);"


def _changes(world: Fused) -> list[tuple[str, str]]:
    """Number and state whenever an alarm begins, ends, returns or is withdrawn, or its level changes."""
    told: dict[str, tuple[str, str]] = {}
    changes = []
    for line in world.revisions():
        number, state, level = str(line["number"]), str(line["state"]), str(line["level"])
        if (state == "active" or number in told) and told.get(number) != (state, level):
            told[number] = state, level
            changes.append((number, state))
    return changes


def _listed(url: str) -> set[object]:
    with urllib.request.urlopen(url, timeout=10.0) as answer:  # noqa: S310 - our own
        return {one["incident_id"] for one in msgspec.json.decode(answer.read())["incidents"]}


def _incidents(watch: Running) -> list[dict[str, object]]:
    return [msgspec.json.decode(line)["incident"] for line in watch.out]


def test_a_watcher_is_told_every_revision_and_the_run_ends_with_its_input(world: Fused) -> None:
    words = ("--from", world.observations, "--listen", "127.0.0.1:0", "--rate", 12, "--exit-at-end")
    with running("run", world.folder, *words) as run:
        address = run.wait_for(SERVING)
        with running("watch", address, "--json") as watch:
            watch.wait_for(r"~ .* sources live")
            assert run.ended() == 0, run.err
            assert watch.interrupted() == 130
    said = [(line["incident_id"], line["revision"]) for line in _incidents(watch)]
    known = [(line["incident_id"], line["revision"]) for line in world.revisions()]
    assert known[-len(said) :] == said or set(said) <= set(known)
    assert len(said) == len(set(said)) > 0
    assert any("go on with --after" in line for line in watch.err)
    announced = {line["number"] for line in world.revisions() if line["detected_ms"]}
    assert {line.split()[1] for line in run.out} == announced
    assert all(re.match(r"2026-\S+\+08:00  \S+  (active|ended|withdrawn)", line) for line in run.out), run.out
    told = [tuple(line.split()[1:3]) for line in run.out]
    assert told == _changes(world)
    assert any(f"read {world.result['counters']['read']} = used" in line for line in run.err)


def test_a_run_serves_http_where_it_is_asked_to(world: Fused) -> None:
    """The same incidents; Ctrl-C tells whoever watches, and ends it at once."""
    words = ("--from", world.observations, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    with running("run", world.folder, *words) as run:
        url = f"http://{run.wait_for(r'over HTTP on (.+:[0-9]+), at /v1/incidents:watch')}/v1/incidents"
        last = {str(line["incident_id"]): line for line in world.revisions()}.values()
        wanted = {line["incident_id"] for line in last if line["state"] in ("active", "ended")}
        until_s = time.monotonic() + 60.0
        while (listed := _listed(f"{url}?state=active&state=ended")) != wanted and time.monotonic() < until_s:
            time.sleep(0.2)
        assert listed == wanted
        with urllib.request.urlopen(f"{url}/{sorted(map(str, wanted))[0]}:explain", timeout=10.0) as answer:  # noqa: S310
            times = re.findall(r"T\d\d:\d\d:\d\d(\S\d\d:\d\d)", msgspec.json.decode(answer.read())["text"])
        assert set(times) == {"+08:00"}, "explained in the hours of the city, as `run` prints them"
        with urllib.request.urlopen(f"{url}:watch", timeout=10.0) as stream:  # noqa: S310
            assert stream.readline() == b"retry: 1000\n"
            assert run.interrupted() == 130
            assert b"SERVER_STOPPING" in stream.read()


def test_a_run_that_stays_serves_what_has_ended(world: Fused) -> None:
    """Standard input ends, the feed stays: who comes late gets the state, filtered by what it asked for."""
    kind = next(line["type"] for line in world.revisions() if line["detected_ms"])
    with running("run", world.folder, "--from", world.observations, "--listen", "127.0.0.1:0") as run:
        address = run.wait_for(SERVING)
        last = [line for line in world.revisions() if line["detected_ms"]][-1]
        run.wait_for(str(last["number"]))
        with running("watch", address, "--json", "--type", kind) as watch:
            watch.wait_for("incident")
            assert {line["type"] for line in _incidents(watch)} == {kind}
            assert watch.interrupted() == 130
        assert run.interrupted() == 130


def _gale(folder: Path, speeds: list[float], begins_ms: int = 1_790_208_000_000) -> tuple[Path, Path]:
    """A new site with a rule of its own for gales, and a wind there, a reading each two seconds."""
    site, rows = folder / "corner", folder / f"{begins_ms}.jsonl"
    assert site.is_dir() or city_brain("init", site).code == 0
    lines = [
        {"kind": "sensor", "source_id": "wind-1", "seq": seq, "event_time_ms": begins_ms + 2000 * seq,
         "arrival_time_ms": begins_ms + 100 + 2000 * seq,
         "payload": {"quantity": "wind_speed", "value": speed, "unit": "m/s"}}
        for seq, speed in enumerate(speeds)
    ]  # fmt: skip
    rows.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    return site, rows


def test_a_run_tells_that_a_level_rises(tmp_path: Path) -> None:
    site, rows = _gale(tmp_path, [18.0] * 30 + [35.0] * 30)
    quiet = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "memory")
    done = city_brain("run", site, "--from", rows, *quiet, "--exit-at-end")
    assert done.code == 0, done.err
    levels = [(line.split()[2], line.split()[4]) for line in done.out.splitlines()]
    assert levels[0] == ("active", "IV"), done.out + done.err
    assert ("active", "I") in levels
    assert len(levels) == len(set(levels))
    raised = [line for line in done.out.splitlines() if line.endswith("-> I")]
    assert len(raised) == 1
    assert "  level I" in raised[0]


def test_a_city_that_was_away_says_which_incidents_it_no_longer_follows(tmp_path: Path) -> None:
    """In both languages, and what to do: whoever reads of missing ticks thinks that something is broken."""
    for begins_ms in (1_790_208_000_000, 1_790_211_600_000):
        site, rows = _gale(tmp_path, [30.0] * 30, begins_ms)
        quiet = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "sqlite:///kept.sqlite")
        done = city_brain("run", site, "--from", rows, *quiet, "--exit-at-end")
        assert done.code == 0, done.err
        assert done.out.split()[1] == "0924-001"
        assert ("Nothing is damaged" in done.err) == (begins_ms != 1_790_208_000_000)
    assert "the city did not run from 2026-09-24T08:0" in done.err
    assert " to 2026-09-24T09:00:" in done.err
    assert "not followed any more: 0924-001 gale. Look after those by other means" in done.err
    assert "不再跟踪的事件：0924-001 gale。请人工核实" in done.err


def test_the_network_is_refused_without_tls(world: Fused) -> None:
    done = city_brain("run", world.folder, "--from", world.observations, "--listen", "0.0.0.0:0")
    assert done.code == 2
    assert "wanted TLS" in done.err
    assert "--insecure-listen" in done.err
    assert "read 0" not in done.err, "nothing was read, so nothing is counted"


def test_a_folder_without_a_map_is_no_site(world: Fused) -> None:
    done = city_brain("run", world.folder.parent, "--from", world.observations)
    assert done.code == 2
    assert "wanted a site folder with city.geojson" in done.err


def test_an_unknown_type_is_refused_with_the_nearest_name(world: Fused) -> None:
    with running("run", world.folder, "--from", world.observations, "--listen", "127.0.0.1:0") as run:
        done = city_brain("watch", run.wait_for(SERVING), "--type", "crowds")
    assert done.code == 1
    assert "crowd" in done.err


@pytest.mark.parametrize("words", [("--from", "-"), ("--from", "{observations}", "--rate", "0.001")])
def test_ctrl_c_ends_a_run_that_waits(world: Fused, words: tuple[str, ...]) -> None:
    """For rows that do not come, or for the time of the next tick."""
    filled = [word.format(observations=world.observations) for word in words]
    with running("run", world.folder, *filled, "--listen", "127.0.0.1:0") as run:
        run.wait_for(SERVING)
        time.sleep(1.0)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(20) == 130
    assert any(" = used " in line for line in run.err)
    assert not any("Fatal Python error" in line for line in run.err)


def test_rows_are_taken_as_they_come(world: Fused) -> None:
    """A pipe that stays open holds nothing back: what fills a block is fused before the next row comes."""
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(world.observations.read_bytes()).splitlines(True)
    with running("run", world.folder, "--listen", "127.0.0.1:0") as run:
        address = run.wait_for(SERVING)
        assert run.process.stdin is not None
        run.process.stdin.buffer.write(b"".join(lines[:600]))  # type: ignore[attr-defined]
        run.process.stdin.flush()
        with running("watch", address) as watch:
            watch.wait_for(r"~ .* sources live")


def test_a_watch_shows_alarms_unless_other_states_are_asked_for(world: Fused) -> None:
    """Suspicions are no alarms: who wants them asks."""
    with running(
        "run", world.folder, "--from", world.observations, "--listen", "127.0.0.1:0", "--language", "zh"
    ) as run:
        address = run.wait_for(SERVING)
        last = [line for line in world.revisions() if line["detected_ms"]][-1]
        run.wait_for(str(last["number"]))
        for options, states in (((), {"active", "ended"}), (("--state", "withdrawn"), {"withdrawn"})):
            with running("watch", address, "--json", *options) as watch:
                watch.wait_for("~ ")
                assert {line["state"] for line in _incidents(watch)} <= states
    assert not any("|" in line for line in run.out)


def test_a_watch_without_a_feed_ends_with_one_line() -> None:
    done = city_brain("watch", "127.0.0.1:1", "--wait", 0.5)
    assert done.code == 1
    assert done.err == (
        "city-brain: 127.0.0.1:1: wanted an incident feed, got connection refused; "
        "start one with: city-brain run SITE\n"
    )


def test_a_level_that_does_not_exist_is_named_with_its_option() -> None:
    done = city_brain("watch", "--level", "9")
    assert done.code == 2
    assert "--level" in done.err


def test_the_feed_that_is_watched_by_default_is_the_one_that_is_served_by_default() -> None:
    assert ListenSettings().address == FEED


def test_a_warning_raises_the_readiness_of_the_city_and_whoever_watches_is_told(world: Fused, tmp_path: Path) -> None:
    """By its record among the observations: in the heartbeat of both doors and on the terminal, while it holds."""
    recording = _with_warnings(world, tmp_path, (1 / 3, _HOLDS))
    with running("run", world.folder, *_served(recording)) as run:
        url = f"http://{run.wait_for(r'over HTTP on (.+:[0-9]+), at /v1/incidents:watch')}/v1/incidents:watch"
        address = run.wait_for(SERVING)
        with running("watch", address) as watch:
            run.wait_for(r"\+ readiness level II .*: 暴雨 until 2040-08-27T16:09:13\+08:00  济南市气象台发布")
            watch.wait_for(r"sources live.* warned of: 暴雨 II")
        assert [(item["event"], item["level"]) for item in _heartbeat(url)["readiness"]] == [("暴雨", "II")]
        assert run.interrupted() == 130


def test_a_warning_that_is_cancelled_leaves_the_readiness_of_the_city(world: Fused, tmp_path: Path) -> None:
    reference = f"<references>37010041600000,{_NAME},2026-08-26T16:09:13+08:00</references><info>"
    ends = ((_NAME, "cancel"), ("<msgType>Alert", "<msgType>Cancel"), ("<info>", reference))
    recording = _with_warnings(world, tmp_path, (1 / 3, _HOLDS), (2 / 3, ends))
    with running("run", world.folder, *_served(recording)) as run:
        url = f"http://{run.wait_for(r'over HTTP on (.+:[0-9]+), at /v1/incidents:watch')}/v1/incidents:watch"
        run.wait_for(r"\+ readiness level II .*: 暴雨")
        run.wait_for(r"- readiness level II .*: 暴雨")
        assert _heartbeat(url)["readiness"] == []
        assert run.interrupted() == 130


_NAME = "37010041600000_20260826160913"
_BORDER = ("36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9", "10,70 10,140 60,140 60,70 10,70")
_HOLDS = (("<effective>2026-08-26", "<effective>2020-08-26"), ("<expires>2026-08-27", "<expires>2040-08-27"))


def _with_warnings(world: Fused, folder: Path, *warnings: tuple[float, tuple[tuple[str, str], ...]]) -> Path:
    """The recording of a world with warnings among its observations, each after a part of them."""
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(world.observations.read_bytes()).splitlines()
    for part, changes in reversed(warnings):
        record = city_brain("cap", "record", "-", given=warning(_BORDER, *changes)).out
        lines.insert(int(part * len(lines)), record.strip().encode())
    recording = folder / "observations.jsonl"
    recording.write_bytes(b"\n".join(lines) + b"\n")
    return recording


def _served(recording: Path) -> tuple[Any, ...]:
    return "--from", recording, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"


def _heartbeat(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10.0) as stream:  # noqa: S310 - our own
        while not stream.readline().startswith(b"event: heartbeat"):
            pass
        data = next(line for line in stream if line.startswith(b"data: ")).removeprefix(b"data: ")
        return msgspec.json.decode(data, type=dict[str, Any])["heartbeat"]
