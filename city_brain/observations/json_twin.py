"""The JSON twin: one observation a line, to columns and back, total in both directions.

Whatever bytes come, `from_lines` returns: a line is a row, a mark, or rejected with one reason; it never raises. What
it keeps comes back from `to_lines` equal as JSON values, with these simplifications: a null option is an absent one, a
time written as RFC 3339 comes back as integer milliseconds, a side without movements is dropped, and keys that are not
ours are left out (and counted).

A mark (`{"kind": "mark", "arrival_time_ms": …}`) is a heartbeat of the raw partition: it says that time has passed.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta

from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, DeadLetter, Kind
from city_brain.types import Codes, Floats, Indices, Ints

LINE_BYTES_MAX: Final = 1 << 20
"""A longer line is rejected as `too_long`; at most this many bytes of a rejected line are kept."""

_Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Track: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Time: TypeAlias = _Count | Annotated[datetime, Meta(tz=True)]
_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
_Side: TypeAlias = Literal["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
_Movement: TypeAlias = Literal["left", "through", "right", "uturn"]
_Lamp: TypeAlias = Literal[
    "red", "yellow", "green", "off", "flashing", "red_yellow", "flashing_red", "flashing_yellow", "flashing_green"
]


class _Strict(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Keys as in the twin. No garbage-collector tracking: nothing here can form a cycle."""


class _Box(msgspec.Struct, gc=False, array_like=True, forbid_unknown_fields=True):
    x: float
    y: float
    width: float
    height: float


class _Detection(_Strict, kw_only=True):
    track_id: _Track | _Name
    class_name: _Name = msgspec.field(name="class")
    confidence: float
    speed_mps: float | None = None
    heading_deg: float | None = None
    bbox: _Box | None = None


class _Signal(_Strict, kw_only=True):
    intersection_id: _Name | None = None
    mode: _Name
    approaches: dict[_Side, dict[_Movement, _Lamp]] = {}


class _Sensor(_Strict, kw_only=True):
    quantity: _Name
    value: float
    unit: _Name | None = None


class _Report(_Strict, kw_only=True):
    text: str | None = None
    category: _Name | None = None
    channel: _Name | None = None


class _Row(_Strict, kw_only=True, tag_field="kind"):
    code: ClassVar[int]
    source_id: _Name
    source_kind: _Name | None = None
    seq: _Count | None = None
    event_time_ms: _Time
    arrival_time_ms: _Time | None = None
    lon: float | None = None
    lat: float | None = None
    position_error_m: float | None = None
    status: _Name | None = None
    datum: _Name | None = None


class _DetectionRow(_Row, kw_only=True, tag="detection"):
    code: ClassVar[int] = int(Kind.DETECTION)
    payload: _Detection


class _SignalRow(_Row, kw_only=True, tag="signal"):
    code: ClassVar[int] = int(Kind.SIGNAL)
    payload: _Signal


class _SensorRow(_Row, kw_only=True, tag="sensor"):
    code: ClassVar[int] = int(Kind.SENSOR)
    payload: _Sensor


class _ReportRow(_Row, kw_only=True, tag="report"):
    code: ClassVar[int] = int(Kind.REPORT)
    payload: _Report


class _Mark(_Strict, tag_field="kind", tag="mark"):
    arrival_time_ms: _Time


_Line: TypeAlias = _DetectionRow | _SignalRow | _SensorRow | _ReportRow | _Mark
_ROW_TYPES: Final = frozenset((_DetectionRow, _SignalRow, _SensorRow, _ReportRow))
_LINES: Final[dict[object, type[_Row] | type[_Mark]]] = {
    "detection": _DetectionRow,
    "signal": _SignalRow,
    "sensor": _SensorRow,
    "report": _ReportRow,
    "mark": _Mark,
}
_PAYLOADS: Final[dict[object, type[_Strict]]] = {
    "detection": _Detection,
    "signal": _Signal,
    "sensor": _Sensor,
    "report": _Report,
}
_decode_line = msgspec.json.Decoder(_Line).decode
_encode_line = msgspec.json.Encoder().encode

_REASONS: Final = {
    "kind": DeadLetter.KIND,
    "source_id": DeadLetter.SOURCE,
    "seq": DeadLetter.SEQUENCE,
    "event_time_ms": DeadLetter.TIME,
    "arrival_time_ms": DeadLetter.TIME,
    "lon": DeadLetter.POSITION,
    "lat": DeadLetter.POSITION,
    "position_error_m": DeadLetter.POSITION,
    "payload": DeadLetter.PAYLOAD,
}
_FAULTY_FIELD = re.compile(r"at `\$\.(\w+)|missing required field `(\w+)`")
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is no observation: its position among the lines given, the reason, its bytes."""

    line: int
    reason: DeadLetter
    data: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What lines held. `line` (n,) is the position of each row among the lines given.

    `marks` (m, 2): how many rows of the batch stand before the mark, and its time in epoch ms.
    `unknown_keys`: how many keys were left out because they are not ours.
    """

    observations: Observations
    line: Ints
    rejected: tuple[Rejected, ...]
    marks: Ints
    unknown_keys: int


def from_lines(lines: Sequence[bytes]) -> Parsed:
    """Reads lines (without their line ends); empty ones are passed over. Never raises."""
    read = _decode(lines)
    marks: list[tuple[int, int]] = []
    rejected: list[Rejected] = []
    no_rows: list[int] = []
    unknown_keys = 0
    for number in [number for number, row in enumerate(read) if type(row) not in _ROW_TYPES]:
        found, unknown = (read[number], 0) if read[number] is not None else _second_reading(lines[number])
        unknown_keys += unknown
        if type(found) in _ROW_TYPES:
            read[number] = found
            continue
        if isinstance(found, _Mark):
            marks.append((number - len(no_rows), _epoch_ms(found.arrival_time_ms)))
        elif isinstance(found, DeadLetter):
            rejected.append(Rejected(number, found, lines[number][:LINE_BYTES_MAX]))
        no_rows.append(number)
    rows = [row for row in read if type(row) in _ROW_TYPES] if no_rows else read
    return Parsed(
        _columns(rows),
        np.delete(np.arange(len(lines), dtype=np.int64), no_rows),
        tuple(rejected),
        np.array(marks, dtype=np.int64).reshape(-1, 2),
        unknown_keys,
    )


def _decode(lines: Sequence[bytes]) -> list[Any]:
    """What each line says, None where it does not fit at the first reading."""
    if max(map(len, lines), default=0) > LINE_BYTES_MAX:
        lines = [line if len(line) <= LINE_BYTES_MAX else b"" for line in lines]
    rest = iter(lines)
    read: list[Any] = []
    while len(read) < len(lines):
        try:
            read.extend(map(_decode_line, rest))  # at an error the rows before it stay, and its line is used up
        except _UNREADABLE:
            read.append(None)
    return read


def _second_reading(line: bytes) -> tuple[_Line | DeadLetter | None, int]:
    """The line without the keys that are not ours, and how many those were; or why it is no observation.

    None for an empty line.
    """
    if not line.strip():
        return None, 0
    if len(line) > LINE_BYTES_MAX:
        return DeadLetter.TOO_LONG, 0
    try:
        plain = msgspec.json.decode(line)
    except UnicodeError:
        return DeadLetter.NOT_UTF8, 0
    except (msgspec.MsgspecError, RecursionError):
        return (DeadLetter.NOT_JSON if _is_utf8(line) else DeadLetter.NOT_UTF8), 0
    if not isinstance(plain, dict):
        return DeadLetter.NOT_AN_OBJECT, 0
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in _LINES:
        return DeadLetter.KIND, 0
    unknown = _drop_unknown(plain, {"kind", *_encoded_names(_LINES[kind])})
    if kind in _PAYLOADS and isinstance(plain.get("payload"), dict):
        unknown += _drop_unknown(plain["payload"], set(_encoded_names(_PAYLOADS[kind])))
    try:
        return msgspec.convert(plain, type=_Line), unknown
    except msgspec.ValidationError as wrong:
        place = _FAULTY_FIELD.search(str(wrong))
        return _REASONS.get((place[1] or place[2]) if place else "", DeadLetter.FIELD), 0


def _drop_unknown(plain: dict[str, Any], known: set[str]) -> int:
    unknown = plain.keys() - known
    for key in unknown:
        del plain[key]
    return len(unknown)


def _encoded_names(line: type[msgspec.Struct]) -> tuple[str, ...]:
    return line.__struct_encode_fields__


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeError:
        return False
    return True


class _Dictionary(dict[str | None, int]):
    """Strings in the order of their first use; None is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1})

    def __missing__(self, text: str | None) -> int:
        self[text] = code = len(self) - 1
        return code

    def codes(self, texts: Sequence[str | None]) -> Indices:
        """The index of each text, -1 for None."""
        if texts and texts.count(texts[0]) == len(texts):
            return np.full(len(texts), self[texts[0]], dtype=np.int32)
        return np.fromiter(map(self.__getitem__, texts), np.int32, len(texts))

    def strings(self) -> tuple[str, ...]:
        return tuple(text for text in self if text is not None)


def _columns(rows: list[Any]) -> Observations:
    words = _Dictionary()
    common = Common(
        kind=np.fromiter([row.code for row in rows], np.uint8, len(rows)),
        source=words.codes([row.source_id for row in rows]),
        source_kind=words.codes([row.source_kind for row in rows]),
        status=words.codes([row.status for row in rows]),
        datum=words.codes([row.datum for row in rows]),
        seq=_integers([row.seq for row in rows]),
        event_ms=_integers([row.event_time_ms for row in rows]),
        arrival_ms=_integers([row.arrival_time_ms for row in rows]),
        lon=_numbers([row.lon for row in rows]),
        lat=_numbers([row.lat for row in rows]),
        position_error_m=_numbers([row.position_error_m for row in rows]),
    )
    detections = _detections([row.payload for row in rows if type(row) is _DetectionRow], words)
    signals = _signals([row.payload for row in rows if type(row) is _SignalRow], words)
    sensors = _sensors([row.payload for row in rows if type(row) is _SensorRow], words)
    reports = _reports([row.payload for row in rows if type(row) is _ReportRow], words)
    return Observations(words.strings(), common, detections, signals, sensors, reports)


_NO_BOX: Final = _Box(np.nan, np.nan, np.nan, np.nan)


def _detections(said: list[_Detection], words: _Dictionary) -> Detections:
    tracks = [row.track_id for row in said]
    names = [track if isinstance(track, str) else None for track in tracks]
    numbers = tracks if names.count(None) == len(names) else [-1 if isinstance(name, str) else name for name in tracks]
    boxes = [row.bbox or _NO_BOX for row in said]
    return Detections(
        track=_integers(numbers),
        track_text=words.codes(names),
        class_name=words.codes([row.class_name for row in said]),
        confidence=_numbers([row.confidence for row in said]),
        speed_mps=_numbers([row.speed_mps for row in said]),
        heading_deg=_numbers([row.heading_deg for row in said]),
        bbox=_numbers([edge for box in boxes for edge in (box.x, box.y, box.width, box.height)]).reshape(-1, 4),
    )


_LAMP_COLUMN: Final = {
    (side, movement): len(MOVEMENTS) * s + m for s, side in enumerate(SIDES) for m, movement in enumerate(MOVEMENTS)
}
_LAMP_CODE: Final = {colour: code for code, colour in enumerate(LAMPS_AS_SENT)}


def _signals(said: list[_Signal], words: _Dictionary) -> Signals:
    places: list[int] = []
    codes: list[int] = []
    for start, row in zip(range(0, 32 * len(said), 32), said, strict=True):
        for side, movements in row.approaches.items():
            for movement, colour in movements.items():
                places.append(start + _LAMP_COLUMN[side, movement])
                codes.append(_LAMP_CODE[colour])
    lamps: Codes = np.zeros(32 * len(said), dtype=np.uint8)
    lamps[places] = codes
    return Signals(
        intersection=words.codes([row.intersection_id for row in said]),
        mode=words.codes([row.mode for row in said]),
        lamps=lamps.reshape(-1, 32),
    )


def _sensors(said: list[_Sensor], words: _Dictionary) -> Sensors:
    return Sensors(
        quantity=words.codes([row.quantity for row in said]),
        value=_numbers([row.value for row in said]),
        unit=words.codes([row.unit for row in said]),
    )


def _reports(said: list[_Report], words: _Dictionary) -> Reports:
    return Reports(
        text=words.codes([row.text for row in said]),
        category=words.codes([row.category for row in said]),
        channel=words.codes([row.channel for row in said]),
    )


def _numbers(values: Sequence[float | None]) -> Floats:
    """The numbers as a column, None as NaN."""
    if values and values.count(None) == len(values):
        return np.full(len(values), np.nan)
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}d", *values), np.float64)  # twice as fast as fromiter
    except struct.error:
        return np.array(values, dtype=np.float64)


def _integers(values: list[Any]) -> Ints:
    """The integers and moments as a column, None as -1."""
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}q", *values), np.int64)
    except struct.error:
        return np.array([-1 if value is None else _epoch_ms(value) for value in values], dtype=np.int64)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def _epoch_ms(value: int | datetime) -> int:
    return value if isinstance(value, int) else (value - _EPOCH) // _MILLISECOND
