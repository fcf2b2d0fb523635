"""A rule that raises is skipped in that tick and counted; the others speak, and every replay meets the same."""

import pytest

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors import Detector
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import load_incident_types
from city_brain.pipeline import Engine, Reading
from city_brain.ticks.tick import TickSettings
from tests.fusion.stage import START_MS, Actor, ground, rows_of, straight

SECONDS = 20


class FailsNowAndThen:
    """A rule with a bug that some ticks meet."""

    def __init__(self, rule: Detector) -> None:
        self.rule, self.state = rule, rule.state

    def step(self, scene: Scene) -> list[Finding]:
        """As the rule, where it does not raise."""
        if scene.tick.index % 7 == 0:
            raise ZeroDivisionError("no lanes")
        return list(self.rule.step(scene))


def driven(survived: type[Exception] | tuple[()], fails: bool) -> tuple[list[Reading], Engine]:
    """What an engine reads of a car that drives against the traffic."""
    engine = Engine(ground(), load_incident_types(only=("red_light_running", "wrong_way")), TickSettings())
    engine.skipped = survived
    if fails:
        engine.detectors["red_light_running"] = FailsNowAndThen(engine.detectors["red_light_running"])
    readings: list[Reading] = []
    for second in range(SECONDS):
        for rows in rows_of(Actor(straight((20.0, 4.8), (8.0, 0.0))), second):
            engine.read(0, rows)
        engine.mark(0, START_MS + 1000 * (second + 1))
        readings.extend(engine.readings())
    return readings, engine


def test_a_rule_that_raises_is_skipped_and_counted() -> None:
    (failing, engine), (sound, _) = driven(Exception, fails=True), driven(Exception, fails=False)
    failed = [reading for reading in failing if reading.failed]
    assert failed and {reading.tick % 7 for reading in failed} == {0}
    assert [reading.failed for reading in failed] == [{"red_light_running": "ZeroDivisionError: no lanes"}] * len(
        failed
    )
    assert engine.failures == {"red_light_running": len(failed)}
    assert [reading.findings for reading in failing] == [reading.findings for reading in sound]
    assert any(reading.findings for reading in sound)


def test_it_is_remembered_in_snapshots() -> None:
    _, engine = driven(Exception, fails=True)
    _, other = driven(Exception, fails=False)
    other.restore(engine.to_bytes())
    assert other.failures == engine.failures


def test_a_test_does_not_survive_it() -> None:
    assert Engine.skipped == ()
    with pytest.raises(ZeroDivisionError):
        driven((), fails=True)
