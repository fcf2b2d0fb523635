"""Damaged recordings: what is wrong with one, and a new file of all that is whole in it."""

import zlib
from bisect import bisect_right
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from city_brain.bag.container import mcap
from city_brain.bag.container.holding import is_held, open_regular
from city_brain.bag.container.mcap import MAGIC, MESSAGE_HEAD, START, ChunkHead, Op
from city_brain.bag.container.segments import MENDING, PackedChunk, SegmentFile
from city_brain.bag.container.walking import Chunk, Frame, Walker
from city_brain.bag.joining import Batch, join
from city_brain.bag.packing import ChunkPacker
from city_brain.bag.reading import Recording
from city_brain.bag.records import GAPS, OFFSETS, PROFILE, RECORDING, SEGMENT, VERSION, Gap, Lost, Schema
from city_brain.bag.writing import segment_path
from city_brain.errors import RecordingError

TOLD_MAX: Final = 1000
"""Places of damage that are told one by one; the others are counted."""
_PACKING: Final = mcap.text(mcap.ZSTD)
_PACKING_AT: Final = START.size + 28
"""Where in a Chunk its packing is named: by this mark it is found where the way to it is lost."""
_PIECE: Final = 1 << 20
_OWN_BYTES: Final = 1 << 16
"""Of metadata and attachments that the new file has besides."""
_AT_THE_END: Final = (
    Op.DATA_END, Op.CHUNK_INDEX, Op.ATTACHMENT_INDEX, Op.STATISTICS, Op.METADATA_INDEX, Op.SUMMARY_OFFSET, Op.FOOTER,
)  # fmt: skip
"""Of the summary; the data end before them, unless a chunk follows: then an opcode was changed."""


class Damage(msgspec.Struct, frozen=True):
    """A place of a file that could not be read."""

    at: int
    length: int
    why: str


class Recovered(msgspec.Struct, kw_only=True):
    """What was saved, and what was not."""

    finished: bool = False
    """Whether the damaged file had been finished; if not, what its writer still held is not in it."""
    chunks: int = 0
    records: int = 0
    damages: int = 0
    lost_bytes: int = 0
    told: list[Damage] = []


class Examined(msgspec.Struct, kw_only=True):
    """What an examination found; `trouble` is empty where all is well."""

    profile: str = ""
    chunks: int = 0
    messages: int = 0
    records: int = 0
    gaps: list[Gap] = []
    trouble: list[str] = []
    series: str = ""
    segment: str = ""
    followed: bool | None = None
    """Whether it says that another segment follows; None where it does not say."""
    first_ns: int = -1
    last_ns: int = -1
    """Log times of its first and its last chunk."""


def examine(path: str | Path) -> Examined:
    """Reads a file as strictly as can be, and compares its indexes with what is there.

    RecordingError: there is no such file. All else is trouble that it found.
    """
    found = Examined()
    try:
        with Recording(path) as recording:
            _note_place(recording, found)
            if recording.cut:
                found.trouble.append(recording.cut)
            for message in _examine(recording, found):
                found.trouble.append(message)
    except RecordingError as wrong:
        if isinstance(wrong.__cause__, OSError):
            raise
        found.trouble.append(str(wrong))
    return found


def examine_series(path: str | Path) -> Iterator[tuple[Path, Examined]]:
    """Examines every segment of the recording that begins with the file `path`, or that file alone where it is a later
    segment or none of ours; what is wrong between segments is trouble of the later one.
    """
    before = examine(path)
    yield Path(path), before
    if before.segment != "1":
        return
    for number in count(2):
        following = segment_path(Path(path), number)
        if not (following.exists() if before.followed is None else before.followed):
            return
        wanted = f"{following}: wanted segment {number} of {before.series!r}"
        if not following.exists():
            yield following, Examined(trouble=[f"{wanted}, got none"])
            return
        found = examine(following)
        if (found.series, found.segment) != (before.series, str(number)):
            found.trouble.append(f"{wanted}, got {found.segment or 'none'} of {found.series!r}")
        elif 0 <= found.first_ns <= before.last_ns:
            found.trouble.append(f"{following}: wanted log times after {before.last_ns}, got {found.first_ns}")
        yield following, found
        before = found


def _note_place(recording: Recording, found: Examined) -> None:
    """Notes which segment of what it is."""
    said, entries = recording.metadata.get(RECORDING, {}), recording.entries
    found.profile, found.followed = recording.profile, recording.followed
    found.series, found.segment = said.get("series", ""), said.get("segment", "")
    found.first_ns, found.last_ns = (entries[0].start_ns, entries[-1].end_ns) if entries else (-1, -1)


def _examine(recording: Recording, found: Examined) -> Iterator[str]:
    places: list[int] = []
    last_ns = -1
    for chunk in recording.chunks():
        if chunk.at >= 0:
            places.append(chunk.at)
            found.chunks += 1
        found.messages += len(chunk.heads)
        if recording.profile == PROFILE:
            batch = join(chunk, last_ns)
            last_ns = int(chunk.log_ns[-1]) if len(chunk.log_ns) else last_ns
            found.records += len(batch)
            found.gaps += [msgspec.convert(note.said, Gap) for note in batch.notes if note.topic == GAPS]
            if not recording.cut:
                _check_spans(recording, batch, len(places) - 1)
    if recording.profile != PROFILE:
        return
    indexed = [entry.at for entry in recording.entries]
    if indexed != places:
        yield f"{recording.path}: wanted an index of {len(places)} chunks, got one of {len(indexed)} or of other places"
    for entry in recording.attachments:
        recording.attachment(entry.name)


def _check_spans(recording: Recording, batch: Batch, number: int) -> None:
    """Raises RecordingError where the offset index does not say what is in the chunk."""
    wanted, got = batch.spans(), recording.offset_index().spans(number)
    if wanted != got:
        raise RecordingError(f"{recording.path}, {OFFSETS}: wanted {wanted} in chunk {number}, got {got}")


def recover(path: str | Path, out: str | Path) -> Recovered:
    """Writes what is whole of the file `path` into a new file `out`, and says what was not.

    RecordingError: there is nothing to save, somebody still writes it, or `out` cannot be written.
    """
    try:
        if is_held(Path(path)):
            told = "got one that is in use: somebody writes it now; end that first"
            raise RecordingError(f"{path}: wanted a recording that was left behind, {told}")
        with open_regular(Path(path)) as file:
            return _Recovery(Walker(file, Path(path)), Path(out)).run()
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a recording to read, got: {wrong.strerror}") from wrong


class _Recovery:
    """One way through a damaged file."""

    def __init__(self, walker: Walker, out: Path) -> None:
        self.walker, self.found = walker, Recovered()
        self._schemas: dict[int, Schema] = {}
        """Those that the summary has, if it is whole."""
        self._metadata, self._followed, self._anchors = self._known()
        try:
            self._begin = walker.begin()
        except RecordingError:
            self._begin, walker.profile = len(MAGIC), PROFILE  # what is damaged may have been ours
        if walker.profile != PROFILE and RECORDING not in self._metadata:
            told = f"got one of profile {walker.profile!r}"
            raise RecordingError(f"{walker.path}: wanted a recording of ours to recover, {told}")
        walker.profile = PROFILE
        walker.keep(_OWN_BYTES, str(walker.path))
        self._segment = SegmentFile(out, part=MENDING)
        self._packer = ChunkPacker()
        self._last_ns = -1
        self._searched = 0, 0
        """Where a chunk was looked for last, and where the next one was found: none begins between."""
        self._version = str(VERSION)

    def _known(self) -> tuple[dict[str, dict[str, str]], bool, list[int]]:
        """What the file says of itself at its end, where that is whole: metadata, and where chunks begin."""
        try:
            with Recording(self.walker.path) as recording:
                self._schemas = dict(recording.schemas)
                anchors = [] if recording.cut else [entry.at for entry in recording.entries]
                return dict(recording.metadata), bool(recording.followed), anchors
        except RecordingError:
            return {}, False, []

    def run(self) -> Recovered:
        """Saves what can be saved."""
        first = {"version": str(VERSION), "series": self.walker.path.stem, "segment": "1", "log_time_after_ns": "-1"}
        try:
            self._segment.metadata(RECORDING, self._metadata.pop(RECORDING, first))
            self._save_all()
            if self._version != str(VERSION):
                raise RecordingError(
                    f"{self.walker.path}: wanted a recording of version {VERSION}, got {self._version}"
                )
            if not self.found.chunks and not self.found.finished:
                raise RecordingError(f"{self.walker.path}: wanted at least one chunk to save, got none that is whole")
            self._tell()
            last = not self._followed
            self._segment.finish(self._packer.summary_records(), last=last, gaps=self.found.damages)
        except BaseException:
            self._segment.close()
            self._segment.part.unlink(missing_ok=True)
            raise
        return self.found

    def _save_all(self) -> None:
        at, size = self._begin, self.walker.size
        while at < size:
            frame = None
            try:
                frame = self.walker.frame(at)
                if frame.op in _AT_THE_END and self._next_chunk(at) == size:
                    self.found.finished = True
                    if frame.op == Op.DATA_END and not self.found.damages:
                        self._check_sum(frame)
                    return
                self._save(frame)
                at = frame.end
            except RecordingError as wrong:
                if self._segment.closed:
                    raise  # it is the new file that cannot be written
                following = self._following(at, frame)
                self.found.damages += 1
                self.found.lost_bytes += following - at
                if len(self.found.told) < TOLD_MAX:
                    self.found.told.append(Damage(at, following - at, str(wrong)))
                at = following

    def _check_sum(self, frame: Frame) -> None:
        """Notes where all that was read is whole by itself, and yet not what was written: metadata have no checksum."""
        wanted = int.from_bytes(self.walker.content(self.walker.frame(frame.at))[:4], "little")
        self.walker.file.seek(0)
        crc, left = 0, frame.at
        while left:
            piece = self.walker.read(min(left, _PIECE))
            crc, left = zlib.crc32(piece, crc), left - len(piece)
        if crc != wanted:
            self.found.damages += 1
            why = f"{self.walker.place(frame)}: wanted data with checksum {wanted:08x}, got {crc:08x}"
            self.found.told.append(Damage(frame.at, 0, why))

    def _save(self, frame: Frame) -> None:
        walker, place = self.walker, self.walker.place(frame)
        if frame.op == Op.CHUNK:
            known = set(walker.channels.schemas)
            chunk = walker.chunk(frame)
            if not len(chunk.heads):
                return
            batch = join(chunk, self._last_ns)
            self._definitions(chunk, known)
            self._segment.chunk(_repacked(chunk, batch))
            self._last_ns = int(chunk.log_ns[-1])
            self.found.chunks += 1
            self.found.records += len(batch)
        elif frame.op == Op.METADATA:
            walker.pass_by(frame)
            name, said = walker.metadata.pop()
            if name == RECORDING:
                self._version = said.get("version", "")
            elif name != SEGMENT:
                self._segment.metadata(name, said)
        elif frame.op == Op.ATTACHMENT:
            walker.pass_by(frame)
            entry = walker.attachments.pop()
            if entry.name != OFFSETS:
                walker.frame(frame.at)
                self._segment.attachment(mcap.read_attachment(walker.content(frame), place))
        elif frame.op == Op.SCHEMA:
            walker.channels.learn(frame.op, walker.content(frame), place)
        else:
            walker.pass_by(frame)

    def _definitions(self, chunk: Chunk, known: set[int]) -> None:
        """Says schemas whose chunk is lost, and remembers definitions for the summary."""
        schemas = chunk.channels.schemas
        for number in sorted(set(schemas) - known):
            self._packer.adopt_schema(number, schemas[number])
        for number in np.unique(chunk.heads["channel"]).tolist():
            channel = chunk.channels.by_number[number]
            self._packer.adopt(channel)
            if channel.schema and channel.schema not in self._packer.schemas:
                schema = schemas.get(channel.schema) or self._schemas.get(channel.schema, Schema("lost", "", b""))
                self._segment.definition(self._packer.adopt_schema(channel.schema, schema))

    def _tell(self) -> None:
        """Enters the places of damage into the ledger, behind everything else."""
        if self.found.damages:
            self._packer.last_ns = self._last_ns
            channel = self._packer.note_channel(GAPS)
            for damage in self.found.told:
                detail = f"{damage.length} bytes at {damage.at}: {damage.why}"
                data = msgspec.json.encode(Gap(reason=Lost.TORN, detail=detail))
                self._packer.add_note(channel, data, 0)
            packed = self._packer.close()
            if packed is not None:
                self._segment.chunk(packed)

    def _following(self, at: int, frame: Frame | None) -> int:
        """Where reading goes on behind a damage: at the next record, or else at the next chunk that is whole."""
        if frame is not None and frame.end < self.walker.size:
            try:
                if self.walker.frame(frame.end).op <= Op.DATA_END:
                    return frame.end
            except RecordingError:
                pass
        return self._next_chunk(at)

    def _next_chunk(self, at: int) -> int:
        """Where the next chunk behind `at` begins: by the index where that is whole, else by its own marks."""
        begin, found = self._searched
        if not begin <= at < found:
            if self._anchors:
                number = bisect_right(self._anchors, at)
                found = self._anchors[number] if number < len(self._anchors) else self.walker.size
            else:
                found = next((place for place in self._marked(at + 1) if self._is_chunk(place)), self.walker.size)
            self._searched = at, found
        return found

    def _marked(self, at: int) -> Iterator[int]:
        """Where a chunk might begin, at `at` or behind it."""
        file, overlap = self.walker.file, len(_PACKING) - 1
        for begin in count(at + _PACKING_AT, _PIECE):
            file.seek(begin)
            piece = self.walker.read(_PIECE + overlap)
            if not piece:
                return
            found = piece.find(_PACKING)
            while found >= 0:
                yield begin + found - _PACKING_AT
                found = piece.find(_PACKING, found + 1)

    def _is_chunk(self, at: int) -> bool:
        try:
            frame = self.walker.frame(at)
            return frame.op == Op.CHUNK and self.walker.chunk(frame) is not None
        except RecordingError:
            return False


def _repacked(chunk: Chunk, batch: Batch) -> PackedChunk:
    """A chunk as it stands, with indexes made anew."""
    head = chunk.head
    assert isinstance(head, ChunkHead)  # noqa: S101 - only loose messages have none
    indexes, places = mcap.message_indexes(chunk.heads, chunk.start - MESSAGE_HEAD.itemsize)
    numbers, counts = np.unique(chunk.heads["channel"], return_counts=True)
    return PackedChunk(
        data=mcap.chunk_record(head),
        indexes=indexes,
        places=places,
        start_ns=head.start_ns,
        end_ns=head.end_ns,
        sizes=(len(head.packed), head.size),
        counts=dict(zip(numbers.tolist(), counts.tolist(), strict=True)),
        spans=batch.spans(),
        records=len(batch),
    )
