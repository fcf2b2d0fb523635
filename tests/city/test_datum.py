"""Datums: the published shifts, their exact inverse, and what happens at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.datum import Datum, from_wgs84, to_wgs84

SHIFTED = [Datum.GCJ02, Datum.BD09]

PUBLISHED_GCJ02 = [
    (121.5272106, 31.1774276, 121.531541859215, 31.17530398364597),
    (113.912316, 22.543847, 113.9171764808363, 22.540796131694766),
    (116.377817, 39.911954, 116.38404722455657, 39.91334545536069),
]
"""Shanghai, Shenzhen, Beijing, as the public implementations share them: lon, lat in WGS-84 and in GCJ-02."""


@pytest.mark.parametrize(("lon", "lat", "gcj_lon", "gcj_lat"), PUBLISHED_GCJ02)
def test_gcj02_agrees_with_the_published_vectors(lon: float, lat: float, gcj_lon: float, gcj_lat: float) -> None:
    """Both ways, to a tenth of a millimetre."""
    there = from_wgs84(Datum.GCJ02, np.array([lon]), np.array([lat]))
    assert np.allclose(np.concatenate(there), [gcj_lon, gcj_lat], atol=1e-9, rtol=0)
    back = to_wgs84(Datum.GCJ02, np.array([gcj_lon]), np.array([gcj_lat]))
    assert np.allclose(np.concatenate(back), [lon, lat], atol=1e-9, rtol=0)


def test_bd09_agrees_with_its_formula_in_plain_trigonometry() -> None:
    """Polar form as published: radius and angle each get a small wave, then an offset."""
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(80, 130, 200), rng.uniform(20, 50, 200)
    bd_lon, bd_lat = from_wgs84(Datum.BD09, lon, lat)
    gcj_lon, gcj_lat = from_wgs84(Datum.GCJ02, lon, lat)
    for k in range(len(lon)):
        x, y, pi = float(gcj_lon[k]), float(gcj_lat[k]), math.pi * 3000 / 180
        radius = math.sqrt(x * x + y * y) + 0.00002 * math.sin(y * pi)
        angle = math.atan2(y, x) + 0.000003 * math.cos(x * pi)
        assert abs(bd_lon[k] - (radius * math.cos(angle) + 0.0065)) < 1e-10
        assert abs(bd_lat[k] - (radius * math.sin(angle) + 0.006)) < 1e-10


@pytest.mark.parametrize("datum", SHIFTED)
@given(lon=st.floats(73.0, 134.0), lat=st.floats(3.0, 53.0))
def test_there_and_back_is_the_same_place(datum: Datum, lon: float, lat: float) -> None:
    """Anywhere in China the inverse undoes the shift to a tenth of a millimetre, in either order."""
    lons, lats = np.array([lon]), np.array([lat])
    for first, second in ((from_wgs84, to_wgs84), (to_wgs84, from_wgs84)):
        back = second(datum, *first(datum, lons, lats))
        assert abs(back[0][0] - lon) < 1e-9
        assert abs(back[1][0] - lat) < 1e-9


@pytest.mark.parametrize("datum", SHIFTED)
def test_the_shift_is_hundreds_of_metres_inside_china(datum: Datum) -> None:
    """A datum that is mixed up misplaces a car by streets, so the shift must really be there."""
    lon, lat = from_wgs84(datum, np.array([117.12]), np.array([36.65]))
    away = math.hypot((lon[0] - 117.12) * 89_000, (lat[0] - 36.65) * 111_000)
    assert 300 < away < 2_000


def test_gcj02_is_wgs84_outside_china() -> None:
    """Paris stays where it is."""
    lon, lat = from_wgs84(Datum.GCJ02, np.array([2.35]), np.array([48.86]))
    assert (lon[0], lat[0]) == (2.35, 48.86)


@pytest.mark.parametrize("datum", [Datum.WGS84, Datum.CGCS2000])
def test_cgcs2000_is_taken_as_wgs84(datum: Datum) -> None:
    """Their difference is centimetres."""
    lon, lat = np.array([117.0]), np.array([36.0])
    assert to_wgs84(datum, lon, lat) == (lon, lat)
    assert from_wgs84(datum, lon, lat) == (lon, lat)


@pytest.mark.parametrize("datum", list(Datum))
def test_unknown_positions_stay_unknown_and_rows_do_not_touch_one_another(datum: Datum) -> None:
    """NaN stays NaN, and a row's result does not depend on the rows beside it."""
    lon, lat = np.array([np.nan, 117.0, 0.0, 117.0]), np.array([36.0, 36.0, 0.0, np.nan])
    there = to_wgs84(datum, lon, lat)
    alone = to_wgs84(datum, lon[1:2], lat[1:2])
    assert np.isnan(there[0][0])
    assert np.isnan(there[1][3])
    assert (there[0][1], there[1][1]) == (alone[0][0], alone[1][0])
    assert np.isfinite(there[0][2])


@pytest.mark.parametrize(
    ("label", "datum"),
    [("WGS-84", Datum.WGS84), ("wgs84", Datum.WGS84), ("GCJ-02", Datum.GCJ02), ("gcj_02", Datum.GCJ02),
     ("BD-09", Datum.BD09), ("bd09", Datum.BD09), ("CGCS2000", Datum.CGCS2000), ("EPSG:3857", None), ("", None)],
)  # fmt: skip
def test_datums_are_known_by_their_usual_spellings(label: str, datum: Datum | None) -> None:
    """Dashes and case do not matter; other words are no datum."""
    assert Datum.from_label(label) == datum


def test_every_label_reads_back() -> None:
    """What is written on a map can be read from it."""
    assert all(Datum.from_label(datum.label) == datum for datum in Datum)
