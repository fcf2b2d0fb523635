"""Recordings of raw topics as lines of the JSON twin: rows as they arrived, each with its record's stamp, and marks.

A line is one log, a city has many: a mark stands wherever the earliest last mark of all raw partitions rises, which is
log time. What lines cannot hold (configurations, bytes that are no observation) is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from city_brain.bag.reading import Recording, segments
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER, RawPartitions, RawRecord
from city_brain.distributed.reading import read_stretch
from city_brain.errors import RecordingError
from city_brain.kafka.topics import CONTROL, raw_partitions
from city_brain.observations.json_twin import ReadWarning, from_lines, mark_line, to_lines, warning_line
from city_brain.playback.recorded_city import RecordedCity
from city_brain.playback.tap import BLOCKS, RUN, read_block
from city_brain.replay.stream import between
from city_brain.ticks.arrival import LogTime

_RECORDS_MAX = 1 << 16
"""So many are held at most, where no mark comes."""


@dataclass(kw_only=True)
class Unrolled:
    """What became of the records."""

    rows: int = 0
    warnings: int = 0
    marks: int = 0
    """Those of the lines; a mark of the lines stands for one of each raw partition."""
    configurations: int = 0
    """Records of `control`: lines say neither map nor types."""
    missing: int = 0
    """Offsets that the recording jumps over."""
    cut: str = ""
    """What the recording lacks at its end."""
    unread: Counter[str] = field(default_factory=Counter)


def unroll(path: Path, unrolled: Unrolled, progress: Callable[[Unrolled], None] = lambda _: None) -> Iterator[bytes]:
    """The lines (without line ends) of the recording that begins with the file `path`, and in `unrolled` their counts.
    Raises RecordingError where it holds no raw topics, or cannot be read to its end.
    """
    with Recording(path) as recording:
        city = RecordedCity.read(recording)
    lines = _Blocks(path, unrolled) if city.made_by == RUN else _Lines(city, unrolled)
    for segment in segments(path):
        unrolled.cut = unrolled.cut or segment.cut
        for record in segment.records():
            yield from lines.take(record)
            progress(unrolled)
    yield from lines.flush()
    if not lines.known:
        raise RecordingError(f"{path}: wanted rows of raw topics, got none")


class _Blocks:
    """Blocks of a tapped run: its lines stand in them in their order."""

    def __init__(self, path: Path, unrolled: Unrolled) -> None:
        self._path, self._unrolled = path, unrolled
        self.known: set[str] = set()

    def take(self, record: Record) -> Iterator[bytes]:
        """The lines of a block."""
        if record.topic == CONTROL:
            self._unrolled.configurations += 1
        if record.topic != BLOCKS:
            return
        self.known.add(BLOCKS)
        block = read_block(record.value or b"", f"{self._path}, {BLOCKS} {record.offset}")
        self._unrolled.rows += block.observations.n
        self._unrolled.unread.update(rejected.reason.value for rejected in block.rejected)
        rows, start = to_lines(block.observations), 0
        for rows_before, said in between(block):
            yield from rows[start:rows_before]
            start = rows_before
            if isinstance(said, ReadWarning):
                self._unrolled.warnings += 1
                yield warning_line(said.cap.decode(), None if said.arrival_ms < 0 else said.arrival_ms)
            else:
                self._unrolled.marks += 1
                yield mark_line(said)
        yield from rows[start:]

    def flush(self) -> Iterator[bytes]:
        """Nothing is held."""
        return iter(())


class _Lines:
    """The records since the last line, and how far each raw partition has come."""

    def __init__(self, city: RecordedCity, unrolled: Unrolled) -> None:
        counts = raw_partitions(city.settings.kafka)
        self._prefix, self._unrolled = city.topic_prefix, unrolled
        self._raw = RawPartitions(list(counts.values()))
        self._numbers = {
            (self._prefix + topic, at): self._raw.number(topic, at)
            for topic, count in counts.items()
            for at in range(count)
        }
        self._control = self._raw.number(CONTROL, 0)
        self._log_time = LogTime.of_partitions(self._raw.total)
        self._held: list[RawRecord] = []
        self.known = dict[int, int]()
        """The next offset of each raw partition that has records."""

    def take(self, record: Record) -> Iterator[bytes]:
        """The lines that a record closes."""
        number = self._numbers.get((record.topic, record.partition))
        if number is None or not self._is_new(number, record.offset):
            return
        if any(name == MARK_HEADER for name, _ in record.headers):
            before_ms = self._log_time.now_ms
            self._log_time.mark(number, record.timestamp_ms)
            if self._log_time.now_ms > before_ms:
                yield from self.flush()
                self._unrolled.marks += 1
                yield mark_line(self._log_time.now_ms)
        elif number == self._control:
            self._unrolled.configurations += 1
        else:
            self._held.append(RawRecord(number, record.offset, record.timestamp_ms, record.value))
            if len(self._held) == _RECORDS_MAX:
                yield from self.flush()

    def flush(self) -> Iterator[bytes]:
        """The lines of the records that are held, in the order in which these arrived."""
        found: list[tuple[int, bytes]] = []
        in_order = sorted(enumerate(self._held), key=lambda item: item[1].partition)
        for _, group in groupby(in_order, key=lambda item: item[1].partition):
            found += self._read(list(group))
        self._held.clear()
        yield from (line for _, line in sorted(found, key=lambda item: item[0]))

    def _is_new(self, number: int, offset: int) -> bool:
        """Whether a record is not one that comes again."""
        wanted = self.known.get(number, offset)
        if offset < wanted:
            return False
        if number != self._control:  # compacted, so it has holes
            self._unrolled.missing += offset - wanted
        self.known[number] = offset + 1
        return True

    def _read(self, held: list[tuple[int, RawRecord]]) -> Iterator[tuple[int, bytes]]:
        """Lines of records of one raw partition, each with the place of its record among those held."""
        stretch = read_stretch([record for _, record in held])
        self._unrolled.rows += stretch.observations.n
        self._unrolled.unread.update(unread.reason.value for unread in stretch.unread)
        for at, line in zip(stretch.at.tolist(), to_lines(stretch.observations), strict=True):
            yield held[at][0], line
        warned = {record.offset for record, _ in stretch.alerts}
        self._unrolled.warnings += len(stretch.alerts)
        for place, record in held:
            if record.offset in warned:
                for warning in from_lines((record.value or b"").split(b"\n")).warnings:
                    yield place, warning_line(warning.cap.decode(), record.stamp_ms)
