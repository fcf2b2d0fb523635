"""Plumes: the kernel, the fit of a source, and what the detector of pollution makes of several at once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.incidents.detectors.environment.plume.fit import Air, fit_source, fit_strength
from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across, fall, travel_s, unit_plume
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.pipeline import Engine
from city_brain.ticks.tick import TickSettings
from tests.incidents.detectors.surroundings import START_MS, Read, Seen, announced, ground, play, readings, sights

EAST = Wind(1.0, 0.0, 2.0)


@given(st.floats(0.0, 8.0))
def test_the_fall_is_near_an_exponential(z: float) -> None:
    fallen = float(fall(np.array([z]))[0])
    assert 0.999999 <= fallen / math.exp(-z) <= 1.000001 * math.exp(z * z / 60.0)


def test_a_plume_is_downwind_only_and_thins_with_distance_and_aside() -> None:
    along, across = np.array([-60.0, 100.0, 300.0, 300.0]), np.array([0.0, 0.0, 0.0, 80.0])
    upwind, near, far, aside = unit_plume(along, across, 2.0).tolist()
    assert upwind == 0.0
    assert near > far > aside > 0.0


def field(x: float, y: float, grams: float, wind: Wind, seed: int, now_s: float = 600.0) -> Air:
    """What a grid of sensors says, a while after a source began at second 0, with errors of model and instrument."""
    random = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(np.arange(-450.0, 451.0, 150.0), np.arange(-450.0, 451.0, 150.0)), axis=-1).reshape(
        -1, 2
    )
    along, across = along_across(place[:, 0] - x, place[:, 1] - y, wind)
    excess = grams * unit_plume(along, across, wind.speed_mps) * random.lognormal(0.0, 0.25, len(place))
    since_s = np.where(excess > 15.0, travel_s(along, wind.speed_mps) + random.uniform(0.0, 10.0, len(place)), np.nan)
    read = np.maximum(excess + random.normal(0.0, 2.0, len(place)), 0.0)
    return Air(
        np.arange(len(place)),
        place[:, 0],
        place[:, 1],
        read,
        np.full(len(place), 3.0),
        since_s,
        now_s,
        (-500.0, -500.0, 500.0, 500.0),
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_source_is_found_near_where_it_is_and_says_how_near(seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    x, y, turn = random.uniform(-250, 250), random.uniform(-250, 250), random.uniform(0, 2 * math.pi)
    wind = Wind(math.cos(turn), math.sin(turn), random.uniform(1.0, 4.0))
    fit = fit_source(field(x, y, 4.0, wind, seed), wind)
    error = math.hypot(fit.x - x, fit.y - y)
    assert error < 100.0
    assert error < 4.0 * fit.error_m
    assert 1.0 < fit.strength < 16.0


def test_the_strength_of_a_known_source_is_found() -> None:
    air = field(-200.0, 0.0, 5.0, EAST, 3)
    assert 2.0 < fit_strength(air, EAST, -200.0, 0.0, 0.0) < 11.0


def test_one_source_is_better_evidence_than_two_where_one_explains_all() -> None:
    air = field(-300.0, 10.0, 5.0, EAST, 4)
    hot = np.flatnonzero(np.isfinite(air.since_s))
    alone = []
    for k in hot:
        others = np.isnan(air.since_s) | (np.arange(len(air.x)) == k)
        columns = (air.channel, air.x, air.y, air.excess, air.noise, air.since_s)
        alone.append(fit_source(Air(*(column[others] for column in columns), air.now_s, air.box), EAST).log_evidence)
    assert fit_source(air, EAST).log_evidence > sum(alone) - 3.0 * (len(hot) - 1)


def plume(x: float, y: float, grams: float, from_s: int, to_s: int) -> Read:
    """Dust from a source at (x, y) with the wind that the district usually has."""

    def read(second: int, sensor_x: float, sensor_y: float) -> float:
        along, across = along_across(np.array([sensor_x - x]), np.array([sensor_y - y]), EAST)
        left_s = second - float(travel_s(along, 2.0)[0])
        added = float(unit_plume(along, across, 2.0)[0]) if from_s <= left_s <= to_s else 0.0
        return 60.0 + grams * added

    return read


def both(one: Read, other: Read) -> Read:
    """What two sources add."""
    return lambda s, x, y: (one(s, x, y) or 0.0) + (other(s, x, y) or 0.0) - 60.0


def found(read: Read, seconds: int = 600, fire: tuple[float, float] | None = None) -> list[tuple[int, Finding]]:
    """What is announced, in order of time: the second and the last finding."""

    def seen(second: int) -> list[Seen]:
        if fire is None or second < 290:
            return []
        return [("one", 1, ObjectClass.SMOKE, *fire, 0.7), ("two", 2, ObjectClass.FIRE, *fire, 0.7)]

    return sorted(
        announced("pollution", play(seconds, "pollution", {Quantity.PM2_5: read}, seen)).values(), key=lambda f: f[0]
    )


def test_a_plume_is_announced_within_a_minute_of_the_first_sensor_and_placed() -> None:
    ((second, finding),) = found(plume(230.0, 310.0, 4.0, 300, 800))
    assert second < 300 + 35 + 60
    assert math.hypot(finding.x - 230.0, finding.y - 310.0) < 60.0
    assert finding.position_error_m < 100.0
    assert len(finding.evidence) > 2


@pytest.mark.parametrize(
    "read",
    [
        lambda s, x, y: 60.0 + (400.0 if x == y == 0.0 and s == 400 else 0.0),
        lambda s, x, y: 60.0 + (250.0 if x == y == 150.0 and 400 <= s < 425 else 0.0),
        lambda s, x, y: 60.0 + (0.2 * (s - 300) if x == y == 150.0 and s > 300 else 0.0),
    ],
    ids=["a spike", "a lorry", "a slow drift"],
)
def test_what_is_no_plume(read: Read) -> None:
    assert found(read) == []


def test_two_sources_at_once_are_two_incidents() -> None:
    north, south = plume(80.0, 610.0, 4.0, 300, 900), plume(230.0, 90.0, 4.0, 340, 900)
    announcements = found(both(north, south))
    places = sorted((finding.y, finding.x) for _, finding in announcements)
    assert len(places) == 2
    for (y, x), (true_x, true_y) in zip(places, [(230.0, 90.0), (80.0, 610.0)], strict=True):
        assert math.hypot(x - true_x, y - true_y) < 80.0


def test_the_dust_of_a_fire_on_camera_is_no_pollution_but_that_of_another_source_is() -> None:
    fire = (330.0, 400.0)
    smoke = plume(*fire, 3.0, 290, 900)
    assert found(smoke, fire=fire) == []
    ((_, finding),) = found(both(smoke, plume(230.0, 90.0, 4.0, 340, 900)), fire=fire)
    assert math.hypot(finding.x - 230.0, finding.y - 90.0) < 80.0


@pytest.mark.parametrize("kind", ["pollution", "fire", "crowd", "waterlogging", "coverage_lost", "person_report"])
def test_a_restored_engine_goes_on_with_the_same_findings(kind: str) -> None:
    read: dict[Quantity, Read] = {
        Quantity.PM2_5: plume(230.0, 310.0, 4.0, 100, 900),
        Quantity.WATER_LEVEL: lambda s, x, y: 2.0 + max(s - 100, 0) * 0.7,
    }

    def seen(second: int) -> list[Seen]:
        return [("one", 1, ObjectClass.SMOKE, 400.0, 300.0, 0.7)] if second > 150 else []

    engines = [Engine(ground(), load_incident_types(only=(kind,)), TickSettings()) for _ in range(2)]
    for second in range(220):
        rows = Rows.concat([readings(second, read), *sights(second, seen(second))])
        if second == 180:
            engines[1].restore(engines[0].to_bytes())
        told = []
        for engine in engines[: 1 + (second >= 180)]:
            engine.read(0, rows)
            engine.mark(0, START_MS + 1000 * (second + 1))
            told.append([reading.findings for reading in engine.readings()])
        assert told[0] == told[-1]
    assert engines[0].to_bytes() == engines[1].to_bytes()
