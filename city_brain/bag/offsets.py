"""The offset index: which chunk holds an offset of a channel, attached to every segment (`playback/FORMAT.md` §5)."""

import struct
from array import array
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
import zstandard

from city_brain.bag.records import OFFSET_ENTRIES_MAX
from city_brain.errors import RecordingError
from city_brain.types import Ints

ENTRY_BYTES: Final = 22
_KINDS: Final = ("<u4", "<u2", "<i8", "<i8")
_COUNT: Final = struct.Struct("<I")


class OffsetIndexWriter:
    """Grows with the chunks of a segment; four columns."""

    def __init__(self) -> None:
        self._columns = array("I"), array("H"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, chunk: int, spans: Iterable[tuple[int, int, int]]) -> None:
        """Adds a chunk: of each channel in it the lowest and the highest offset."""
        for span in spans:
            for column, number in zip(self._columns, (chunk, *span), strict=True):
                column.append(number)

    def index(self) -> "OffsetIndex":
        """What was added, to search in."""
        return OffsetIndex(*(np.asarray(column).astype(np.int64) for column in self._columns))

    def to_bytes(self) -> bytes:
        """What is attached."""
        columns = [
            np.asarray(column).astype(kind).tobytes() for column, kind in zip(self._columns, _KINDS, strict=True)
        ]
        return zstandard.ZstdCompressor(level=3).compress(b"".join((_COUNT.pack(len(self)), *columns)))


class OffsetIndex(msgspec.Struct, frozen=True):
    """The columns (n,), in order of chunks."""

    chunk: Ints
    channel: Ints
    low: Ints
    high: Ints

    def spans(self, chunk: int) -> list[tuple[int, int, int]]:
        """Of each channel in a chunk: the channel, its lowest and its highest offset; in order of channels."""
        first, last = np.searchsorted(self.chunk, [chunk, chunk + 1]).tolist()
        columns = (column[first:last].tolist() for column in (self.channel, self.low, self.high))
        return sorted(zip(*columns, strict=True))

    def first_chunk(self, channels: list[int], offset: int) -> int | None:
        """The first chunk in which one of the channels has that offset or a higher one."""
        reached = self.chunk[np.isin(self.channel, channels) & (self.high >= offset)]
        return int(reached.min()) if len(reached) else None


def read_offsets(packed: bytes, chunks: int, place: str) -> OffsetIndex:
    """Reads what is attached to a file of so many chunks; raises RecordingError where it is no such index."""
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if not _COUNT.size <= size <= _COUNT.size + ENTRY_BYTES * OFFSET_ENTRIES_MAX:
            raise RecordingError(f"{place}: wanted at most {OFFSET_ENTRIES_MAX} entries, got {size} bytes")
        data = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as wrong:
        raise RecordingError(f"{place}: wanted Zstandard data, got: {wrong}") from wrong
    count, at = _COUNT.unpack_from(data)[0], _COUNT.size
    if len(data) != at + ENTRY_BYTES * count:
        raise RecordingError(f"{place}: wanted {count} entries, got {len(data)} bytes")
    columns = []
    for kind in _KINDS:
        columns.append(np.frombuffer(data, kind, count, at).astype(np.int64))
        at += count * np.dtype(kind).itemsize
    if count and (int(columns[0][-1]) >= chunks or bool((np.diff(columns[0]) < 0).any())):
        raise RecordingError(f"{place}: wanted the numbers of {chunks} chunks in their order, got others")
    return OffsetIndex(*columns)
