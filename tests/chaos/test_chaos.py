"""A small campaign of kills on a real broker changes nothing, and bugs that are planted are caught."""

import gc
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import planted
from tests.chaos.bugs import BY_NAME, PLANT
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.faults import Menu, schedule
from tests.chaos.reporting import as_lines
from tests.chaos.scenario import Scenario
from tests.kafka.broker import cluster
from tests.kafka.jars import need_java


def test_the_same_seed_draws_the_same_faults() -> None:
    """And every program is killed, whatever the seed."""
    menu = Menu.of_kills(8, ("ingest", "fuse", "desk", "serve"))
    assert schedule(3, menu) == schedule(3, menu) != schedule(4, menu)
    for seed in range(10):
        killed = [fault.program for fault in schedule(seed, menu) if fault.what == "kill"]
        assert sorted(killed) == sorted(2 * ["ingest", "fuse", "desk", "serve"])


def test_every_bug_is_planted_somewhere() -> None:
    """A bug that no campaign plants proves nothing."""
    assert {bug.bug for bug in BY_NAME.values()} == PLANT.keys()


@pytest.fixture
def left_sockets() -> Iterator[None]:
    """kafka-python leaves a socket open for each broker that it does not reach; the collector closes them here, and not
    amid the test that comes next.
    """
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.usefixtures("left_sockets")
def test_a_small_campaign_changes_nothing(tmp_path: Path) -> None:
    """Six kills, and one each of what else happens, the broker's end among them; nobody kills what is frozen."""
    need_java()
    menu = Menu(6, freezes=1, joins=1, brokers=1, gap_s=(0.0, 4.0))
    plan = Plan(seed=5, menu=menu, scenario=Scenario(seed=5, cameras=24), workers={"ingest": 2, "fuse": 2, "desk": 2})
    with cluster() as running:
        report = Campaign(plan, running, tmp_path, "chaos.").run()
    print("\n".join(as_lines(report)), file=sys.stderr)
    assert report.passed
    assert report.done["kill"] == 6
    assert report.verdict.ticks > 10
    assert report.verdict.repeated + report.verdict.parts_repeated > 0, "nothing was said twice, so nothing was tried"


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.usefixtures("left_sockets")
@pytest.mark.parametrize("name", ["ingest-takes-sent-for-stored", "fuse-drops-its-state", "ingest-keeps-dead-letters"])
def test_a_planted_bug_is_caught(name: str, tmp_path: Path) -> None:
    """Some of them; `make chaos` plants all."""
    need_java()
    with cluster(settings=planted.BROKER) as running:
        assert planted.caught_by(BY_NAME[name], running, tmp_path, "bug.", seed=1, tell=print)
