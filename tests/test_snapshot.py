"""Columns come back bit for bit, however narrow they were written; packed data are unpacked within a limit."""

import msgspec
import numpy as np
import pytest
import zstandard

from city_brain.errors import StateError
from city_brain.snapshot import from_bytes, to_bytes, unpacked
from city_brain.types import Column

PACKED = zstandard.compress(bytes(1000))


def test_what_was_packed_comes_back() -> None:
    """Up to the limit, and nothing at all as well."""
    assert unpacked(PACKED, 1000) == bytes(1000)
    assert unpacked(zstandard.compress(b""), 0) == b""


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (PACKED, "wanted data of at most 999 bytes, got some of 1000 bytes"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(b"a"), "got some of no stated size"),
        (zstandard.compress(b"a")[:-1], "wanted Zstandard, got"),
        (zstandard.compress(b"a") + b"more", "wanted Zstandard, got"),
        (b"none", "wanted Zstandard, got"),
        (b"", "wanted Zstandard, got"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(packed: bytes, why: str) -> None:
    """Bombs before anything of them is unpacked; what is cut, followed by more, or no such data."""
    with pytest.raises(StateError, match=why):
        unpacked(packed, 999)


class Kept(msgspec.Struct):
    """A state of one column."""

    column: Column


def spread(kind: str, least: int, most: int) -> Column:
    """A thousand values and a few, both ends among them."""
    return np.array([least, most, *([least] * 1022)], dtype=kind)


@pytest.mark.parametrize(
    ("column", "wide"),
    [
        (np.full(1024, np.nan), 0),
        (np.array([0.0, -0.0] * 512), 8),
        (np.ones(1024, dtype=np.bool_), 0),
        (np.array([True, False] * 512), 1),
        (spread("<u1", 0, 255), 1),
        (spread("<i2", -200, 55), 1),
        (spread("<i4", 7, 263), 2),
        (spread("<i8", -(1 << 62), -(1 << 62) + 65_535), 2),
        (spread("<i8", 5, 5 + (1 << 24)), 4),
        (spread("<i8", -(1 << 63), (1 << 63) - 1), 8),
        (spread("<u8", 0, (1 << 64) - 1), 1),
        (np.full((64, 16, 3), 9), 0),
        (np.arange(100), 8),
    ],
)
def test_a_column_is_as_wide_as_its_values_want(column: Column, wide: int) -> None:
    """Short ones stay as they are; the bits of each value come back, whatever they mean."""
    data = to_bytes(Kept(column))
    assert wide * column.size <= len(data) < wide * column.size + 100
    back = from_bytes(Kept, data).column
    assert (back.dtype, back.shape, back.tobytes()) == (column.dtype, column.shape, column.tobytes())
    assert back.flags.writeable


def test_a_column_that_nothing_could_hold_is_refused() -> None:
    plain = msgspec.msgpack.encode({"column": ["<i8", [1 << 60], b"", 0, 0]})
    with pytest.raises(StateError, match="wanted a Kept"):
        from_bytes(Kept, plain)
