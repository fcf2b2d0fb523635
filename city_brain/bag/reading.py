"""Recordings are read: opened by their index or, where they were cut, without; from the front, or from any place."""

import zlib
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from city_brain.bag.container import mcap
from city_brain.bag.container.holding import open_regular
from city_brain.bag.container.mcap import FOOTER_BYTES, MAGIC, START, Attachment, AttachmentEntry, ChunkEntry, Op
from city_brain.bag.container.walking import Channels, Chunk, Walker
from city_brain.bag.joining import Batch, join
from city_brain.bag.offsets import OffsetIndex, OffsetIndexWriter, read_offsets
from city_brain.bag.records import (
    GAPS,
    OFFSETS,
    PROFILE,
    RECORDING,
    SEGMENT,
    SUMMARY_BYTES_MAX,
    VERSION,
    Channel,
    Gap,
    Note,
    Record,
    Schema,
    check_attachment_name,
)
from city_brain.bag.writing import segment_path
from city_brain.errors import RecordingError, SettingsError


class Recording:
    """One file, open for reading; a context manager.

    `cut` says what a file lacks that was not finished, or was damaged at its end; “” where it lacks nothing. Such a
    file is read as far as it goes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = open_regular(self.path)
        except OSError as wrong:
            raise RecordingError(f"{self.path}: wanted a recording to read, got: {wrong.strerror}") from wrong
        self.cut = ""
        self.entries: list[ChunkEntry] = []
        """The chunks, by the index or as they were found."""
        self.attachments: list[AttachmentEntry] = []
        self.metadata: dict[str, dict[str, str]] = {}
        self._channels = Channels()
        self._offsets: OffsetIndex | None = None
        self._until: int | None = None
        """Where a cut file cannot be read on."""
        try:
            walker = Walker(self._file, self.path, self._channels)
            begin = walker.begin()
            self.profile, self.size = walker.profile, walker.size
            self._open(walker, begin)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    @property
    def schemas(self) -> dict[int, Schema]:
        """The schemas that the summary names."""
        return self._channels.schemas

    @property
    def channels(self) -> dict[int, Channel]:
        """The channels that the summary names, and those of chunks that were read by their number."""
        return self._channels.by_number

    @property
    def followed(self) -> bool | None:
        """Whether another segment follows; None where the file does not say."""
        said = self.metadata.get(SEGMENT, {}).get("last")
        return None if said is None else said == "false"

    def attachment(self, name: str) -> Attachment:
        """An attachment by its name, checked."""
        for entry in self.attachments:
            if entry.name == name:
                walker = Walker(self._file, self.path)
                frame = walker.frame(entry.at)
                if frame.op != Op.ATTACHMENT:
                    raise RecordingError(f"{walker.place(frame)}: wanted the attachment {name}, got another record")
                found = mcap.read_attachment(walker.content(frame), walker.place(frame))
                if found.name != name:
                    raise RecordingError(f"{walker.place(frame)}: wanted the attachment {name}, got {found.name!r}")
                return found
        raise RecordingError(f"{self.path}: wanted an attachment {name!r}, got none of that name")

    def chunks(self, first: int | None = None) -> Iterator[Chunk]:
        """Every chunk with all checks, or those from number `first` on with the checks of chunks."""
        if first is None:
            yield from Walker(self._file, self.path).chunks(until=self._until)
        elif first < len(self.entries):
            walker = Walker(self._file, self.path, self._channels)
            walker.profile = self.profile
            yield from walker.chunks(self.entries[first].at, self._until)

    def batches(self, first: int | None = None) -> Iterator[Batch]:
        """The records of each of those chunks as columns; of our own files only."""
        if self.profile != PROFILE:
            told = f"got one of profile {self.profile!r}: it has values, but no keys and offsets"
            raise RecordingError(f"{self.path}: wanted a recording of ours, {told}")
        last_ns = -1
        for chunk in self.chunks(first):
            yield join(chunk, last_ns)
            last_ns = int(chunk.log_ns[-1]) if len(chunk.log_ns) else last_ns

    def records(self, start_ns: int | None = None) -> Iterator[Record]:
        """Every record in order of arrival, with all checks; or those that arrived at `start_ns` or later."""
        if start_ns is None:
            for batch in self.batches():
                yield from batch.records()
            return
        first = int(np.searchsorted([entry.end_ns for entry in self.entries], start_ns))
        for number, batch in enumerate(self.batches(first)):
            yield from batch.records(int(np.searchsorted(batch.log_ns, start_ns)) if number == 0 else 0)

    def notes(self) -> Iterator[Note]:
        """Every note, in order."""
        for batch in self.batches():
            yield from batch.notes

    def gaps(self) -> list[Gap]:
        """The ledger of losses."""
        return [msgspec.convert(note.said, Gap) for note in self.notes() if note.topic == GAPS]

    def log_ns_of(self, topic: str, partition: int, offset: int) -> int | None:
        """Where a partition goes on: the log time of its first record with that offset or a higher one."""
        index = self.offset_index()
        wanted = [
            number
            for number, channel in self._channels.by_number.items()
            if (channel.topic, channel.partition) == (topic, partition)
        ]
        chunk = index.first_chunk(wanted, offset)
        if chunk is not None:
            for batch in islice(self.batches(chunk), 1):
                found = np.flatnonzero(np.isin(batch.channel, wanted) & (batch.offset >= offset))
                if len(found):
                    return int(batch.log_ns[found[0]])
        return None

    def _open(self, walker: Walker, begin: int) -> None:
        """Reads the summary; where there is none that can be trusted, finds the chunks by walking."""
        try:
            found = self._read_summary(walker)
        except RecordingError as wrong:
            self.cut = str(wrong)
            found = False
        if not found:
            self._survey(walker, begin)
        said = self.metadata.get(RECORDING, {}).get("version", str(VERSION))
        if self.profile == PROFILE and said != str(VERSION):
            raise RecordingError(f"{self.path}: wanted a recording of version {VERSION}, got version {said}")

    def _read_summary(self, walker: Walker) -> bool:
        """Whether there is a summary; raises RecordingError where it is damaged, or the file was cut."""
        at = max(walker.size - len(MAGIC) - FOOTER_BYTES, 0)
        self._file.seek(at)
        tail = walker.read(FOOTER_BYTES + len(MAGIC))
        if not tail.endswith(MAGIC) or tail[: START.size] != START.pack(Op.FOOTER, 20):
            raise RecordingError(f"{self.path}: wanted a file that was finished, got one that was cut")
        place = f"{self.path} byte {at}, footer"
        footer = mcap.read_footer(tail[START.size : FOOTER_BYTES], place)
        if footer.summary_at == 0 and self.profile != PROFILE:
            return False
        length = at - footer.summary_at
        if not 0 < length <= SUMMARY_BYTES_MAX:
            raise RecordingError(f"{place}: wanted a summary of at most {SUMMARY_BYTES_MAX} bytes, got {length}")
        self._file.seek(footer.summary_at)
        data = walker.read(length)
        crc = zlib.crc32(tail[: FOOTER_BYTES - 4], zlib.crc32(data))
        if crc != footer.crc and (footer.crc or self.profile == PROFILE):
            raise RecordingError(f"{place}: wanted a summary with checksum {footer.crc:08x}, got {crc:08x}")
        self._take_summary(walker, data)
        return bool(self.entries) or self.profile == PROFILE

    def _take_summary(self, walker: Walker, data: bytes) -> None:
        place = f"{self.path}, summary"
        entries, attachments, metadata = [], [], {}
        for op, content in mcap.read_records(data, place):
            if op in (Op.SCHEMA, Op.CHANNEL):
                self._channels.learn(op, content, place)
            elif op == Op.CHUNK_INDEX:
                entries.append(mcap.read_chunk_entry(content, place))
            elif op == Op.ATTACHMENT_INDEX:
                attachments.append(mcap.read_attachment_entry(content, place))
                check_attachment_name(attachments[-1].name, place)
            elif op == Op.METADATA_INDEX:
                frame = walker.frame(mcap.Content(content, place).number(8))
                name, said = mcap.read_metadata(
                    walker.content(frame), walker.place(frame), whole=self.profile == PROFILE
                )
                metadata[name] = said
        for before, after in pairwise(entries):
            if self.profile == PROFILE and not (before.at < after.at and before.end_ns < after.start_ns):
                raise RecordingError(f"{place}: wanted chunks one after the other, got them in another order")
        self.entries, self.attachments, self.metadata = entries, attachments, metadata

    def _survey(self, walker: Walker, at: int) -> None:
        """Goes from record to record up to the end of the data, or to the place where none can be read."""
        self.entries, self.attachments, self.metadata = [], [], {}
        try:
            while (frame := walker.frame(at)).op != Op.DATA_END:
                if frame.op == Op.CHUNK:
                    start_ns, end_ns = mcap.Content(walker.read(16), walker.place(frame)).numbers(2)
                    self.entries.append(ChunkEntry(start_ns, end_ns, at, frame.end - at))
                elif frame.op in (Op.METADATA, Op.ATTACHMENT):
                    with suppress(RecordingError):
                        walker.pass_by(frame)
                at = frame.end
        except RecordingError as wrong:
            self._until = at
            self.cut = f"{self.cut}; {wrong}" if self.cut else str(wrong)
        self.metadata, self.attachments = dict(walker.metadata), walker.attachments

    def offset_index(self) -> OffsetIndex:
        """Which chunk holds which offsets; found by reading all where the file was cut."""
        if self._offsets is None:
            if not self.cut and any(entry.name == OFFSETS for entry in self.attachments):
                packed = self.attachment(OFFSETS).data
                self._offsets = read_offsets(packed, len(self.entries), f"{self.path}, {OFFSETS}")
            else:
                self._offsets = self._find_offsets()
        return self._offsets

    def _find_offsets(self) -> OffsetIndex:
        """The index of a file that has none, from its records."""
        found = OffsetIndexWriter()
        for number, batch in enumerate(self.batches(0)):
            found.add(number, batch.spans())
        return found.index()


def segments(path: str | Path) -> Iterator[Recording]:
    """The segments of the recording that begins with the file `path`, each open while it is asked for the next."""
    number, series = 1, ""
    while True:
        with Recording(segment_path(Path(path), number)) as segment:
            said = segment.metadata.get(RECORDING, {})
            series = series or said.get("series", "")
            got = said.get("series", ""), said.get("segment", "")
            if got != (series, str(number)):
                raise RecordingError(f"{segment.path}: wanted segment {number} of {series!r}, got {got}")
            yield segment
            following = segment_path(Path(path), number + 1)
            followed = following.exists() if segment.followed is None else segment.followed
        if not followed:
            return
        number += 1
        if not following.exists():
            raise RecordingError(f"{following}: wanted segment {number} of {series!r}, got none")


def topics_of(recordings: Iterable[Recording]) -> set[str]:
    """The topics that segments name, those without records too; of one that was cut, the topics of its records."""
    found = set[str]()
    for recording in recordings:
        if recording.cut:
            found |= {record.topic for record in recording.records()}
        else:
            found |= {channel.topic for channel in recording.channels.values() if channel.partition >= 0}
    return found


def check_topics(wanted: Iterable[str], there: Set[str], place: str) -> None:
    """Raises SettingsError where a topic that is wanted is not there, and says which are."""
    for topic in wanted:
        if topic not in there:
            told = ", ".join(sorted(there)) or "none"
            raise SettingsError(f"--topic {topic}: wanted a topic of {place}, which has {told}; got none of them")


def is_first(recording: Recording) -> bool:
    """Whether it is the first segment of a series of ours: then `segments` gives it and those behind it."""
    return recording.profile == PROFILE and recording.metadata.get(RECORDING, {}).get("segment") == "1"


def read_series(path: str | Path, after_ns: int = -1) -> Iterator[Record]:
    """The records of every segment of the recording that begins with the file `path`, in order of arrival; or those
    that arrived after `after_ns`.
    """
    last_ns = -1
    for segment in segments(path):
        begun = bool(segment.entries) and segment.entries[0].start_ns <= after_ns
        records = segment.records(after_ns + 1 if begun else None)
        for record in islice(records, 1):
            if record.log_ns <= last_ns:
                raise RecordingError(f"{segment.path}: wanted log times after {last_ns}, got {record.log_ns}")
            yield record
        yield from records
        last_ns = segment.entries[-1].end_ns if segment.entries else last_ns
