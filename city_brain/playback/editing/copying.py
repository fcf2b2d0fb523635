"""Copying: records, notes and attachments of recordings into a new one, each on a channel like its own."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from heapq import merge
from pathlib import Path
from typing import Final

import msgspec

from city_brain.bag.joining import Batch
from city_brain.bag.reading import Recording, segments
from city_brain.bag.records import GAPS, Gap, Note, Record, Schema
from city_brain.bag.writing import OWN_NAMES, RecordingWriter
from city_brain.errors import RecordingError
from city_brain.playback.editing.running import Runs
from city_brain.playback.state import ATTACHED

EDITED: Final = "edited"
"""Metadata of what was cut, filtered or merged, and how; `edited.2` where that was done to such a one, and so on."""


class Edited(msgspec.Struct, kw_only=True):
    """What became of the records of the recordings that were read."""

    read: int = 0
    written: int = 0
    repeated: int = 0
    """Left out, since the same record had come already."""
    ties: int = 0
    """Records of several recordings at one log time: the recording that was named first goes first."""
    why_not: str = ""
    """Why no street can run what was written, from its first row on; empty where one can."""


class Item(msgspec.Struct, frozen=True):
    """A record or note, and the batch and the channel (-1: a note) that it came with."""

    said: Record | Note
    batch: Batch
    channel: int


def whole_segments(path: Path) -> Iterator[Recording]:
    """The segments of a recording; raises RecordingError where one was cut: what is left of it is not all."""
    for segment in segments(path):
        if segment.cut:
            raise RecordingError(f"{segment.path}: wanted a recording that is whole, got: {segment.cut}")
        yield segment


def items(segment: Recording) -> Iterator[Item]:
    """Records and notes of a segment, in their order."""
    for batch in segment.batches():
        pairs = zip(batch.records(), batch.channel.tolist(), strict=True)
        records = (Item(record, batch, channel) for record, channel in pairs)
        notes = (Item(note, batch, -1) for note in batch.notes)
        yield from merge(records, notes, key=lambda item: item.said.log_ns)


def callers_metadata(segment: Recording) -> dict[str, dict[str, str]]:
    """What whoever recorded said of it."""
    return {name: said for name, said in segment.metadata.items() if not name.startswith(OWN_NAMES)}


def edited(metadata: Mapping[str, Mapping[str, str]], how: str, **words: str) -> dict[str, Mapping[str, str]]:
    """The metadata, and what was done to the recording."""
    number = sum(name.split(".")[0] == EDITED for name in metadata)
    name = EDITED if number == 0 else f"{EDITED}.{number + 1}"
    return {**metadata, name: {"how": how, **words}}


def check_new(out: Path) -> None:
    """Raises RecordingError where the file to write is there."""
    if out.exists():
        raise RecordingError(f"{out}: wanted a file that is not there yet, got one")


class Copier:
    """Fills a new recording."""

    def __init__(self, writer: RecordingWriter, runs: Runs | None = None) -> None:
        self.written = 0
        self._writer, self._runs = writer, runs
        self._known: dict[tuple[str, int, str, str, Schema | None], int] = {}
        self._attached: set[tuple[str, bytes]] = set()

    def attach(self, segment: Recording, *, with_state: bool = False) -> None:
        """Takes the files of a segment, each once, though every segment has it. `with_state`: that of a street too,
        which fits no recording that begins elsewhere.
        """
        for entry in segment.attachments:
            if entry.name.startswith(OWN_NAMES) or (entry.name == ATTACHED and not with_state):
                continue
            attachment = segment.attachment(entry.name)
            key = (attachment.name, sha256(attachment.data).digest())
            if key not in self._attached:
                self._attached.add(key)
                self._writer.attach(attachment)

    def channel(self, item: Item) -> int:
        """The writer's channel that is as the one of a record."""
        batch = item.batch
        channel = batch.channels.by_number[item.channel]
        schema = batch.channels.schemas[channel.schema] if channel.schema else None
        key = (channel.topic, channel.partition, channel.encoding, channel.metadata.get("cluster", ""), schema)
        found = self._known.get(key)
        if found is None:
            topic, partition, encoding, cluster, _ = key
            found = self._known[key] = self._writer.channel(
                topic, partition, encoding=encoding, schema=schema, cluster=cluster
            )
        return found

    def write(self, channel: int, record: Record) -> None:
        """Writes a record."""
        self._writer.write(
            channel, record.offset, record.value, key=record.key, headers=record.headers, log_ns=record.log_ns,
            timestamp_ms=record.timestamp_ms, timestamp_type=record.timestamp_type, leader_epoch=record.leader_epoch,
        )  # fmt: skip
        self.written += 1
        if self._runs is not None:
            self._runs.see(record)

    def note(self, note: Note) -> None:
        """Writes a note."""
        if note.topic == GAPS:
            self._writer.gap(msgspec.convert(note.said, Gap), note.log_ns)
        else:
            self._writer.note(note.topic, note.said, note.log_ns)
