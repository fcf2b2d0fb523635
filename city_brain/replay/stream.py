"""A stream of blocks run through the street as it is read, in constant memory.

A recording that carries marks is read by them. One that does not is taken to be in order of arrival but for
`disorder_ms`: the latest believable stamp less that is a sound mark, so rows may change places within it and nothing
changes. Stamps and marks far from all others are not believed: one alone would end the log years ahead.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

import msgspec
import numpy as np

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import Parsed, ReadWarning
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import DeadLetter
from city_brain.replay.stamping import DISORDER_MS, StreamTime
from city_brain.runner import ClosedTick, Runner
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.table import Table
from city_brain.types import Ints

Batch: TypeAlias = Callable[[], None]
"""What was read of a recording at once; admits it when it is called."""


class StreamState(msgspec.Struct):
    """What is known of the time in a recording; see `StreamReader`."""

    latest_ms: int | None
    marked: bool
    floor_ms: int
    remembered: Ints


class StreamReader:
    """Feeds the blocks of one recording to a runner; raw partition 0."""

    def __init__(self, runner: Runner, disorder_ms: int = DISORDER_MS) -> None:
        self.runner, self.time = runner, StreamTime(disorder_ms)
        self.broken: RecordingError | None = None
        """Why the recording could not be read to its end; what was read before it counts."""

    def read(self, blocks: Iterable[Parsed]) -> Iterator[ClosedTick]:
        """The ticks that close while the blocks are read, then those up to the last row."""
        for batch in self.batches(blocks):
            batch()
            yield from self.runner.closed()

    def batches(self, blocks: Iterable[Parsed]) -> Iterator[Batch]:
        """The blocks, each read when it is asked for, then the end behind the last row."""
        try:
            for block in blocks:
                yield partial(self._take, block)
        except RecordingError as wrong:
            if self.time.latest_ms is None:
                raise
            self.broken = wrong
        yield self._end

    def take(self, block: Parsed) -> Iterator[ClosedTick]:
        """The ticks that a block closes."""
        self._take(block)
        yield from self.runner.closed()

    def end(self) -> Iterator[ClosedTick]:
        """The ticks up to the last row."""
        self._end()
        yield from self.runner.closed()

    def to_bytes(self) -> bytes:
        """What it remembers between two blocks, without its runner."""
        time = self.time
        return to_bytes(StreamState(time.latest_ms, time.marked, time.floor_ms, time.remembered))

    def restore(self, data: bytes) -> None:
        """Goes on from there."""
        state = from_bytes(StreamState, data)
        time = self.time
        time.latest_ms, time.marked, time.floor_ms = state.latest_ms, state.marked, state.floor_ms
        time.remembered = state.remembered

    def _take(self, block: Parsed) -> None:
        for rejected in block.rejected:
            self.runner.dead_letter(rejected.reason)
        start = 0
        for rows_before, said in between(block):
            self._rows(block, start, rows_before)
            if isinstance(said, ReadWarning):
                self._warn(said)
            else:
                self._mark(said)
            start = rows_before
        self._rows(block, start, block.observations.n)
        if self.time.sound_ms is not None:
            self.runner.mark(0, self.time.sound_ms)

    def _end(self) -> None:
        if self.time.latest_ms is not None:
            settings = self.runner.settings
            self.runner.mark(0, settings.due_ms(settings.index_at(self.time.latest_ms)))

    def _rows(self, block: Parsed, start: int, end: int) -> None:
        if start == end:
            return
        part = (
            block.observations.take(np.arange(start, end)) if end - start < block.observations.n else block.observations
        )
        rows = self.runner.admit(0, part, block.line[start:end])
        rows = self._believed(rows)
        if rows.n:
            rows = msgspec.structs.replace(rows, arrival_ms=self.time.arrivals(rows.arrival_ms))
        self.runner.read_rows(0, rows)

    def _warn(self, warning: ReadWarning) -> None:
        """Takes a warning; one without a stamp arrives with the line before it, one of another year is not believed."""
        stamp_ms = self.time.floor_ms if warning.arrival_ms < 0 else warning.arrival_ms
        if warning.arrival_ms < 0 or self.time.is_near(stamp_ms):
            self.runner.warn(0, warning.cap, warning.line, stamp_ms)
        else:
            self.runner.dead_letter(DeadLetter.WARNING)

    def _mark(self, mark_ms: int) -> None:
        """Takes a mark that can be believed; without one log time waits for the next."""
        if self.time.is_near(mark_ms):
            self.time.marked = True
            self.runner.mark(0, mark_ms)
        else:
            self.runner.dead_letter(DeadLetter.MARK)

    def _believed(self, rows: Rows) -> Rows:
        """The rows whose stamp can move log time; the others are quarantined."""
        good = self.time.near_the_others(rows.arrival_ms)
        if good.all():
            return rows
        self.runner.stray("arrival", rows, ~good)
        return rows.take(np.flatnonzero(good))


def between(block: Parsed) -> list[tuple[int, int | ReadWarning]]:
    """What stands between the rows of a block, in the order of lines: how many rows stand before it, and the mark or
    the warning.
    """
    marks = zip(block.mark_line.tolist(), block.marks.tolist(), strict=True)
    found: list[tuple[int, int, int | ReadWarning]] = [(line, before, mark_ms) for line, (before, mark_ms) in marks]
    found.extend((warning.line, warning.rows_before, warning) for warning in block.warnings)
    return [(before, said) for _, before, said in sorted(found, key=lambda item: item[0])]


def track_lines(tracks: Iterable[Table], names: dict[int, str]) -> Iterator[bytes]:
    """A JSON line (source_id, track_id, object_id) for each row of a table of tracks per partition."""
    for partition, table in enumerate(tracks):
        columns = (table[name].tolist() for name in ("source", "track", "object_id"))
        for source, track, number in zip(*columns, strict=True):
            name = names.get(source, f"source:{source:016x}")
            yield msgspec.json.encode({"source_id": name, "track_id": track, "object_id": f"{partition}-{number}"})
