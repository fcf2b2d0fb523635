"""A world fused once, and behind its scenes a detector and a desk for each change of a number.

What fusion knows of a tick hangs on no number of an incident type, so all that differs is what is made of it.
"""

from collections.abc import Iterable, Sequence

from city_brain.fusion.scene import Scene
from city_brain.incidents.desk import Desk
from city_brain.incidents.detectors import DETECTORS
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.pipeline import Reading
from city_brain.replay.stream import StreamReader
from city_brain.runner import Runner
from city_brain.scoring import Answer, read_answers
from tests.benchmarks.altered.answers import blocks
from tests.benchmarks.altered.worlds import World
from tests.benchmarks.slack.numbers import Change


class Alternative:
    """What would be said with one number changed."""

    def __init__(self, runner: Runner, change: Change) -> None:
        self.change, self.types = change, change.of(runner.types)
        kind = self.types[change.type]
        detector = DETECTORS[kind.detector].build(kind.type, kind.parameters)
        self._detector = detector if change.of_detector else None
        self._desk = Desk(runner.city, runner.ground.city, self.types)
        self._said: list[Finding] = []
        self.lines: list[bytes] = []

    def see(self, scene: Scene) -> None:
        """Lets the changed detector judge a tick."""
        if self._detector is not None:
            self._said = self._detector.step(scene)

    def close(self, reading: Reading) -> None:
        """Hands the findings of the tick to the desk."""
        findings = reading.findings
        if self._detector is not None:
            findings = [*self._said, *(finding for finding in findings if finding.type != self.change.type)]
        self.lines += self._desk.step(reading.tick, reading.due_ms, [findings]).lines


def answers(world: World, types: IncidentTypes, changes: Sequence[Change]) -> tuple[list[Answer], list[list[Answer]]]:
    """What is announced of a world as it is, and with each of the changes."""
    runner = Runner(world.ground, types)
    others = [Alternative(runner, change) for change in changes]
    runner.engines[0].watchers.append(lambda scene: _each_sees(others, scene))
    lines: list[bytes] = []
    for closed in StreamReader(runner).read(blocks(world)):
        lines += closed.record.lines
        for other in others:
            other.close(closed.readings[0])
    if runner.failures:
        raise RuntimeError(f"wanted detectors that do not raise, got {runner.failures}")
    return read_answers(lines), [read_answers(other.lines) for other in others]


def _each_sees(others: Iterable[Alternative], scene: Scene) -> None:
    for other in others:
        other.see(scene)
