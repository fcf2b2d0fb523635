"""Fire, water, crowds, silence and people's reports: what each detector must find, and what must not fool it."""

import numpy as np
import pytest

from city_brain.incidents.hypothesis import Finding
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Category, Kind, ObjectClass, Quantity, Status
from city_brain.testing import make_rows
from tests.incidents.detectors.surroundings import START_MS, Read, Seen, announced, play

MIDDLE = 375.0


@pytest.mark.parametrize(
    ("smoke_s", "flames_s", "warm", "found"),
    [(16, 0, False, False), (26, 0, False, True), (0, 9, False, False), (12, 12, False, True), (8, 0, True, True)],
)
def test_a_fire_outlasts_steam_or_shows_flames_too_or_warms_the_air(
    smoke_s: int, flames_s: int, warm: bool, found: bool
) -> None:
    def seen(second: int) -> list[Seen]:
        at = (MIDDLE + 20.0, MIDDLE + 10.0, 0.62)
        smoke: list[Seen] = [("one", 1, ObjectClass.SMOKE, *at)] if 200 <= second < 200 + smoke_s else []
        flames: list[Seen] = [("two", 2, ObjectClass.FIRE, *at)] if 200 <= second < 200 + flames_s else []
        return smoke + flames

    heat: Read = lambda s, x, y: 17.0 + (4.0 if warm and s >= 180 else 0.0)  # noqa: E731
    fires = announced("fire", play(260, "fire", {Quantity.TEMPERATURE: heat}, seen))
    assert len(fires) == int(found)
    for _, finding in fires.values():
        assert np.hypot(finding.x - MIDDLE - 20.0, finding.y - MIDDLE - 10.0) < 1.0


def rising(rate_mm_per_min: float, up_to_mm: float) -> Read:
    """Water that rises from second 300 on."""
    return lambda s, x, y: 2.0 + min(max(s - 300, 0) * rate_mm_per_min / 60.0, up_to_mm)


@pytest.mark.parametrize(
    ("rate", "up_to", "rain", "found"), [(40, 300, 50, True), (30, 90, 50, False), (20, 52, 50, False)]
)
def test_water_is_announced_when_it_will_be_deep_within_a_minute(
    rate: float, up_to: float, rain: float, found: bool
) -> None:
    wet: Read = lambda s, x, y: rain if s > 240 else 0.0  # noqa: E731
    read = {Quantity.WATER_LEVEL: rising(rate, up_to), Quantity.RAIN: wet}
    floods = announced("waterlogging", play(900, "waterlogging", read))
    assert len(floods) == int(found)
    for second, _ in floods.values():
        assert 300 + 60 * 90 / rate <= second <= 300 + 60 * 150 / rate


@pytest.mark.parametrize(
    "level",
    [
        lambda s, x, y: 2.0 + (300.0 if s == 400 - (400 + 39) % 10 else 0.0),
        lambda s, x, y: 3200.0 + 0.5 * max(s - 300, 0),
    ],
    ids=["one reading", "a river"],
)
def test_one_high_reading_or_a_river_is_no_water_on_the_road(level: Read) -> None:
    read: dict[Quantity, Read] = {Quantity.WATER_LEVEL: level, Quantity.RAIN: lambda s, x, y: 50.0}
    assert announced("waterlogging", play(700, "waterlogging", read)) == {}


def test_water_that_cameras_report_for_a_minute_in_rain_is_found_without_a_sensor() -> None:
    def seen(second: int) -> list[Seen]:
        water = (ObjectClass.WATER, 20.0, 10.0, 0.5)
        return [("far", second, *water)] if second >= 200 and second % 3 == 0 else []

    floods = announced("waterlogging", play(320, "waterlogging", {Quantity.RAIN: lambda s, x, y: 50.0}, seen))
    assert len(floods) == 1


def people(count: int, from_s: int, to_s: int = 10_000) -> Read:
    """How many people stand together, as a function for `standing`."""
    return lambda s, x, y: float(count) if from_s <= s < to_s else 0.0


def standing(second: int, count: int) -> list[Seen]:
    """So many people on a spiral about the middle, seen by one camera."""
    angle, radius = 2.4 * np.arange(count), 1.4 * np.sqrt(np.arange(count) + 1.0)
    x, y = MIDDLE + radius * np.cos(angle), MIDDLE + radius * np.sin(angle)
    return [("one", k, ObjectClass.PERSON, float(x[k]) + 0.1 * (second % 3), float(y[k]), 0.8) for k in range(count)]


@pytest.mark.parametrize(("count", "voices", "found"), [(22, False, True), (9, False, False), (13, True, True)])
def test_a_crowd_is_many_people_who_stay_or_fewer_who_are_heard(count: int, voices: bool, found: bool) -> None:
    noise: Read = lambda s, x, y: 80.0 - 2.0 * 0.0 if voices and s >= 60 else 62.0  # noqa: E731
    read: dict[Quantity, Read] = {Quantity.NOISE: noise} if voices else {}
    crowds = announced("crowd", play(150, "crowd", read, lambda s: standing(s, count) if s >= 60 else []))
    assert len(crowds) == int(found)
    for _, finding in crowds.values():
        assert np.hypot(finding.x - MIDDLE, finding.y - MIDDLE) < 3.0
        assert finding.magnitude is not None and abs(finding.magnitude - count) <= 2


@pytest.mark.parametrize(("silent_s", "found"), [(160, 0), (360, 1)])
def test_coverage_is_lost_when_silence_lasts(silent_s: int, found: int) -> None:
    dumb: Read = lambda s, x, y: None if 400 <= s < 400 + silent_s and x == y == 0.0 else 60.0  # noqa: E731
    lost = announced("coverage_lost", play(400 + silent_s, "coverage_lost", {Quantity.PM2_5: dumb}))
    assert len(lost) == found


def test_a_group_that_falls_silent_at_once_is_told_sooner() -> None:
    dumb: Read = lambda s, x, y: None if s >= 400 else 60.0  # noqa: E731
    lost = announced("coverage_lost", play(560, "coverage_lost", {Quantity.PM2_5: dumb}))
    assert len(lost) > 6
    assert all(second < 560 for second, _ in lost.values())


def report(second: int, category: Category, x: float, status: Status = Status.ACTUAL, seq: int = 0) -> Rows:
    """One report by telephone."""
    rows = make_rows(
        source=[hash63("hotline")], kind=int(Kind.REPORT), seq=1000 * second + seq, code=int(category), x=x, y=0.0,
        status=int(status), event_ms=START_MS + 1000 * second + 100, arrival_ms=START_MS + 1000 * second + 400,
        note=0, value=np.nan,
    )  # fmt: skip
    return Rows(**rows.columns(), notes=("路口有烟",))


def told(rows: dict[int, list[Rows]], seconds: int = 40) -> list[Finding]:
    """The findings after the last second."""
    *_, (_, _, findings) = play(seconds, "person_report", more=lambda s: rows.get(s, []))
    return findings


def test_reports_of_one_thing_are_one_finding_that_says_what_it_is_about() -> None:
    rows = {10 + k: [report(10 + k, Category.FIRE, 20.0 * k)] for k in range(3)}
    (finding,) = told(rows)
    assert finding.about == "fire"
    assert finding.evidence[0].note["reports"] == 3
    assert finding.evidence[0].note["text"] == "路口有烟"
    assert len(finding.evidence[0].rows) == 3


def test_people_alone_raise_suspicion_but_no_alarm() -> None:
    rows = {10 + k: [report(10 + k, Category.FIRE, 0.0)] for k in range(12)}
    (finding,) = told(rows)
    assert 0.0 < finding.log_odds < 3.5


def test_other_categories_places_and_exercises_are_kept_apart() -> None:
    rows = {
        10: [report(10, Category.FIRE, 0.0), report(10, Category.CROWD, 0.0, seq=1)],
        12: [report(12, Category.FIRE, 700.0), report(12, Category.FIRE, 0.0, Status.EXERCISE, seq=1)],
    }
    findings = told(rows)
    assert sorted((finding.about, finding.status, round(finding.x)) for finding in findings) == [
        ("crowd", "actual", 0), ("fire", "actual", 0), ("fire", "actual", 700), ("fire", "exercise", 0),
    ]  # fmt: skip
