"""What admission knows of a map: where its sources stand, how far they reach, in which datum and unit they speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from city_brain.city.city_map import CityMap, Sensor, SourceKind
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.observations.admission.words import HIGH, LOW, SCALE, SHIFT, UNIT_CODES
from city_brain.observations.vocabulary import QUANTITY_CODES
from city_brain.types import Column, Floats, Indices, Ints

MAP_MARGIN_M: Final = 3_000.0
"""How far outside the map's box a source that is not on the map may speak of."""
CAMERA_RANGES: Final = 3.0
CAMERA_MARGIN_M: Final = 50.0
"""A detection must lie within this many ranges of its camera, plus the margin."""
MAPPED_MARGIN_M: Final = 200.0
"""A row of another mapped source, if it gives a position, must give one this close to the map's."""
NO_DATUM: Final = len(Datum)
"""The datum of a source that is not on the map and does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class AdmissionTable:
    """What admission looks up, built once per map.

    Arrays are (sources + 1,); the last place, so index -1, stands for a source that is not on the map. `index`: place
    of a source id. `key`: its hash63. `reach_m`: how far from (`x`, `y`) its rows lie. `quantity`, `unit`: what a
    sensor measures, -1 where not known; `low`, `high`: what it can read, in the
    canonical unit. `box`: west, south, east, north of the map with its margin, in metres.
    """

    frame: LocalFrame
    index: Mapping[str, int]
    key: Ints
    x: Floats
    y: Floats
    reach_m: Floats
    datum: Indices
    quantity: Indices
    unit: Indices
    low: Floats
    high: Floats
    box: tuple[float, float, float, float]

    @classmethod
    def from_city(cls, city: CityMap) -> "AdmissionTable":
        """The table of a map."""
        sources, xy = city.sources, city.source_xy
        near = CAMERA_RANGES * city.source_range_m + CAMERA_MARGIN_M
        reach_m = np.where(city.source_kind == int(SourceKind.CAMERA), near, MAPPED_MARGIN_M)
        quantity = [QUANTITY_CODES.get(source.quantity, -1) if isinstance(source, Sensor) else -1 for source in sources]
        unit = [UNIT_CODES.get(source.unit, -1) if isinstance(source, Sensor) else -1 for source in sources]
        scale, shift = SCALE[quantity, unit], SHIFT[quantity, unit]
        lowest, highest = (
            np.array([getattr(source, name, None) for source in sources], np.float64) * scale + shift
            for name in ("lowest", "highest")
        )
        west, south, east, north = city.box
        return cls(
            frame=city.frame,
            index={name: at for at, name in enumerate(city.source_ids)},
            key=_with_last(city.source_keys, 0, np.int64),
            x=_with_last(xy[:, 0], np.nan, np.float64),
            y=_with_last(xy[:, 1], np.nan, np.float64),
            reach_m=_with_last(reach_m, np.nan, np.float64),
            datum=_with_last(city.source_datum, NO_DATUM, np.int32),
            quantity=_with_last(quantity, -1, np.int32),
            unit=_with_last(unit, -1, np.int32),
            low=_with_last(np.where(np.isnan(lowest), LOW[quantity], lowest), np.nan, np.float64),
            high=_with_last(np.where(np.isnan(highest), HIGH[quantity], highest), np.nan, np.float64),
            box=(west - MAP_MARGIN_M, south - MAP_MARGIN_M, east + MAP_MARGIN_M, north + MAP_MARGIN_M),
        )


def _with_last(values: Any, last: float, kind: type[np.generic]) -> Column:
    return np.array([*values, last], dtype=kind)
