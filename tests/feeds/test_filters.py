"""Filters: each condition alone and together, and what is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.filters import Circle, Polygon
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import MultiLineString, Place
from tests.feeds.builders import a_filter, an_incident

SQUARE = Polygon(((117.0, 36.6), (117.1, 36.6), (117.1, 36.7), (117.0, 36.7)))
QUEUE = MultiLineString(coordinates=(((117.2, 36.65), (117.21, 36.65)), ((117.05, 36.65), (117.04, 36.65))))


@pytest.mark.parametrize(
    ("wanted", "incident", "matches"),
    [
        ({}, {}, True),
        ({"types": ("crash", "fire")}, {"type": "fire"}, True),
        ({"types": ("crash", "fire")}, {"type": "congestion"}, False),
        ({"states": ("active",)}, {"state": "active"}, True),
        ({"states": ("active",)}, {"state": "ended"}, False),
        ({"minimum_level": "II"}, {"level": "I"}, True),
        ({"minimum_level": "II"}, {"level": "II"}, True),
        ({"minimum_level": "II"}, {"level": "III"}, False),
        ({"minimum_level": "IV"}, {"level": None}, False),
        ({"minimum_confidence": 0.5}, {"confidence": 0.5}, True),
        ({"minimum_confidence": 0.5}, {"confidence": 0.499}, False),
        ({"area_codes": ("370102",)}, {"place": Place(area_codes=("370000", "370100", "370102"))}, True),
        ({"area_codes": ("370102",)}, {"place": Place(area_codes=("370000", "370100"))}, False),
        ({"area": SQUARE}, {"lon": 117.05, "lat": 36.65}, True),
        ({"area": SQUARE}, {"lon": 116.999, "lat": 36.65}, False),
        ({"area": SQUARE}, {"lon": 116.999, "lat": 36.65, "radius_m": 100.0}, True),
        ({"area": SQUARE}, {"lon": 117.2, "lat": 36.65, "geometry": QUEUE}, True),
        ({"area": Circle(117.0, 36.65, 500.0)}, {"lon": 117.0, "lat": 36.6544}, True),
        ({"area": Circle(117.0, 36.65, 500.0)}, {"lon": 117.0, "lat": 36.6546}, False),
        ({"types": ("crash",), "states": ("ended",)}, {"type": "crash", "state": "active"}, False),
    ],
)
def test_conditions_hold_together(wanted: dict[str, Any], incident: dict[str, Any], matches: bool) -> None:
    """A filter matches where all its conditions hold; a level that is missing is no level at all."""
    assert a_filter(**wanted).matches(an_incident(**incident)) is matches


@given(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_a_circle_is_as_wide_as_it_says(east: float, north: float) -> None:
    """Within half a per cent of the radius, membership is that of the distance on the sphere."""
    lon, lat, radius_m = 117.0, 36.65, 1_000.0
    metres = 111_195.0 * math.hypot(east * math.cos(math.radians(lat)), north)
    matches = a_filter(area=Circle(lon, lat, radius_m)).matches(an_incident(lon=lon + east, lat=lat + north))
    if abs(metres - radius_m) > 0.005 * radius_m:
        assert matches is (metres < radius_m)


@pytest.mark.parametrize("turn", [0, 1, 3])
@pytest.mark.parametrize("way", [1, -1])
def test_any_winding_and_beginning_of_a_polygon_is_read(turn: int, way: int) -> None:
    """The border may begin anywhere, run either way, and be closed or not."""
    border = (SQUARE.border[turn:] + SQUARE.border[:turn])[::way]
    for polygon in (Polygon(border), Polygon((*border, border[0]))):
        assert a_filter(area=polygon).matches(an_incident(lon=117.05, lat=36.65))
        assert not a_filter(area=polygon).matches(an_incident(lon=117.15, lat=36.65))


@pytest.mark.parametrize(
    ("wanted", "reason", "nearest"),
    [
        ({"types": ("crash", "stoped_vehicle")}, Reason.UNKNOWN_TYPE, "stopped_vehicle"),
        ({"types": ("qqq",)}, Reason.UNKNOWN_TYPE, ""),
        ({"states": ("actve",)}, Reason.UNKNOWN_STATE, "active"),
        ({"minimum_level": "IIII"}, Reason.UNKNOWN_LEVEL, "III"),
        ({"area_codes": ("370103",)}, Reason.UNKNOWN_AREA, "370102"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(wanted: dict[str, Any], reason: Reason, nearest: str) -> None:
    """A slip of the pen is an error that helps, never a quiet feed."""
    with pytest.raises(RefusedError) as refused:
        a_filter(**wanted)
    assert refused.value.reason is reason
    assert refused.value.facts["nearest"] == nearest
    assert "known: " in str(refused.value)
    assert (f"did you mean '{nearest}'?" in str(refused.value)) is bool(nearest)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"minimum_confidence": 1.5}, "filter.minimum_confidence: wanted a probability"),
        ({"minimum_confidence": math.nan}, "filter.minimum_confidence: wanted a probability"),
        ({"types": ("crash",) * 101}, "filter.types: wanted at most 100 names, got 101"),
        ({"area": Circle(117.0, 36.65, 0.0)}, "filter.circle: wanted a radius above 0"),
        ({"area": Circle(117.0, 36.65, math.inf)}, "filter.circle: wanted a radius above 0"),
        ({"area": Circle(36.65, 117.0, 100.0)}, "filter.circle: wanted a centre in degrees"),
        ({"area": Circle(math.nan, 36.65, 100.0)}, "filter.circle: wanted a centre in degrees"),
        ({"area": Polygon(SQUARE.border[:2])}, "filter.polygon: wanted 3 to 1000 vertices, got 2"),
        ({"area": Polygon(((117.0, 36.6),) * 1001)}, "filter.polygon: wanted 3 to 1000 vertices, got 1001"),
        ({"area": Polygon(((117.0, 36.6),) * 4)}, "filter.polygon: wanted a border that encloses an area"),
        ({"area": Polygon((*SQUARE.border[:2], (200.0, 36.7)))}, "filter.polygon: wanted vertices in degrees"),
        (
            {"area": Polygon((SQUARE.border[0], SQUARE.border[2], SQUARE.border[1], SQUARE.border[3]))},
            "filter.polygon: wanted a border that encloses an area and does not cross itself",
        ),
    ],
)
def test_figures_and_shapes_out_of_range_are_refused(wanted: dict[str, Any], said: str) -> None:
    """The refusal names the field, what was wanted and what was found."""
    with pytest.raises(RefusedError, match=said) as refused:
        a_filter(**wanted)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert str(refused.value).startswith(refused.value.field)
