"""Incidents as CloudEvents 1.0: one event per revision; source and id together are its number for ever.

id               {incident_id}/{revision}
source           /cities/{adcode}
type             citybrain.incident.{state}
subject          the incident's id, which is also the `partitionkey`: revisions of an incident stay in order
time             when the revision was decided
data             the canonical line of the revision, unchanged
"""

import re

import msgspec

from city_brain.canonical import canonical_json
from city_brain.errors import SettingsError
from city_brain.formats.times import UtcOffsets, rfc3339
from city_brain.incidents.incident import Incident, incident_line

STRUCTURED = "application/cloudevents+json"
"""The content type of the structured form."""
_DATA = "application/json"


class KafkaEvent(msgspec.Struct, frozen=True):
    """A record of a topic, by the binary mode of the Kafka binding."""

    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


def structured(incident: Incident, city: str, offsets: UtcOffsets) -> bytes:
    """The event as one line of canonical JSON, without its line feed."""
    attributes = canonical_json({**_attributes(incident, city, offsets), "datacontenttype": _DATA})
    return b'{"data":' + incident_line(incident) + b"," + attributes[1:]


def kafka_binary(incident: Incident, city: str, offsets: UtcOffsets) -> KafkaEvent:
    """The event with its attributes as headers `ce_*`, and the canonical line as the value."""
    attributes = _attributes(incident, city, offsets)
    headers = [(f"ce_{name}", text.encode()) for name, text in sorted(attributes.items())]
    headers.append(("content-type", _DATA.encode()))
    return KafkaEvent(incident.incident_id.encode(), tuple(headers), incident_line(incident))


def _attributes(incident: Incident, city: str, offsets: UtcOffsets) -> dict[str, str]:
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", city):
        raise SettingsError(f"city: wanted a code such as 370100, got {city!r}")
    return {
        "id": f"{incident.incident_id}/{incident.revision}",
        "partitionkey": incident.incident_id,
        "source": f"/cities/{city}",
        "specversion": "1.0",
        "subject": incident.incident_id,
        "time": rfc3339(incident.updated_ms, offsets),
        "type": f"citybrain.incident.{incident.state}",
    }
