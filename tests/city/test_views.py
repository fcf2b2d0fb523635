"""Views: exact answers through the raster, compared with shapely point by point."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from city_brain.city.grid.polygons import PolygonGrid
from city_brain.city.loading import load_city
from city_brain.city.roads import Roads
from city_brain.city.views import CELL_M, CROSSWALK_REACH_M, MOST_CAMERAS, Views
from city_brain.numerics import hash63
from city_brain.types import Floats
from tests.city.city_maps import (
    built,
    camera,
    crossing,
    crosswalk,
    feature,
    intersection,
    lane,
    ring,
    sensor,
    square,
    turned,
)


def stars(seed: int, n: int) -> list[Floats]:
    """Rings of any shape: spiky, tiny, huge, with level and upright edges, and turned either way."""
    rng = np.random.default_rng(seed)
    rings = []
    for k in range(n):
        corners = int(rng.integers(3, 30))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(0.3, 1.0, corners) * rng.choice([0.5, 5.0, 50.0, 200.0])
        points = rng.uniform(-200, 200, 2) + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        # On a coarse grid edges are level, upright, through corners of cells, or of no length.
        points = np.round(points) if k % 3 == 0 else points
        rings.append(points if k % 2 else points[::-1].copy())
    return rings


@pytest.mark.parametrize("cell_m", [2.0, 8.0, 64.0])
def test_a_point_is_held_by_the_polygons_that_hold_it(cell_m: float) -> None:
    """Even-odd, for every point and polygon, whatever the size of the cells; points on borders are left out."""
    rings = [ring for ring in stars(1, 60) if shapely.Polygon(ring).is_valid]
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-420, 420, 4000), rng.uniform(-420, 420, 4000)
    point, polygon = PolygonGrid(rings, cell_m).holding(x, y)
    found = np.zeros((len(x), len(rings)), dtype=np.bool_)
    found[point, polygon] = True
    polygons = [shapely.Polygon(ring) for ring in rings]
    for k, shape in enumerate(polygons):
        border = shapely.distance(shape.boundary, shapely.points(x, y)) < 1e-6
        assert np.array_equal(found[~border, k], shapely.contains_xy(shape, x, y)[~border])
    assert np.count_nonzero(found) > 1500
    assert np.all(np.diff(point * len(rings) + polygon) > 0)


def test_neighbours_share_their_border_without_gap_or_overlap() -> None:
    """A point on the common edge of two squares belongs to one of them."""
    grid = PolygonGrid([np.array(square(0, 0, 10)), np.array(square(20, 0, 10))])
    y = np.linspace(-9.5, 9.5, 77)
    point, _ = grid.holding(np.full(len(y), 10.0), y)
    assert point.tolist() == list(range(len(y)))


def test_cameras_over_a_point_come_nearest_first() -> None:
    """Ten cameras look at one place; the eight nearest are told, in order of distance."""
    cameras = [camera(f"c{k}", 3.0 * k, -40.0, square(0, 0, 10)) for k in range(10)]
    city = built(*cameras, camera("away", 0, 0, square(500, 0, 5)))
    views = Views(city, Roads(city))
    seen = views.cameras_seeing(np.array([0.0, 500.0, 11.0]), np.array([0.0, 0.0, 0.0]))
    assert [city.cameras[k].id for k in seen[0]] == [f"c{k}" for k in range(8)]
    assert [city.cameras[k].id for k in seen[1] if k >= 0] == ["away"]
    assert seen[2].tolist() == [-1] * MOST_CAMERAS
    away = views.distance_m(seen[0], np.zeros(8), np.zeros(8))
    assert away.tolist() == pytest.approx([np.hypot(3.0 * k, 40.0) for k in range(8)], abs=1e-6)
    assert views.distance_m(np.array([-1], dtype=np.int32), np.zeros(1), np.zeros(1)).tolist() == [np.inf]


def test_views_of_a_scenario_agree_with_shapely(shared: Path) -> None:
    """Real outlines: sectors of cameras and rounded junctions."""
    city = load_city(shared / "scenarios/tune/101/city.geojson")
    views = Views(city, Roads(city))
    rng = np.random.default_rng(3)
    west, south, east, north = city.box
    x, y = rng.uniform(west, east, 5000), rng.uniform(south, north, 5000)
    seen = views.cameras_seeing(x, y)
    inside = views.in_intersection(x, y)
    cover = np.array([shapely.contains_xy(shapely.Polygon(camera.view), x, y) for camera in city.cameras])
    for k in range(len(x)):
        wanted = np.flatnonzero(cover[:, k]).tolist()
        assert len(wanted) <= MOST_CAMERAS
        assert sorted(c for c in seen[k].tolist() if c >= 0) == wanted
    junctions = [shapely.contains_xy(shapely.Polygon(place.outline), x, y) for place in city.intersections]
    assert np.array_equal(inside >= 0, np.any(junctions, axis=0))
    assert all(junctions[i][k] for k, i in enumerate(inside) if i >= 0)


def test_cameras_are_found_by_their_key() -> None:
    """A key that is a sensor's, or nobody's, is no camera."""
    city = built(*(camera(f"c{k}", 0, 0, square(k, 0, 3)) for k in range(20)), sensor("s", 0, 0))
    views = Views(city, Roads(city))
    keys = np.array([hash63(camera.id) for camera in city.cameras] + [hash63("s"), 0])
    assert views.camera_index(keys).tolist() == [*range(20), -1, -1]


def test_a_place_within_two_intersections_is_in_the_first_by_id() -> None:
    """Overlapping outlines are a fault of the map that must not make a result depend on its order."""
    city = built(intersection("b", square(0, 0, 10)), intersection("a", square(5, 0, 10)))
    views = Views(city, Roads(city))
    found = views.in_intersection(np.array([0.0, -8.0, 14.0, 40.0, np.nan]), np.zeros(5))
    assert found.tolist() == [0, 1, 0, -1, -1]


def test_the_distance_to_a_crosswalk_is_to_its_centre_line() -> None:
    """Beside it, beyond its end, and too far."""
    city = built(crosswalk("w", [(0, 0), (10, 0)]), crosswalk("bent", [(100, 0), (110, 0), (110, 10)]))
    views = Views(city, Roads(city))
    x, y = np.array([5.0, 13.0, 5.0, 5.0, 108.0]), np.array([-3.0, 4.0, CROSSWALK_REACH_M + 0.1, 29.9, 9.0])
    away = views.near_crosswalk(x, y)
    assert away.tolist() == pytest.approx([3.0, 5.0, np.inf, 29.9, 2.0], abs=1e-6)


def test_the_watched_part_of_a_road_is_known() -> None:
    """A camera over the first 70 of 205 m sees seven of twenty-one cells; a second one is listed besides."""
    city = built(
        lane("l", "r", [(0, 0), (205, 0)]),
        camera("near", 0, 10, [(-5, -5), (70, -5), (70, 5), (-5, 5)]),
        camera("far", 300, 10, [(60, -5), (70, -5), (70, 5), (60, 5)]),
    )
    roads = Roads(city)
    views = Views(city, roads)
    assert views.road_cover.tolist() == pytest.approx([70 / 205], abs=1e-6)
    assert views.cell_first.tolist() == [0, 21]
    road, along = np.array([0, 0, 0, 0, -1], dtype=np.int32), np.array([1.0, 65.0, 71.0, 205.0, np.nan])
    cell = views.cell_of(road, along)
    assert cell.tolist() == [0, 6, 7, 20, -1]
    names = [[city.cameras[k].id for k in views.cell_cameras[c] if k >= 0] for c in cell[:4]]
    assert names == [["near"], ["near", "far"], [], []]


def test_cover_counts_every_lane_and_the_widening(shared: Path) -> None:
    """Each cell of each road of a scenario lists exactly the cameras over its middle, on any lane."""
    city = load_city(shared / "scenarios/tune/104/city.geojson")
    roads = Roads(city)
    views = Views(city, roads)
    lane, cell, x, y = roads.cell_middles(CELL_M)
    seen = views.cameras_seeing(x, y)
    match = roads.match(x, y)
    assert np.array_equal(roads.road[lane], match.road)
    middle = np.minimum(cell * CELL_M + CELL_M / 2, (cell * CELL_M + roads.road_length_m[roads.road[lane]]) / 2)
    assert np.max(np.abs(match.along_m - middle)) < 1.0
    wanted: list[set[int]] = [set() for _ in range(len(views.cell_cameras))]
    for k, number in enumerate(views.cell_first[roads.road[lane]] + cell):
        wanted[number] |= {c for c in seen[k].tolist() if c >= 0}
    assert [{c for c in row.tolist() if c >= 0} for row in views.cell_cameras] == wanted
    assert 0.3 < np.mean(views.road_cover) < 1.0


def test_a_city_without_cameras_sees_nothing() -> None:
    """Lookups answer none, and no road is watched."""
    city = built(*crossing([0]))
    views = Views(city, Roads(city))
    x = np.array([0.0, -4.8])
    assert np.all(views.cameras_seeing(x, x) == -1)
    assert views.camera_index(np.array([1, 2])).tolist() == [-1, -1]
    assert views.near_crosswalk(x, x).tolist() == [np.inf, np.inf]
    assert views.road_cover.tolist() == [0.0, 0.0]


def test_a_view_is_seen_whatever_its_winding() -> None:
    """Clockwise or not, the same ground."""
    shape = turned(square(0, 0, 20), 30)
    for points in (shape, shape[::-1]):
        city = built(
            feature(
                "camera", "c", "Polygon", ring(points), position=[117.0, 36.65], heading_deg=0, range_m=50, fov_deg=90
            )
        )
        assert Views(city, Roads(city)).cameras_seeing(np.zeros(1), np.zeros(1))[0, 0] == 0
