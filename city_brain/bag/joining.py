"""Records joined with their blocks, chunk by chunk: what lay in Kafka, as columns or one by one."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.bag.blocks import NO_ROWS, Block, HeaderTable, gather, read_block
from city_brain.bag.container.walking import Channels, Chunk
from city_brain.bag.records import CONTROL, GAPS, HEADERS_PER_CHUNK_MAX, MARKS, Gap, Headers, Note, Record
from city_brain.errors import RecordingError
from city_brain.types import Bools, Ints

NOTES: Final = (CONTROL, MARKS, GAPS)
_NS_PER_MS: Final = 1_000_000
_SEQUENCE: Final = 0xFFFF_FFFF


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The records of a chunk as columns (n,), in order of arrival; keys and values are places in `data`."""

    data: bytes
    channel: Ints
    offset: Ints
    timestamp_ms: Ints
    timestamp_type: Ints
    epoch: Ints
    log_ns: Ints
    value_at: Ints
    value_end: Ints
    tombstone: Bools
    """Whether the value is null; an empty one is not."""
    key_at: Ints
    key_length: Ints
    """-1: the key is null."""
    code: Ints
    """Which of `headers()`."""
    tables: list[HeaderTable]
    channels: Channels
    notes: list[Note]

    def __len__(self) -> int:
        return len(self.offset)

    def headers(self) -> list[Headers]:
        """Every list of headers in the chunk."""
        return [headers for table in self.tables for headers in table.lists()]

    def spans(self) -> list[tuple[int, int, int]]:
        """Of each channel in it: the channel, its lowest and its highest offset."""
        found = []
        for channel in np.unique(self.channel).tolist():
            offsets = self.offset[self.channel == channel]
            found.append((channel, int(offsets.min()), int(offsets.max())))
        return found

    def records(self, first: int = 0) -> Iterator[Record]:
        """The records one by one, from row `first` on."""
        data, headers = self.data, self.headers()
        names = {number: (channel.topic, channel.partition) for number, channel in self.channels.by_number.items()}
        columns = (
            self.channel, self.offset, self.key_at, self.key_length, self.value_at, self.value_end, self.tombstone,
            self.code, self.timestamp_ms, self.timestamp_type, self.epoch, self.log_ns,
        )  # fmt: skip
        for channel, offset, key_at, key_length, at, end, null, code, time_ms, kind, epoch, log_ns in zip(
            *(column[first:].tolist() for column in columns), strict=True
        ):
            topic, partition = names[channel]
            key = data[key_at : key_at + key_length] if key_length >= 0 else None
            value = None if null else data[at:end]
            yield Record(topic, partition, offset, key, value, headers[code], time_ms, kind, epoch, log_ns)


def join(chunk: Chunk, after_ns: int = -1) -> Batch:
    """Joins the records of a chunk with their blocks; raises RecordingError where they do not fit each other.

    Records and notes must be later than `after_ns`, each later than the one before it.
    """
    place, heads, channels = chunk.place, chunk.heads, chunk.channels
    numbers = heads["channel"].astype(np.int64)
    topic = channels.topic[numbers]
    is_record = topic >= 0
    rows, others = np.flatnonzero(is_record), np.flatnonzero(~is_record).tolist()
    blocks = {row: channels.block_of[int(numbers[row])] for row in others if int(numbers[row]) in channels.block_of}
    noted = [row for row in others if row not in blocks]
    is_record[noted] = True
    times = chunk.log_ns[is_record]
    if len(times) and (int(times[0]) <= after_ns or not (np.diff(times) > 0).all()):
        raise RecordingError(f"{place}: wanted log times that rise, got a time again or an earlier one")
    topics = topic[rows]
    order = np.argsort(topics, kind="stable")
    found = _blocks(chunk, blocks, np.bincount(topics, minlength=len(channels.topics)).tolist())
    gathered = gather(found, place) if found else NO_ROWS
    low, sequence = gathered.offset & _SEQUENCE, heads["sequence"][rows][order]
    partition = channels.partition[numbers[rows]][order]
    if not ((low == sequence) & (gathered.partition == partition)).all():
        raise RecordingError(f"{place}, blocks: wanted the partitions and offsets of their records, got others")
    back = np.empty(len(rows), dtype=np.int64)
    back[order] = np.arange(len(rows))
    timestamp_ms = (heads["publish"][rows] // _NS_PER_MS).astype(np.int64)
    timestamp_ms[order[gathered.odd_rows]] = gathered.odd_ms
    tombstone: Bools = np.zeros(len(rows), dtype=np.bool_)
    tombstone[order[gathered.tombstones]] = True
    return Batch(
        data=chunk.data, channel=numbers[rows], offset=gathered.offset[back], timestamp_ms=timestamp_ms,
        timestamp_type=gathered.kind[back], epoch=gathered.epoch[back], log_ns=chunk.log_ns[rows],
        value_at=chunk.start[rows], value_end=chunk.end[rows], tombstone=tombstone, key_at=gathered.key_at[back],
        key_length=gathered.key_length[back], code=gathered.code[back], tables=[block.headers for block in found],
        channels=channels, notes=list(filter(None, (_note(chunk, row) for row in noted))),
    )  # fmt: skip


def _blocks(chunk: Chunk, topic_of: dict[int, int], counts: list[int]) -> list[Block]:
    """The block of each topic that has records, in the order of topics; `topic_of` names it by message."""
    found: dict[int, Block] = {}
    room, names = HEADERS_PER_CHUNK_MAX, chunk.channels.topics
    for row, topic in topic_of.items():
        begin = int(chunk.start[row])
        place = f"{chunk.place}, block at {begin}"
        block = read_block(chunk.data, begin, int(chunk.end[row]), room, place)
        if topic in found or block.rows != counts[topic]:
            told = "two blocks" if topic in found else f"{block.rows} rows"
            raise RecordingError(f"{place}: wanted one block of {counts[topic]} rows for {names[topic]}, got {told}")
        found[topic] = block
        room -= len(block.headers.name)
    missing = [names[topic] for topic, count in enumerate(counts) if count and topic not in found]
    if missing:
        told = "got none: another tool moved them"
        raise RecordingError(f"{chunk.place}: wanted a block for the records of {missing[0]}, {told}")
    return [found[topic] for topic in sorted(found)]


def _note(chunk: Chunk, row: int) -> Note | None:
    """What a message says that is no record; nothing where it is none of our notes."""
    channel = chunk.channels.by_number[int(chunk.heads["channel"][row])]
    data = chunk.data[int(chunk.start[row]) : int(chunk.end[row])]
    if channel.topic not in NOTES:
        return None
    try:
        said = msgspec.json.decode(data, type=dict[str, Any])
        if channel.topic == GAPS:
            msgspec.convert(said, Gap)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise RecordingError(f"{chunk.place}, {channel.topic}: wanted a note, got: {wrong}") from wrong
    return Note(channel.topic, int(chunk.log_ns[row]), said)
