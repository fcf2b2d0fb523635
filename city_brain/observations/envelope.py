"""The envelope: many observations as one record, columns under a Protocol Buffers header, read where they lie.

`protos/city_brain/wire/observation/v1/observation.proto` is the specification. An envelope is read whole or not at all:
a gateway that damages one row has damaged them all, and the record goes to the dead letters as it came. Memory for
reading is bounded: `RECORD_BYTES_MAX` for the record, and `ROWS_MAX` rows of 170 bytes for columns that were left out.
"""

import struct
import zlib
from typing import Any, Final

import numpy as np

from city_brain.errors import ObservationError
from city_brain.observations.columns import GROUPS, Group, Observations, Spec
from city_brain.observations.vocabulary import Kind
from city_brain.observations.wire_format import (
    Field,
    bytes_field,
    fixed32_field,
    read_fields,
    signed,
    varint_field,
)
from city_brain.types import Column

SCHEMA_VERSION: Final = 1
ROWS_MAX: Final = 1 << 16
RECORD_BYTES_MAX: Final = 1 << 24
TEXTS_PER_ROW_MAX: Final = 8
"""No row refers to more texts, so a longer dictionary is refused."""

_VERSION, _COUNT, _TIME_MIN, _TIME_MAX, _CHECKSUM, _BATCH = range(1, 7)
_TEXT, _TEXT_LENGTH, _FIRST_GROUP = range(1, 4)
_HEADER: Final = struct.Struct("<IIqq")


def to_envelope(observations: Observations) -> bytes:
    """Writes a batch of at most `ROWS_MAX` rows; the same batch gives the same bytes."""
    if observations.n > ROWS_MAX:
        raise ObservationError(f"envelope: wanted at most {ROWS_MAX} rows, got {observations.n}")
    texts = [text.encode() for text in observations.strings]
    lengths = np.array([len(text) for text in texts], dtype="<u4")
    parts = [bytes_field(_TEXT, texts), bytes_field(_TEXT_LENGTH, [lengths.tobytes()])]
    for number, group in enumerate(observations.groups().values(), _FIRST_GROUP):
        parts.append(bytes_field(number, _columns_of(group)))
    batch = b"".join(parts)
    if len(batch) > RECORD_BYTES_MAX - 64:
        raise ObservationError(f"envelope: wanted at most {RECORD_BYTES_MAX} bytes, got {len(batch)}")
    count, first_ms, last_ms = observations.n, *_time_span(observations)
    return b"".join(
        (
            varint_field(_VERSION, SCHEMA_VERSION),
            varint_field(_COUNT, count),
            varint_field(_TIME_MIN, first_ms),
            varint_field(_TIME_MAX, last_ms),
            fixed32_field(_CHECKSUM, _checksum(count, first_ms, last_ms, memoryview(batch))),
            bytes_field(_BATCH, [batch]),
        )
    )


def from_envelope(record: bytes | memoryview) -> Observations:
    """Reads a record; its columns are read-only views of it. Raises ObservationError for any damage or lie."""
    if len(record) > RECORD_BYTES_MAX:
        raise ObservationError(f"envelope: wanted at most {RECORD_BYTES_MAX} bytes, got {len(record)}")
    header = read_fields(memoryview(record), "envelope")
    version, count = _number(header, _VERSION), _number(header, _COUNT)
    if version != SCHEMA_VERSION:
        raise ObservationError(f"envelope: wanted schema version {SCHEMA_VERSION}, got {version}")
    if count > ROWS_MAX:
        raise ObservationError(f"envelope: wanted at most {ROWS_MAX} rows, got {count}")
    span = signed(_number(header, _TIME_MIN)), signed(_number(header, _TIME_MAX))
    batch = _bytes(header, _BATCH)
    wanted, got = _number(header, _CHECKSUM), _checksum(count, *span, batch)
    if wanted != got:
        raise ObservationError(f"envelope: wanted checksum {wanted:08x}, got {got:08x}")
    observations = _read_batch(batch, count)
    if span != _time_span(observations):
        raise ObservationError(f"envelope: wanted event times {span}, got {_time_span(observations)}")
    return observations


def _read_batch(batch: memoryview, count: int) -> Observations:
    fields = read_fields(batch, "batch")
    strings = _read_strings(_bytes(fields, _TEXT), _bytes(fields, _TEXT_LENGTH), TEXTS_PER_ROW_MAX * count)
    messages = {name: read_fields(_bytes(fields, number), name) for number, name in enumerate(GROUPS, _FIRST_GROUP)}
    kinds = _bytes(messages["common"], 1)
    if len(kinds) != count:
        raise ObservationError(f"common.kind: wanted {count} rows, got {len(kinds)}")
    counts = np.bincount(np.frombuffer(kinds, np.uint8), minlength=len(Kind))
    groups: dict[str, Any] = {}
    for name, (kind, group) in GROUPS.items():
        rows = count if kind is None else int(counts[kind])
        groups[name] = _read_group(group, messages[name], rows, len(strings), name)
    return Observations(strings, **groups)


def _columns_of(group: Group) -> list[bytes]:
    """The column fields of a group's message; those that hold nothing are left out."""
    fields = []
    for number, (name, spec) in enumerate(group.specs.items(), 1):
        column = getattr(group, name)
        if not _is_absent(column, spec):
            fields.append(bytes_field(number, [np.ascontiguousarray(column, spec.kind).tobytes()]))
    return fields


def _is_absent(column: Column, spec: Spec) -> bool:
    return bool(np.isnan(column).all() if spec.kind.kind == "f" else (column == spec.absent).all())


def _read_group(group: type[Group], fields: dict[int, Field], rows: int, texts: int, place: str) -> Group:
    columns = {}
    for number, (name, spec) in enumerate(group.specs.items(), 1):
        if number in fields:
            data = _bytes(fields, number)
            wanted = rows * spec.width * spec.kind.itemsize
            if len(data) != wanted:
                raise ObservationError(f"{place}.{name}: wanted {wanted} bytes, got {len(data)}")
            columns[name] = column = np.frombuffer(data, spec.kind).reshape(spec.shape(rows))
            if not spec.allows(column, texts):
                raise ObservationError(f"{place}.{name}: wanted indices and codes in range, got others")
        elif rows and spec.low == 0 and spec.absent < 0:
            raise ObservationError(f"{place}.{name}: wanted a column, got none")
    return group.absent(rows, **columns)


def _read_strings(text: memoryview, lengths: memoryview, most: int) -> tuple[str, ...]:
    if len(lengths) % 4 or len(lengths) > 4 * most:
        raise ObservationError(f"batch.text_length: wanted at most {most} numbers of 4 bytes, got {len(lengths)} bytes")
    ends = np.cumsum(np.frombuffer(lengths, "<u4"), dtype=np.int64)
    if len(text) != (int(ends[-1]) if len(ends) else 0):
        raise ObservationError(f"batch.text: wanted as many bytes as the lengths add up to, got {len(text)}")
    stops = ends.tolist()
    starts = [0, *stops][:-1]
    data = bytes(text)
    try:
        if data.isascii():
            plain = data.decode("ascii")
            return tuple([plain[start:stop] for start, stop in zip(starts, stops, strict=True)])
        return tuple([data[start:stop].decode() for start, stop in zip(starts, stops, strict=True)])
    except UnicodeError as wrong:
        raise ObservationError(f"batch.text: wanted texts in UTF-8, got {wrong}") from wrong


def _time_span(observations: Observations) -> tuple[int, int]:
    event_ms = observations.common.event_ms
    return (int(event_ms.min()), int(event_ms.max())) if len(event_ms) else (0, 0)


def _checksum(count: int, first_ms: int, last_ms: int, batch: memoryview) -> int:
    return zlib.crc32(batch, zlib.crc32(_HEADER.pack(SCHEMA_VERSION, count, first_ms, last_ms)))


def _number(fields: dict[int, Field], number: int) -> int:
    value = fields.get(number, 0)
    if isinstance(value, int):
        return value
    raise ObservationError(f"envelope field {number}: wanted a number, got bytes")


def _bytes(fields: dict[int, Field], number: int) -> memoryview:
    value = fields.get(number, memoryview(b""))
    if isinstance(value, memoryview):
        return value
    raise ObservationError(f"envelope field {number}: wanted bytes, got a number")
