"""Distances are those of geometry, the index misses nothing, and places are found as a plain search finds them."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from city_brain.city.city_map import CityMap, Lane
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.incidents.desk.joining import CellIndex, Shape, gap_m
from city_brain.incidents.desk.places import ROAD_M, Places

COORDINATE = st.integers(-1000, 1000).map(float)
POINT = st.tuples(COORDINATE, COORDINATE)
SHAPES = st.builds(Shape, st.lists(POINT, min_size=1, max_size=5).map(tuple), st.sampled_from((0.0, 0.0, 15.0, 120.0)))


def geometry(shape: Shape) -> shapely.Geometry:
    """The shape without its radius."""
    return shapely.LineString(shape.points) if len(shape.points) > 1 else shapely.Point(shape.points[0])


@given(SHAPES, SHAPES)
def test_gaps_are_those_of_geometry(first: Shape, second: Shape) -> None:
    apart = shapely.distance(geometry(first), geometry(second)) - first.radius_m - second.radius_m
    assert gap_m(first, second) == pytest.approx(max(apart, 0.0), abs=1e-6)
    assert gap_m(first, second) == gap_m(second, first)


@given(SHAPES, SHAPES, st.sampled_from((0.0, 40.0, 300.0)))
def test_a_limited_gap_is_exact_within_the_limit(first: Shape, second: Shape, reach: float) -> None:
    exact, limited = gap_m(first, second), gap_m(first, second, reach)
    assert limited == exact or (exact > reach and math.isinf(limited))


@given(st.lists(SHAPES, max_size=12), SHAPES, st.sampled_from((0.0, 40.0, 300.0, 5000.0)))
def test_the_index_misses_nothing_within_reach(shapes: list[Shape], asked: Shape, reach: float) -> None:
    index = CellIndex()
    for number, shape in enumerate(shapes):
        index.put(f"{number:02d}", [shape])
    for number in range(0, len(shapes), 3):
        index.put(f"{number:02d}", [shapes[number - 1]])
    index.drop("01")
    index.drop("never there")
    now = {f"{n:02d}": shapes[n - 1] if n % 3 == 0 else shape for n, shape in enumerate(shapes) if n != 1}
    found = index.near(asked, reach)
    assert found == sorted(found)
    assert {name for name, shape in now.items() if gap_m(asked, shape) <= reach} <= set(found) <= set(now)


def test_an_emptied_index_holds_nothing() -> None:
    index = CellIndex()
    index.put("a", [Shape(((0.0, 0.0), (900.0, 0.0)))])
    index.drop("a")
    assert index.near(Shape(((0.0, 0.0),)), 1e6) == []


@given(st.lists(st.lists(POINT, min_size=2, max_size=4), min_size=1, max_size=8), POINT)
def test_the_nearest_road_is_the_one_a_plain_search_finds(
    lines: list[list[tuple[float, float]]], at: tuple[float, float]
) -> None:
    lanes = tuple(
        Lane(id=f"L{n}", road=f"R{n}", width_m=3.5, speed_limit_mps=14.0, line=np.array(line))
        for n, line in enumerate(lines)
    )
    city = CityMap(frame=LocalFrame(117.0, 36.65), datum=Datum.WGS84, lanes=lanes)
    gaps = [shapely.distance(shapely.LineString(line), shapely.Point(at)) for line in lines]
    best = sorted(gaps)
    assume(abs(best[0] - ROAD_M) > 1e-6 and (len(best) == 1 or best[1] - best[0] > 1e-6))
    wanted = f"R{gaps.index(best[0])}" if best[0] < ROAD_M else None
    assert Places(city).at(*at).road == wanted


def test_a_map_without_lanes_and_junctions_has_places_without_names() -> None:
    place = Places(CityMap(frame=LocalFrame(117.0, 36.65), datum=Datum.WGS84)).at(0.0, 0.0)
    assert (place.road, place.intersection, place.names) == (None, None, {})


def test_what_the_detector_knows_goes_first() -> None:
    place = Places(CityMap(frame=LocalFrame(117.0, 36.65), datum=Datum.WGS84)).at(0.0, 0.0, "R9", "J9")
    assert (place.road, place.intersection) == ("R9", "J9")
