"""What is wrong with a row that is not believed, in words for its sender: the field, what is wanted, what it holds.

Row by row and slow: only refused rows are looked at so.
"""

from typing import Any, Final

import msgspec
import numpy as np

from city_brain.observations.admission.checks import CLOCK_LIMIT_MS, POSITION_ERROR_MAX_M, SPEED_MAX_MPS, Refused
from city_brain.observations.admission.table import CAMERA_RANGES, MAP_MARGIN_M, AdmissionTable
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import to_lines
from city_brain.observations.json_twin.describing import Fault, shown
from city_brain.observations.vocabulary import (
    CONVERSIONS,
    MEASURES,
    QUANTITY_CODES,
    STATUS_CODES,
    Quantity,
    Quarantine,
)
from city_brain.types import Ints
from city_brain.wording.nearest import nearest

_DATUMS: Final = "WGS-84, CGCS2000, GCJ-02 or BD-09"


def faults_of(
    observations: Observations, refused: Refused, line: Ints, table: AdmissionTable, most: int
) -> list[Fault]:
    """What is wrong with the first `most` of the rows that were refused of a batch; `line` (n,) numbers its rows."""
    which, why = refused.row[:most], refused.reason[:most].tolist()
    rows = [msgspec.json.decode(sent) for sent in to_lines(observations.take(which))] if len(which) else []
    numbers = line[which].tolist()
    return [
        _fault(number, Quarantine(reason), row, table) for number, reason, row in zip(numbers, why, rows, strict=True)
    ]


def _fault(number: int, why: Quarantine, row: dict[str, Any], table: AdmissionTable) -> Fault:
    field, wanted, got = _DESCRIBED[why](row, table)
    return Fault(line=number, field=field, wanted=wanted, got=got)


Described = tuple[str, str, str]


def _status(row: dict[str, Any], _: AdmissionTable) -> Described:
    said = row.get("status")
    return "status", "one of " + ", ".join(STATUS_CODES), shown(said) + nearest(str(said), STATUS_CODES)


def _clock(row: dict[str, Any], _: AdmissionTable) -> Described:
    arrival_ms = row.get("arrival_time_ms")
    wanted = f"at most {CLOCK_LIMIT_MS // 1000} s from its arrival, {arrival_ms}"
    return "event_time_ms", wanted, shown(row["event_time_ms"]) + _other_unit(row["event_time_ms"], arrival_ms)


def _other_unit(event_ms: int, arrival_ms: Any) -> str:
    """What is said of a time that would fit in another unit."""
    if isinstance(arrival_ms, int):
        for name, factor in (("seconds", 1000.0), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
            if abs(event_ms * factor - arrival_ms) <= CLOCK_LIMIT_MS:
                return f"; these look like {name}"
    return ""


def _swapped(place: tuple[Any, Any], table: AdmissionTable) -> str:
    """What is said of a position that would lie on the map the other way round."""
    lon, lat = place
    if lon is None or lat is None or abs(lat) > 180.0 or abs(lon) > 85.0:
        return ""
    x, y = (float(values[0]) for values in table.frame.to_metres(np.array([lat]), np.array([lon])))
    west, south, east, north = table.box
    return "; these look swapped" if west <= x <= east and south <= y <= north else ""


def _datum(row: dict[str, Any], table: AdmissionTable) -> Described:
    said = row.get("datum")
    if said is not None:
        return "datum", _DATUMS, shown(said)
    return _unknown_source(row, table)


def _position(row: dict[str, Any], table: AdmissionTable) -> Described:
    sigma, place = row.get("position_error_m"), (row.get("lon"), row.get("lat"))
    if sigma is not None and not 0.0 <= sigma <= POSITION_ERROR_MAX_M:
        return "position_error_m", f"metres from 0 to {POSITION_ERROR_MAX_M:g}", shown(sigma)
    known = row["source_id"] in table.index
    if place == (None, None):
        if known:
            return "lon, lat", "where the camera sees it", "neither"
        return _unknown_source(row, table)
    if not known:
        wanted = f"degrees within {MAP_MARGIN_M / 1000:g} km of the map, for a source that it lacks"
    elif row["kind"] == "detection":
        wanted = f"degrees within {CAMERA_RANGES:g} ranges of the camera"
    else:
        wanted = "degrees of where the map has this source"
    return "lon, lat", wanted, shown(place) + _swapped(place, table)


def _unknown_source(row: dict[str, Any], table: AdmissionTable) -> Described:
    source = row["source_id"]
    wanted = "a source of the map, or one that says its datum, lon and lat itself"
    return "source_id", wanted, shown(source) + nearest(source, table.index.keys())


def _confidence(row: dict[str, Any], _: AdmissionTable) -> Described:
    return "payload.confidence", "a number from 0 to 1", shown(row["payload"].get("confidence"))


def _speed(row: dict[str, Any], _: AdmissionTable) -> Described:
    wanted = f"metres per second from 0 to {SPEED_MAX_MPS:g}"
    return "payload.speed_mps", wanted, shown(row["payload"].get("speed_mps"))


def _heading(row: dict[str, Any], _: AdmissionTable) -> Described:
    return "payload.heading_deg", "degrees clockwise from north, 0 to 360", shown(row["payload"].get("heading_deg"))


def _quantity(row: dict[str, Any], _: AdmissionTable) -> Described:
    said = row["payload"]["quantity"]
    return "payload.quantity", "one of " + ", ".join(QUANTITY_CODES), shown(said) + nearest(said, QUANTITY_CODES)


def _unit(row: dict[str, Any], _: AdmissionTable) -> Described:
    said, quantity = row["payload"].get("unit"), row["payload"]["quantity"]
    units = [unit for code, unit in CONVERSIONS if code == QUANTITY_CODES[quantity]]
    got = "nothing, and the map says none of this source" if said is None else shown(said) + nearest(said, units)
    return "payload.unit", f"a unit of {quantity}: " + ", ".join(units), got


def _value(row: dict[str, Any], table: AdmissionTable) -> Described:
    code = QUANTITY_CODES[row["payload"]["quantity"]]
    measure, at = MEASURES[Quantity(code)], table.index.get(row["source_id"], -1)
    own = table.quantity[at] == code
    low, high = (table.low[at], table.high[at]) if own else (measure.low, measure.high)
    got = f"{shown(row['payload'].get('value'))} {row['payload'].get('unit') or ''}".strip()
    return "payload.value", f"what is {low:g} to {high:g} {measure.unit}", got


_DESCRIBED: Final = {
    Quarantine.STATUS: _status,
    Quarantine.CLOCK: _clock,
    Quarantine.DATUM: _datum,
    Quarantine.POSITION: _position,
    Quarantine.CONFIDENCE: _confidence,
    Quarantine.SPEED: _speed,
    Quarantine.HEADING: _heading,
    Quarantine.QUANTITY: _quantity,
    Quarantine.UNIT: _unit,
    Quarantine.VALUE: _value,
}
"""Field, wanted, got, by the reason against a row."""
