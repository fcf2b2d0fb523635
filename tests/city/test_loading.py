"""Reading and writing maps: nothing is lost on the way, and the order and winding of the file do not matter."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.city_map import CityMap, LensShape, SourceKind
from city_brain.city.datum import Datum
from city_brain.city.loading import city_to_geojson, load_city
from city_brain.errors import MapError
from city_brain.numerics import hash63
from city_brain.types import Floats
from tests.city.city_maps import (
    ORIGIN,
    Feature,
    area,
    built,
    camera,
    collection,
    crossing,
    crosswalk,
    degrees,
    feature,
    intersection,
    lane,
    ring,
    sensor,
    signal,
    square,
)


def everything() -> list[Feature]:
    """One feature of every kind at least."""
    return [
        *crossing([0, 90]),
        camera("cam", 1, 2, square(3, 4, 20)),
        signal("sig", "X"),
        sensor("air", 10, 10),
        crosswalk("walk", [(0, 0), (10, 0), (12, 3)]),
    ]


def area_m2(ring: Floats) -> float:
    """Shoelace area of an open ring; positive when counter-clockwise."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def same(one: CityMap, other: CityMap) -> bool:
    """Two maps that would be written alike."""
    return city_to_geojson(one) == city_to_geojson(other)


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
spot = st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000))


@st.composite
def features(draw: st.DrawFn) -> list[Feature]:
    """Any valid features in any order, rings of any winding."""
    listed: list[Feature] = []
    ids = draw(st.lists(names, unique=True, min_size=1, max_size=12))
    listed.append(intersection("X", square(*draw(spot), 15.0)))
    for identity in ids:
        kind = draw(st.sampled_from(["camera", "signal", "sensor", "lane", "crosswalk", "area"]))
        x, y = draw(spot)
        winding = draw(st.sampled_from([1, -1]))
        if kind == "camera":
            made = camera(identity, x, y, square(x, y, draw(st.floats(0.2, 100.0)))[::winding])
        elif kind == "signal":
            made = signal(identity, "X", x, y)
        elif kind == "sensor":
            made = sensor(identity, x, y)
            bounds = {"lowest": st.floats(-100.0, 0.0), "highest": st.floats(1.0, 1000.0)}
            made["properties"] |= draw(st.fixed_dictionaries({}, optional=bounds))
        elif kind == "area":
            made = area(identity, square(x, y, 50.0)[::winding], f"c{len(listed)}")
        else:
            line = [(x, y), (x + draw(st.floats(1.0, 50.0)), y), (x, y + draw(st.floats(1.0, 50.0)))]
            made = lane(identity, draw(names), line) if kind == "lane" else crosswalk(identity, line)
        made["properties"] |= draw(st.fixed_dictionaries({}, optional={"name": names, "name_en": names}))
        listed.append(made)
    return draw(st.permutations(listed))


@given(features=features(), datum=st.sampled_from(list(Datum)))
def test_a_map_survives_being_written_and_read(features: list[Feature], datum: Datum) -> None:
    """All fields come back, geometry to a centimetre, and a second round changes no byte."""
    city = built(*features, datum=datum.label)
    written = city_to_geojson(city)
    again = load_city(written)
    assert city_to_geojson(again) == written
    assert again.datum == datum
    assert again.frame == city.frame
    assert again.source_ids == city.source_ids
    for kind in ("cameras", "intersections", "signals", "sensors", "lanes", "crosswalks"):
        for one, other in zip(getattr(city, kind), getattr(again, kind), strict=True):
            _assert_alike(one, other)
    assert again.unread == city.unread


def _assert_alike(one: Any, other: Any) -> None:
    for name in [slot for cls in type(one).__mro__ for slot in getattr(cls, "__slots__", ())]:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, float | np.ndarray):
            assert np.allclose(a, b, atol=0.02, rtol=0), name
        else:
            assert a == b, name


@given(features=features(), seed=st.integers(0, 2**32 - 1))
def test_neither_order_nor_winding_of_the_file_matter(features: list[Feature], seed: int) -> None:
    """Shuffled features and turned rings give the same map."""
    rng = np.random.default_rng(seed)
    shuffled = json.loads(json.dumps([features[k] for k in rng.permutation(len(features))]))
    for item in shuffled:
        if item["geometry"]["type"] == "Polygon" and rng.random() < 0.5:
            points = item["geometry"]["coordinates"][0][:-1]
            k = int(rng.integers(len(points)))
            item["geometry"]["coordinates"] = [[*points[k:], *points[:k], points[k]][::-1]]
    one, other = built(*features), built(*shuffled)
    assert one.source_keys.tolist() == other.source_keys.tolist()
    for a, b in zip(one.cameras, other.cameras, strict=True):
        assert area_m2(a.view) == pytest.approx(area_m2(b.view), rel=1e-9)
        assert area_m2(a.view) > 0
    unturned = built(*(features[k] for k in rng.permutation(len(features))))
    assert same(one, unturned)


def test_rings_are_written_closed_and_counter_clockwise(shared: Path) -> None:
    """As RFC 7946 §3.1.6 asks, whatever was read."""
    written = json.loads(city_to_geojson(load_city(shared / "scenarios/tune/104/city.geojson")))
    rings = [f["geometry"]["coordinates"] for f in written["features"] if f["geometry"]["type"] == "Polygon"]
    assert len(rings) > 50
    for [points] in rings:
        assert points[0] == points[-1]
        assert area_m2((np.array(points[:-1]) - points[0]) * 1e5) > 0


def test_a_scenario_is_read_whole(shared: Path) -> None:
    """Every feature is there, with its coordinates to a centimetre."""
    path = shared / "scenarios/tune/101/city.geojson"
    plain = json.loads(path.read_bytes())
    again = json.loads(city_to_geojson(load_city(path)))
    wanted = {(f["properties"]["kind"], f["id"]): f for f in plain["features"]}
    found = {(f["properties"]["kind"], f["id"]): f for f in again["features"]}
    assert wanted.keys() == found.keys()
    for key, item in wanted.items():
        assert found[key]["properties"] == item["properties"]
        if item["geometry"]["type"] == "LineString":
            assert found[key]["geometry"] == item["geometry"]


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_a_map_in_another_datum_lies_in_the_same_place(datum: Datum) -> None:
    """The same corner, once measured in WGS-84 and once taken from a domestic map, has the same metres."""
    plain = built(sensor("s", 100.0, 200.0))
    text = city_to_geojson(plain).replace(b"WGS-84", datum.label.encode())
    assert load_city(text).sensors[0].x != pytest.approx(100.0, abs=100.0)
    shifted = json.loads(text)
    converted = _shifted(plain, datum)
    shifted["features"] = [converted]
    city = load_city(msgspec.json.encode(shifted))
    assert (city.sensors[0].x, city.sensors[0].y) == pytest.approx((100.0, 200.0), abs=0.02)


def _shifted(city: CityMap, datum: Datum) -> Feature:
    again = CityMap(frame=city.frame, datum=datum, sensors=city.sensors)
    made: Feature = json.loads(city_to_geojson(again))["features"][0]
    return made


def test_sources_are_listed_by_key() -> None:
    """Cameras, signals and sensors in order of their hash, with kind, place, reach and datum along it."""
    far = sensor("far", 500.0, 0.0)
    far["properties"]["datum"] = "BD-09"
    city = built(*everything(), far, datum="GCJ-02")
    assert np.all(np.diff(city.source_keys) > 0)
    assert [hash63(name) for name in city.source_ids] == city.source_keys.tolist()
    assert sorted(city.source_ids) == ["air", "cam", "far", "sig"]
    at = {name: k for k, name in enumerate(city.source_ids)}
    assert city.source_kind[at["cam"]] == SourceKind.CAMERA
    assert city.source_kind[at["sig"]] == SourceKind.SIGNAL
    assert city.source_range_m[[at["cam"], at["air"]]].tolist() == [100.0, 0.0]
    assert city.source_datum[[at["far"], at["air"]]].tolist() == [Datum.BD09, Datum.GCJ02]
    assert city.source_xy[at["cam"]].tolist() == [city.cameras[0].x, city.cameras[0].y]


def test_what_other_tools_write_is_read() -> None:
    """One-part Multi geometries, altitudes, ids that are numbers, repeated points, null and foreign properties."""
    square_ring = ring(square(0, 0, 10))
    corners = [[*point, 31.5] for point in square_ring[0]]
    multi = feature("intersection", "m", "MultiPolygon", [[corners]], layer="export", fid=7, name=None)
    numbered = feature("sensor", "", "Point", degrees(1, 1), quantity="rain", unit="mm/h", period_s=60)
    numbered["id"] = 42
    line = [degrees(0, 0), degrees(0, 0), degrees(5, 0), degrees(5, 0)]
    facts = {"road": "r", "width_m": 3, "speed_limit_mps": 8}
    city = built(multi, numbered, feature("lane", "l", "MultiLineString", [line], **facts))
    assert len(city.intersections[0].outline) == 4
    assert city.intersections[0].name is None
    assert (city.intersections[0].x, city.intersections[0].y) == pytest.approx((0, 0), abs=0.01)
    assert city.sensors[0].id == "42"
    assert len(city.lanes[0].line) == 2


def test_a_homography_is_read_as_a_matrix() -> None:
    """With its error; and written back."""
    item = camera("c", 0, 0, square(0, 0, 10))
    item["properties"] |= {"homography": [[1, 2, 3], [0, 1, 4], [0, 0, 1]], "homography_error_m": 0.4}
    [seen] = load_city(city_to_geojson(built(item))).cameras
    assert seen.homography is not None
    assert seen.homography.tolist() == [[1, 2, 3], [0, 1, 4], [0, 0, 1]]
    assert seen.homography_error_m == 0.4


def test_a_lens_is_read_and_written_back() -> None:
    """All of it, k2 as 0 where it is left out; a camera without one has none, and writes none."""
    item = camera("c", 0, 0, square(0, 0, 10))
    assert built(item).cameras[0].lens is None
    assert b"lens" not in city_to_geojson(built(item))
    item["properties"] |= {"lens": {"k1": -0.3, "focal_px": 1200, "centre_x": 960, "centre_y": 540.5}}
    [seen] = load_city(city_to_geojson(built(item))).cameras
    assert seen.lens == LensShape(k1=-0.3, k2=0.0, focal_px=1200.0, centre_x=960.0, centre_y=540.5)


def test_kinds_of_later_are_kept_as_they_are() -> None:
    """A map may hold zones already: they come back untouched, and count as nothing else."""
    text = b'{"type":"Feature","id":"370102","geometry":null,"properties":{"kind":"zone","of":{"any":[1.50]}}}'
    body = msgspec.json.encode(collection()).replace(b"[]}", b"[" + text + b"]}")
    city = load_city(body)
    assert city.unread == (text,)
    assert text in city_to_geojson(city)


def test_the_frame_stays_when_the_map_is_edited() -> None:
    """The origin is written, so a new camera does not move what the old ones saw."""
    plain = collection(*everything())
    del plain["origin"]
    city = load_city(msgspec.json.encode(plain))
    assert (city.frame.lon0, city.frame.lat0) == ORIGIN
    edited = json.loads(city_to_geojson(city))
    edited["features"].append(sensor("far", 30_000, 9_000))
    assert load_city(msgspec.json.encode(edited)).frame == city.frame


def test_an_empty_map_is_a_map() -> None:
    """Nothing on it, a frame at 0, 0 and an empty box."""
    city = load_city(b'{"type":"FeatureCollection","datum":"WGS-84","features":[]}')
    assert city.box == (0.0, 0.0, 0.0, 0.0)
    assert city.sources == ()
    assert city.source_keys.tolist() == []
    assert json.loads(city_to_geojson(city))["features"] == []


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    """A map may come from a path; a missing or broken file is a MapError with its name."""
    path = tmp_path / "town.geojson"
    path.write_bytes(city_to_geojson(built(*everything())))
    assert same(load_city(path), load_city(str(path)))
    path.write_bytes(b"{")
    with pytest.raises(MapError, match=r"town\.geojson: wanted a GeoJSON FeatureCollection, got"):
        load_city(path)
    with pytest.raises(MapError, match="wanted a readable file, got"):
        load_city(tmp_path / "absent.geojson")


def test_geometry_cannot_be_changed() -> None:
    """A map is a value: writing into its arrays raises."""
    with pytest.raises(ValueError, match="read-only"):
        built(*everything()).lanes[0].line[0, 0] = 0.0
