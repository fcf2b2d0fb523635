"""A stream of blocks run through the street as it is read, in constant memory.

A recording that carries marks is read by them. One that does not is taken to be in order of arrival but for
`disorder_ms`: the latest believable stamp less that is a sound mark, so rows may change places within it and nothing
changes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import Parsed
from city_brain.observations.rows import Rows
from city_brain.runner import ClosedTick, Runner
from city_brain.table import Table
from city_brain.types import Bools, Ints

DISORDER_MS: Final = 5_000
STRAY_MS: Final = 3_600_000
"""A stamp this far (and twice the block's own span) outside its block is not believed: it would move log time for good.
"""


class StreamReader:
    """Feeds the blocks of one recording to a runner; raw partition 0."""

    def __init__(self, runner: Runner, disorder_ms: int = DISORDER_MS) -> None:
        self.runner, self.disorder_ms = runner, disorder_ms
        self.latest_ms: int | None = None
        self.marked = False
        self.broken: RecordingError | None = None
        """Why the recording could not be read to its end; what was read before it counts."""

    def read(self, blocks: Iterable[Parsed]) -> Iterator[ClosedTick]:
        """The ticks that close while the blocks are read, then those up to the last row."""
        try:
            for block in blocks:
                self._take(block)
                yield from self.runner.closed()
        except RecordingError as wrong:
            if self.latest_ms is None:
                raise
            self.broken = wrong
        if self.latest_ms is not None:
            settings = self.runner.settings
            self.runner.mark(0, settings.due_ms(settings.index_at(self.latest_ms)))
            yield from self.runner.closed()

    def _take(self, block: Parsed) -> None:
        for rejected in block.rejected:
            self.runner.dead_letter(rejected.reason)
        start = 0
        for rows_before, mark_ms in block.marks.tolist():
            self._rows(block, start, rows_before)
            self.runner.mark(0, mark_ms)
            self.marked, start = True, rows_before
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
        if not self.marked:
            rows = self._believed(rows)
        if rows.n:
            latest = int(rows.arrival_ms.max())
            self.latest_ms = latest if self.latest_ms is None else max(self.latest_ms, latest)
        self.runner.read_rows(0, rows)

    def _believed(self, rows: Rows) -> Rows:
        """The rows whose stamp can move log time; the others are quarantined."""
        good = _near_the_others(rows.arrival_ms)
        if good.all():
            return rows
        strays = int(np.count_nonzero(~good))
        self.runner.door.read += strays
        self.runner.door.quarantine("arrival", strays)
        return rows.take(np.flatnonzero(good))


def _near_the_others(arrival_ms: Ints) -> Bools:
    good: Bools = arrival_ms >= 0
    if not good.any():
        return good
    ordered = np.sort(arrival_ms[good], kind="stable")
    low, high = int(ordered[len(ordered) // 10]), int(ordered[len(ordered) - 1 - len(ordered) // 10])
    limit = STRAY_MS + 2 * (high - low)
    return good & (arrival_ms >= low - limit) & (arrival_ms <= high + limit)


def track_lines(tracks: Iterable[Table], names: dict[int, str]) -> Iterator[bytes]:
    """A JSON line (source_id, track_id, object_id) for each row of a table of tracks per partition."""
    for partition, table in enumerate(tracks):
        columns = (table[name].tolist() for name in ("source", "track", "object_id"))
        for source, track, number in zip(*columns, strict=True):
            name = names.get(source, f"source:{source:016x}")
            yield msgspec.json.encode({"source_id": name, "track_id": track, "object_id": f"{partition}-{number}"})
