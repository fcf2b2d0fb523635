"""A recording that is fed to a runner says what its own street says."""

from pathlib import Path

import pytest

from city_brain.playback.opening import open_played
from city_brain.replay.comparing import compare
from tests.house import ROOT

RECORDINGS = sorted((ROOT / "playback" / "recordings").glob("*.mcap"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_runner_says_what_the_street_says(path: Path) -> None:
    """The same incidents of the same rows, though the runner begins with the first row and the street with its mark."""
    played = open_played(path)
    told = [one for tick in played.ticks() for one in tick.said.record.incidents]
    runner, batches = played.in_a_runner()
    said = []
    for admit in batches:
        admit()
        said += [one for closed in runner.closed() for one in closed.record.incidents]
    compared = compare(told, said)
    assert compared.pairs > 0
    assert not compared.alone
    runner.counters.check(runner.held)
