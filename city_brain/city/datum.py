"""Geodetic datums of Chinese maps, converted in columns: WGS-84, CGCS2000, GCJ-02 and BD-09.

CGCS2000 differs from WGS-84 by centimetres and is taken as equal. GCJ-02 is the obfuscated datum of domestic map
services: inside China it shifts a position by 100 to 700 m. BD-09 is Baidu's second shift on top of it. The formulas
are those that every public implementation shares; outside China's bounding box GCJ-02 is WGS-84.

Sines are a polynomial of + - * only, so that a converted position has the same bits on every processor.
"""

import math
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from city_brain.types import Floats

_AXIS_M = 6378245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid."""
_ECCENTRICITY2 = 0.00669342162296594323
_PI = 3.141592653589793
_BAIDU_PI = _PI * 3000.0 / 180.0
_BAIDU_LON, _BAIDU_LAT = 0.0065, 0.006
_INVERSE_STEPS = 4
"""Each step of the inverse shrinks its error some 500 times: from 0.01° to about 1e-13° in four."""
_TAYLOR = [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1)]


class Datum(IntEnum):
    """What longitude and latitude refer to."""

    WGS84 = 0
    CGCS2000 = 1
    GCJ02 = 2
    BD09 = 3

    @property
    def label(self) -> str:
        """The name on maps and in rows."""
        return _LABELS[self]

    @classmethod
    def from_label(cls, label: str) -> "Datum | None":
        """The datum of a name such as `WGS-84`, `gcj02` or `BD-09`; None for an unknown one."""
        plain = label.upper().replace("-", "").replace("_", "").replace(" ", "")
        return {text.replace("-", ""): datum for datum, text in _LABELS.items()}.get(plain)


_LABELS = {Datum.WGS84: "WGS-84", Datum.CGCS2000: "CGCS2000", Datum.GCJ02: "GCJ-02", Datum.BD09: "BD-09"}


def to_wgs84(datum: Datum, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Degrees (n,) in `datum` to WGS-84; NaN stays NaN."""
    if datum in (Datum.WGS84, Datum.CGCS2000):
        return lon, lat
    if datum == Datum.BD09:
        lon, lat = _inverse(_gcj02_to_bd09, lon, lat)
    return _inverse(_wgs84_to_gcj02, lon, lat)


def from_wgs84(datum: Datum, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Degrees (n,) in WGS-84 to `datum`; NaN stays NaN."""
    if datum in (Datum.WGS84, Datum.CGCS2000):
        return lon, lat
    lon, lat = _wgs84_to_gcj02(lon, lat)
    return _gcj02_to_bd09(lon, lat) if datum == Datum.BD09 else (lon, lat)


def _inverse(
    forward: Callable[[Floats, Floats], tuple[Floats, Floats]], lon: Floats, lat: Floats
) -> tuple[Floats, Floats]:
    """The position that `forward` takes to (lon, lat), by fixed-point iteration: the shift varies slowly."""
    back_lon, back_lat = lon, lat
    for _ in range(_INVERSE_STEPS):
        there_lon, there_lat = forward(back_lon, back_lat)
        back_lon, back_lat = back_lon - (there_lon - lon), back_lat - (there_lat - lat)
    return back_lon, back_lat


def _sin(x: Floats) -> Floats:
    """Sine to about 1e-13, by the Taylor series after reduction to ±π/2."""
    turns = np.rint(x / _PI)
    r = x - turns * _PI
    r2 = r * r
    total = np.full_like(r, _TAYLOR[0])
    for coefficient in _TAYLOR[1:]:
        total *= r2
        total += coefficient
    total *= r
    total *= 1.0 - 2.0 * (turns - 2.0 * np.floor(turns * 0.5))
    return total


def _cos(x: Floats) -> Floats:
    return _sin(x + _PI / 2)


def _wgs84_to_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The published GCJ-02 shift; identity outside 72.004..137.8347° E, 0.8293..55.8271° N."""
    inside = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    x, y = np.where(inside, lon, 105.0) - 105.0, np.where(inside, lat, 35.0) - 35.0
    root = np.sqrt(np.abs(x))
    double = _sin(2.0 * x * _PI)
    # sin 3a = 3 sin a - 4 sin³ a
    wave = 20.0 * (double * (3.0 - 4.0 * double * double) + double) * 2.0 / 3.0
    south = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    south += (20.0 * _sin(y * _PI) + 40.0 * _sin(y / 3.0 * _PI)) * 2.0 / 3.0
    south += (160.0 * _sin(y / 12.0 * _PI) + 320.0 * _sin(y * _PI / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * _sin(x * _PI) + 40.0 * _sin(x / 3.0 * _PI)) * 2.0 / 3.0
    east += (150.0 * _sin(x / 12.0 * _PI) + 300.0 * _sin(x / 30.0 * _PI)) * 2.0 / 3.0
    angle = (y + 35.0) / 180.0 * _PI
    sine = _sin(angle)
    magic = 1.0 - _ECCENTRICITY2 * sine * sine
    root = np.sqrt(magic)
    south = south * 180.0 / (_AXIS_M * (1.0 - _ECCENTRICITY2) / (magic * root) * _PI)
    east = east * 180.0 / (_AXIS_M / root * _cos(angle) * _PI)
    return np.where(inside, lon + east, lon), np.where(inside, lat + south, lat)


def _gcj02_to_bd09(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Baidu's published shift: a small stretch and turn about (0, 0), then an offset."""
    radius = np.sqrt(lon * lon + lat * lat)
    longer = radius + 0.00002 * _sin(lat * _BAIDU_PI)
    # The turn is so small that its sine is itself, to the last bit but one.
    sine = 0.000003 * _cos(lon * _BAIDU_PI)
    cosine = 1.0 - 0.5 * sine * sine
    scale = longer / np.where(radius > 0.0, radius, 1.0)
    return (lon * cosine - lat * sine) * scale + _BAIDU_LON, (lat * cosine + lon * sine) * scale + _BAIDU_LAT
