"""A file of MCAP while it is written: named when it is whole; a full disk leaves what was whole before."""

import errno
import os
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from city_brain.bag.container import mcap
from city_brain.bag.container.holding import give_name, hold, is_held
from city_brain.bag.container.mcap import MAGIC, Attachment, AttachmentEntry, ChunkEntry, Op
from city_brain.bag.offsets import ENTRY_BYTES, OffsetIndexWriter
from city_brain.bag.records import (
    METADATA_BYTES_MAX,
    OFFSETS,
    OFFSETS_TYPE,
    PROFILE,
    SEGMENT,
)
from city_brain.errors import RecordingError, RecordingFullError

PART: Final = ".part"
"""Behind the name of a file that is not whole yet."""
MENDING: Final = ".mending"
"""The same, of one that is being mended: the file that it is made of may be called `.part`."""
_OUT_OF_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PackedChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk as it goes into a file, and what the indexes must know of it."""

    data: bytes
    """The Chunk record."""
    indexes: bytes
    """The MessageIndex records that follow it."""
    places: dict[int, int]
    """Where that of a channel begins among them."""
    start_ns: int
    end_ns: int
    sizes: tuple[int, int]
    """Of its records, packed and not."""
    counts: dict[int, int]
    """Messages of each channel."""
    spans: list[tuple[int, int, int]]
    """Of each record channel in it: the channel, its lowest and its highest offset."""
    records: int


class SegmentFile:
    """One file while it is written; a write that fails leaves what was whole before it, under the name *.part."""

    def __init__(self, path: Path, synchronise: bool = False, part: str = PART) -> None:
        self.path, self.part = path, path.with_name(path.name + part)
        self._synchronise = synchronise
        self.position, self._crc, self.records = 0, 0, 0
        self._metadata: list[bytes] = []
        self._attachments: list[bytes] = []
        self._chunks: list[bytes] = []
        self.index_bytes = 0
        self._counts: Counter[int] = Counter()
        self._start_ns, self._end_ns = 0, 0
        self._offsets = OffsetIndexWriter()
        if path.exists():
            raise RecordingError(f"{path}: wanted a new file, got one that is there")
        try:
            self._file = self.part.open("xb", buffering=0)
        except FileExistsError as wrong:
            raise RecordingError(f"{self.part}: wanted a new file, {self._in_the_way(part)}") from wrong
        except OSError as wrong:
            raise RecordingError(f"{self.part}: wanted a file to write, got: {wrong.strerror}") from wrong
        hold(self._file)
        try:
            self._put(MAGIC + mcap.header(PROFILE))
        except RecordingError:
            self.part.unlink(missing_ok=True)
            raise

    @property
    def offset_entries(self) -> int:
        """Entries of the offset index so far."""
        return len(self._offsets)

    @property
    def closing_bytes(self) -> int:
        """What the end of the file will take at most, besides definitions."""
        return self.index_bytes + ENTRY_BYTES * self.offset_entries + 4096

    def metadata(self, name: str, said: Mapping[str, str]) -> None:
        """Writes a Metadata."""
        data = mcap.metadata_record(name, said)
        if len(data) > METADATA_BYTES_MAX:
            raise RecordingError(f"metadata {name}: wanted at most {METADATA_BYTES_MAX} bytes, got {len(data)}")
        entry = mcap.metadata_entry(self._put(data), len(data), name)
        self._metadata.append(entry)
        self.index_bytes += len(entry)

    def definition(self, data: bytes) -> None:
        """Writes a Schema of which the chunk is lost that had it."""
        self._put(data)

    def attachment(self, attachment: Attachment) -> None:
        """Writes an Attachment."""
        data = mcap.attachment_record(attachment)
        entry = mcap.attachment_entry(
            AttachmentEntry(
                at=self._put(data), length=len(data), log_ns=attachment.log_ns, created_ns=attachment.created_ns,
                size=len(attachment.data), name=attachment.name, media_type=attachment.media_type,
            )
        )  # fmt: skip
        self._attachments.append(entry)
        self.index_bytes += len(entry)

    def chunk(self, packed: PackedChunk) -> None:
        """Writes a chunk with its indexes."""
        at = self._put(packed.data + packed.indexes)
        if self._synchronise:
            self._on_disk()
        if not self._chunks:
            self._start_ns = packed.start_ns
        self._end_ns = packed.end_ns
        self._offsets.add(len(self._chunks), packed.spans)
        entry = ChunkEntry(packed.start_ns, packed.end_ns, at, len(packed.data))
        self._chunks.append(mcap.chunk_index(entry, packed.places, len(packed.indexes), packed.sizes))
        self.index_bytes += len(self._chunks[-1])
        self._counts.update(packed.counts)
        self.records += packed.records

    def finish(self, definitions: tuple[list[bytes], list[bytes]], *, last: bool, gaps: int) -> None:
        """Writes what closes the file, and gives it its name."""
        said = {"last": str(last).lower(), "records": str(self.records), "gaps": str(gaps)}
        self.metadata(SEGMENT, said)
        times = {"log_ns": self._end_ns, "created_ns": 0}
        self.attachment(Attachment(name=OFFSETS, media_type=OFFSETS_TYPE, data=self._offsets.to_bytes(), **times))
        end = mcap.record(Op.DATA_END, self._crc.to_bytes(4, "little"))
        at = self.position + len(end)
        schemas, channels = definitions
        statistics = self._statistics(len(schemas), len(channels))
        groups = {
            Op.SCHEMA: schemas, Op.CHANNEL: channels, Op.STATISTICS: [statistics], Op.CHUNK_INDEX: self._chunks,
            Op.ATTACHMENT_INDEX: self._attachments, Op.METADATA_INDEX: self._metadata,
        }  # fmt: skip
        offsets, start = [], at
        for op, records in groups.items():
            length = sum(map(len, records))
            if length:
                offsets.append(mcap.record(Op.SUMMARY_OFFSET, struct.pack("<BQQ", op, start, length)))
            start += length
        summary = b"".join([*(data for records in groups.values() for data in records), *offsets])
        self._put(end + summary + mcap.footer(summary, at, start) + MAGIC)
        self._on_disk()
        try:
            self._rename()
        finally:
            self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more: it is finished, or a write failed."""
        return self._file.closed

    def close(self) -> None:
        """Closes the file as it is."""
        self._file.close()

    def _statistics(self, schemas: int, channels: int) -> bytes:
        counts = b"".join(struct.pack("<HQ", number, count) for number, count in sorted(self._counts.items()))
        numbers = struct.pack(
            "<QHIIIIQQ", self._counts.total(), schemas, channels, len(self._attachments), len(self._metadata),
            len(self._chunks), self._start_ns, self._end_ns,
        )  # fmt: skip
        return mcap.record(Op.STATISTICS, numbers, mcap.block(counts))

    def _put(self, data: bytes) -> int:
        """Writes all of it, or leaves nothing of it; gives where it begins."""
        at, rest = self.position, memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as wrong:
            self._fail(at, wrong)
        self._crc = zlib.crc32(data, self._crc)
        self.position += len(data)
        return at

    def _on_disk(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as wrong:
            self._fail(self.position, wrong)

    def _fail(self, whole: int, wrong: OSError) -> NoReturn:
        with suppress(OSError):
            self._file.truncate(whole)
        self.close()
        kind = RecordingFullError if wrong.errno in _OUT_OF_ROOM else RecordingError
        told = f"got: {wrong.strerror}; what was written is in {self.part.name}: city-brain bag recover"
        raise kind(f"{self.part}: wanted room for the recording, {told}") from wrong

    def _in_the_way(self, part: str) -> str:
        """What an unfinished file of that name is."""
        if is_held(self.part):
            return "got one that is in use: somebody writes it now"
        if part == MENDING:
            return "got one that bag recover left behind: remove it"
        return "got one that a recorder left behind: city-brain bag recover saves it"

    def _rename(self) -> None:
        try:
            give_name(self.part, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as wrong:
            told = f"got: {wrong.strerror}; all of it is in {self.part.name}" if self.part.exists() else wrong.strerror
            raise RecordingError(f"{self.path}: wanted to give it its name, {told}") from wrong
