"""The walker: a file from front to back, chunk by chunk, as columns over the bytes of each chunk.

No object is made for a message. Everything is checked before it is used: a length against the file and its limit, a
chunk against its checksum, at the end the whole data section against its own.
"""

import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
import zstandard

from city_brain.bag.container import mcap
from city_brain.bag.container.mcap import (
    CONTENT_BYTES_MAX,
    MAGIC,
    MESSAGE_FIELDS,
    MESSAGE_HEAD,
    START,
    AttachmentEntry,
    ChunkHead,
    Op,
)
from city_brain.bag.records import (
    BLOCK_ENCODING,
    BLOCK_SUFFIX,
    CHUNK_BYTES,
    DEFINITION_BYTES_MAX,
    LOG_NS_MAX,
    MESSAGES_PER_CHUNK_MAX,
    PROFILE,
    Channel,
    Schema,
    check_attachment_name,
)
from city_brain.errors import RecordingError
from city_brain.types import Column, Indices, Ints

KEPT_BYTES_MAX: Final = 16 << 20
"""Metadata and names of attachments of a file; beyond, it is refused."""
_PIECE: Final = 1 << 20
_ATTACHMENT_WEIGHT: Final = 1 << 10
_NUMBERS: Final = 1 << 16
"""Of channels: two bytes."""
_NAMES: Final = {int(op): op.name.lower().replace("_", " ") for op in Op}
_ATTACHMENT_HEAD: Final = 1 << 13
"""So much of an attachment holds its name and type, as long as they may be."""


class Frame(msgspec.Struct, frozen=True):
    """A record of the file: its opcode, where it begins, and the length of its content."""

    op: int
    at: int
    length: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.at + START.size + self.length


class Channels:
    """The channels and schemas that a file has named so far, and by number what joins records with their blocks."""

    def __init__(self) -> None:
        self.by_number: dict[int, Channel] = {}
        self.schemas: dict[int, Schema] = {}
        self.known = np.zeros(_NUMBERS, dtype=np.bool_)
        self.topic: Indices = np.full(_NUMBERS, -1, dtype=np.int32)
        """Of a record channel, the number of its topic; else -1."""
        self.block_of: dict[int, int] = {}
        """Of a channel of blocks, the number of its topic."""
        self.partition: Ints = np.full(_NUMBERS, -1, dtype=np.int64)
        self.topics: list[str] = []
        self._topic_numbers: dict[str, int] = {}
        self._said: set[bytes] = set()
        self._room = DEFINITION_BYTES_MAX

    def learn(self, op: int, content: bytes, place: str) -> None:
        """Takes a Schema or a Channel."""
        if op == Op.SCHEMA:
            number, schema = mcap.read_schema(content, place)
            if number not in self.schemas:
                self._spend(content, place)
                self.schemas[number] = schema
            elif self.schemas[number] != schema:
                raise RecordingError(f"{place}: wanted schema {number} as it was before, got another")
        elif content not in self._said:
            channel = mcap.read_channel(content, place)
            if channel.number in self.by_number:
                raise RecordingError(f"{place}: wanted channel {channel.number} as it was before, got another")
            self._spend(content, place)
            self._take(channel)
            self._said.add(content)

    def _spend(self, content: bytes, place: str) -> None:
        self._room -= len(content)
        if self._room < 0:
            raise RecordingError(f"{place}: wanted at most {DEFINITION_BYTES_MAX} bytes of definitions, got more")

    def _take(self, channel: Channel) -> None:
        number = channel.number
        self.by_number[number] = channel
        self.known[number] = True
        if channel.encoding == BLOCK_ENCODING and channel.topic.endswith(BLOCK_SUFFIX):
            self.block_of[number] = self._topic(channel.topic.removesuffix(BLOCK_SUFFIX))
        elif channel.partition >= 0:
            self.topic[number] = self._topic(channel.topic)
            self.partition[number] = channel.partition

    def _topic(self, name: str) -> int:
        if name not in self._topic_numbers:
            self._topic_numbers[name] = len(self.topics)
            self.topics.append(name)
        return self._topic_numbers[name]


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a chunk, in their order: columns (n,), and the bytes that they lie in."""

    place: str
    at: int
    """Where it begins in the file; -1: its messages stand in no chunk."""
    data: bytes
    heads: Column
    """Fields of each message, as `mcap.MESSAGE_HEAD`."""
    start: Ints
    end: Ints
    """The data of a message are `data[start:end]`."""
    log_ns: Ints
    channels: Channels
    head: ChunkHead | None
    """As it stands in the file, still packed."""


class Walker:
    """Walks one file. What it has passed stands in `channels`, `metadata` and `attachments`."""

    def __init__(self, file: BinaryIO, path: Path, channels: Channels | None = None) -> None:
        self.file, self.path = file, path
        self.size = file.seek(0, 2)
        self.channels = channels or Channels()
        self.profile = ""
        self.metadata: list[tuple[str, dict[str, str]]] = []
        self.attachments: list[AttachmentEntry] = []
        self._unpacker = zstandard.ZstdDecompressor()
        self._crc, self._room = 0, KEPT_BYTES_MAX

    @property
    def ours(self) -> bool:
        """Whether the file is of our profile; known once it was begun."""
        return self.profile == PROFILE

    def begin(self) -> int:
        """Reads magic and header, and gives where the data begin."""
        self.file.seek(0)
        magic = self.read(len(MAGIC))
        if magic != MAGIC:
            raise RecordingError(f"{self.path}: wanted a recording (MCAP), got a file that begins with {magic!r}")
        self._crc = zlib.crc32(magic)
        frame = self.frame(len(MAGIC))
        if frame.op != Op.HEADER:
            raise RecordingError(f"{self.place(frame)}: wanted the header, got opcode {frame.op}")
        content = mcap.Content(self.content(frame), self.place(frame))
        self.profile, _ = content.text(), content.text()
        content.end(whole=self.ours)
        return frame.end

    def read(self, length: int) -> bytes:
        """The next bytes of the file."""
        try:
            return self.file.read(length)
        except OSError as wrong:
            raise RecordingError(f"{self.path}: wanted {length} bytes, got: {wrong.strerror}") from wrong

    def frame(self, at: int) -> Frame:
        """The record that begins there; its length is one that the file has, and that we would read."""
        self.file.seek(at)
        data = self.read(START.size)
        if len(data) < START.size:
            raise RecordingError(f"{self.path} byte {at}: wanted a record, got the end of the file")
        op, length = START.unpack(data)
        frame = Frame(op, at, length)
        if op == 0:
            raise RecordingError(f"{self.place(frame)}: wanted an opcode, got 0")
        most = min(CONTENT_BYTES_MAX.get(op, self.size), self.size - at - START.size)
        if length > most:
            raise RecordingError(f"{self.place(frame)}: wanted at most {most} bytes, got a length of {length}")
        self._crc = zlib.crc32(data, self._crc)
        return frame

    def content(self, frame: Frame) -> bytes:
        """The content of a record whose frame was just read."""
        data = self.read(frame.length)
        if len(data) != frame.length:
            raise RecordingError(f"{self.place(frame)}: wanted {frame.length} bytes, got {len(data)}")
        self._crc = zlib.crc32(data, self._crc)
        return data

    def place(self, frame: Frame) -> str:
        """How errors name a record."""
        return f"{self.path} byte {frame.at}, {_NAMES.get(frame.op, f'opcode {frame.op}')}"

    def chunks(self, at: int | None = None, until: int | None = None) -> Iterator[Chunk]:
        """Every chunk, from the front or from one that begins at `at`, up to the end of the data or the place `until`.

        From the front the checksum of the data section is checked at the end, else only those of chunks and
        attachments. Messages outside chunks come in chunks of their own.
        """
        position = self.begin() if at is None else at
        loose, loose_at = bytearray(), position
        while position != until:
            crc = self._crc
            frame = self.frame(position)
            position = frame.end
            if frame.op in (Op.SCHEMA, Op.CHANNEL, Op.MESSAGE):
                loose_at = loose_at if loose else frame.at
                loose += START.pack(frame.op, frame.length) + self.content(frame)
                if len(loose) < CHUNK_BYTES:
                    continue
            if loose:
                yield self._scan(bytes(loose), f"{self.path} byte {loose_at}", -1, None)
                loose.clear()
                self.file.seek(frame.at + START.size)  # whoever took the chunk may have read elsewhere
            if frame.op == Op.CHUNK:
                yield self.chunk(frame)
            elif frame.op == Op.DATA_END:
                self._check_end(frame, crc if at is None else None)
                return
            elif frame.op not in (Op.SCHEMA, Op.CHANNEL, Op.MESSAGE):
                self.pass_by(frame)
        if loose:
            yield self._scan(bytes(loose), f"{self.path} byte {loose_at}", -1, None)

    def chunk(self, frame: Frame) -> Chunk:
        """The chunk whose frame was just read."""
        place = self.place(frame)
        head = mcap.read_chunk(self.content(frame), place)
        data = self._unpack(head, place)
        crc = zlib.crc32(data)
        if crc != head.crc and (head.crc or self.ours):
            raise RecordingError(f"{place}: wanted records with checksum {head.crc:08x}, got {crc:08x}")
        return self._scan(data, place, frame.at, head)

    def pass_by(self, frame: Frame) -> None:
        """Takes what is no message, and checks it."""
        if frame.op == Op.METADATA:
            self.keep(frame.length, self.place(frame))
            self.metadata.append(mcap.read_metadata(self.content(frame), self.place(frame), whole=self.ours))
        elif frame.op == Op.ATTACHMENT:
            self._attachment(frame)
        elif frame.op == Op.MESSAGE_INDEX and self.ours:
            if not mcap.is_message_index(self.content(frame)):
                raise RecordingError(f"{self.place(frame)}: wanted entries that fill it, got something else")
        elif self.ours or frame.op in (Op.HEADER, Op.FOOTER):
            # Passed over, a chunk whose opcode was changed would be missing in silence.
            raise RecordingError(f"{self.place(frame)}: wanted data, got what does not stand among them")
        else:
            self._pieces(frame.length)

    def _pieces(self, length: int, crc: int = 0) -> int:
        """Reads on without keeping anything; gives the checksum of what it read, behind `crc`."""
        while length:
            piece = self.read(min(length, _PIECE))
            if not piece:
                raise RecordingError(f"{self.path}: wanted {length} bytes more, got the end of the file")
            self._crc, crc = zlib.crc32(piece, self._crc), zlib.crc32(piece, crc)
            length -= len(piece)
        return crc

    def _attachment(self, frame: Frame) -> None:
        """Checks name and checksum, in pieces: attachments may be large."""
        place = self.place(frame)
        begin = self.read(min(frame.length, _ATTACHMENT_HEAD))
        self._crc = zlib.crc32(begin, self._crc)
        content = mcap.Content(begin, place)
        log_ns, created_ns = content.numbers(2)
        name, media_type = check_attachment_name(content.text(), place), content.text()
        size, rest = content.number(8), len(content.rest())
        if size != frame.length - (len(begin) - rest) - 4:
            raise RecordingError(f"{place}: wanted data as long as the record says, got a length of {size}")
        if len(begin) < frame.length - 4:
            crc = self._pieces(frame.length - 4 - len(begin), zlib.crc32(begin))
            wanted = self.read(4)
            self._crc = zlib.crc32(wanted, self._crc)
        else:
            self._crc = zlib.crc32(more := self.read(frame.length - len(begin)), self._crc)
            whole = begin + more
            crc, wanted = zlib.crc32(whole[:-4]), whole[-4:]
        if crc != int.from_bytes(wanted, "little"):
            raise RecordingError(f"{place}: wanted an attachment with checksum {wanted[::-1].hex()}, got {crc:08x}")
        self.keep(_ATTACHMENT_WEIGHT, place)
        self.attachments.append(
            AttachmentEntry(
                at=frame.at, length=frame.end - frame.at, log_ns=log_ns, created_ns=created_ns, size=size, name=name,
                media_type=media_type,
            )
        )  # fmt: skip

    def keep(self, length: int, place: str) -> None:
        """Counts what is kept of the file besides its chunks."""
        self._room -= length
        if self._room < 0:
            told = f"wanted at most {KEPT_BYTES_MAX} bytes of metadata and names of attachments, got more"
            raise RecordingError(f"{place}: {told}")

    def _check_end(self, frame: Frame, crc: int | None) -> None:
        wanted = mcap.Content(self.content(frame), self.place(frame)).number(4)
        if crc is not None and crc != wanted and (wanted or self.ours):
            raise RecordingError(f"{self.place(frame)}: wanted data with checksum {wanted:08x}, got {crc:08x}")

    def _unpack(self, head: ChunkHead, place: str) -> bytes:
        """The records of a chunk; nothing is unpacked that says to be larger than the chunk does."""
        if head.packing == "":
            data = bytes(head.packed)
        elif head.packing == mcap.ZSTD:
            try:
                stated = zstandard.get_frame_parameters(head.packed).content_size
                if stated not in (head.size, zstandard.CONTENTSIZE_UNKNOWN):
                    raise RecordingError(f"{place}: wanted {head.size} bytes unpacked, got {stated}")
                data = self._unpacker.decompress(head.packed, max_output_size=head.size, allow_extra_data=False)
            except zstandard.ZstdError as wrong:
                raise RecordingError(f"{place}: wanted Zstandard data, got: {wrong}") from wrong
        else:
            raise RecordingError(f"{place}: wanted records packed by zstd or not at all, got {head.packing[:20]!r}")
        if len(data) != head.size:
            raise RecordingError(f"{place}: wanted {head.size} bytes unpacked, got {len(data)}")
        return data

    def _scan(self, data: bytes, place: str, at: int, head: ChunkHead | None) -> Chunk:
        """Finds the messages in the records of a chunk, and learns what they say of channels."""
        starts = array("q")
        begin, end, unpack = 0, len(data), START.unpack_from
        found, message = starts.append, int(Op.MESSAGE)
        while begin + START.size <= end:
            op, length = unpack(data, begin)
            following = begin + START.size + length
            if op == message:
                found(begin)
            elif op in (Op.SCHEMA, Op.CHANNEL):
                self.channels.learn(op, data[begin + START.size : following], f"{place}, byte {begin}")
            elif op <= Op.DATA_END:
                raise RecordingError(f"{place}, byte {begin}: wanted a message or its channel, got opcode {op}")
            begin = following
            if len(starts) > MESSAGES_PER_CHUNK_MAX:
                raise RecordingError(f"{place}: wanted at most {MESSAGES_PER_CHUNK_MAX} messages, got more")
        if begin != end:
            raise RecordingError(f"{place}: wanted records that fill their {end} bytes, got an end at {begin}")
        start = np.frombuffer(starts, dtype=np.int64) if starts else np.empty(0, dtype=np.int64)
        if len(start) and (end < MESSAGE_HEAD.itemsize or int(start[-1]) + MESSAGE_HEAD.itemsize > end):
            raise RecordingError(f"{place}: wanted messages of at least {MESSAGE_FIELDS} bytes, got a shorter one")
        # Every place of the bytes seen as the head of a message; taken are those where one begins.
        anywhere = np.ndarray(max(end - MESSAGE_HEAD.itemsize + 1, 0), MESSAGE_HEAD, data, strides=(1,))
        heads = anywhere[start] if len(start) else np.empty(0, MESSAGE_HEAD)
        return self._columns(Chunk(
            place=place, at=at, data=data, heads=heads, start=start + MESSAGE_HEAD.itemsize,
            end=start + START.size + heads["length"].astype(np.int64), log_ns=heads["log"].astype(np.int64),
            channels=self.channels, head=head,
        ))  # fmt: skip

    def _columns(self, chunk: Chunk) -> Chunk:
        """The chunk, once it is plain that its columns hold together."""
        place, heads = chunk.place, chunk.heads
        if len(heads):
            shortest = int(heads["length"].min())
            if shortest < MESSAGE_FIELDS:
                raise RecordingError(f"{place}: wanted messages of at least {MESSAGE_FIELDS} bytes, got {shortest}")
            latest = int(heads["log"].max())
            if latest > LOG_NS_MAX:
                raise RecordingError(f"{place}: wanted log times of at most {LOG_NS_MAX}, got {latest}")
            known = self.channels.known[heads["channel"]]
            if not known.all():
                unnamed = int(heads["channel"][np.flatnonzero(~known)[0]])
                raise RecordingError(f"{place}: wanted a channel that was named before, got {unnamed}")
        head = chunk.head
        if head is not None and self.ours and len(heads):
            times = int(chunk.log_ns[0]), int(chunk.log_ns[-1])
            if times != (head.start_ns, head.end_ns):
                raise RecordingError(f"{place}: wanted log times {head.start_ns} to {head.end_ns}, got {times}")
        return chunk
