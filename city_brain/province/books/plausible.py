"""What a province takes of what a city says before it keeps it: one that cannot be read by others stops nobody else."""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from city_brain.errors import RecordingError, StateError
from city_brain.formats.times import rfc3339
from city_brain.incidents.incident import Incident, read_incident
from city_brain.servers.codec.incidents import incident_to_proto
from city_brain.wire.province.v1 import province_pb2

LAST_MS: Final = 253_402_300_799_999
"""The last that a Timestamp may say, epoch ms."""
AHEAD_MS: Final = 86_400_000
"""So far may the clocks of a city be ahead of the province's: what is later would outlive every history."""
UTC: Final = ((0, 0),)
"""The clock that messages say times by."""
ERROR_MAX_M: Final = 100_000.0
RADIUS_MAX_M: Final = 1_000_000.0
POINTS_MAX: Final = 20_000
SHOWN_BYTES: Final = 1 << 18
"""Most bytes of the incidents that an answer shows: by default a province takes messages of 2 MiB."""
TEXT_MAX: Final = 10_000
"""Characters of a text that goes down to a city or comes up from it."""


def check_time(time_ms: int, now_ms: int) -> None:
    """Raises StateError for a log time (epoch ms) that is none, or lies more than a day ahead of `now_ms`."""
    if not 0 <= time_ms <= min(LAST_MS, now_ms + AHEAD_MS):
        said = rfc3339(time_ms, UTC) if 0 <= time_ms <= LAST_MS else f"{time_ms} ms"
        raise StateError(f"log time: wanted one of 1970 to {rfc3339(now_ms + AHEAD_MS, UTC)}, got {said}")


def check_line(line: bytes) -> None:
    """Raises StateError for a line that is no incident, or one that readers and the map cannot take."""
    try:
        incident = read_incident(line)
    except RecordingError as wrong:
        raise StateError(str(wrong)) from wrong
    where = f"incident {incident.incident_id!r}"
    if not _on_earth([(incident.lon, incident.lat)]):
        raise StateError(f"{where}: wanted a position on Earth, got {incident.lon}, {incident.lat}")
    if not 0.0 <= incident.position_error_m <= ERROR_MAX_M or not 0.0 <= (incident.radius_m or 0.0) <= RADIUS_MAX_M:
        raise StateError(f"{where}: wanted a radius and an error of metres, got {incident.radius_m} and such")
    _check_lines(incident, where)
    times = (incident.first_seen_ms, incident.detected_ms, incident.updated_ms, incident.ended_ms)
    evidence = [moment for piece in incident.evidence for moment in (piece.first_ms, piece.last_ms)]
    if any(not 0 <= moment <= LAST_MS for moment in (*times, *evidence) if moment is not None):
        raise StateError(f"{where}: wanted times of 1970 to 9999, got others")
    try:
        incident_to_proto(incident)
    except (ValueError, TypeError, OverflowError, msgspec.MsgspecError) as wrong:
        raise StateError(f"{where}: wanted what services can carry, got: {wrong}") from wrong


def bounded(answer: province_pb2.Answer) -> province_pb2.Answer:
    """An answer as far as whoever asks for it can be sent it: one of a city could else be larger than a message."""
    kept = province_pb2.Answer()
    kept.CopyFrom(answer)
    kept.text = answer.text[:TEXT_MAX]
    del kept.lines[:]
    kept.lines.extend(within(SHOWN_BYTES, answer.lines))
    return kept


def within(limit: int, lines: Iterable[bytes]) -> list[bytes]:
    """The first lines that fit together."""
    found: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line)
        if size > limit:
            break
        found.append(line)
    return found


def _check_lines(incident: Incident, where: str) -> None:
    lines = incident.geometry.coordinates if incident.geometry is not None else ()
    if sum(map(len, lines)) > POINTS_MAX or any(len(line) < 2 or not _on_earth(line) for line in lines):
        raise StateError(f"{where}: wanted lines of 2 points or more on Earth, {POINTS_MAX} at most, got others")


def _on_earth(points: Iterable[tuple[float, float]]) -> bool:
    return all(math.isfinite(lon + lat) and -180.0 <= lon <= 180.0 and -90.0 < lat < 90.0 for lon, lat in points)
