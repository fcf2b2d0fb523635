"""The films of the mission show a car that comes and stands, and the city's map puts it on a lane."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import from_lines
from city_brain.types import Floats, Ints
from tests.mission.camera import CAMERA, Watched, watch
from tests.mission.films import STEP_MS, Composed, Drawn, Film, any_film
from tests.mission.world import SETTINGS, StagedCity

STOP_MS, UNTIL_MS = 12_000, 110_000
MOST_OFF_M = 1.5
"""From where its lane has its middle; a lane is 3 m wide or more."""


@cache
def staged(film: Film) -> tuple[CityMap, Watched]:
    """The mission's city with the camera of a film, and what is seen in two minutes of it."""
    drawn = StagedCity(film=film).map
    return load_city(drawn), watch(film, drawn, SETTINGS.start_ms, STOP_MS, UNTIL_MS)


def rows_of_the_car(film: Film, watched: Watched) -> tuple[Observations, Ints]:
    """All rows, and which of them are of the track whose foot is where the car stands in the end."""
    rows = from_lines(watched.lines).observations
    last = np.flatnonzero(rows.common.event_ms == rows.common.event_ms.max())
    left, top, width, height = rows.detections.bbox[last].T
    away_px = np.hypot(left + width / 2.0 - film.stands[0], top + height - film.stands[1])
    return rows, np.flatnonzero(rows.detections.track == rows.detections.track[last[away_px.argmin()]])


def check(film: Film) -> None:
    """One track from before the stop to the end: it drives along its lane, then stands on it."""
    city, watched = staged(film)
    rows, mine = rows_of_the_car(film, watched)
    time_ms = rows.common.event_ms[mine] - SETTINGS.start_ms
    assert time_ms[0] < STOP_MS - 1000
    assert time_ms[-1] == UNTIL_MS - STEP_MS
    stands = mine[time_ms >= STOP_MS + 2000]
    assert len(stands) > 0.95 * (UNTIL_MS - STOP_MS - 2000) / STEP_MS
    speed = rows.detections.speed_mps
    assert np.nanmedian(speed[stands]) < 0.3
    assert np.nanmax(speed[mine[time_ms < STOP_MS]]) > 6.0
    x, y = city.frame.to_metres(rows.common.lon[stands], rows.common.lat[stands])
    assert max(np.ptp(x), np.ptp(y)) < MOST_OFF_M
    middle = np.array([x.mean(), y.mean()])
    assert min(_away_m(lane.line, middle) for lane in city.lanes) < MOST_OFF_M
    assert {rows.strings[source] for source in rows.common.source.tolist()} == {CAMERA}


def _away_m(line: Floats, point: Floats) -> float:
    """From a point to a line (k, 2)."""
    begin, way = line[:-1], np.diff(line, axis=0)
    share = np.clip(((point - begin) * way).sum(axis=1) / (way * way).sum(axis=1), 0.0, 1.0)
    return float(np.hypot(*(begin + share[:, None] * way - point).T).min())


def test_in_the_composed_film_a_car_comes_and_stands(shared: Path) -> None:
    """Real pixels, by YOLOX-nano: for a minute and a half, while other tracks come and go."""
    film = any_film(shared)
    assert isinstance(film, Composed)
    check(film)
    _, watched = staged(film)
    assert watched.counters.tracks > 10


def test_in_the_drawn_film_a_car_comes_and_stands() -> None:
    """By the tiny network, where there is no recording."""
    check(Drawn())


def test_the_composed_film_is_the_recording_until_the_car_stops(shared: Path) -> None:
    """Up to the stop each frame is one of the recording; after it, all but the place of the car is."""
    film = any_film(shared)
    assert isinstance(film, Composed)
    left, top, right, bottom = film.car
    for timed in film.frames(2000, 4000):
        frame = timed.frame.copy()
        if timed.time_ms > 2000:
            frame[top:bottom, left:right] = 0
        others = [other.copy() for other in film.recorded]
        for other in others if timed.time_ms > 2000 else ():
            other[top:bottom, left:right] = 0
        assert any((frame == other).all() for other in others)


@pytest.mark.parametrize("there", [True, False])
def test_a_film_is_composed_where_the_shared_data_are(tmp_path: Path, there: bool) -> None:
    """Both files are wanted; whatever is in them is looked at later."""
    names = ["traffic-video/suburban_junction.mp4", "onnx-detector/yolox_nano.onnx"]
    for name in names if there else names[:1]:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.touch()
    assert isinstance(any_film(tmp_path), Composed if there else Drawn)
