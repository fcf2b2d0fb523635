"""Areas of the city map: read strictly, written back, and found by the places that lie in them."""

import json
from typing import Any

import msgspec
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.city_map import CityMap
from city_brain.city.loading import city_to_geojson, fingerprint, load_city
from city_brain.errors import MapError
from city_brain.incidents.desk.places import Places
from tests.city.city_maps import FRAME, Feature, area, built, collection, crossing, degrees, feature, ring, square

CITY = area("city", square(0, 0, 3000), "370100", name="济南市", name_en="Jinan")
WEST = area("west", [(-3000, -3000), (0, -3000), (0, 3000), (-3000, 3000)], "370104", parent="370100")
EAST = area("east", [(0, -3000), (3000, -3000), (3000, 3000), (0, 3000)], "370102", parent="370100")
STREET = area("street", square(-1000, 0, 100), "370104001", parent="370104")


def rings(*points: Any) -> list[list[list[float]]]:
    """Rings of one polygon, closed."""
    return [[degrees(*point) for point in [*one, one[0]]] for one in points]


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        ((1000.0, 50.0), ("370100", "370102")),
        ((-1000.0, 0.0), ("370100", "370104", "370104001")),
        ((0.0, 10.0), ("370100", "370102", "370104")),
        ((2999.9, 0.0), ("370100", "370102")),
        ((3000.1, 0.0), ()),
    ],
)
def test_a_place_lies_in_every_area_that_holds_it(at: tuple[float, float], codes: tuple[str, ...]) -> None:
    """The largest first; on a border it lies in both, and equals are told by code."""
    assert Places(built(STREET, EAST, CITY, WEST)).at(*at).area_codes == codes


def test_the_codes_of_a_map_are_told_largest_first() -> None:
    assert built(STREET, EAST, CITY, WEST).area_codes == ("370100", "370102", "370104", "370104001")


def test_holes_and_parts_of_an_area_are_kept() -> None:
    """What lies in a hole is outside; both parts of an area are inside; neither is lost by writing."""
    island = rings(square(2000, 0, 100))
    ringed = rings(square(0, 0, 1000)[::-1], square(0, 0, 200))
    city = built(feature("area", "a", "MultiPolygon", [ringed, island], code="370102"))
    again = load_city(city_to_geojson(city))
    for read in (city, again):
        found = [Places(read).at(*at).area_codes for at in ((0.0, 0.0), (500.0, 0.0), (2000.0, 0.0), (1500.0, 0.0))]
        assert found == [(), ("370102",), ("370102",), ()]
    assert city_to_geojson(again) == city_to_geojson(city)
    written = json.loads(city_to_geojson(city))["features"][0]["geometry"]["coordinates"]
    for border, *holes in written:
        assert shapely.LinearRing(border).is_ccw
        assert not any(shapely.LinearRing(hole).is_ccw for hole in holes)


def test_areas_leave_everything_else_where_it_was() -> None:
    """Neither frame nor box move when the boundary of a province comes onto the map."""
    plain: dict[str, Any] = collection(*crossing([0, 90]))
    del plain["origin"]
    before = load_city(msgspec.json.encode(plain))
    plain["features"].append(area("province", square(0, 0, 400_000), "370000"))
    after = load_city(msgspec.json.encode(plain))
    assert (after.frame, after.box) == (before.frame, before.box)
    assert fingerprint(after) != fingerprint(before)
    assert Places(before).at(0.0, 0.0).area_codes == ()
    assert Places(after).at(0.0, 0.0).area_codes == ("370000",)


def test_names_and_parents_survive_being_written() -> None:
    city = load_city(city_to_geojson(built(CITY, EAST)))
    assert [(a.id, a.code, a.parent, a.name, a.name_en) for a in city.areas] == [
        ("city", "370100", None, "济南市", "Jinan"),
        ("east", "370102", "370100", None, None),
    ]


@given(
    corners=st.lists(
        st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000), st.floats(1.0, 4000.0)), min_size=1, max_size=12
    ),
    at=st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)),
)
def test_a_place_has_the_codes_that_a_plain_search_finds(
    corners: list[tuple[float, float, float]], at: tuple[float, float]
) -> None:
    """Whatever the order in the file."""
    listed = [area(f"a{n}", square(*corner)) for n, corner in enumerate(corners)]
    city, turned = built(*listed), built(*reversed(listed))
    point = shapely.Point(at)
    holding = [a for a in city.areas if shapely.intersects(a.shape, point)]
    wanted = [a.code for a in sorted(holding, key=lambda a: (-a.shape.area, a.code))]
    assert list(Places(city).at(*at).area_codes) == wanted
    assert Places(turned).at(*at) == Places(city).at(*at)


def _with(made: Feature, **said: Any) -> Feature:
    return {**made, **said}


BOW_TIE = [(0.0, 0.0), (100.0, 100.0), (100.0, 0.0), (0.0, 100.0)]
WRONG: dict[str, tuple[list[Feature], str]] = {
    "no code": ([feature("area", "a", "Polygon", ring(square(0, 0, 9)))], "area 'a': code: wanted a text, got nothing"),
    "code with a space": ([area("a", square(0, 0, 9), "37 01")], "area 'a': code: wanted 6, 9 or 12 digits, or"),
    "seven digits": ([area("a", square(0, 0, 9), "3701021")], "area 'a': code: wanted 6, 9 or 12 digits, or"),
    "long code": ([area("a", square(0, 0, 9), "x" * 21)], "area 'a': code: wanted 6, 9 or 12 digits, or"),
    "number as code": ([_with(EAST, properties={"kind": "area", "code": 370102})], "code: wanted a text"),
    "same code": ([WEST | {"id": "x"}, CITY, area("y", square(0, 0, 9), "370104")], "wanted a code of its own, got"),
    "unknown parent": ([area("a", square(0, 0, 9), "b", parent="370199")], "parent: wanted the code of an area"),
    "near parent": ([CITY, area("a", square(0, 0, 9), "b", parent="370101")], "did you mean '370100'"),
    "parents in a circle": (
        [area("a", square(0, 0, 9), "a", parent="b"), area("b", square(0, 0, 9), "b", parent="a")],
        "parent: wanted parents without a circle, got a < b",
    ),
    "point": (
        [feature("area", "a", "Point", [117, 36], code="a")],
        "wanted a geometry of type Polygon or MultiPolygon",
    ),
    "no geometry": ([_with(EAST, geometry=None)], "wanted a geometry of type Polygon or Multi"),
    "misspelt": ([_with(EAST, geometry={"type": "Polygone", "coordinates": []})], "did you mean 'Polygon'"),
    "no polygon": ([feature("area", "a", "MultiPolygon", [], code="a")], "wanted one polygon at least"),
    "no ring": ([feature("area", "a", "Polygon", [], code="a")], "wanted a polygon of one ring at least"),
    "ring of text": ([feature("area", "a", "Polygon", ["abc"], code="a")], "wanted a ring of positions"),
    "two points": ([feature("area", "a", "Polygon", rings([(0, 0), (9, 9)]), code="a")], "wanted a ring of three"),
    "open ring": (
        [feature("area", "a", "Polygon", [[degrees(*p) for p in BOW_TIE]], code="a")],
        "wanted a closed ring",
    ),
    "crossing itself": ([area("a", BOW_TIE)], "wanted borders that enclose an area and do not cross, got Self-inter"),
    "flat": ([area("a", [(0, 0), (9, 0), (5, 0)])], "wanted borders that enclose an area and do not cross"),
    "swapped": ([feature("area", "a", "Polygon", [[[36, 117]] * 4], code="a")], "these look swapped"),
    "misspelt property": ([area("a", square(0, 0, 9), names="x")], "wanted a known property, got 'names'"),
}


@pytest.mark.parametrize(("features", "said"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_area_is_refused_with_what_is_wrong(features: list[Feature], said: str) -> None:
    with pytest.raises(MapError) as wrong:
        built(*features)
    assert said in str(wrong.value)


def test_a_boundary_with_too_many_points_is_refused() -> None:
    points = [degrees(float(n % 7), float(n % 5)) for n in range(200_001)]
    with pytest.raises(MapError, match="wanted at most 200000 positions"):
        built(feature("area", "a", "Polygon", [points], code="a"))


def test_a_map_without_areas_has_none() -> None:
    city = CityMap(frame=FRAME, datum=built().datum)
    assert (city.area_codes, Places(city).at(1.0, 2.0).area_codes) == ((), ())
