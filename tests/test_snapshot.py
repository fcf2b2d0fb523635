"""Packed data are unpacked within a limit, which they cannot talk their way around."""

import pytest
import zstandard

from city_brain.errors import StateError
from city_brain.snapshot import unpacked

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
