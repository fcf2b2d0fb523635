"""Lines of the JSON twin as the raw topics would hold them: rows where `send` puts them, marks as a clock writes them.

Every row is a record of its own, whose stamp is its arrival: what a log would have stamped it with. Time moves as it
does for whoever reads the lines (`StreamTime`); a mark stands in every raw partition at the first arrival and wherever
a tick falls due, and no row stands behind a mark that is later than it. The same lines give the same bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.records import LOG_APPEND_TIME, Headers
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.distributed import MARK_HEADER, MARK_KEY
from city_brain.errors import RecordingError
from city_brain.kafka.sending import RawOut, single_records
from city_brain.kafka.topics import CONTROL, raw_partitions, raw_topic
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import Parsed, ReadWarning
from city_brain.observations.vocabulary import DeadLetter, Kind
from city_brain.pipeline.configuration import Change
from city_brain.playback.recorded_city import CITY, SETTINGS, decisive
from city_brain.replay.stamping import StreamTime
from city_brain.replay.stream import between
from city_brain.site import SiteSettings
from city_brain.ticks.arrival import NEVER

MADE_BY: Final = "convert"
"""What the metadata of such a recording name as its maker."""
_NS_PER_MS: Final = 1_000_000
_WRITING: Final = WriterSettings(chunk_ms=60_000, segment_s=86_400, level=19)
"""Small rather than quick: nobody waits for a chunk, and such recordings are kept."""
_EVER: Final = 1 << 62
_MARK: Final[Headers] = ((MARK_HEADER, b""),)


@dataclass(kw_only=True)
class Rolled:
    """What became of the lines."""

    rows: int = 0
    warnings: int = 0
    marks: int = 0
    """Those written, in all raw partitions."""
    marks_read: int = 0
    """Those of the lines, which moved time."""
    unknown_keys: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


def roll(
    blocks: Iterable[Parsed],
    out: Path,
    first: Change,
    settings: SiteSettings,
    progress: Callable[[Rolled], None] = lambda _: None,
) -> Rolled:
    """Writes blocks of lines as a recording of the raw topics of a city; `first`: what it begins with.

    Raises RecordingError where `out` is there, where the lines cannot be read on (then what was written is left as
    *.part), or where none of them is a row.
    """
    if out.exists():
        raise RecordingError(f"{out}: wanted a file that is not there yet, got one")
    city = {"city": settings.city, "made_by": MADE_BY, "topic_prefix": settings.kafka.topic_prefix,
            "partitions": str(settings.partitions)}  # fmt: skip
    with RecordingWriter(out, _WRITING, metadata={CITY: city}) as writer:
        site = decisive(settings).encode()
        writer.attach(Attachment(log_ns=0, created_ns=0, name=SETTINGS, media_type="application/toml", data=site))
        logs = _RawLogs(writer, first, settings)
        for block in blocks:
            logs.take(block)
            progress(logs.rolled)
        logs.end()
    return logs.rolled


class _RawLogs:
    """The raw partitions while they are written, and the records that wait until time has passed them."""

    def __init__(self, writer: RecordingWriter, first: Change, settings: SiteSettings) -> None:
        self.rolled = Rolled()
        self._writer, self._first, self._settings = writer, first, settings
        kafka, self._ticks = settings.kafka, settings.ticks
        widths = raw_partitions(kafka).items()
        self._places = [(kafka.topic(name), number) for name, count in widths for number in range(count)]
        self._channels = {place: writer.channel(*place) for place in self._places}
        self._offsets = dict.fromkeys(self._places, 0)
        self._time = StreamTime()
        self._waiting: list[tuple[int, RawOut]] = []
        self._passed_ms = NEVER
        """No row that is yet to come arrives before it."""
        self._tick: int | None = None
        """The tick whose due time is marked next."""

    def take(self, block: Parsed) -> None:
        """Takes a block, and writes what can no longer be overtaken."""
        self.rolled.unknown_keys += block.unknown_keys
        self.rolled.rejected.update(line.reason.value for line in block.rejected)
        start = 0
        for rows_before, said in between(block):
            self._rows(block.observations, start, rows_before)
            if isinstance(said, ReadWarning):
                self._warn(said)
            else:
                self._mark(said)
            start = rows_before
        self._rows(block.observations, start, block.observations.n)
        if self._time.sound_ms is not None:
            self._passed_ms = max(self._passed_ms, self._time.sound_ms)
        self._write_until(self._passed_ms)

    def end(self) -> None:
        """Writes what waits, and marks the ticks up to the last row; raises RecordingError where there was none."""
        if self._time.latest_ms is None:
            raise RecordingError(f"{self._writer.path}: wanted lines with at least one row, got none")
        last_ms = self._ticks.due_ms(self._ticks.index_at(self._time.latest_ms))
        self._write_until(max(last_ms, self._passed_ms))
        self._write_before(_EVER)

    def _rows(self, observations: Observations, start: int, end: int) -> None:
        if start == end:
            return
        rows = observations if end - start == observations.n else observations.take(np.arange(start, end))
        good = self._time.near_the_others(rows.common.arrival_ms)
        if not good.all():
            self.rolled.rejected[DeadLetter.TIME.value] += int(np.count_nonzero(~good))
            rows = rows.take(np.flatnonzero(good))
        if not rows.n:
            return
        arrival_ms = np.maximum(self._time.arrivals(rows.common.arrival_ms), self._passed_ms)
        self._waiting += zip(arrival_ms.tolist(), single_records(self._settings.kafka, rows), strict=True)
        self.rolled.rows += rows.n

    def _warn(self, warning: ReadWarning) -> None:
        """All warnings go into one partition, as `send` has it, since one may end another."""
        if warning.arrival_ms >= 0 and not self._time.is_near(warning.arrival_ms):
            self.rolled.rejected[DeadLetter.WARNING.value] += 1
            return
        stamp_ms = self._time.floor_ms if warning.arrival_ms < 0 else warning.arrival_ms
        record = RawOut(self._settings.kafka.topic(raw_topic(Kind.REPORT)), 0, None, warning.data, 0)
        self._waiting.append((max(stamp_ms, self._passed_ms), record))
        self.rolled.warnings += 1

    def _mark(self, mark_ms: int) -> None:
        if self._time.is_near(mark_ms):
            self._time.marked, self._passed_ms = True, max(self._passed_ms, mark_ms)
            self.rolled.marks_read += 1
        else:
            self.rolled.rejected[DeadLetter.MARK.value] += 1

    def _write_until(self, time_ms: int) -> None:
        """Writes the ticks that are due by a time: what arrived before each, then marks."""
        stamps = [stamp_ms for stamp_ms, _ in self._waiting if stamp_ms > NEVER]
        if self._tick is None:
            if not stamps or min(stamps) > time_ms:
                return
            self._begin(min(stamps))
        self._waiting.sort(key=lambda item: item[0])
        while self._tick is not None and (due_ms := self._ticks.due_ms(self._tick)) <= time_ms:
            self._write_before(due_ms)
            self._write_marks(due_ms)
            self._tick += 1

    def _begin(self, begin_ms: int) -> None:
        """Writes what the city begins with, and marks at the first arrival: there its first tick is."""
        self._tick, self._begin_ms = self._ticks.index_at(begin_ms), begin_ms
        key = f"{self._first.configuration.version}-{self._first.since_ms}".encode()
        self._write(RawOut(self._settings.kafka.topic(CONTROL), 0, key, self._first.to_bytes(), 0), begin_ms)
        self._write_marks(begin_ms)

    def _write_before(self, time_ms: int) -> None:
        """Writes what arrived before a time; it waits in order of arrival."""
        written = 0
        for stamp_ms, record in self._waiting:
            if stamp_ms >= time_ms:
                break
            self._write(record, max(stamp_ms, self._begin_ms))
            written += 1
        del self._waiting[:written]

    def _write_marks(self, mark_ms: int) -> None:
        for topic, partition in self._places:
            self._write(RawOut(topic, partition, MARK_KEY, b"", 0), mark_ms, _MARK)
        self.rolled.marks += len(self._places)

    def _write(self, record: RawOut, stamp_ms: int, headers: Headers = ()) -> None:
        place = (record.topic, record.partition)
        self._writer.write(
            self._channels[place], self._offsets[place], record.value, key=record.key, headers=headers,
            timestamp_ms=stamp_ms, timestamp_type=LOG_APPEND_TIME, log_ns=stamp_ms * _NS_PER_MS,
        )  # fmt: skip
        self._offsets[place] += 1
