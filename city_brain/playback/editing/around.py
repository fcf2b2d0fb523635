"""When an incident of a recording came up: by what the recorded city said, or by running it where it said nothing."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from city_brain.bag.reading import Recording, read_series
from city_brain.errors import RecordingError
from city_brain.incidents.incident import Incident
from city_brain.incidents.tick_record import TickRecord
from city_brain.kafka.topics import INCIDENTS
from city_brain.playback.opening import open_played
from city_brain.playback.recorded_city import CITY

_NS_PER_MS = 1_000_000


class Seen(msgspec.Struct, frozen=True):
    """A revision of an incident, and the log time (ns) at which it was said."""

    incident: Incident
    due_ms: int
    log_ns: int


def window_around(path: Path, name: str, margin_ms: int) -> tuple[int, int]:
    """Log times (ns) from `margin_ms` before the first sign of an incident to as long after its announcement, or after
    its last revision where it never was announced. `name`: its id or number. RecordingError: there is none.
    """
    seen = list(_revisions(path, name))
    if not seen:
        raise RecordingError(f"{path}: wanted an incident {name!r} (its id or number), got none of that name")
    first = seen[0]
    said = next((one for one in seen if one.incident.detected_ms is not None), seen[-1])
    first_sign_ns = first.log_ns - max(first.due_ms - first.incident.first_seen_ms, 0) * _NS_PER_MS
    return max(first_sign_ns - margin_ms * _NS_PER_MS, 0), said.log_ns + margin_ms * _NS_PER_MS + 1


def _revisions(path: Path, name: str) -> Iterator[Seen]:
    for record, log_ns in _ticks(path):
        for incident in record.incidents:
            if name in (incident.incident_id, incident.number):
                yield Seen(incident, record.due_ms, log_ns)


def _ticks(path: Path) -> Iterator[tuple[TickRecord, int]]:
    with Recording(path) as first:
        topic = first.metadata.get(CITY, {}).get("topic_prefix", "") + INCIDENTS
    said = False
    for record in read_series(path):
        if record.topic == topic:
            said = True
            yield TickRecord.from_line(record.value or b""), record.log_ns
    if not said:
        for tick in open_played(path).ticks():
            yield tick.said.record, tick.log_ns
