"""Evidence from sensor channels: sources, log positions and the figures that people want to see."""

import numpy as np

from city_brain.fusion.sensors import SensorBook
from city_brain.incidents.hypothesis import Evidence, LogPosition, Note
from city_brain.types import Ints


def recent_rows(sensors: SensorBook, channel: int, since_ms: int, most: int = 8) -> tuple[LogPosition, ...]:
    """Log positions of a channel's readings since `since_ms`, the newest `most`."""
    table = sensors.table
    wanted = (table["ring_ms"][channel] >= since_ms) & (table["ring_position"][channel, :, 1] >= 0)
    return tuple((int(a), int(b), int(c)) for a, b, c in table["ring_position"][channel][wanted][-most:].tolist())


def reading(
    sensors: SensorBook, channel: int, what: str, weight: float, since_ms: int, distance_m: float, note: Note
) -> Evidence:
    """Evidence that one channel gives since `since_ms`, with its newest value and what is usual."""
    table = sensors.table
    figures: Note = {
        "value": round(float(table["value"][channel]), 1), "expected": round(float(table["expected"][channel]), 1),
    }  # fmt: skip
    return Evidence(
        what=what,
        sources=(int(table["source"][channel]),),
        weight=weight,
        first_ms=since_ms,
        last_ms=int(table["last_ms"][channel]),
        distance_m=round(distance_m, 1),
        rows=recent_rows(sensors, channel, since_ms),
        note=figures | note,
    )


def near(sensors: SensorBook, channels: Ints, x: float, y: float, radius_m: float) -> Ints:
    """Those of `channels` within `radius_m` of a place, nearest first."""
    dx, dy = sensors.table["x"][channels] - x, sensors.table["y"][channels] - y
    distance2 = dx * dx + dy * dy
    within = (distance2 <= radius_m * radius_m).nonzero()[0]
    found: Ints = channels[within[distance2[within].argsort(kind="stable")]]
    return found


def distance_m(sensors: SensorBook, channel: int, x: float, y: float) -> float:
    """Metres from a channel's sensor to a place."""
    dx, dy = float(sensors.table["x"][channel]) - x, float(sensors.table["y"][channel]) - y
    return float(np.sqrt(dx * dx + dy * dy))
