"""A running city takes observations over its doors: real processes over loopback, killed, cut and started again."""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.cli.common import DATA_LOST, FAILED, INTERRUPTED, USAGE
from tests.cli.processes import COMMAND, ENVIRONMENT, WAIT_S, Running, city_brain, running
from tests.house import ROOT

SERVING = r"serving the incident feed on (\S+);"
OVER_HTTP = r"over HTTP on (\S+),"
QUIET = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "memory")
GOOD = {"kind": "sensor", "source_id": "wind-1", "payload": {"quantity": "wind_speed", "value": 4.2, "unit": "m/s"}}

WAY_OUT = (
    "event_time_ms: wanted epoch milliseconds, or RFC 3339 with its offset, got nothing; "
    "over HTTP ?undated=now, and with `send --as-now`, a line without one is of now"
)


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of one corner."""
    site = tmp_path_factory.mktemp("corner") / "corner"
    done = city_brain("init", site)
    assert done.code == 0, done.err
    return site


def _row(seq: int, at_ms: int | None = None, **changed: Any) -> bytes:
    """A reading of now."""
    now_ms = round(1000 * time.time()) if at_ms is None else at_ms
    return msgspec.json.encode({**GOOD, "seq": seq, "event_time_ms": now_ms} | changed)


def _counts(line: str) -> dict[str, int]:
    """The numbers in a line of counters, by the word before or behind them."""
    return {word: int(number) for word, number in re.findall(r"([\w-]+) (\d+)", line)}


def _ended(run: Running) -> tuple[dict[str, int], dict[str, int]]:
    """What a city says at its end: of what was published, and of all rows."""
    run.process.send_signal(signal.SIGTERM)
    assert run.ended() == 0, run.err
    published = next((line for line in run.err if line.startswith("published:")), "")
    return _counts(published), _counts(next(line for line in run.err if line.startswith("read ")))


def _wait_until_read(address: str, until_ms: int) -> None:
    """Waits for log time, which goes on behind the rows that were accepted before, and not earlier."""
    with urllib.request.urlopen(f"http://{address}/v1/incidents:watch", timeout=WAIT_S) as stream:
        for line in stream:
            if line.startswith(b"data: ") and b'"heartbeat"' in line:
                beat = msgspec.json.decode(line.removeprefix(b"data: "), type=dict[str, Any])["heartbeat"]
                if beat is not None and beat["log_time_ms"] >= until_ms:
                    return
    raise AssertionError("wanted signs of life until all was read, got the end of the watch")


@pytest.mark.parametrize("over", ["grpc", "http"])
def test_one_observation_by_hand(corner: Path, over: str) -> None:
    """A line that says no time is of now; it is used, and a second one of another kind says what is wrong with it."""
    with running("run", corner, *QUIET) as run:
        to = run.wait_for(SERVING) if over == "grpc" else f"http://{run.wait_for(OVER_HTTP)}"
        done = city_brain("send", to, "-", "--as-now", given=msgspec.json.encode(GOOD))
        assert (done.code, done.err) == (0, "sent 1 rows in 1 records; 0 lines rejected\n")
        wrong = [
            msgspec.json.encode(GOOD),
            _row(1, source_id="wind-7"),
            _row(2, payload={**GOOD["payload"], "value": "4"}),  # type: ignore[dict-item]
            _row(3),
        ]
        done = city_brain("send", to, "-", "--json", given=b"\n".join(wrong))
        assert done.code == DATA_LOST
        assert set(done.err.splitlines()[:-1]) == {
            f"line 1: {WAY_OUT}",
            "line 2: source_id: wanted a source of the map, or one that says its datum, lon and lat itself, got "
            "\"wind-7\"; did you mean 'wind-1'?",
            'line 3: payload.value: wanted a number, got "4"',
        }
        said = msgspec.json.decode(done.out, type=dict[str, Any])
        assert (said["rows"], said["rejected"]) == (1, {"payload": 1, "refused": 1, "time": 1})
        published, rows = _ended(run)
        assert (published["accepted"], published["refused"], rows["read"]) == (2, 1, 2)


def test_a_line_of_standard_input_that_cannot_be_read_is_told_with_a_way_out(corner: Path) -> None:
    """The sums at the end would name the reason alone, `time`, and nobody would know what to do about it."""
    done = city_brain("run", corner, *QUIET, "--exit-at-end", given=msgspec.json.encode(GOOD))
    assert f"line 1: {WAY_OUT}" in done.err.splitlines()


def test_a_gale_that_is_published_is_announced_and_recorded(corner: Path, tmp_path: Path) -> None:
    """What comes over the doors is fused as it comes, by the clock; and its recording says the same again."""
    site, file = tmp_path / "site", tmp_path / "live.mcap"
    shutil.copytree(corner, site)
    rule = site / "incident-types" / "gale.yaml"
    rule.write_text(rule.read_text("utf-8").replace("lasts_s: 20", "lasts_s: 4 "), encoding="utf-8")
    with running("run", site, *QUIET, "--record", file) as run:
        address = run.wait_for(SERVING)
        gale = {"quantity": "wind_speed", "value": 30.0, "unit": "m/s"}
        lines: list[str] = []
        with running("send", address, "-") as send:
            assert send.process.stdin is not None
            for seq in range(20):
                lines.append(_row(seq, payload=gale).decode() + "\n")
                send.process.stdin.write(lines[-1])
                send.process.stdin.flush()
                time.sleep(0.5)
            send.process.stdin.close()
            assert send.ended() == 0, send.err
        run.wait_for("Gale at .*wind-1")
        done = city_brain("send", address, "-", given="".join(lines).encode())
        assert done.code == 0
        assert re.fullmatch(r"sent 0 rows in \d+ records; 20 duplicates; 0 lines rejected\n", done.err), done.err
        published, rows = _ended(run)
        assert (published["accepted"], published["duplicate"], rows["read"]) == (20, 20, 20)
    done = city_brain("bag", "verify", file, "--here", "--restores", 3, "--json")
    assert done.code == 0, done.out + done.err
    said = msgspec.json.decode(done.out)
    assert said["recorded"] == said["same"] >= 4
    played = city_brain("bag", "run", file, "--json")
    assert [one["number"] for one in msgspec.json.decode(played.out)["announced"]]


def test_a_publisher_that_is_killed_amid_its_rows_sends_them_again(corner: Path, tmp_path: Path) -> None:
    """kill -9 amid the stream: what was taken is a duplicate the second time, and every row is used once."""
    count = 60_000
    now_ms = round(1000 * time.time())
    recording = tmp_path / "rows.jsonl"
    recording.write_bytes(b"\n".join(_row(seq, now_ms - 20_000 + seq // 4) for seq in range(count)))
    with running("run", corner, *QUIET) as run:
        address = run.wait_for(SERVING)
        command = [*COMMAND, "send", address, str(recording), "--rows-per-record", "16"]
        killed = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        time.sleep(2.5)
        killed.kill()
        killed.wait()
        done = city_brain("send", address, recording, "--json")
        assert done.code == 0, done.err
        said = msgspec.json.decode(done.out, type=dict[str, Any])
        assert said["rows"] + said["duplicate"] == count
        _wait_until_read(run.wait_for(OVER_HTTP), round(1000 * time.time()))
        published, rows = _ended(run)
        assert published["accepted"] == rows["read"] == count
        assert published["duplicate"] == said["duplicate"]
        assert rows["duplicate"] == 0


@pytest.mark.campaign
def test_a_city_that_is_killed_leaves_a_recording_and_is_published_to_again(corner: Path, tmp_path: Path) -> None:
    """kill -9 of the city: its recording is saved as far as it came, and the publisher goes on with the next one."""
    file, saved = tmp_path / "cut.mcap", tmp_path / "saved.mcap"
    with running("run", corner, *QUIET, "--record", file) as run:
        address = run.wait_for(SERVING)
        with running("send", address, "-", "--wait", 60) as send:
            assert send.process.stdin is not None
            began_ms = round(1000 * time.time())
            for seq in range(30):
                if seq == 20:
                    _wait_until_read(run.wait_for(OVER_HTTP), began_ms)
                    run.process.kill()
                    run.ended()
                send.process.stdin.write(_row(seq).decode() + "\n")
                send.process.stdin.flush()
                time.sleep(0.1)
            send.process.stdin.close()
            send.wait_for(r"^! UNAVAILABLE.*; again in")
            with running("run", corner, "--listen", address, "--store", "memory") as again:
                assert send.ended() == 0, send.err
                assert send.err[-1].startswith("sent 30 rows in"), send.err
                published, _ = _ended(again)
                assert 10 <= published["accepted"] <= 30
    cut = next(tmp_path.glob("cut.mcap*"))
    done = city_brain("bag", "recover", cut, "--out", saved)
    assert done.code in (0, DATA_LOST), done.err
    done = city_brain("bag", "run", saved, "--json")
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out)["ticks"] > 0


def test_rows_on_standard_input_and_over_the_doors_are_one_city(corner: Path) -> None:
    """Also once standard input has come to its end; with --exit-at-end that ends the city behind what was accepted."""
    with running("run", corner, *QUIET) as run:
        address = run.wait_for(SERVING)
        assert run.process.stdin is not None
        run.process.stdin.write(_row(1).decode() + "\n" + _row(2).decode() + "\n")
        run.process.stdin.flush()
        assert city_brain("send", address, "-", given=_row(3)).code == 0
        run.process.stdin.close()
        time.sleep(0.5)
        assert city_brain("send", address, "-", given=_row(4)).code == 0
        time.sleep(0.5)
        published, rows = _ended(run)
        assert (published["accepted"], rows["read"]) == (2, 4)
    with running("run", corner, *QUIET, "--exit-at-end") as run:
        address = run.wait_for(SERVING)
        assert city_brain("send", address, "-", given=_row(5)).code == 0
        assert run.process.stdin is not None
        run.process.stdin.close()
        assert run.ended() == 0, run.err
        assert any(line.startswith("read 1 = used 1 ") for line in run.err), run.err


def test_a_city_whose_standard_input_is_closed_takes_rows_over_its_doors(corner: Path) -> None:
    """As under a supervisor that gives it none at all."""
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "run", str(corner), *QUIET]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stderr is not None
    try:
        address = re.search(SERVING, process.stderr.readline())
        assert address is not None
        assert city_brain("send", address[1], "-", given=_row(1)).code == 0
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        assert "published: accepted 1, duplicate 0, refused 0" in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_recording_that_is_piped_in_is_read_to_its_last_row_and_publishers_are_told(corner: Path) -> None:
    """Of another day: its incidents are announced; rows of now would be believed by nobody, and are not taken."""
    with running("run", corner, *QUIET) as run:
        address = run.wait_for(SERVING)
        assert run.process.stdin is not None
        run.process.stdin.write((corner / "observations.jsonl").read_text(encoding="utf-8"))
        run.process.stdin.close()
        run.wait_for("Gale at")
        run.wait_for("Vehicle stopped")
        done = city_brain("send", address, "-", given=_row(1))
        assert (done.code, "got one that reads a recording" in done.err) == (FAILED, True), done.err
        _, rows = _ended(run)
        assert rows["held"] == 0


def test_a_city_that_was_started_with_a_recording_says_so_to_publishers(corner: Path) -> None:
    with running("run", corner, "--from", corner / "observations.jsonl", *QUIET) as run:
        for to in (run.wait_for(SERVING), f"http://{run.wait_for(OVER_HTTP)}"):
            done = city_brain("send", to, "-", given=_row(1))
            assert (done.code, "it was started with --from" in done.err) == (FAILED, True), done.err


def test_where_to_send_is_said_wrongly(tmp_path: Path) -> None:
    """Neither a folder nor an address is wrong usage; nobody there is a failure after the wait."""
    done = city_brain("send", tmp_path / "nowhere", "-")
    assert (done.code, "wanted the folder of a site" in done.err) == (USAGE, True), done.err
    for to in ("127.0.0.1:1", "http://127.0.0.1:1"):
        done = city_brain("send", to, "-", "--wait", "0.3", given=_row(1))
        assert (done.code, "wanted a city that takes observations" in done.err) == (FAILED, True), done.err


def test_sending_ends_with_ctrl_c(corner: Path) -> None:
    """While it waits for a line that never comes."""
    with running("run", corner, *QUIET) as run, running("send", run.wait_for(SERVING), "-") as send:
        assert send.process.stdin is not None
        send.process.stdin.write(_row(1).decode() + "\n")
        send.process.stdin.flush()
        time.sleep(3.0)
        assert send.interrupted() == INTERRUPTED, send.err
        assert any(line.startswith("sent 1 rows") for line in send.err), send.err
