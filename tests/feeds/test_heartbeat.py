"""Heartbeats: live and silent sources add up, and blind areas are where the map says."""

import numpy as np
import pytest

from city_brain.feeds.heartbeat import AreaReadiness, Readied, heartbeat_of
from city_brain.fusion.scene import Ground
from city_brain.fusion.sensors.silence import Presence, SilentSources
from city_brain.numerics import find_sorted, hash63
from tests.city.city_maps import FRAME, built, camera, sensor, square
from tests.feeds.builders import START_MS

GROUND = Ground.of(
    built(
        camera("cam-1", 0.0, 0.0, square(40.0, 0.0, 30.0)),
        camera("cam-2", 200.0, 0.0, square(240.0, 0.0, 10.0)),
        camera("cam-3", 400.0, 0.0, square(440.0, 0.0, 10.0)),
        sensor("air-1", 100.0, 50.0),
    )
)


def heard(*names: str, blind: tuple[str, ...] = ()) -> Presence:
    """What a partition knows that heard these sources and takes some of them for blind since START_MS."""
    silent = SilentSources.empty(GROUND)
    silent.last_ms[_at(names)] = START_MS
    silent.blind[_at(blind)] = True
    silent.since_ms[_at(blind)] = START_MS
    return silent.presence()


def _at(names: tuple[str, ...]) -> np.ndarray:
    return find_sorted(GROUND.city.source_keys, np.array([hash63(name) for name in names], dtype=np.int64))


def test_live_and_silent_are_all_sources_of_the_map() -> None:
    """Never heard is silent, blind is silent, and only the blind leave an area unwatched."""
    told = heartbeat_of(GROUND.city, [heard("cam-1", "cam-2", blind=("cam-1",))], START_MS + 5_000)
    assert (told.log_time_ms, told.sources_live, told.sources_silent) == (START_MS + 5_000, 1, 3)
    assert [area.source_id for area in told.blind_areas] == ["cam-1"]


def test_a_blind_area_is_where_the_source_looks() -> None:
    """A camera's view as a circle, a sensor's point; the largest first."""
    told = heartbeat_of(GROUND.city, [heard("cam-1", "air-1", blind=("air-1", "cam-1"))], START_MS)
    view, point = told.blind_areas
    assert (view.source_id, view.radius_m) == ("cam-1", pytest.approx(30.0 * 2**0.5, abs=0.1))
    assert FRAME.to_metres(view.lon, view.lat) == pytest.approx((40.0, 0.0), abs=0.1)
    assert (point.source_id, point.radius_m, point.silent_since_ms) == ("air-1", 0.0, START_MS)
    assert FRAME.to_metres(point.lon, point.lat) == pytest.approx((100.0, 50.0), abs=0.1)


def test_a_source_is_live_where_any_partition_hears_it() -> None:
    """Near a border two partitions read a source; one that does not must not make it blind for the city."""
    told = heartbeat_of(GROUND.city, [heard("cam-1"), heard("cam-2", blind=("cam-2",)), heard("cam-2")], START_MS)
    assert (told.sources_live, told.sources_silent, told.blind_areas) == (2, 2, ())


def test_it_says_what_areas_must_be_ready_for() -> None:
    ready = AreaReadiness(
        area_code="370102", name="", level="I", event="typhoon", sender="s", identifier="i", from_ms=0, until_ms=1
    )
    told = heartbeat_of(GROUND.city, [heard("cam-1")], START_MS, Readied((ready,), 150))
    assert (told.readiness, told.readiness_total) == ((ready,), 150)
