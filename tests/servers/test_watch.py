"""What `city-brain watch` prints, and how it ends."""

import asyncio
import io
import json
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta, timezone

import pytest

from city_brain.feeds.heartbeat import BlindArea
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Place, read_incident
from city_brain.servers.feed_reader import Endpoint, FeedReader, Interrupted, SignOfLife, Snapshot
from city_brain.servers.watch import Watch, interrupted_line, json_lines, life_line, lines
from tests.feeds.builders import a_heartbeat, a_log, an_incident
from tests.servers.serving import run, serving

CHINA = timezone(timedelta(hours=8))


def test_an_incident_is_one_line() -> None:
    """When, number, state, type, place, level, probability, sources; an exercise shouts."""
    incident = an_incident(place=Place(names={"en": "Jing 7 Rd", "zh": "经七路"}), sources=("a", "b", "c", "d", "e"))
    delivery = Delivery(number=7, incident=incident, no_longer_matches=False)
    assert lines(delivery, CHINA) == [
        "  2026-05-29T04:26:43+08:00  0611-001  active  crash  Jing 7 Rd (36.65000,117.00000)  level III  90%"
        "  seen by a, b, c and 2 more"
    ]
    gone = an_incident(state="withdrawn", status="exercise", reason="faded", level=None, sources=(), confidence=0.999)
    assert lines(Delivery(number=8, incident=gone, no_longer_matches=True)) == [
        "- 2026-05-28T20:26:43+00:00  0611-001  withdrawn (EXERCISE)  crash  int-5 (36.65000,117.00000)  >99%  faded"
    ]
    opening = Snapshot(incidents=(incident, gone), number=8, feed_id="jinan-1")
    assert [line[:2] for line in lines(opening)] == ["= ", "= "]


def test_json_carries_the_canonical_line() -> None:
    """One object per revision, and within it the incident exactly as elsewhere."""
    incident = an_incident(place=Place(names={"zh": "经七路"}))
    (line,) = json_lines(Delivery(number=7, incident=incident, no_longer_matches=True))
    told = json.loads(line)
    assert (told["change_number"], told["no_longer_matches"]) == (7, True)
    assert read_incident(json.dumps(told["incident"])) == incident
    opening = Snapshot(incidents=(incident, incident), number=9, feed_id="jinan-1")
    assert [json.loads(line)["change_number"] for line in json_lines(opening)] == [9, 9]


def test_signs_of_life_and_interruptions_are_lines() -> None:
    """Log time, sources live and silent, blind areas; why the link broke and when it is tried again."""
    blind = BlindArea(source_id="cam-9", name="Jing 7 Rd", lon=117.0, lat=36.6, radius_m=80.0)
    nameless = BlindArea(source_id="cam-8", name="", lon=117.0, lat=36.6, radius_m=80.0)
    alive = SignOfLife(number=7, feed_id="jinan-1", heartbeat=a_heartbeat(blind_areas=(blind, nameless)))
    assert life_line(alive) == (
        "~ 2026-05-28T20:26:40+00:00  change 7, 60 sources live, 2 silent, blind: Jing 7 Rd, cam-8"
    )
    assert life_line(SignOfLife(number=0, feed_id="", heartbeat=None)) == "~ change 0, nothing judged yet"
    assert interrupted_line(Interrupted(why="UNAVAILABLE: gone", pause_s=0.26, anew=False)) == (
        "! UNAVAILABLE: gone; resumes in 0.3 s"
    )
    assert "begins anew with a snapshot" in interrupted_line(Interrupted(why="HISTORY_GONE", pause_s=1, anew=True))


class Screen(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("err", "shown"), [(io.StringIO(), ["~ "]), (Screen(), ["\r\x1b[K~ ", "\r\x1b[K~ ", "\r\x1b[K"])]
)
def test_incidents_and_signs_of_life_go_to_two_streams(err: io.StringIO, shown: list[str]) -> None:
    """A file gets a sign of life now and then, a terminal one line that changes and makes way for incidents."""

    async def test() -> None:
        out = io.StringIO()
        async with serving() as served:
            watch = Watch(FeedReader(Endpoint(served.server.address)), out, err)
            served.append()
            printing = asyncio.create_task(watch.print_all())
            while "~" not in err.getvalue():
                await asyncio.sleep(0.01)
            served.append()
            await asyncio.sleep(0.1)
            served.append(an_incident("a"))
            while not out.getvalue():
                await asyncio.sleep(0.01)
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        assert out.getvalue().count("\n") == 1
        told = err.getvalue()
        for mark in shown:
            assert mark in told
            told = told[told.index(mark) + len(mark) :]

    run(test)


PROGRAM = """
import sys
from city_brain.servers.feed_reader import Endpoint, FeedReader
from city_brain.servers.watch import Watch
sys.exit(Watch(FeedReader(Endpoint(sys.argv[1])), sys.stdout, sys.stderr).run())
"""


def test_ctrl_c_ends_it_cleanly() -> None:
    """Exit code 130, where to go on, and no traceback."""

    async def test() -> None:
        async with serving(a_log([an_incident("a")])) as served:
            watching = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                served.server.address,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert watching.stdout is not None
            assert b"0611-001" in await watching.stdout.readline()
            await asyncio.sleep(0.3)
            watching.send_signal(signal.SIGINT)
            _, told = await watching.communicate()
            assert watching.returncode == 130
            assert told.decode().splitlines()[-1] == "! stopped; go on with --after 1 --feed jinan-1"
            assert b"Traceback" not in told

    run(test)
