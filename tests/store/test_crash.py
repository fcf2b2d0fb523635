"""A writer that dies anywhere: what was acknowledged is there, a tick is there whole or not at all."""

import signal
import subprocess
import sys
import time

import pytest

from city_brain.store.store import Store
from tests.house import ROOT
from tests.store.crashing import CHANGES, POINTS, TICKS
from tests.store.filling import FEED_ID, digest, ticks

GIVEN = list(ticks(TICKS, CHANGES))


def _writer(url: str, point: str, nth: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.store.crashing", url, point, str(nth)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _look(url: str, acknowledged: list[int]) -> int:
    """Checks a store after a death; returns the number of ticks that it holds."""
    with Store.open(url) as store:
        feed = store.feed("370100")
        head = feed.head()
        held = 0 if head.last_tick is None else head.last_tick + 1
        assert held >= len(acknowledged)
        assert acknowledged == list(range(len(acknowledged)))
        assert head.last_number == CHANGES * held
        assert head.digest == digest(GIVEN[:held])
        incidents = [change.incident for change in feed.changes(0, 10_000)]
        assert incidents == [incident for tick in GIVEN[:held] for incident in tick.incidents]
        assert store.check().damage == ()
        # Whoever did not hear of its last append repeats it.
        feed.append(FEED_ID, GIVEN[: held + 1])
        assert feed.head().digest == digest(GIVEN[: held + 1])
    return held


@pytest.mark.parametrize("point", POINTS)
def test_what_was_acknowledged_is_there_after_a_death_at_any_point(url: str, point: str) -> None:
    """Killed before each statement, before the commit and behind it: nothing is lost or halved."""
    Store.open(url).close()
    writer = _writer(url, point, 4)
    told, _ = writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    acknowledged = [int(line) for line in told.split()]
    assert len(acknowledged) == (4 if point == "acknowledged" else 3)
    assert _look(url, acknowledged) == len(acknowledged)


def test_what_was_acknowledged_is_there_after_deaths_at_any_time(url: str) -> None:
    """Killed from outside again and again, the writer goes on where the store stands."""
    Store.open(url).close()
    acknowledged: list[int] = []
    for _ in range(2):
        writer = _writer(url, "never", 1)
        assert writer.stdout is not None
        acknowledged.append(int(writer.stdout.readline()))
        time.sleep(0.03)
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout.read().split()]
        writer.wait(60)
        writer.stdout.close()
        assert acknowledged == sorted(set(acknowledged))
        held = _look_without_adding(url)
        assert held > acknowledged[-1]
        acknowledged = list(range(held))
    assert _look(url, acknowledged) >= len(acknowledged)


def _look_without_adding(url: str) -> int:
    with Store.open(url) as store:
        head = store.feed("370100").head()
        assert head.last_tick is not None
        assert head.digest == digest(GIVEN[: head.last_tick + 1])
        return head.last_tick + 1
