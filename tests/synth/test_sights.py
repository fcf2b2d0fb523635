"""What is remembered of a city: where things are between whole seconds, and how much of it."""

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.synth import SynthCity, SynthSettings
from city_brain.synth.life.people import PERSON, PHANTOM, VEHICLE
from city_brain.synth.senses.tracking import Scene
from city_brain.synth.sights import Sights

SETTINGS = SynthSettings(seed=3, cameras=6, minutes=0.2, warm_up_s=20)


def scene(second: int) -> Scene:
    """A car that drives east with 8 m/s, somebody who stands 90 m north, and what a detector believes to see."""
    east = np.array([8.0 * second, 0.0, 3.0])
    north = np.array([0.0, 90.0, 3.0])
    nothing = np.full(3, np.nan)
    return Scene(
        oid=np.array([4 * 7 + VEHICLE, 4 * 8 + PERSON, 4 * 9 + PHANTOM]),
        cls=np.array([ObjectClass.CAR, ObjectClass.PERSON, ObjectClass.CAR], dtype=np.uint8),
        size=np.array([4.4, 0.5, 4.4]), place=np.zeros(3, np.int32), px=east, py=north,
        x=east + np.array([8.0, 0.0, 0.0]), y=north, hx=np.array([1.0, 0.0, 1.0]), hy=np.array([0.0, 1.0, 0.0]),
        confidence=nothing, camera=np.full(3, -1, np.int32),
    )  # fmt: skip


def test_things_are_where_they_are_at_any_moment() -> None:
    """Between whole seconds they move on straight; what is far off or not real is left out; places count from ours."""
    sights = Sights()
    for second in range(3):
        sights.take(scene(second))
    assert (sights.whole, sights.until_ms) == (True, 3000)
    for time_ms, east in ((0, 0.0), (250, 2.0), (1000, 8.0), (2999, 23.992)):
        there = sights.about(10.0, 1.0, 80.0, time_ms)
        assert there.cls.tolist() == [ObjectClass.CAR]
        assert (there.x[0], there.y[0]) == (east - 10.0, -1.0)
        assert (there.hx[0], there.hy[0], there.length_m[0]) == (1.0, 0.0, 4.4)
    assert sights.about(0.0, 30.0, 80.0, 0).cls.tolist() == [ObjectClass.CAR, ObjectClass.PERSON]


def test_a_city_that_is_too_large_is_not_remembered() -> None:
    """Nothing is kept of it, however long it goes on."""
    sights = Sights(most=8)
    for second in range(4):
        sights.take(scene(second))
        assert sights.whole == (second < 2)
    assert sights.until_ms == 0


def test_who_watches_changes_nothing() -> None:
    """The lines are the same; what was seen by a camera is near something that is really there."""
    sights = Sights()
    watched = [line for block in SynthCity(SETTINGS).blocks(sights.take) for line in block.lines()]
    assert watched == [line for block in SynthCity(SETTINGS).blocks() for line in block.lines()]
    assert sights.until_ms == 12_000
    assert len(sights.about(0.0, 0.0, 1e4, 6500).x) > 50
