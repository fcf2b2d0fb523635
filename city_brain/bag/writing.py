"""Recordings are written: segments that get their name when they are whole, within a budget, through full disks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.container.segments import SegmentFile
from city_brain.bag.packing import ChunkPacker
from city_brain.bag.records import (
    ATTACHMENT_BYTES_MAX,
    CHUNK_BYTES,
    GAPS,
    LOG_NS_MAX,
    OFFSET_ENTRIES_MAX,
    RECORD_BYTES_MAX,
    RECORDING,
    SUMMARY_BYTES_MAX,
    VERSION,
    Gap,
    Headers,
    Lost,
    Schema,
    check_attachment_name,
)
from city_brain.errors import RecordingError, RecordingFullError, SettingsError

OWN_NAMES: Final = "cb."
"""How the names of our own metadata and attachments begin."""
LOSS_BYTES: Final = 768
"""What an entry of the ledger takes at most where only its topic is long."""
Unrecorded = Callable[[], Iterable[tuple[str, int, int, int]]]
"""Topic, partition, first and last offset of what a recording lacks that ends now."""
_NS_PER_MS: Final = 1_000_000
_CLOSED: Final = -1


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording is cut into chunks and segments, and how much room it may take."""

    chunk_bytes: int = CHUNK_BYTES
    chunk_ms: int = 1000
    """Of log time; who records must also `flush`, since without records no time passes."""
    segment_bytes: int = 1 << 30
    segment_s: int = 3600
    budget_bytes: int = 0
    """Of all segments together; 0: none."""
    synchronise: bool = False
    """Wait with every chunk until it is on the disk."""
    level: int = 3

    def __post_init__(self) -> None:
        bounds = {"chunk_bytes": (1024, CHUNK_BYTES), "chunk_ms": (1, 60_000), "segment_bytes": (1, 1 << 40),
                  "segment_s": (1, 86_400), "budget_bytes": (0, 1 << 50), "level": (1, 19)}  # fmt: skip
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"recording, {name}: wanted {low} to {high}, got {getattr(self, name)}")


class RecordingWriter:
    """Writes a recording; a context manager that finishes it, and leaves a *.part where an error or Ctrl-C ends it.

    Who records until Ctrl-C holds it back until it can finish.
    """

    def __init__(
        self,
        path: str | Path,
        settings: WriterSettings = WriterSettings(),  # noqa: B008 - frozen
        *,
        series: str = "",
        metadata: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.path, self.settings = Path(path), settings
        self._series, self._metadata = series or self.path.stem, dict(metadata or {})
        own = [name for name in self._metadata if name.startswith(OWN_NAMES)]
        if own:
            raise SettingsError(f"metadata: wanted names that do not begin with {OWN_NAMES}, got {own[0]!r}")
        self._packer = ChunkPacker(settings.level, self._turn)
        self.write = self._packer.add
        """Takes a record; no call stands between, since it is made for each of them."""
        self.segments: list[Path] = []
        self._split_ns: int | None = None
        self._gaps, self._finished_bytes, self._ended = 0, 0, ""
        self._unrecorded: Unrecorded | None = None
        self._kept_bytes = 0
        self._segment = self._begin()

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is None:
            self.finish()
        elif exception[0] is KeyboardInterrupt:
            self._ended = self._ended or "it was interrupted"  # a record may be half taken: nothing more is written
            self.abandon()
            exception[1].add_note(f"{self._segment.part} is what was written by then, and no whole recording")
        else:
            self.abandon()

    def channel(
        self, topic: str, partition: int, *, encoding: str = "", schema: Schema | None = None, cluster: str = ""
    ) -> int:
        """The channel of a topic's partition, to write to; the same words give the same channel."""
        number = 0 if schema is None else self._packer.schema(schema)
        return self._packer.record_channel(topic, partition, encoding, number, cluster)

    def note(self, topic: str, said: Mapping[str, Any], log_ns: int) -> None:
        """Takes a note: `topic` is CONTROL, MARKS or GAPS."""
        data = msgspec.json.encode(said)
        if self._packer.size + len(data) > self._packer.room or log_ns >= self._packer.close_ns:
            self._turn(len(data), (), log_ns)
        self._packer.add_note(self._packer.note_channel(topic), data, log_ns)

    def gap(self, gap: Gap, log_ns: int) -> None:
        """Enters a loss into the ledger."""
        self.note(GAPS, msgspec.to_builtins(gap), log_ns)
        self._gaps += 1

    def answer_for(self, unrecorded: Unrecorded, entries_max: int) -> None:
        """Has losses entered into the ledger where the budget ends the recording: `unrecorded` then says which, and
        room for so many entries is kept for them.
        """
        self._unrecorded, self._kept_bytes = unrecorded, entries_max * LOSS_BYTES

    def attach(self, attachment: Attachment) -> None:
        """Adds a file to the segment that is open."""
        name = check_attachment_name(attachment.name, str(self.path))
        if name.startswith(OWN_NAMES):
            raise RecordingError(f"{self.path}: wanted an attachment not named {OWN_NAMES}…, got {name!r}")
        if len(attachment.data) > ATTACHMENT_BYTES_MAX:
            told = f"wanted at most {ATTACHMENT_BYTES_MAX} bytes, got {len(attachment.data)}"
            raise RecordingError(f"attachment {name}: {told}")
        self._check_open()
        self._within_budget(len(attachment.data))
        with self._or_end():
            self._segment.attachment(attachment)

    def flush(self) -> None:
        """Writes the open chunk out: from here on a crash does not lose it."""
        self._check_open()
        packed = self._packer.close()
        self._packer.room = _CLOSED
        if packed is not None:
            with self._or_end():
                self._segment.chunk(packed)

    def finish(self) -> None:
        """Writes out everything and gives the last segment its name; does nothing where that is done."""
        if not self._ended:
            self.flush()
            with self._or_end():
                self._segment.finish(self._packer.summary_records(), last=True, gaps=self._gaps)
            self._ended = "it is finished"

    def abandon(self) -> None:
        """Leaves the segment as *.part, with all that can still be written of it."""
        if not self._ended:
            with suppress(RecordingError):
                self.flush()
            self._ended = self._ended or "it was abandoned"
        self._segment.close()

    def _turn(self, size: int, headers: Headers, log_ns: int) -> None:
        """Begins a chunk for a record of that size, and before it a segment where the old one is done."""
        whole = size + sum(len(name) + len(value or b"") for name, value in headers)
        if whole > RECORD_BYTES_MAX:
            raise RecordingError(f"record: wanted at most {RECORD_BYTES_MAX} bytes, got {whole}")
        if log_ns > LOG_NS_MAX:
            raise RecordingError(f"record: wanted a log time of at most {LOG_NS_MAX}, got {log_ns}")
        self.flush()
        settings, segment = self.settings, self._segment
        if (
            segment.position >= settings.segment_bytes
            or (self._split_ns is not None and log_ns >= self._split_ns)
            or segment.offset_entries + len(self._packer.channels) > OFFSET_ENTRIES_MAX
            or segment.index_bytes > SUMMARY_BYTES_MAX // 2
        ):
            with self._or_end():
                segment.finish(self._packer.summary_records(), last=False, gaps=self._gaps)
                self._finished_bytes += segment.position
                self._segment = self._begin()
        self._within_budget(settings.chunk_bytes + whole)
        if self._split_ns is None:
            self._split_ns = log_ns + 1000 * settings.segment_s * _NS_PER_MS
        self._packer.room, self._packer.close_ns = settings.chunk_bytes, log_ns + settings.chunk_ms * _NS_PER_MS

    def _begin(self) -> SegmentFile:
        number = len(self.segments) + 1
        path = segment_path(self.path, number)
        said = {"version": str(VERSION), "series": self._series, "segment": str(number)}
        said["log_time_after_ns"] = str(self._packer.last_ns)
        segment = SegmentFile(path, self.settings.synchronise)
        try:
            for name, more in {RECORDING: said, **self._metadata}.items():
                segment.metadata(name, more)
        except RecordingError:
            segment.close()
            raise
        self.segments.append(path)
        self._packer.begin_segment()
        self._gaps, self._split_ns = 0, None
        return segment

    def _within_budget(self, raw_bytes: int) -> None:
        """Finishes the recording and raises RecordingFullError where so much more might break the budget."""
        budget = self.settings.budget_bytes
        if not budget:
            return
        # Twice, since an index comes with what cannot be packed; definitions stand in the chunk and in the summary.
        wanted = self._segment.closing_bytes + 2 * (raw_bytes + self._packer.definition_bytes) + self._kept_bytes
        spent = self._finished_bytes + self._segment.position
        if spent + wanted > budget:
            self._own_up()
            self.finish()
            self._ended = f"its budget of {budget} bytes is used up"
            told = f"wanted room for {wanted} bytes more, got {budget - spent} of the budget; it is finished"
            raise RecordingFullError(f"{self.path}: {told}")

    def _own_up(self) -> None:
        """Enters what the recording will lack, behind everything else."""
        if self._unrecorded is None:
            return
        detail = f"the budget of {self.settings.budget_bytes} bytes is used up"
        for topic, partition, first, last in self._unrecorded():
            lost = Gap(topic=topic, partition=partition, first=first, last=last, reason=Lost.REFUSED, detail=detail)
            self._packer.add_note(self._packer.note_channel(GAPS), msgspec.json.encode(lost), 0)
            self._gaps += 1

    @contextmanager
    def _or_end(self) -> Iterator[None]:
        """What cannot be written ends the recording: nothing may be written behind it."""
        try:
            yield
        except RecordingError as wrong:
            self._ended = str(wrong)
            raise

    def _check_open(self) -> None:
        if self._ended:
            raise RecordingFullError(f"{self.path}: wanted a recording that goes on, got one that ended: {self._ended}")


def segment_path(first: Path, number: int) -> Path:
    """The file of a segment of the recording that begins with the file `first`."""
    return first if number == 1 else first.with_name(f"{first.stem}-{number:05d}{first.suffix}")
