"""The packer: records in, one chunk after the other out, each with its definitions, blocks and indexes.

Only what must happen at each record happens there; the rest is done for the whole chunk, by columns.
"""

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
import zstandard

from city_brain.bag.blocks import BlockWriter
from city_brain.bag.container.mcap import (
    MESSAGE,
    MESSAGE_FIELDS,
    MESSAGE_HEAD,
    START,
    ZSTD,
    ChunkHead,
    Op,
    channel_record,
    chunk_record,
    message_indexes,
    schema_record,
)
from city_brain.bag.container.segments import PackedChunk
from city_brain.bag.records import (
    BLOCK_ENCODING,
    BLOCK_SUFFIX,
    CHANNELS_MAX,
    CODES_MAX,
    CREATE_TIME,
    DEFINITION_BYTES_MAX,
    HEADERS_MAX,
    LOG_NS_MAX,
    NAME_BYTES_MAX,
    NOTE_ENCODING,
    SCHEMA_BYTES_MAX,
    Channel,
    Headers,
    Schema,
)
from city_brain.errors import RecordingError, SettingsError

RECORD_WEIGHT: Final = 40
"""What a record costs in a chunk, besides its bytes: a Message, a row of a block, an entry of an index."""
_HEADER_WEIGHT: Final = 8
"""What a header costs, and a list of them, besides its bytes."""
_LONG_HEADERS: Final = 1 << 14
"""Headers of fewer bytes in all need no closer look: no name can be too long."""
_PUBLISH_MS_MAX: Final = ((1 << 64) - 1) // 1_000_000
_NS_PER_MS: Final = 1_000_000
_SEQUENCE: Final = 0xFFFF_FFFF
_MESSAGE: Final = int(Op.MESSAGE)
_pack: Final = MESSAGE.pack


class _Lane:
    """A record channel while it is written."""

    __slots__ = ("block", "epoch", "kind", "next", "partition", "stretch")

    def __init__(self, partition: int, block: BlockWriter) -> None:
        self.partition, self.block = partition, block
        self.next: int | None = None
        """The offset that would go on with its stretch, where it has one in this chunk."""
        self.stretch = 0
        self.epoch, self.kind = -1, CREATE_TIME


class ChunkPacker:
    """Fills chunks; whoever owns it says when one is closed."""

    def __init__(self, level: int = 3, turn: Callable[[int, Headers, int], None] | None = None) -> None:
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._turn = turn or _no_turn
        """Called before a record for which the open chunk has no room, or that comes too late for it."""
        self.room, self.close_ns = 0, 0
        """What the open chunk may weigh, and the log time at which it ends; whoever owns the packer says so."""
        self.channels: dict[int, Channel] = {}
        self.schemas: dict[int, Schema] = {}
        self._definitions: dict[int, bytes] = {}
        self.definition_bytes = 0
        """What all definitions take in a summary."""
        self._schema_records: dict[int, bytes] = {}
        self._unsaid: set[int] = set()
        """Schemas that stand in no chunk of the segment yet."""
        self._lanes: dict[int, _Lane] = {}
        self._blocks: dict[int, BlockWriter] = {}
        """By the channel of the blocks of a topic."""
        self._numbers: dict[bytes, int] = {}
        """Of channels, by their definitions without the number."""
        self.last_ns = -1
        self.size = 0
        """What the open chunk weighs; 0 where it is empty."""
        self._heads: list[bytes] = []
        self._values: list[bytes] = []

    def schema(self, schema: Schema) -> int:
        """The number of a schema; the same schema has the same number."""
        for number, known in self.schemas.items():
            if known == schema:
                return number
        number = len(self.schemas) + 1
        if len(schema.data) > SCHEMA_BYTES_MAX or number > CODES_MAX:
            got = f"{len(schema.data)} of schema {number}"
            raise SettingsError(f"schema {schema.name}: wanted at most {SCHEMA_BYTES_MAX} bytes, got {got}")
        _check_names(schema.name, schema.encoding)
        said = schema_record(number, schema)
        self._check_definitions(len(said))
        self.schemas[number], self._schema_records[number] = schema, said
        self._unsaid.add(number)
        return number

    def record_channel(self, topic: str, partition: int, encoding: str, schema: int, cluster: str) -> int:
        """The number of a channel for records of a topic's partition; the same channel has the same number."""
        if "/" in topic or topic.startswith("_cb") or not 0 <= partition < 1 << 31:
            raise SettingsError(f"channel: wanted a topic of Kafka and its partition, got {topic!r}, {partition}")
        metadata = {"partition": str(partition)} | ({"cluster": cluster} if cluster else {})
        number = self.channel(topic, encoding, schema, metadata)
        if number not in self._lanes:
            if len(self._lanes) >= CHANNELS_MAX:
                raise SettingsError(f"topic {topic}: wanted at most {CHANNELS_MAX} channels in a recording, got more")
            sidecar = self.channel(topic + BLOCK_SUFFIX, BLOCK_ENCODING, 0, {})
            block = self._blocks.setdefault(sidecar, BlockWriter())
            self._lanes[number] = _Lane(partition, block)
        return number

    def note_channel(self, topic: str) -> int:
        """The number of the channel for notes of a kind."""
        return self.channel(topic, NOTE_ENCODING, 0, {})

    def channel(self, topic: str, encoding: str, schema: int, metadata: dict[str, str]) -> int:
        """The number of a channel, whatever it is for."""
        number = len(self.channels) + 1
        while number in self.channels:
            number += 1
        wanted = Channel(number, schema, topic, encoding, metadata)
        _check_names(topic, encoding, *metadata.values())
        said = channel_record(wanted)
        key = said[START.size + 2 :]
        if key in self._numbers:
            return self._numbers[key]
        if number > CODES_MAX:
            raise SettingsError(f"channel {topic}: wanted at most {CODES_MAX} channels in a file, got more")
        self._check_definitions(len(said))
        self.adopt(wanted)
        return number

    def adopt(self, channel: Channel) -> None:
        """Takes a channel with the number that it has."""
        said = channel_record(channel)
        self.channels[channel.number], self._definitions[channel.number] = channel, said
        self._numbers[said[START.size + 2 :]] = channel.number

    def adopt_schema(self, number: int, schema: Schema) -> bytes:
        """Takes a schema with the number that it has, as one that was said; gives its record."""
        self.schemas[number], self._schema_records[number] = schema, schema_record(number, schema)
        return self._schema_records[number]

    def _check_definitions(self, more: int) -> None:
        if self.definition_bytes + more > DEFINITION_BYTES_MAX:
            raise SettingsError(f"channels: wanted at most {DEFINITION_BYTES_MAX} bytes of definitions, got more")
        self.definition_bytes += more

    def add(
        self, channel: int, offset: int, value: bytes | None, *, key: bytes | None = None, headers: Headers = (),
        timestamp_ms: int, log_ns: int, timestamp_type: int = CREATE_TIME, leader_epoch: int = -1,
    ) -> None:  # fmt: skip
        """Takes a record, in the order of arrival; `log_ns` is when it arrived.

        RecordingError: it breaks a limit, and was not taken. RecordingFullError: neither was it, and no more will be.
        """
        size = (len(value) if value else 0) + (len(key) if key else 0)
        if self.size + size > self.room or log_ns >= self.close_ns:
            self._turn(size, headers, log_ns)
        lane = self._lanes[channel]
        block = lane.block
        lists = block.lists
        code = lists.setdefault(headers, fresh := len(lists))
        if code == fresh:
            weight = 0
            for name, held in headers:
                weight += len(name) + (len(held) if held else 0)
            if weight > _LONG_HEADERS or len(headers) > HEADERS_MAX:
                block.check(headers, weight)
            size += weight + _HEADER_WEIGHT * (1 + len(headers))
        if not self.last_ns < log_ns <= LOG_NS_MAX:
            log_ns = self._next_ns(log_ns)
        if offset != lane.next or leader_epoch != lane.epoch or timestamp_type != lane.kind:
            lane.stretch = block.open_stretch(channel, lane.partition, offset, leader_epoch, timestamp_type)
            lane.epoch, lane.kind = leader_epoch, timestamp_type
        if 0 <= timestamp_ms <= _PUBLISH_MS_MAX:
            publish_ns = timestamp_ms * _NS_PER_MS
        else:
            block.keep_time(timestamp_ms)
            publish_ns = 0
        if value is None:
            block.bury()
            value = b""
        length = MESSAGE_FIELDS + len(value)
        self._heads.append(_pack(_MESSAGE, length, channel, offset & _SEQUENCE, log_ns, publish_ns))
        self._values.append(value)
        block.keys.append(key)
        block.stretches.append(lane.stretch)
        block.codes.append(code)
        lane.next = offset + 1
        self.last_ns = log_ns
        self.size += RECORD_WEIGHT + size

    def add_note(self, channel: int, data: bytes, log_ns: int) -> int:
        """Adds a note to the open chunk, and gives its log time."""
        log_ns = self._next_ns(log_ns)
        self._heads.append(_pack(_MESSAGE, MESSAGE_FIELDS + len(data), channel, 0, log_ns, log_ns))
        self._values.append(data)
        self.last_ns = log_ns
        self.size += RECORD_WEIGHT + len(data)
        return log_ns

    def _next_ns(self, log_ns: int) -> int:
        """The log time of what arrives now: later than all before it."""
        later = max(log_ns, self.last_ns + 1)
        if later > LOG_NS_MAX:
            raise RecordingError(f"record: wanted a log time of at most {LOG_NS_MAX}, got {later}")
        return later

    def begin_segment(self) -> None:
        """From here on schemas are said again."""
        self._unsaid = set(self.schemas)

    def close(self) -> PackedChunk | None:
        """The open chunk, where anything is in it; then an empty one is open."""
        if not self._heads:
            return None
        first_ns = int(np.frombuffer(self._heads[0], MESSAGE_HEAD)["log"][0])
        spans: dict[int, tuple[int, int]] = {}
        records = 0
        for sidecar, block in self._blocks.items():
            if not block.lists:
                continue
            if block.keys:
                data = block.to_bytes()
                for channel, low, high in block.spans():
                    least, most = spans.get(channel, (low, high))
                    spans[channel] = (min(low, least), max(high, most))
                records += len(block.keys)
                head = _pack(_MESSAGE, MESSAGE_FIELDS + len(data), sidecar, 0, self.last_ns, self.last_ns)
                self._heads.append(head)
                self._values.append(data)
            block.clear()
        packed = self._pack(first_ns, [(channel, *span) for channel, span in spans.items()], records)
        for lane in self._lanes.values():
            lane.next = None
        self._heads, self._values = [], []
        self.size = 0
        return packed

    def _pack(self, first_ns: int, spans: list[tuple[int, int, int]], records: int) -> PackedChunk:
        table = np.frombuffer(b"".join(self._heads), MESSAGE_HEAD)
        used, counts = np.unique(table["channel"], return_counts=True)
        definitions = self._say(used.tolist())
        parts = [b""] * (2 * len(self._heads))
        parts[0::2], parts[1::2] = self._heads, self._values
        data = b"".join((definitions, *parts))
        sizes = table["length"].astype(np.int64) + START.size
        indexes, places = message_indexes(table, len(definitions) + np.cumsum(sizes) - sizes)
        squeezed = self._compressor.compress(data)
        head = ChunkHead(first_ns, self.last_ns, len(data), zlib.crc32(data), ZSTD, squeezed)
        return PackedChunk(
            data=chunk_record(head),
            indexes=indexes,
            places=places,
            start_ns=first_ns,
            end_ns=self.last_ns,
            sizes=(len(squeezed), len(data)),
            counts=dict(zip(used.tolist(), counts.tolist(), strict=True)),
            spans=spans,
            records=records,
        )

    def _say(self, channels: list[int]) -> bytes:
        """The definitions of the channels, and of their schemas where they have not been said."""
        schemas = sorted({self.channels[number].schema for number in channels} & self._unsaid)
        self._unsaid.difference_update(schemas)
        said = [self._schema_records[number] for number in schemas]
        return b"".join((*said, *(self._definitions[number] for number in channels)))

    def summary_records(self) -> tuple[list[bytes], list[bytes]]:
        """The Schema and Channel records of a summary."""
        return list(self._schema_records.values()), list(self._definitions.values())


def _no_turn(size: int, headers: Headers, log_ns: int) -> None:
    """For who does not ask for chunks of a certain size."""


def _check_names(*names: str) -> None:
    """Raises SettingsError where a name is longer than others should have to hold, or no text that can be printed."""
    for name in names:
        if not name.isprintable() or len(name.encode()) > NAME_BYTES_MAX:
            raise SettingsError(f"channel: wanted names of at most {NAME_BYTES_MAX} bytes, got {name[:100]!r}")
