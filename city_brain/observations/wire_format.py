"""The Protocol Buffers wire format for messages of numbers and bytes, read without copying.

The generated classes copy every bytes field; a column is better viewed where it lies. Only what envelopes use is here:
numbers and length-delimited fields, each at most once per message
(https://protobuf.dev/programming-guides/encoding/).
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from city_brain.errors import ObservationError

Field: TypeAlias = int | memoryview
"""An unsigned number, or a view of the bytes."""

FIELDS_MAX: Final = 64
"""More fields in one message are refused: each costs a step here, and no message of ours has so many."""

_VARINT, _BITS64, _BYTES, _BITS32 = 0, 1, 2, 5


def read_fields(message: memoryview, place: str) -> dict[int, Field]:
    """The fields of a message by number; raises ObservationError (naming the `place`) where it is not well formed."""
    fields: dict[int, Field] = {}
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at, place)
        number, kind = tag >> 3, tag & 7
        value: Field
        if kind == _VARINT:
            value, at = _read_varint(message, at, place)
        else:
            if kind == _BYTES:
                length, at = _read_varint(message, at, place)
            elif kind in (_BITS32, _BITS64):
                length = 4 if kind == _BITS32 else 8
            else:
                raise ObservationError(f"{place} field {number}: wanted wire type 0, 1, 2 or 5, got {kind}")
            end = at + length
            if end > len(message):
                raise ObservationError(f"{place} field {number}: wanted {length} bytes, got {len(message) - at}")
            value = message[at:end] if kind == _BYTES else int.from_bytes(message[at:end], "little")
            at = end
        if number == 0 or number in fields or len(fields) == FIELDS_MAX:
            raise ObservationError(f"{place}: wanted at most {FIELDS_MAX} fields, each once, got field {number} again")
        fields[number] = value
    return fields


def varint_field(number: int, value: int) -> bytes:
    """A field of type uint32, uint64 or int64; empty for 0, as proto3 writes it."""
    return _varint(number << 3 | _VARINT) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF) if value else b""


def fixed32_field(number: int, value: int) -> bytes:
    """A field of type fixed32; empty for 0."""
    return _varint(number << 3 | _BITS32) + value.to_bytes(4, "little") if value else b""


def bytes_field(number: int, parts: Iterable[bytes]) -> bytes:
    """A field of type bytes or a message, of the parts joined; empty for no bytes."""
    data = b"".join(parts)
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(data)), data)) if data else b""


def signed(value: int) -> int:
    """An int64 from the unsigned value of its varint."""
    return value - (1 << 64) if value >> 63 else value


def _varint(value: int) -> bytes:
    septets = bytearray()
    while value > 0x7F:
        septets.append(value & 0x7F | 0x80)
        value >>= 7
    septets.append(value)
    return bytes(septets)


def _read_varint(message: memoryview, at: int, place: str) -> tuple[int, int]:
    """The number that starts at `at`, and the position behind it."""
    if at < len(message) and message[at] < 0x80:  # most are of one byte
        return message[at], at + 1
    value = 0
    for shift, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + shift + 1
    raise ObservationError(f"{place}: wanted a varint of at most 64 bits, got none at byte {at}")
