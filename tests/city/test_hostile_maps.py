"""Malformed and hostile maps: each is refused with the place, what was wanted and what was found, and nothing else."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.errors import MapError
from tests.city.city_maps import (
    Feature,
    camera,
    collection,
    crosswalk,
    degrees,
    intersection,
    lane,
    sensor,
    signal,
    square,
)

Change = Callable[[dict[str, Feature]], Any]
LENS = {"k1": -0.3, "focal_px": 1200.0, "centre_x": 960.0, "centre_y": 540.0}


def parts() -> dict[str, Feature]:
    """A sound map by kind."""
    return {
        "camera": camera("cam", 0, 0, square(0, 20, 15)),
        "crosswalk": crosswalk("walk", [(0, 0), (10, 0)]),
        "intersection": intersection("east gate", square(0, 0, 10)),
        "lane": lane("lane", "road", [(0, 0), (50, 0)]),
        "sensor": sensor("air", 5, 5),
        "signal": signal("sig", "east gate"),
    }


def put(kind: str, *keys: Any, value: Any) -> Change:
    """A change that puts a value deep into a feature."""

    def change(features: dict[str, Feature]) -> None:
        at: Any = features[kind]
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


def drop(kind: str, *keys: str) -> Change:
    """A change that takes a member out of a feature."""

    def change(features: dict[str, Feature]) -> None:
        at: Any = features[kind]
        for key in keys[:-1]:
            at = at[key]
        del at[keys[-1]]

    return change


def property_of(kind: str, name: str, value: Any) -> Change:
    """A change of a property."""
    return put(kind, "properties", name, value=value)


def coordinates_of(kind: str, value: Any) -> Change:
    """A change of coordinates."""
    return put(kind, "geometry", "coordinates", value=value)


def renamed(kind: str, name: str, other: str) -> Change:
    """A change that misspells a property."""

    def change(features: dict[str, Feature]) -> None:
        facts = features[kind]["properties"]
        facts[other] = facts.pop(name)

    return change


def twice(kind: str) -> Change:
    """A change that adds a feature a second time."""

    def change(features: dict[str, Feature]) -> None:
        features["again"] = features[kind]

    return change


FAR = [117.2, 10.0]
_RAIN = {"kind": "sensor", "quantity": "rain", "unit": "mm/h", "period_s": 60}
TRIANGLE = [degrees(0, 0), degrees(9, 0), degrees(0, 9)]

SPOILT: dict[str, tuple[Change, str]] = {
    "kind misspelt": (
        property_of("camera", "kind", "camra"),
        r"feature 'cam': kind: .* got 'camra'; did you mean 'camera'",
    ),
    "kind in capitals": (property_of("lane", "kind", "LANE"), r"kind: wanted .* got 'LANE'; did you mean 'lane'"),
    "kind absent": (drop("lane", "properties", "kind"), r"feature 'lane': kind: wanted one of .*, got nothing"),
    "kind not a text": (property_of("lane", "kind", ["lane"]), r"kind: wanted one of .*, got \['lane'\]"),
    "id absent": (drop("sensor", "id"), r"feature number 4: id: wanted 1 to 200 printable characters, got nothing"),
    "id among the properties": (
        lambda f: f["sensor"]["properties"].update(id=f["sensor"].pop("id")),
        r"feature number 4: id: .* got nothing; properties hold an id",
    ),
    "id empty": (put("sensor", "id", value=""), r"id: wanted .* got ''"),
    "id blank": (put("sensor", "id", value="   "), r"id: wanted .* got '   '"),
    "id of control characters": (put("sensor", "id", value="a\x00b"), r"id: wanted .* got 'a\\x00b'"),
    "id a truth value": (put("sensor", "id", value=True), r"id: wanted .* got true"),
    "id endless": (put("sensor", "id", value="x" * 100_000), r"id: wanted 1 to 200 .* got 'xxx"),
    "id given twice": (twice("lane"), r"lane 'lane': id: wanted an id of its own, got that of .*lane 'lane'"),
    "id of another source": (put("sensor", "id", value="cam"), r"sensor 'cam': id: .* got that of .*camera 'cam'"),
    "type not Feature": (put("lane", "type", value="Featur"), r"wanted an object of type 'Feature', got"),
    "properties null": (put("lane", "properties", value=None), r"properties: wanted an object with kind, got nothing"),
    "properties a list": (put("lane", "properties", value=[1]), r"properties: wanted an object with kind, got \[1\]"),
    "field absent": (
        drop("lane", "properties", "width_m"),
        r"lane 'lane': width_m: wanted a number from .* got nothing",
    ),
    "field misspelt": (
        renamed("lane", "width_m", "widht_m"),
        r"lane 'lane': width_m: wanted .* got nothing, but 'widht_m'",
    ),
    "optional field misspelt": (
        property_of("lane", "nmae_en", "East Street"),
        r"lane 'lane': wanted a known property, got 'nmae_en'; did you mean 'name_en'",
    ),
    "number as a text": (property_of("lane", "width_m", "3.2"), r"width_m: wanted a number .* got '3\.2'"),
    "range upside down": (
        put("sensor", "properties", value={**_RAIN, "lowest": 5, "highest": 5}),
        r"highest: wanted more than lowest, 5, got 5",
    ),
    "number a truth value": (property_of("sensor", "period_s", True), r"period_s: wanted a number .* got true"),
    "number negative": (property_of("camera", "range_m", -1), r"camera 'cam': range_m: wanted .* got -1"),
    "number zero": (property_of("crosswalk", "width_m", 0), r"crosswalk 'walk': width_m: wanted .* got 0"),
    "number too large": (property_of("camera", "fov_deg", 361), r"fov_deg: wanted .* to 360 degrees, got 361"),
    "number of 400 digits": (property_of("camera", "range_m", 10**400), r"range_m: wanted a number .* got"),
    "heading a compass word": (property_of("camera", "heading_deg", "N"), r"heading_deg: wanted .* got 'N'"),
    "text a number": (property_of("lane", "road", 7), r"road: wanted a text .* got 7"),
    "name of line breaks": (property_of("lane", "name", "a\nb"), r"name: wanted a text .* got 'a\\nb'"),
    "position absent": (
        drop("camera", "properties", "position"),
        r"position: wanted \[longitude, latitude\], got nothing",
    ),
    "position of one number": (
        property_of("camera", "position", [117.0]),
        r"position: wanted \[longitude, .* got \[117\.0\]",
    ),
    "position swapped": (property_of("camera", "position", [36.6, 117.0]), r"these look swapped"),
    "homography of two rows": (
        property_of("camera", "homography", [[1, 0, 0], [0, 1, 0]]),
        r"homography: wanted an invertible",
    ),
    "homography flat": (
        property_of("camera", "homography", [[1, 2, 3], [2, 4, 6], [0, 0, 1]]),
        r"homography: wanted an invertible",
    ),
    "homography of texts": (property_of("camera", "homography", [["a"] * 3] * 3), r"homography: wanted an invertible"),
    "lens of numbers alone": (
        property_of("camera", "lens", [-0.3, 0.1]),
        r"camera 'cam': lens: wanted an object, got \[-0\.3",
    ),
    "lens without a focal length": (
        property_of("camera", "lens", {"k1": 0.1, "centre_x": 9, "centre_y": 9}),
        r"camera 'cam': lens: focal_px: wanted a number from 1 to 100000 px, got nothing",
    ),
    "lens of text": (
        property_of("camera", "lens", LENS | {"k2": "0.1"}),
        r"camera 'cam': lens: k2: wanted a number from -100000 to 100000 without a unit, got '0\.1'",
    ),
    "lens misspelt": (
        property_of("camera", "lens", LENS | {"center_x": 5}),
        r"lens: wanted one of centre_x, centre_y, focal_px, k1, k2, got 'center_x'; did you mean 'centre_x'",
    ),
    "picture of one side": (
        property_of("camera", "picture_px", [1920]),
        r"camera 'cam': picture_px: wanted \[width, height\] of 1 to 65536 px, got \[1920\]",
    ),
    "picture of no width": (property_of("camera", "picture_px", [0, 1080]), r"picture_px: wanted .*, got \[0, 1080\]"),
    "lens out of range": (property_of("camera", "lens", LENS | {"focal_px": 0}), r"lens: focal_px: wanted .*, got 0"),
    "datum of a source unknown": (
        property_of("sensor", "datum", "GCJ-20"),
        r"datum: wanted one of .* did you mean 'GCJ-02'",
    ),
    "signal of no intersection": (
        property_of("signal", "intersection", "east gait"),
        r"signal 'sig': intersection: wanted the id of .* got 'east gait'; did you mean 'east gate'",
    ),
    "geometry null": (
        put("lane", "geometry", value=None),
        r"geometry: wanted a geometry of type LineString .* got nothing",
    ),
    "geometry absent": (drop("lane", "geometry"), r"geometry: wanted a geometry of type LineString .* got nothing"),
    "geometry of another type": (
        put("lane", "geometry", value={"type": "Point", "coordinates": degrees(0, 0)}),
        r"wanted a geometry of type LineString .* got type 'Point'",
    ),
    "geometry type misspelt": (put("lane", "geometry", "type", value="Linestring"), r"did you mean 'LineString'"),
    "geometry of several parts": (
        put("lane", "geometry", value={"type": "MultiLineString", "coordinates": [TRIANGLE, TRIANGLE]}),
        r"got type 'MultiLineString'",
    ),
    "coordinates null": (coordinates_of("lane", None), r"geometry: wanted a list of .* positions, got nothing"),
    "coordinates of texts": (
        coordinates_of("lane", ["a", "b"]),
        r"position 0: wanted \[longitude, latitude\], got 'a'",
    ),
    "coordinates of nulls": (
        coordinates_of("lane", [degrees(0, 0), [None, None]]),
        r"position 1: wanted .* got \[None, None\]",
    ),
    "coordinates nested too deep": (
        coordinates_of("lane", [TRIANGLE]),
        r"position 0: wanted \[longitude, latitude\], got",
    ),
    "coordinates swapped": (
        coordinates_of("lane", [[36.6, 117.0], [36.6, 117.1]]),
        r"position 0: .* these look swapped",
    ),
    "coordinates in metres": (
        coordinates_of("lane", [[5000.0, 400.0], [5010.0, 400.0]]),
        r"wanted longitude -180 to 180",
    ),
    "line of one point": (
        coordinates_of("lane", [degrees(0, 0)]),
        r"wanted a line of two different points or more, got 1",
    ),
    "line without length": (
        coordinates_of("lane", [degrees(0, 0)] * 5),
        r"wanted a line of two different points or more, got 1",
    ),
    "line of nothing": (coordinates_of("crosswalk", []), r"wanted a line of two different points or more, got 0"),
    "line of too many points": (
        coordinates_of("lane", [degrees(0, 0)] * 10_001),
        r"at most 10000 positions, got 10001",
    ),
    "ring not closed": (coordinates_of("camera", [[*TRIANGLE, degrees(9, 9)]]), r"wanted a closed ring, got different"),
    "ring of two points": (
        coordinates_of("camera", [[degrees(0, 0), degrees(9, 0), degrees(0, 0)]]),
        r"wanted a ring of three different points or more and the first again, got 3",
    ),
    "ring without area": (
        coordinates_of("camera", [[degrees(0, 0), degrees(5, 0), degrees(9, 0), degrees(0, 0)]]),
        r"camera 'cam': geometry: wanted an area, got a ring of",
    ),
    "polygon with a hole": (
        coordinates_of("camera", [[*TRIANGLE, TRIANGLE[0]]] * 2),
        r"one ring without holes, got 2 rings",
    ),
    "polygon without rings": (coordinates_of("intersection", []), r"one ring without holes, got 0 rings"),
    "feature on null island": (
        coordinates_of("sensor", [0.0, 0.0]),
        r"sensor 'air': .* within 200 km of the others, got \[0\.0, 0\.0\]",
    ),
    "feature in another province": (
        coordinates_of("lane", [FAR, [117.3, 10.0]]),
        r"lane 'lane': .* within 200 km of the others",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_feature_is_named(name: str) -> None:
    """The error names the feature and the field, what was wanted and what was found."""
    change, message = SPOILT[name]
    features = json.loads(json.dumps(parts()))
    change(features)
    with pytest.raises(MapError, match=message):
        load_city(json.dumps(collection(*features.values())).encode())


def whole(**members: Any) -> bytes:
    """A sound map with other top-level members."""
    return json.dumps(collection(*parts().values(), **members)).encode()


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", r"city map: wanted a GeoJSON FeatureCollection, got"),
    "not JSON": (b"\x89PNG\r\n", r"wanted a GeoJSON FeatureCollection, got"),
    "cut off": (whole()[:-20], r"wanted a GeoJSON FeatureCollection, got"),
    "two maps in one": (whole() + whole(), r"wanted a GeoJSON FeatureCollection, got"),
    "a number": (b"42", r"wanted a GeoJSON FeatureCollection, got Expected `object`"),
    "a list": (b"[]", r"wanted a GeoJSON FeatureCollection, got Expected `object`"),
    "features not a list": (b'{"type":"FeatureCollection","features":{}}', r"got Expected `array`.*features"),
    "features absent": (b'{"type":"FeatureCollection"}', r"missing required field `features`"),
    "a feature that is a number": (
        b'{"type":"FeatureCollection","datum":"WGS-84","features":[7]}',
        r"number 0: .* got 7",
    ),
    "another type": (whole(type="Topology"), r"type: wanted 'FeatureCollection', got 'Topology'"),
    "datum absent": (whole(datum=None), r"city map: datum: wanted one of WGS-84, .*, got nothing"),
    "datum unknown": (whole(datum="WGS-48"), r"datum: wanted one of .*, got 'WGS-48'; did you mean 'WGS-84'"),
    "datum a number": (whole(datum=4326), r"datum: wanted one of .*, got 4326"),
    "origin a text": (whole(origin="here"), r"origin: wanted \[longitude, latitude\], got 'here'"),
    "origin elsewhere": (
        whole(origin=[2.35, 48.86]),
        r"origin: wanted a point near the features, got \[2\.35, 48\.86\]",
    ),
    "nested 100 000 deep": (
        b'{"type":"FeatureCollection","features":[' + b"[" * 100_000,
        r"wanted a GeoJSON FeatureCollection",
    ),
    "a feature nested deep": (
        b'{"type":"FeatureCollection","datum":"WGS-84","features":[' + b"[" * 900 + b"]" * 900 + b"]}",
        r"wanted ",
    ),
    "UTF-16": (whole().decode().encode("utf-16"), r"wanted a GeoJSON FeatureCollection, got"),
    "bytes that are not UTF-8": (whole().replace(b'"cam"', b'"c\xff\xfem"'), r"wanted a GeoJSON feature, got"),
    "NaN": (whole().replace(b'"width_m": 4.0', b'"width_m": NaN'), r"wanted a GeoJSON FeatureCollection, got"),
    "an infinite number": (whole().replace(b'"width_m": 4.0', b'"width_m": 1e999'), r"wanted"),
    "half a character": (whole().replace(b'"cam"', b'"c\\ud800m"'), r"wanted"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name: str) -> None:
    """Bytes that are not a map raise MapError and nothing else."""
    data, message = BROKEN[name]
    with pytest.raises(MapError, match=message):
        load_city(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_whatever_stands_anywhere_in_a_map_is_read_or_refused(data: st.DataObject) -> None:
    """Any value in place of any member, at any depth: a map, or a MapError that says what was wanted."""
    spoilt = collection(*parts().values())
    at: Any = spoilt
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(values)
    assert read_or_refused(json.dumps(spoilt).encode())


@given(noise=st.binary(max_size=60), at=st.integers(0, 3000), length=st.integers(0, 60))
def test_damaged_bytes_are_read_or_refused(noise: bytes, at: int, length: int) -> None:
    """Bytes overwritten anywhere in a file."""
    sound = msgspec.json.encode(collection(*parts().values()))
    assert read_or_refused(sound[:at] + noise + sound[at + length :])


def read_or_refused(data: bytes) -> bool:
    """Whether bytes are a map, or are refused with a short word on what was wanted; any other error is raised."""
    try:
        city = load_city(data)
    except MapError as refused:
        return "wanted" in str(refused) and len(str(refused)) < 1000
    return isinstance(city, CityMap) and len(city.source_keys) == len(city.sources)
