"""The city map as the page draws it: metres to a decimetre, and no more features than a page can hold."""

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

import numpy as np
import shapely

from city_brain.city import city_map
from city_brain.city.city_map import CityMap
from city_brain.geo import METRES_PER_DEGREE
from city_brain.page import document as told
from city_brain.types import Floats

MOST: Final = {"lanes": 20_000, "cameras": 5_000, "signals": 5_000, "sensors": 10_000, "areas": 500}
"""Features of a kind that a page draws: a city of that size is some 8 MB of JSON, and still pans."""
AREA_ERROR_M: Final = 20.0
"""Borders are simplified to within this."""

Feature = TypeVar("Feature")
Counted = Literal["lanes", "cameras", "signals", "sensors", "areas"]


def ground_of(city: CityMap) -> tuple[told.Ground, list[told.Limit]]:
    """The map, and what of it is not shown."""
    limits: list[told.Limit] = []

    def some(what: Counted, features: Sequence[Feature]) -> Sequence[Feature]:
        if len(features) > MOST[what]:
            limits.append(told.Limit(what, MOST[what], len(features)))
        return features[: MOST[what]]

    ground = told.Ground(
        frame=told.Frame(city.frame.lon0, city.frame.lat0, city.frame.metres_per_lon, METRES_PER_DEGREE),
        box=_box(city),
        lanes=tuple(told.Lane(_round(lane.width_m), _flat(lane.line)) for lane in some("lanes", city.lanes)),
        crosswalks=tuple(_flat(crosswalk.line) for crosswalk in city.crosswalks[: MOST["lanes"]]),
        junctions=tuple(
            told.Junction(**_named(at), x=_round(at.x), y=_round(at.y), outline=_flat(at.outline))
            for at in city.intersections[: MOST["lanes"]]
        ),
        cameras=tuple(
            told.Camera(
                **_named(at), x=_round(at.x), y=_round(at.y), heading_deg=_round(at.heading_deg), view=_flat(at.view)
            )
            for at in some("cameras", city.cameras)
        ),
        signals=tuple(
            told.Signal(**_named(at), x=_round(at.x), y=_round(at.y)) for at in some("signals", city.signals)
        ),
        sensors=tuple(
            told.Sensor(**_named(at), x=_round(at.x), y=_round(at.y), quantity=at.quantity, unit=at.unit)
            for at in some("sensors", city.sensors)
        ),
        areas=tuple(told.Border(**_named(at), rings=_rings(at)) for at in some("areas", city.areas)),
    )
    return ground, limits


def _box(city: CityMap) -> tuple[float, float, float, float]:
    """What is to be seen at first; a map of one point has a street's width around it."""
    west, south, east, north = city.box
    return _round(west - 30), _round(south - 30), _round(east + 30), _round(north + 30)


def _named(feature: city_map.Names) -> dict[str, str]:
    return {"id": feature.id, "zh": feature.name or "", "en": feature.name_en or ""}


def _rings(area: city_map.Area) -> tuple[told.Line, ...]:
    simple = area.shape.simplify(AREA_ERROR_M)
    parts = [part for part in shapely.get_parts(simple) if isinstance(part, shapely.Polygon)]
    return tuple(
        _flat(np.array(ring.coords, dtype=np.float64)[:, :2])
        for part in parts
        for ring in (part.exterior, *part.interiors)
        if len(ring.coords) > 2
    )


def _flat(line: Floats) -> told.Line:
    flat: list[float] = np.round(line, 1).ravel().tolist()
    return flat


def _round(metres: float) -> float:
    return round(float(metres), 1)
