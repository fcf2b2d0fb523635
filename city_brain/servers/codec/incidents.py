"""An incident as a message and back, total both ways: nothing is lost, and what is no incident is a ServiceError."""

from typing import Any, get_args

import msgspec
from google.protobuf import timestamp_pb2

from city_brain.errors import ServiceError
from city_brain.incidents.hypothesis import Note, Status
from city_brain.incidents.incident import (
    Evidence,
    Incident,
    Level,
    Member,
    MultiLineString,
    Place,
    ProvincialIncident,
    State,
)
from city_brain.wire.incident.v1 import incident_pb2

NAME_PREFIX = "incidents/"


class Words:
    """Words of ours for the values of a proto enum, in both directions; value 0 is none of them."""

    def __init__(self, enum: Any, prefix: str, words: tuple[str, ...]) -> None:
        self._what = prefix.rstrip("_").lower()
        self._numbers = {word: int(enum.Value(prefix + word.upper())) for word in words}
        self._words = {number: word for word, number in self._numbers.items()}

    def number(self, word: str) -> Any:
        """The value of a word."""
        return self._numbers[word]

    def word(self, number: int) -> Any:
        """The word of a value; raises ServiceError where it has none."""
        if number not in self._words:
            raise ServiceError(f"{self._what}: wanted one of {', '.join(self._numbers)}, got value {number}")
        return self._words[number]

    def word_or_number(self, number: int) -> str:
        """The word of a value, else its number as text: for requests, whose names are checked with the others."""
        return self._words.get(number, str(number))


STATUSES = Words(incident_pb2.Status, "STATUS_", get_args(Status))
STATES = Words(incident_pb2.State, "STATE_", get_args(State))
LEVELS = Words(incident_pb2.Level, "LEVEL_", get_args(Level))


def incident_name(incident_id: str) -> str:
    """The resource name of an incident."""
    return NAME_PREFIX + incident_id


def incident_id_of(name: str) -> str | None:
    """The incident id in a resource name; None where it is not the name of an incident."""
    incident_id = name.removeprefix(NAME_PREFIX)
    return incident_id if name.startswith(NAME_PREFIX) and incident_id and "/" not in incident_id else None


def to_timestamp(epoch_ms: int | None) -> timestamp_pb2.Timestamp | None:
    """Epoch ms as a Timestamp; None stays absent."""
    if epoch_ms is None:
        return None
    seconds, ms = divmod(epoch_ms, 1000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=ms * 1_000_000)


def to_ms(timestamp: timestamp_pb2.Timestamp) -> int:
    """A Timestamp as epoch ms, rounded down."""
    return int(timestamp.seconds) * 1000 + int(timestamp.nanos) // 1_000_000


def optional_ms(message: Any, field: str) -> int | None:
    """A Timestamp field of a message as epoch ms, None where it is absent."""
    return to_ms(getattr(message, field)) if message.HasField(field) else None


def optional_value(message: Any, field: str) -> Any:
    """An optional field of a message, None where it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def incident_to_proto(incident: Incident) -> incident_pb2.Incident:
    """The message of a revision."""
    return incident_pb2.Incident(
        name=incident_name(incident.incident_id),
        incident_id=incident.incident_id,
        revision=incident.revision,
        number=incident.number,
        type=incident.type,
        status=STATUSES.number(incident.status),
        state=STATES.number(incident.state),
        confidence=incident.confidence,
        level=LEVELS.number(incident.level) if incident.level else incident_pb2.LEVEL_UNSPECIFIED,
        position=incident_pb2.Point(lon=incident.lon, lat=incident.lat),
        position_error_m=incident.position_error_m,
        radius_m=incident.radius_m,
        geometry=_geometry_to_proto(incident.geometry),
        first_seen_time=to_timestamp(incident.first_seen_ms),
        detect_time=to_timestamp(incident.detected_ms),
        update_time=to_timestamp(incident.updated_ms),
        end_time=to_timestamp(incident.ended_ms),
        sources=incident.sources,
        place=incident_pb2.Place(
            intersection=incident.place.intersection,
            road=incident.place.road,
            area_codes=incident.place.area_codes,
            names=incident.place.names,
        ),
        evidence=[_evidence_to_proto(piece) for piece in incident.evidence],
        reason=incident.reason,
        members=[_member_to_proto(member) for member in getattr(incident, "members", ())],
    )


def incident_from_proto(message: incident_pb2.Incident) -> Incident:
    """The revision in a message; raises ServiceError where something that every incident has is missing."""
    for field in ("position", "first_seen_time", "update_time"):
        if not message.HasField(field):
            raise ServiceError(f"incident {message.incident_id!r}: wanted {field}, got none")
    if message.name != incident_name(message.incident_id) or not message.incident_id:
        raise ServiceError(f"incident {message.incident_id!r}: wanted the name incidents/{{id}}, got {message.name!r}")
    incident = Incident(
        incident_id=message.incident_id,
        revision=message.revision,
        number=message.number,
        type=message.type,
        status=STATUSES.word(message.status),
        state=STATES.word(message.state),
        reason=optional_value(message, "reason"),
        confidence=message.confidence,
        level=LEVELS.word(message.level) if message.level else None,
        lon=message.position.lon,
        lat=message.position.lat,
        position_error_m=message.position_error_m,
        radius_m=optional_value(message, "radius_m"),
        geometry=_geometry_from_proto(message.geometry) if message.HasField("geometry") else None,
        first_seen_ms=to_ms(message.first_seen_time),
        detected_ms=optional_ms(message, "detect_time"),
        updated_ms=to_ms(message.update_time),
        ended_ms=optional_ms(message, "end_time"),
        sources=tuple(message.sources),
        place=Place(
            intersection=optional_value(message.place, "intersection"),
            road=optional_value(message.place, "road"),
            area_codes=tuple(message.place.area_codes),
            names=dict(sorted(message.place.names.items())),
        ),
        evidence=tuple(_evidence_from_proto(piece) for piece in message.evidence),
    )
    if not message.members:
        return incident
    members = tuple(_member_from_proto(member) for member in message.members)
    return ProvincialIncident(**msgspec.structs.asdict(incident), members=members)


def _member_to_proto(member: Member) -> incident_pb2.Member:
    return incident_pb2.Member(
        city_code=member.city,
        incident_id=member.incident_id,
        change_number=member.number,
        revision=member.revision,
    )


def _member_from_proto(message: incident_pb2.Member) -> Member:
    return Member(
        city=message.city_code,
        incident_id=message.incident_id,
        number=message.change_number,
        revision=message.revision,
    )


def _geometry_to_proto(geometry: MultiLineString | None) -> incident_pb2.Geometry | None:
    if geometry is None:
        return None
    lines = [
        incident_pb2.LineString(points=[incident_pb2.Point(lon=lon, lat=lat) for lon, lat in line])
        for line in geometry.coordinates
    ]
    return incident_pb2.Geometry(multi_line_string=incident_pb2.MultiLineString(lines=lines))


def _geometry_from_proto(message: incident_pb2.Geometry) -> MultiLineString:
    if not message.HasField("multi_line_string"):
        raise ServiceError("geometry: wanted lines, got a shape that this version does not know")
    lines = message.multi_line_string.lines
    return MultiLineString(coordinates=tuple(tuple((point.lon, point.lat) for point in line.points) for line in lines))


def _evidence_to_proto(piece: Evidence) -> incident_pb2.Evidence:
    return incident_pb2.Evidence(
        what=piece.what,
        sources=piece.sources,
        weight=piece.weight,
        first_time=to_timestamp(piece.first_ms),
        last_time=to_timestamp(piece.last_ms),
        distance_m=piece.distance_m,
        rows=[incident_pb2.RowPosition(raw_partition=p, offset=o, row=r) for p, o, r in piece.rows],
        note={name: _fact_to_proto(fact) for name, fact in piece.note.items()},
        rule=piece.rule,
        version=piece.version,
    )


def _evidence_from_proto(message: incident_pb2.Evidence) -> Evidence:
    return Evidence(
        what=message.what,
        sources=tuple(message.sources),
        weight=message.weight,
        first_ms=to_ms(message.first_time),
        last_ms=to_ms(message.last_time),
        distance_m=optional_value(message, "distance_m"),
        rows=tuple((row.raw_partition, row.offset, row.row) for row in message.rows),
        note=_note_from_proto(message),
        rule=message.rule,
        version=message.version,
    )


def _fact_to_proto(fact: str | int | float | bool) -> incident_pb2.Fact:
    if isinstance(fact, bool):
        return incident_pb2.Fact(flag=fact)
    if isinstance(fact, int):
        return incident_pb2.Fact(whole=fact)
    if isinstance(fact, float):
        return incident_pb2.Fact(figure=fact)
    return incident_pb2.Fact(text=fact)


def _note_from_proto(message: incident_pb2.Evidence) -> Note:
    note: Note = {}
    for name, fact in sorted(message.note.items()):
        kind = fact.WhichOneof("value")
        if kind is None:
            raise ServiceError(f"evidence {message.what!r}, note {name!r}: wanted a text, number or flag, got none")
        note[name] = getattr(fact, kind)
    return note
