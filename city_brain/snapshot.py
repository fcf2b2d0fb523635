"""State to bytes and back: MessagePack of typed structs, with columns as raw little-endian arrays.

The same state gives the same bytes, and a restored state gives the same further output: dictionaries keep their order,
floats keep their bits. Nothing is executed on reading (no pickle).
"""

from typing import Any, TypeVar

import msgspec
import numpy as np
import zstandard

from city_brain.errors import StateError
from city_brain.table import Table
from city_brain.types import Column

State = TypeVar("State")


def _array_to_plain(array: Column) -> list[Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return [little.dtype.str, list(little.shape), little.tobytes()]


def _array_from_plain(plain: Any) -> Column:
    kind, shape, data = plain
    dtype = np.dtype(kind)
    if dtype.hasobject:
        raise StateError(f"snapshot: wanted a column of numbers, got {kind}")
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
    except (msgspec.MsgspecError, ValueError, TypeError) as wrong:
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
