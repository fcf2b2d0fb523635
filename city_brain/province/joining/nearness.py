"""Whether incidents of two cities are one event: same type and status, near in place and in time."""

import math

import shapely

from city_brain.geo import METRES_PER_DEGREE, LocalFrame
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentType
from city_brain.incidents.lifecycle import OPEN

SIGMAS = 2.0
"""Standard deviations of the difference of both places that are allowed for: one pair in twenty-five lies beyond."""


def distance_m(one: Incident, other: Incident, kind: IncidentType) -> float | None:
    """How far apart two incidents lie, extents included, metres; None where they cannot be one event.

    They can where they are as near as the type joins findings of one city, plus what their places may be off, and where
    neither began later after the other's end than the type joins what comes back.
    """
    if (one.type, one.status) != (other.type, other.status) or "withdrawn" in (one.state, other.state):
        return None
    gap_ms = 1000.0 * kind.join_gap_s
    if one.first_seen_ms > _end_ms(other) + gap_ms or other.first_seen_ms > _end_ms(one) + gap_ms:
        return None
    sigma_m = math.sqrt(one.position_error_m**2 + other.position_error_m**2)
    reach_m = kind.join_radius_m + SIGMAS * sigma_m + (one.radius_m or 0.0) + (other.radius_m or 0.0)
    if not (one.geometry or other.geometry) and abs(one.lat - other.lat) * METRES_PER_DEGREE > reach_m:
        return None
    apart_m = _apart_m(one, other)
    return apart_m if apart_m <= reach_m else None


def _end_ms(incident: Incident) -> float:
    if incident.state in OPEN or incident.ended_ms is None:
        return math.inf
    return incident.ended_ms


def _apart_m(one: Incident, other: Incident) -> float:
    """Between the nearest points of both, in a frame at the middle of their places: the order does not matter."""
    frame = LocalFrame((one.lon + other.lon) / 2, (one.lat + other.lat) / 2)
    if not (one.geometry or other.geometry):
        (ax, ay), (bx, by) = frame.to_metres(one.lon, one.lat), frame.to_metres(other.lon, other.lat)
        return math.sqrt((ax - bx) ** 2 + (ay - by) ** 2)
    return float(shapely.distance(_shape(one, frame), _shape(other, frame)))


def _shape(incident: Incident, frame: LocalFrame) -> shapely.Geometry:
    if incident.geometry is None:
        return shapely.Point(frame.to_metres(incident.lon, incident.lat))
    return shapely.MultiLineString(
        [[frame.to_metres(lon, lat) for lon, lat in line] for line in incident.geometry.coordinates]
    )
