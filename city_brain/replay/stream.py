"""A stream of blocks run through the street as it is read, in constant memory.

A recording that carries marks is read by them. One that does not is taken to be in order of arrival but for
`disorder_ms`: the latest believable stamp less that is a sound mark, so rows may change places within it and nothing
changes. Stamps and marks far from all others are not believed: one alone would end the log years ahead.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import Parsed, ReadWarning
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import DeadLetter
from city_brain.runner import ClosedTick, Runner
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.table import Table
from city_brain.ticks.arrival import NEVER
from city_brain.types import Bools, Ints

DISORDER_MS: Final = 5_000
STRAY_MS: Final = 3_600_000
"""A stamp this far (and twice the span of the block and those before it) outside them is not believed."""
REMEMBERED: Final = 256
"""So many stamps before a block are judged with it, so that small blocks know what time it is. After a true gap up to a
tenth of them, read in small blocks, is not believed either.
"""


class StreamState(msgspec.Struct):
    """What is known of the time in a recording; see `StreamReader`."""

    latest_ms: int | None
    marked: bool
    floor_ms: int
    remembered: Ints


class StreamReader:
    """Feeds the blocks of one recording to a runner; raw partition 0."""

    def __init__(self, runner: Runner, disorder_ms: int = DISORDER_MS) -> None:
        self.runner, self.disorder_ms = runner, disorder_ms
        self.latest_ms: int | None = None
        self.marked = False
        self.floor_ms = NEVER
        """What the rows before the first mark of a recording amount to."""
        self.remembered: Ints = np.empty(0, dtype=np.int64)
        self.broken: RecordingError | None = None
        """Why the recording could not be read to its end; what was read before it counts."""

    def read(self, blocks: Iterable[Parsed]) -> Iterator[ClosedTick]:
        """The ticks that close while the blocks are read, then those up to the last row."""
        try:
            for block in blocks:
                yield from self.take(block)
        except RecordingError as wrong:
            if self.latest_ms is None:
                raise
            self.broken = wrong
        yield from self.end()

    def take(self, block: Parsed) -> Iterator[ClosedTick]:
        """The ticks that a block closes."""
        self._take(block)
        yield from self.runner.closed()

    def end(self) -> Iterator[ClosedTick]:
        """The ticks up to the last row."""
        if self.latest_ms is not None:
            settings = self.runner.settings
            self.runner.mark(0, settings.due_ms(settings.index_at(self.latest_ms)))
            yield from self.runner.closed()

    def to_bytes(self) -> bytes:
        """What it remembers between two blocks, without its runner."""
        return to_bytes(StreamState(self.latest_ms, self.marked, self.floor_ms, self.remembered))

    def restore(self, data: bytes) -> None:
        """Goes on from there."""
        state = from_bytes(StreamState, data)
        self.latest_ms, self.marked, self.floor_ms = state.latest_ms, state.marked, state.floor_ms
        self.remembered = state.remembered

    def _take(self, block: Parsed) -> None:
        for rejected in block.rejected:
            self.runner.dead_letter(rejected.reason)
        start = 0
        for rows_before, said in _between(block):
            self._rows(block, start, rows_before)
            if isinstance(said, ReadWarning):
                self._warn(said)
            else:
                self._mark(said)
            start = rows_before
        self._rows(block, start, block.observations.n)
        if not self.marked and self.latest_ms is not None:
            self.runner.mark(0, self.latest_ms - self.disorder_ms)

    def _rows(self, block: Parsed, start: int, end: int) -> None:
        if start == end:
            return
        part = (
            block.observations.take(np.arange(start, end)) if end - start < block.observations.n else block.observations
        )
        rows = self.runner.admit(0, part, block.line[start:end])
        rows = self._believed(rows)
        if rows.n:
            rows = self._no_earlier_than_log_time(rows)
        self.runner.read_rows(0, rows)

    def _no_earlier_than_log_time(self, rows: Rows) -> Rows:
        """Rows stamped before the mark that the rows before them amount to arrive at it, wherever blocks end."""
        stamps = rows.arrival_ms if self.latest_ms is None else np.append(self.latest_ms, rows.arrival_ms)
        latest = np.maximum.accumulate(stamps)[-rows.n :]
        self.latest_ms = int(latest[-1])
        floor_ms = np.int64(self.floor_ms) if self.marked else latest - self.disorder_ms
        self.floor_ms = int(floor_ms.max())
        return msgspec.structs.replace(rows, arrival_ms=np.maximum(rows.arrival_ms, floor_ms))

    def _warn(self, warning: ReadWarning) -> None:
        """Takes a warning; one without a stamp arrives with the line before it, one of another year is not believed."""
        stamp_ms = self.floor_ms if warning.arrival_ms < 0 else warning.arrival_ms
        if warning.arrival_ms < 0 or self._near_the_others(np.array([stamp_ms], dtype=np.int64)).all():
            self.runner.warn(0, warning.cap, warning.line, stamp_ms)
        else:
            self.runner.dead_letter(DeadLetter.WARNING)

    def _mark(self, mark_ms: int) -> None:
        """Takes a mark that can be believed; without one log time waits for the next."""
        if self._near_the_others(np.array([mark_ms], dtype=np.int64)).all():
            self.marked = True
            self.runner.mark(0, mark_ms)
        else:
            self.runner.dead_letter(DeadLetter.MARK)

    def _believed(self, rows: Rows) -> Rows:
        """The rows whose stamp can move log time; the others are quarantined."""
        good = self._near_the_others(rows.arrival_ms)
        if good.all():
            return rows
        strays = int(np.count_nonzero(~good))
        self.runner.refused.read += strays
        self.runner.refused.quarantine("arrival", strays)
        return rows.take(np.flatnonzero(good))

    def _near_the_others(self, stamp_ms: Ints) -> Bools:
        """Which stamps (n,) stand near those before them and with them, most of which are right."""
        good: Bools = stamp_ms >= 0
        known = np.concatenate([self.remembered, stamp_ms[good]])
        self.remembered = known[-REMEMBERED:]
        if len(known) == 0:
            return good
        ordered = np.sort(known, kind="stable")
        tenth = min(max(len(ordered) // 10, 1), (len(ordered) - 1) // 2)
        low, high = int(ordered[tenth]), int(ordered[-1 - tenth])
        limit = STRAY_MS + 2 * (high - low)
        return good & (stamp_ms >= low - limit) & (stamp_ms <= high + limit)


def _between(block: Parsed) -> list[tuple[int, int | ReadWarning]]:
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
