"""What the three sources of a new site say in three minutes: traffic that obeys its signal, a stopped car, a gale.

Seconds count from the beginning. One of the cars stops behind the junction and stays; the wind rises from `RISES_S` on.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.cli.starting.corner import CAMERA, JUNCTION, SENSOR, SENSOR_PERIOD_S, SIGNAL, lane_line
from city_brain.geo import LocalFrame

SECONDS: Final = 180
RISES_S: Final = 60
LATENCY_MS: Final = 300
"""From what happened to its arrival."""

_GREEN_S = 25
"""West and east have green first, then north and south."""
_EASTWARD_S, _STOPS_S, _WESTWARD_S = (2, 10, 18, 54), 54, (104, 112, 154)
"""When cars come into view; the one of second 54 stops."""
_SPEED_MPS, _STOPS_AT_M = 11.0, 36.0
_WEST_M, _EAST_M = -12.0, 70.0
"""Where the camera begins and ceases to see cars, east of the centre."""
_USUAL_MPS, _GALE_MPS, _RISE_S = 4.0, 22.0, 45.0


def lines(frame: LocalFrame, start_ms: int) -> Iterator[bytes]:
    """JSON lines, in order of arrival."""
    chance = np.random.default_rng(1)
    seq = {CAMERA: 0, SIGNAL: 0, SENSOR: 0}
    for half in range(2 * SECONDS):
        second, event_ms = half / 2, start_ms + 500 * half
        said = [_detection(frame, chance, *car) for car in _cars(second)]
        if half % 2 == 0:
            said.append(_lamps(int(second)))
        if second % SENSOR_PERIOD_S == 0.0:
            said.append(_wind(chance, second))
        for kind, source, rest in said:
            seq[source] += 1
            head = {"kind": kind, "source_id": source, "seq": seq[source]}
            times = {"event_time_ms": event_ms, "arrival_time_ms": event_ms + LATENCY_MS}
            yield msgspec.json.encode(head | times | rest)


def _cars(second: float) -> Iterator[tuple[int, str, float, float]]:
    """Track, arm and way, metres east of the centre, and speed of each car in view."""
    for enters_s in _EASTWARD_S:
        x = _WEST_M + _SPEED_MPS * (second - enters_s)
        if enters_s == _STOPS_S and x >= _STOPS_AT_M:
            yield enters_s, "eastward", _STOPS_AT_M, 0.0
        elif _WEST_M <= x <= _EAST_M:
            yield enters_s, "eastward", x, _SPEED_MPS
    for enters_s in _WESTWARD_S:
        x = _EAST_M - _SPEED_MPS * (second - enters_s)
        if _WEST_M <= x <= _EAST_M:
            yield enters_s, "westward", x, _SPEED_MPS


def _detection(
    frame: LocalFrame, chance: np.random.Generator, track: int, way: str, x: float, speed_mps: float
) -> tuple[str, str, dict[str, Any]]:
    eastward = way == "eastward"
    y = float(lane_line("E", "out" if eastward else "in")[0, 1])
    errors = chance.normal(0.0, 0.25, 2).tolist()
    lon, lat = frame.to_degrees(x + errors[0], y + errors[1])
    payload = {
        "track_id": track, "class": "car", "confidence": 0.9, "speed_mps": speed_mps,
        "heading_deg": 90.0 if eastward else 270.0,
    }  # fmt: skip
    return "detection", CAMERA, {"lon": round(lon, 7), "lat": round(lat, 7), "payload": payload}


def _lamps(second: int) -> tuple[str, str, dict[str, Any]]:
    green = ("E", "W") if (second // _GREEN_S) % 2 == 0 else ("N", "S")
    approaches = {
        side: dict.fromkeys(("left", "through", "right"), "green" if side in green else "red") for side in "NESW"
    }
    return "signal", SIGNAL, {"payload": {"intersection_id": JUNCTION, "mode": "auto", "approaches": approaches}}


def _wind(chance: np.random.Generator, second: float) -> tuple[str, str, dict[str, Any]]:
    risen = (_GALE_MPS - _USUAL_MPS) * min(max(second - RISES_S, 0.0) / _RISE_S, 1.0)
    value = round(_USUAL_MPS + risen + float(chance.normal(0.0, 0.4)), 1)
    return "sensor", SENSOR, {"payload": {"quantity": "wind_speed", "value": value, "unit": "m/s"}}
