"""Recordings of observations as JSON lines, plain or Zstandard, read in blocks of constant memory.

Log positions are line numbers, from 1, whatever the blocks: what becomes of a row does not depend on how it was read.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import LINE_BYTES_MAX, Parsed, from_lines

STANDARD_INPUT: Final = "-"
BLOCK_ROWS: Final = 4096
BLOCK_BYTES: Final = 8 << 20
"""A block ends at the first line that fills it, however few lines it has."""
WINDOW_BYTES_MAX: Final = 1 << 27
"""Recordings that need a larger Zstandard window (`--long` beyond 27) are refused: a window is memory."""

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_PLAIN_CHUNK: Final = 1 << 18
_PACKED_CHUNK: Final = 1 << 10
"""1 KiB of Zstandard is at most 256 blocks of 128 KiB: a bomb gives 32 MiB at a time, which become rejected lines."""


def read_blocks(path: str | Path, block_rows: int = BLOCK_ROWS, *, live: bool = False) -> Iterator[Parsed]:
    """Reads a recording (`-`: standard input) in blocks of at most `block_rows` lines, in order.

    `live`: whole lines that are there go on at once, however few; no line waits for those behind it.

    Zstandard is recognised by its first bytes, not by the name. Whatever stands on a line, reading goes on: a line is a
    row, a mark, or rejected with its number. A line longer than 1 MiB is rejected with its first bytes, and the rest of
    it is not kept. Raises RecordingError, after the blocks before it, where the file cannot be read on.
    """
    number = 1
    lines: list[bytes] = []
    filled, opened = 0, False
    try:
        with _open(path) as file:
            opened = True
            for line in _lines(_chunks(file)):
                if line is not None:
                    lines.append(line)
                    filled += len(line)
                if len(lines) == block_rows or filled >= BLOCK_BYTES or (live and lines and line is None):
                    yield from_lines(lines, number)
                    number += len(lines)
                    lines, filled = [], 0
    except (OSError, zstandard.ZstdError, _CutShortError) as wrong:
        if lines:
            yield from_lines(lines, number)
        place = "standard input" if str(path) == STANDARD_INPUT else str(path)
        why = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else str(wrong)
        at = f" line {number + len(lines)}" if opened else ""
        raise RecordingError(f"{place}{at}: wanted observations to read, got: {why}") from wrong
    if lines:
        yield from_lines(lines, number)


class _CutShortError(Exception):
    """The Zstandard data end within a frame."""

    def __str__(self) -> str:
        return "the Zstandard data end too early"


def _open(path: str | Path) -> "BinaryIO | FileIO | nullcontext[BinaryIO]":
    """The file without a buffer: a read gives what is there, and a thread that waits in it holds no lock at the end."""
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:  # it was closed before we began
            return BytesIO()
        return nullcontext(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    return Path(path).open("rb", buffering=0)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """The content of the file, decompressed if it is Zstandard."""
    first = _first_bytes(file)
    if first.startswith(_ZSTD_MAGIC):
        yield from _unpacked(first, file)
        return
    while first:
        yield first
        first = file.read(_PLAIN_CHUNK)


def _first_bytes(file: BinaryIO) -> bytes:
    """Enough of the beginning to know Zstandard by; a pipe may give it byte by byte."""
    first = more = file.read(_PACKED_CHUNK)
    while more and len(first) < len(_ZSTD_MAGIC) and _ZSTD_MAGIC.startswith(first):
        more = file.read(_PACKED_CHUNK)
        first += more
    return first


def _unpacked(packed: bytes, file: BinaryIO) -> Iterator[bytes]:
    """The content of the frames that start with `packed` and go on in the file."""
    reader = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    frame = reader.decompressobj()
    while packed:
        yield frame.decompress(packed)
        packed = frame.unused_data if frame.eof else b""
        if frame.eof:
            packed = packed or file.read(_PACKED_CHUNK)
            if packed:
                frame = reader.decompressobj()
        else:
            packed = file.read(_PACKED_CHUNK)
            if not packed:
                raise _CutShortError


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """The lines without their ends, None behind those of each chunk; of a line that is too long only so much that this
    can be seen.
    """
    limit = LINE_BYTES_MAX + 1
    rest = b""
    for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        if whole:
            whole[0] = rest + whole[0]
            rest = b""
            for line in whole:
                yield line[:limit]
        rest = (rest + tail)[:limit]
        yield None
    if rest:
        yield rest
