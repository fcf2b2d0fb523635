"""The lines of the JSON twin as typed structs: keys, types and limits, checked while decoding."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from city_brain.observations.vocabulary import Kind

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Track: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time: TypeAlias = Count | Annotated[datetime, Meta(tz=True)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Side: TypeAlias = Literal["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
Movement: TypeAlias = Literal["left", "through", "right", "uturn"]
Lamp: TypeAlias = Literal[
    "red", "yellow", "green", "off", "flashing", "red_yellow", "flashing_red", "flashing_yellow", "flashing_green"
]


class Strict(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Keys as in the twin. No garbage-collector tracking: nothing here can form a cycle."""


class Detection(Strict, kw_only=True):
    """A thing seen by a camera; its box is left, top, width, height in pixels."""

    track_id: Track | Name
    class_name: Name = msgspec.field(name="class")
    confidence: float
    speed_mps: float | None = None
    heading_deg: float | None = None
    bbox: tuple[float, float, float, float] | None = None


class Signal(Strict, kw_only=True):
    """The lamps of a signal controller: {side: {movement: colour}}."""

    intersection_id: Name | None = None
    mode: Name
    approaches: dict[Side, dict[Movement, Lamp]] = {}


class Sensor(Strict, kw_only=True):
    """A reading; without a unit it is in the map's unit for that sensor."""

    quantity: Name
    value: float
    unit: Name | None = None


class Report(Strict, kw_only=True):
    """What a person said."""

    text: str | None = None
    category: Name | None = None
    channel: Name | None = None


class Row(Strict, kw_only=True, tag_field="kind"):
    """What every kind of line has."""

    source_id: Name
    source_kind: Name | None = None
    seq: Count | None = None
    event_time_ms: Time
    arrival_time_ms: Time | None = None
    lon: float | None = None
    lat: float | None = None
    position_error_m: float | None = None
    status: Name | None = None
    datum: Name | None = None


class DetectionRow(Row, kw_only=True, tag="detection"):
    """A detection line."""

    payload: Detection


class SignalRow(Row, kw_only=True, tag="signal"):
    """A signal line."""

    payload: Signal


class SensorRow(Row, kw_only=True, tag="sensor"):
    """A sensor line."""

    payload: Sensor


class ReportRow(Row, kw_only=True, tag="report"):
    """A report line."""

    payload: Report


class Mark(Strict, tag_field="kind", tag="mark"):
    """A heartbeat of the raw partition."""

    arrival_time_ms: Time


class WarningLine(Strict, kw_only=True, tag_field="kind", tag="warning"):
    """A warning of others: a message of CAP as it came, and its arrival where no log stamps it."""

    cap: str
    arrival_time_ms: Time | None = None


Line: TypeAlias = DetectionRow | SignalRow | SensorRow | ReportRow | Mark | WarningLine
"""Every kind of line."""

KIND_OF: Final[dict[type, int]] = {
    DetectionRow: int(Kind.DETECTION),
    SignalRow: int(Kind.SIGNAL),
    SensorRow: int(Kind.SENSOR),
    ReportRow: int(Kind.REPORT),
}
"""The `Kind` of each type of row, as a plain number: members of enumerations are slow to look up."""

LINES: Final[dict[str, type[Any]]] = {
    "detection": DetectionRow,
    "signal": SignalRow,
    "sensor": SensorRow,
    "report": ReportRow,
    "mark": Mark,
    "warning": WarningLine,
}
"""The line of each `kind`."""

KEYS: Final = {kind: frozenset(("kind", *line.__struct_encode_fields__)) for kind, line in LINES.items()}
"""The keys of each kind of line."""

PAYLOAD_KEYS: Final = {
    "detection": frozenset(Detection.__struct_encode_fields__),
    "signal": frozenset(Signal.__struct_encode_fields__),
    "sensor": frozenset(Sensor.__struct_encode_fields__),
    "report": frozenset(Report.__struct_encode_fields__),
    "mark": frozenset[str](),
    "warning": frozenset[str](),
}
"""The keys of each kind of payload."""
