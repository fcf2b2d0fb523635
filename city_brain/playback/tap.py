"""A run in one process is recorded as its engine saw it: the blocks of its input, and the ticks that it said.

A block is what one look at the input brought: its rows as an envelope, marks, warnings and what was rejected, with the
number of each line. Played again, the same reader takes the same blocks, and the ticks are the same in every byte.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from city_brain import __version__
from city_brain.bag.container.mcap import Attachment
from city_brain.bag.reading import read_series
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.errors import ObservationError, RecordingError
from city_brain.kafka.topics import CONTROL, INCIDENTS
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope, to_envelope
from city_brain.observations.json_twin import Parsed, ReadWarning, Rejected
from city_brain.observations.vocabulary import DeadLetter
from city_brain.pipeline.configuration import Change
from city_brain.playback.played import Played, PlayedTick
from city_brain.playback.recorded_city import CITY, SETTINGS, decisive
from city_brain.playback.state import StreetState
from city_brain.replay.stream import Batch, StreamReader
from city_brain.runner import ClosedTick, Runner
from city_brain.site import Site

BLOCKS: Final = "blocks"
"""The topic of blocks; its partition is 0, offsets count blocks, values are a `Block` as MessagePack."""
RUN: Final = "run"
"""What the metadata of such a recording name as its maker."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block as it is recorded. `line`: numbers (n,) of the lines of rows, int64, little-endian."""

    rows: bytes
    line: bytes
    marks: list[tuple[int, int, int]] = []
    """How many rows stand before, epoch ms, number of the line."""
    rejected: list[tuple[int, str]] = []
    """Number of the line, reason."""
    warnings: list[tuple[int, int, int, bytes]] = []
    """Number of the line, how many rows stand before, arrival in epoch ms or -1, message of CAP."""

    @classmethod
    def of(cls, parsed: Parsed) -> "Block":
        """What of a block decides."""
        marks = zip(parsed.marks.tolist(), parsed.mark_line.tolist(), strict=True)
        return cls(
            rows=to_envelope(parsed.observations) if parsed.observations.n else b"",
            line=parsed.line.astype("<i8").tobytes(),
            marks=[(before, mark_ms, line) for (before, mark_ms), line in marks],
            rejected=[(one.line, one.reason.value) for one in parsed.rejected],
            warnings=[(one.line, one.rows_before, one.arrival_ms, one.cap) for one in parsed.warnings],
        )

    def parsed(self) -> Parsed:
        """As the engine takes it."""
        return Parsed(
            observations=from_envelope(self.rows) if self.rows else Observations.concat([]),
            line=np.frombuffer(self.line, dtype="<i8").astype(np.int64),
            rejected=tuple(Rejected(line, DeadLetter(reason), b"") for line, reason in self.rejected),
            marks=np.array([mark[:2] for mark in self.marks], dtype=np.int64).reshape(-1, 2),
            mark_line=np.array([line for *_, line in self.marks], dtype=np.int64),
            unknown_keys=0,
            warnings=tuple(ReadWarning(line, before, ms, cap, b"") for line, before, ms, cap in self.warnings),
        )


def read_block(value: bytes, place: str) -> Parsed:
    """A block as it was recorded; raises RecordingError, which begins with `place`, where it is none."""
    try:
        return msgspec.msgpack.decode(value, type=Block).parsed()
    except (msgspec.MsgspecError, ValueError, ObservationError) as wrong:
        raise RecordingError(f"{place}: wanted a block, got: {wrong}") from wrong


class Tap:
    """Records a run; a context manager. Where the disk or the budget is full the run goes on without it."""

    def __init__(
        self, path: Path, site: Site, first: Change, complain: Callable[[str], None], budget_bytes: int = 0
    ) -> None:
        """`first`: map and types that the run begins with. `complain` is told why a recording ended early.
        `budget_bytes`: what it may take of the disk; 0: all.
        """
        if path.exists():
            raise RecordingError(f"{path}: wanted a file that is not there yet, got one")
        metadata: Mapping[str, Mapping[str, str]] = {
            CITY: {"city": site.name, "made_by": RUN, "topic_prefix": "", "partitions": str(site.settings.partitions),
                   "version": __version__}
        }  # fmt: skip
        self.path, self._complain = path, complain
        self._lock = threading.Lock()
        """A run reads in a thread, and is ended by another."""
        self._writer: RecordingWriter | None = RecordingWriter(
            path, WriterSettings(budget_bytes=budget_bytes), metadata=metadata
        )
        settings = msgspec.structs.replace(site.settings, city=site.name)
        self._writer.attach(
            Attachment(log_ns=0, created_ns=0, name=SETTINGS, media_type="application/toml",
                       data=decisive(settings).encode())
        )  # fmt: skip
        self._channels = {topic: self._writer.channel(topic, 0) for topic in (CONTROL, BLOCKS, INCIDENTS)}
        self._offsets = dict.fromkeys(self._channels, 0)
        self._writer.answer_for(self._unrecorded, len(self._offsets))
        self._write(CONTROL, first.to_bytes())

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, *exception: object) -> None:
        """What was recorded is whole, however the run ended."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                try:
                    writer.finish()
                except RecordingError as wrong:
                    self._complain(str(wrong))

    def read(self, blocks: Iterable[Parsed]) -> Iterator[Parsed]:
        """The blocks, each once it is recorded."""
        for parsed in blocks:
            self._write(BLOCKS, msgspec.msgpack.encode(Block.of(parsed)))
            yield parsed

    def said(self, ticks: Iterable[ClosedTick]) -> Iterator[ClosedTick]:
        """The ticks, each once what it says is recorded."""
        for closed in ticks:
            self._write(INCIDENTS, closed.record.to_line())
            yield closed

    def _unrecorded(self) -> Iterator[tuple[str, int, int, int]]:
        """The next block and the next tick stand for all that come: how many, nobody knows yet."""
        for topic in (BLOCKS, INCIDENTS):
            yield topic, 0, self._offsets[topic], self._offsets[topic]

    def _write(self, topic: str, value: bytes) -> None:
        with self._lock:
            if self._writer is None:
                return
            now_ns = time.time_ns()
            place = self._channels[topic], self._offsets[topic]
            try:
                self._writer.write(*place, value, timestamp_ms=now_ns // 1_000_000, log_ns=now_ns)
                self._offsets[topic] += 1
            except RecordingError as wrong:
                self._writer.abandon()
                self._writer = None
                self._complain(str(wrong))


class TappedRun(Played):
    """A run that was recorded by a tap, played again."""

    def __init__(self, path: Path, types: dict[str, bytes] | None = None) -> None:
        """`types`: incident types of its own that take the place of those recorded."""
        super().__init__(path)
        first = next((record.value for record in read_series(path) if record.topic == CONTROL), None)
        if first is None:
            raise RecordingError(f"{path}: wanted {CONTROL}, which says what the run began with, got none of it")
        if types is not None:
            first = Change.from_bytes(first).with_types(types).to_bytes()
        self.site = Site.of_changes([first], self.recorded.settings)

    def place(self, raw_partition: int) -> tuple[str, int]:
        """All evidence names lines of the one input."""
        return BLOCKS, raw_partition

    def arrived_ns(self, positions: Set[tuple[int, int]]) -> int | None:
        """When the first of some rows arrived, of which evidence names line numbers as offsets; None where none did."""
        lines = np.array(sorted(line for _, line in positions), dtype=np.int64)
        for record in read_series(self.path):
            if record.topic == BLOCKS:
                parsed = read_block(record.value or b"", f"{self.path}, {BLOCKS} {record.offset}")
                also = [warning.line for warning in parsed.warnings]
                if np.isin(parsed.line, lines).any() or np.isin(also, lines).any():
                    return record.log_ns
        return None

    @property
    def configuration(self) -> str:
        """The version of what holds now."""
        return self._runner.configured.version

    def in_a_runner(self) -> tuple[Runner, Iterator[Batch]]:
        """A new runner, and the blocks for it."""
        runner = self.site.runner()
        return runner, StreamReader(runner).batches(block for _, block in self._blocks())

    def _begin(self) -> None:
        self._runner = self.site.runner()
        self._reader = StreamReader(self._runner)

    def _blocks(self, after_ns: int = -1) -> Iterator[tuple[int, Parsed]]:
        """The blocks behind a log time, each with its own."""
        for record in read_series(self.path, after_ns):
            if record.topic == BLOCKS:
                yield record.log_ns, read_block(record.value or b"", f"{self.path}, {BLOCKS} {record.offset}")

    def _play(self, after_ns: int) -> Iterator[PlayedTick]:
        for log_ns, block in self._blocks(after_ns):
            self._log_ns = log_ns
            yield from self._say(self._reader.take(block))
        # The end of a capsule is not the end of the input, unless its last ticks are those that closed there.
        if self.last_tick is None or self.head.size < self.last_tick:
            yield from self._say(self._reader.end())

    def _stages(self) -> dict[str, bytes]:
        return {"runner": self._runner.to_bytes(), "reader": self._reader.to_bytes()}

    def _restore(self, state: StreetState) -> None:
        self._runner.restore(state.stages["runner"])
        self._reader.restore(state.stages["reader"])
