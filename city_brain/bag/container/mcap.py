"""The records of MCAP, to bytes and back (https://mcap.dev/spec): only what stands in them, no files.

A record is an opcode, the length of its content, and the content. Whatever is wrong in a content is a RecordingError
with the place that the caller gave.
"""

import itertools
import struct
import zlib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np

from city_brain.bag.records import (
    ATTACHMENT_BYTES_MAX,
    CHUNK_BYTES_MAX,
    METADATA_BYTES_MAX,
    SCHEMA_BYTES_MAX,
    Channel,
    Schema,
)
from city_brain.errors import RecordingError
from city_brain.types import Column, Ints

MAGIC: Final = b"\x89MCAP0\r\n"
ZSTD: Final = "zstd"


class Op(IntEnum):
    """Opcodes."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    ATTACHMENT = 0x09
    ATTACHMENT_INDEX = 0x0A
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F


START: Final = struct.Struct("<BQ")
"""How a record begins: its opcode and the length of what follows."""
MESSAGE: Final = struct.Struct("<BQHIQQ")
MESSAGE_HEAD: Final = np.dtype(
    [("op", "u1"), ("length", "<u8"), ("channel", "<u2"), ("sequence", "<u4"), ("log", "<u8"), ("publish", "<u8")]
)
"""A Message up to its data, packed as in the file: 31 bytes."""
MESSAGE_FIELDS: Final = MESSAGE.size - START.size
FOOTER_BYTES: Final = START.size + 20
_INDEX_ENTRY: Final = np.dtype([("log", "<u8"), ("at", "<u8")])
_SMALL: Final = 1 << 16

CONTENT_BYTES_MAX: Final = {
    Op.HEADER: _SMALL,
    Op.FOOTER: 20,
    Op.SCHEMA: SCHEMA_BYTES_MAX + _SMALL,
    Op.CHANNEL: 1 << 20,
    Op.MESSAGE: CHUNK_BYTES_MAX,
    Op.CHUNK: CHUNK_BYTES_MAX + _SMALL,
    Op.ATTACHMENT: ATTACHMENT_BYTES_MAX + _SMALL,
    Op.METADATA: METADATA_BYTES_MAX + _SMALL,
    Op.DATA_END: 4,
}
"""Lengths beyond are refused before anything is read; records not named here are passed over unread."""


class ChunkHead(msgspec.Struct, frozen=True):
    """A Chunk with its records still packed."""

    start_ns: int
    end_ns: int
    size: int
    crc: int
    packing: str
    packed: bytes | memoryview


class ChunkEntry(msgspec.Struct, frozen=True, gc=False):
    """Where a chunk stands in the file, and the log times in it."""

    start_ns: int
    end_ns: int
    at: int
    length: int


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file within the recording."""

    log_ns: int
    created_ns: int
    name: str
    media_type: str
    data: bytes


class AttachmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attachment stands, and what it is."""

    at: int
    length: int
    log_ns: int
    created_ns: int
    size: int
    name: str
    media_type: str


class Footer(msgspec.Struct, frozen=True):
    """Where the summary begins (0: there is none), and its CRC."""

    summary_at: int
    offsets_at: int
    crc: int


def record(op: int, *parts: bytes | memoryview) -> bytes:
    """A record of the parts of its content."""
    content = b"".join(parts)
    return START.pack(op, len(content)) + content


def text(said: str) -> bytes:
    """A string; bytes that came as surrogates leave as bytes."""
    data = said.encode("utf-8", "surrogateescape")
    return len(data).to_bytes(4, "little") + data


def block(data: bytes) -> bytes:
    """Bytes behind their length of four bytes."""
    return len(data).to_bytes(4, "little") + data


def text_map(said: Mapping[str, str]) -> bytes:
    """A map of strings, in its order."""
    return block(b"".join(text(name) + text(value) for name, value in said.items()))


def header(profile: str) -> bytes:
    """The Header."""
    return record(Op.HEADER, text(profile), text("city-brain"))


def schema_record(number: int, schema: Schema) -> bytes:
    """A Schema."""
    return record(Op.SCHEMA, number.to_bytes(2, "little"), text(schema.name), text(schema.encoding), block(schema.data))


def channel_record(channel: Channel) -> bytes:
    """A Channel."""
    numbers = struct.pack("<HH", channel.number, channel.schema)
    return record(Op.CHANNEL, numbers, text(channel.topic), text(channel.encoding), text_map(channel.metadata))


def attachment_record(attachment: Attachment) -> bytes:
    """An Attachment with its CRC."""
    times = struct.pack("<QQ", attachment.log_ns, attachment.created_ns)
    size = len(attachment.data).to_bytes(8, "little")
    content = b"".join((times, text(attachment.name), text(attachment.media_type), size, attachment.data))
    return record(Op.ATTACHMENT, content, zlib.crc32(content).to_bytes(4, "little"))


def attachment_entry(entry: AttachmentEntry) -> bytes:
    """An AttachmentIndex."""
    numbers = struct.pack("<QQQQQ", entry.at, entry.length, entry.log_ns, entry.created_ns, entry.size)
    return record(Op.ATTACHMENT_INDEX, numbers, text(entry.name), text(entry.media_type))


def metadata_record(name: str, said: Mapping[str, str]) -> bytes:
    """A Metadata."""
    return record(Op.METADATA, text(name), text_map(said))


def metadata_entry(at: int, length: int, name: str) -> bytes:
    """A MetadataIndex."""
    return record(Op.METADATA_INDEX, struct.pack("<QQ", at, length), text(name))


def chunk_record(head: ChunkHead) -> bytes:
    """A Chunk."""
    numbers = struct.pack("<QQQI", head.start_ns, head.end_ns, head.size, head.crc)
    return record(Op.CHUNK, numbers, text(head.packing), len(head.packed).to_bytes(8, "little"), head.packed)


def message_indexes(table: Column, at: Ints) -> tuple[bytes, dict[int, int]]:
    """The MessageIndex records of a chunk, of the heads of its messages and where each begins; and by channel where
    its record begins among them.
    """
    order = np.argsort(table["channel"], kind="stable")
    channels = table["channel"][order]
    entries = np.empty(len(table), _INDEX_ENTRY)
    entries["log"], entries["at"] = table["log"][order], at[order]
    cuts = [0, *(np.flatnonzero(np.diff(channels)) + 1).tolist(), len(table)]
    records, places, end = [], {}, 0
    for first, last in itertools.pairwise(cuts):
        data = entries[first:last].tobytes()
        number = int(channels[first])
        one = record(Op.MESSAGE_INDEX, struct.pack("<HI", number, len(data)), data)
        records.append(one)
        places[number] = end
        end += len(one)
    return b"".join(records), places


def is_message_index(content: bytes) -> bool:
    """Whether that is what a MessageIndex holds."""
    return len(content) >= 6 and len(content) - 6 == int.from_bytes(content[2:6], "little") and len(content) % 16 == 6


def chunk_index(entry: ChunkEntry, places: Mapping[int, int], index_length: int, sizes: tuple[int, int]) -> bytes:
    """A ChunkIndex; `places` are relative to the end of the chunk, `sizes` those of its records, packed and not."""
    behind = entry.at + entry.length
    offsets = b"".join(struct.pack("<HQ", number, behind + place) for number, place in places.items())
    return record(
        Op.CHUNK_INDEX,
        struct.pack("<QQQQ", entry.start_ns, entry.end_ns, entry.at, entry.length),
        block(offsets),
        index_length.to_bytes(8, "little"),
        text(ZSTD),
        struct.pack("<QQ", *sizes),
    )


def footer(summary: bytes, summary_at: int, offsets_at: int) -> bytes:
    """The Footer, whose CRC covers the summary and its own first fields."""
    begin = START.pack(Op.FOOTER, 20) + struct.pack("<QQ", summary_at, offsets_at)
    return begin + zlib.crc32(begin, zlib.crc32(summary)).to_bytes(4, "little")


class Content:
    """The content of one record, field after field; a field that would reach beyond it is a RecordingError."""

    __slots__ = ("_at", "_data", "_place")

    def __init__(self, data: bytes, place: str) -> None:
        self._data, self._place, self._at = data, place, 0

    def take(self, length: int) -> bytes:
        """The next bytes."""
        end = self._at + length
        if end > len(self._data):
            raise RecordingError(f"{self._place}: wanted {length} bytes more, got {len(self._data) - self._at}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """The next unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def numbers(self, count: int) -> list[int]:
        """The next numbers of eight bytes."""
        return list(struct.unpack(f"<{count}Q", self.take(8 * count)))

    def block(self) -> bytes:
        """The next bytes, behind their length of four bytes."""
        return self.take(self.number(4))

    def text(self) -> str:
        """The next string."""
        data = self.block()
        try:
            return data.decode()
        except UnicodeDecodeError as wrong:
            raise RecordingError(f"{self._place}: wanted a text in UTF-8, got {wrong}") from wrong

    def text_map(self) -> dict[str, str]:
        """The next map of strings."""
        inner = Content(self.block(), self._place)
        found: dict[str, str] = {}
        while not inner.ended:
            name = inner.text()
            found[name] = inner.text()
        return found

    def rest(self) -> memoryview:
        """All that was not taken, where it lies."""
        return memoryview(self._data)[self._at :]

    def end(self, *, whole: bool) -> None:
        """Raises RecordingError where something is left, and nothing may be."""
        if whole and not self.ended:
            raise RecordingError(f"{self._place}: wanted nothing more, got {len(self._data) - self._at} bytes")

    @property
    def ended(self) -> bool:
        """Whether all of it was taken."""
        return self._at == len(self._data)


def read_schema(data: bytes, place: str) -> tuple[int, Schema]:
    """A Schema with its number."""
    content = Content(data, place)
    return content.number(2), Schema(content.text(), content.text(), content.block())


def read_channel(data: bytes, place: str) -> Channel:
    """A Channel."""
    content = Content(data, place)
    return Channel(content.number(2), content.number(2), content.text(), content.text(), content.text_map())


def read_chunk(data: bytes, place: str) -> ChunkHead:
    """A Chunk; refuses one that says to be larger unpacked than we unpack."""
    content = Content(data, place)
    start_ns, end_ns, size = content.numbers(3)
    crc, packing, length = content.number(4), content.text(), content.number(8)
    if size > CHUNK_BYTES_MAX:
        raise RecordingError(f"{place}: wanted at most {CHUNK_BYTES_MAX} bytes unpacked, got {size}")
    packed = content.rest()
    if len(packed) != length:
        raise RecordingError(f"{place}: wanted {length} bytes of packed records, got {len(packed)}")
    return ChunkHead(start_ns, end_ns, size, crc, packing, packed)


def read_chunk_entry(data: bytes, place: str) -> ChunkEntry:
    """A ChunkIndex, as far as we need it."""
    return ChunkEntry(*Content(data, place).numbers(4))


def read_attachment(data: bytes, place: str) -> Attachment:
    """An Attachment; raises RecordingError where its CRC is not that of its bytes."""
    content = Content(data, place)
    log_ns, created_ns = content.numbers(2)
    name, media_type = content.text(), content.text()
    inside = content.take(content.number(8))
    wanted, got = content.number(4), zlib.crc32(memoryview(data)[:-4])
    if wanted != got:
        raise RecordingError(f"{place}: wanted an attachment with checksum {wanted:08x}, got {got:08x}")
    return Attachment(log_ns=log_ns, created_ns=created_ns, name=name, media_type=media_type, data=inside)


def read_attachment_entry(data: bytes, place: str) -> AttachmentEntry:
    """An AttachmentIndex."""
    content = Content(data, place)
    at, length, log_ns, created_ns, size = content.numbers(5)
    name, media_type = content.text(), content.text()
    return AttachmentEntry(
        at=at, length=length, log_ns=log_ns, created_ns=created_ns, size=size, name=name, media_type=media_type
    )


def read_metadata(data: bytes, place: str, *, whole: bool) -> tuple[str, dict[str, str]]:
    """A Metadata; `whole` where nothing may stand behind it, as other versions of MCAP may add."""
    content = Content(data, place)
    found = content.text(), content.text_map()
    content.end(whole=whole)
    return found


def read_footer(data: bytes, place: str) -> Footer:
    """A Footer."""
    content = Content(data, place)
    summary_at, offsets_at = content.numbers(2)
    return Footer(summary_at, offsets_at, content.number(4))


def read_records(data: bytes, place: str) -> Iterable[tuple[int, bytes]]:
    """The records that make up `data`, as opcode and content: of a summary."""
    content = Content(data, place)
    while not content.ended:
        op = content.number(1)
        yield op, content.take(content.number(8))
