"""State to bytes and back: MessagePack of typed structs, with columns as little-endian arrays.

The same state gives the same bytes, and a restored state gives the same further output: dictionaries keep their order,
floats keep their bits. A long column is as wide as the range of its values wants. Nothing is executed on reading (no
pickle).
"""

from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import zstandard

from city_brain.errors import StateError
from city_brain.table import Table
from city_brain.types import Column

State = TypeVar("State")


NARROWED_BYTES: Final = 1 << 10
"""From so many on, a column is looked through for how few bytes its values need."""


def _array_to_plain(array: Column) -> list[Any]:
    """Element type, shape, bytes; and of a column whose values lie close together the least of them and how many bytes
    tell the distance of each from it, both of the bits taken for whole numbers: none where all are the same.
    """
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    plain = [little.dtype.str, list(little.shape)]
    if little.nbytes >= NARROWED_BYTES:
        whole = little.view(f"<i{little.dtype.itemsize}")
        low = whole.min()
        needed = (int(whole.max()) - int(low)).bit_length() + 7 >> 3
        width = next(width for width in (0, 1, 2, 4, 8) if width >= needed)
        if width < little.dtype.itemsize:
            return [*plain, (whole - low).astype(f"<u{width}").tobytes() if width else b"", int(low), width]
    return [*plain, little.tobytes()]


def _array_from_plain(plain: Any) -> Column:
    kind, shape, data, *narrowed = plain
    dtype = np.dtype(kind)
    if dtype.hasobject:
        raise StateError(f"snapshot: wanted a column of numbers, got {kind}")
    if narrowed:
        low, width = narrowed
        whole = np.full(shape, low, f"<i{dtype.itemsize}")
        if width:
            whole += np.frombuffer(data, f"<u{width}").reshape(shape).astype(whole.dtype)
        narrow: Column = whole.view(dtype)
        return narrow.astype(dtype.newbyteorder("="), copy=False)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _array_to_plain(value)
    if isinstance(value, Table):
        return [[name, _array_to_plain(column)] for name, column in value.columns().items()]
    if isinstance(value, np.generic):
        return value.item()
    raise StateError(f"snapshot: wanted a struct, column, table or plain value, got {type(value).__name__}")


def _decode(kind: type, plain: Any) -> Any:
    if kind is Table:
        columns = {name: _array_from_plain(column) for name, column in plain}
        table = Table({name: (column.dtype, column.shape[1:]) for name, column in columns.items()})
        table.append(len(next(iter(columns.values()), ())), **columns)
        return table
    if getattr(kind, "__origin__", kind) is np.ndarray:
        return _array_from_plain(plain)
    raise StateError(f"snapshot: wanted a known type, got {kind}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode)


def to_bytes(state: object) -> bytes:
    """Encodes a struct whose fields are structs, columns, tables, dictionaries, lists and plain values."""
    return _encoder.encode(state)


def from_bytes(kind: type[State], data: bytes) -> State:
    """Decodes what `to_bytes` made of a `kind`; raises StateError where the bytes do not fit it."""
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_decode)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, MemoryError) as wrong:
        raise StateError(f"snapshot: wanted a {kind.__name__}, got {wrong}") from wrong


def unpacked(packed: bytes, bytes_max: int) -> bytes:
    """What was packed by Zstandard; raises StateError where that is damaged, or more than `bytes_max`.

    The size must be stated, as our own writers do it: by it room is made, so it is held against the limit before.
    """
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if size > bytes_max:
            said = "of no stated size" if size == zstandard.CONTENTSIZE_UNKNOWN else f"of {size} bytes"
            raise StateError(f"packed data: wanted data of at most {bytes_max} bytes, got some {said}")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as wrong:
        raise StateError(f"packed data: wanted Zstandard, got: {wrong}") from wrong
