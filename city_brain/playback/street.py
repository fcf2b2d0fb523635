"""A recording of raw topics run through the street in one process: no broker, no clock, one thread; ticks out.

Input: the records of all raw topics in order of arrival at the recorder. State: that of the stages. Output: the city's
tick records, the same bytes as the programs on Kafka say, since marks stand in the raw logs and are recorded with them:
how partitions interleave in the recording, and how fast it is read, decide nothing. A record that comes again is passed
over, as its partition's offsets say; one that is missing is a StateError, and nothing is said behind it. Behind the
last tick that a mark closes the stages rest: there their state is taken, and from there they go on, with other incident
types if asked to.
"""

from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from city_brain.bag.reading import read_series
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER, CityDesk, FusePartition, Ingest, RawPartitions, RawRecord
from city_brain.distributed.city_desk import CityTick
from city_brain.distributed.reading import Stretch, read_stretch
from city_brain.errors import RecordingError, StateError
from city_brain.kafka.topics import CONTROL, raw_partitions
from city_brain.pipeline.configuration import Change, Configurations, Configured
from city_brain.playback.played import Played, PlayedTick
from city_brain.playback.state import StreetState
from city_brain.replay.stream import Batch
from city_brain.runner import Runner
from city_brain.site import Site
from city_brain.types import Ints

MARKS_APART_MS: Final = 31 * 86_400_000
"""The clock of a city writes marks five times a second; no city stands still for longer than this and goes on."""


class Street(Played):
    """All stages over one recording (see the module)."""

    def __init__(self, path: Path, types: dict[str, bytes] | None = None) -> None:
        """Reads what the city began with and was told. `types`: incident types of its own (file name to content) that
        take the place of those in every configuration that the recording holds, to see what they would have said.
        Behind a state they hold from there on, whatever held before.
        """
        super().__init__(path)
        settings = self.recorded.settings
        self._types = types
        self._counts = raw_partitions(settings.kafka)
        self._raw = RawPartitions(list(self._counts.values()))
        self._control = self._raw.number(CONTROL, 0)
        every = filter(None, map(self._raw_record, read_series(path)))
        recorded = [record for record in every if record.partition == self._control]
        self._recorded_changes = list(_changes(recorded))
        self._told = [self._told_by(record) for record in recorded]
        self._changes = list(_changes(self._told))
        if not self._changes or Change.from_bytes(self._changes[0]).since_ms:
            told = f"wanted {CONTROL} from its first record on, which says what the city began with, got none of it"
            raise RecordingError(f"{path}: {told}")
        self.site = Site.of_changes(self._changes[:1], settings)

    def place(self, raw_partition: int) -> tuple[str, int]:
        """Topic, as it is called in the recording, and partition of a number that evidence names."""
        topic, partition = self._raw.place(raw_partition)
        return self.recorded.topic_prefix + topic, partition

    def arrived_ns(self, positions: Set[tuple[int, int]]) -> int | None:
        """When the first of some rows arrived, by raw partition and offset as evidence names them; None: none did."""
        places = {(*self.place(raw), offset) for raw, offset in positions}
        records = read_series(self.path)
        return next((one.log_ns for one in records if (one.topic, one.partition, one.offset) in places), None)

    @property
    def configuration(self) -> str:
        """The version of what holds now."""
        return self._desk.configuration

    def in_a_runner(self) -> tuple[Runner, Iterator[Batch]]:
        """A new runner that knows of all configurations, and what stands before each mark of a raw partition for it."""
        runner = self.site.runner(self._raw.total)
        for record in self._told:
            with suppress(StateError):
                runner.announce(record.value or b"", record.stamp_ms)
        return runner, self._batches(runner)

    def _batches(self, runner: Runner) -> Iterator[Batch]:
        waiting, following = dict[int, list[RawRecord]](), dict[int, int]()
        for raw in filter(None, map(self._raw_record, read_series(self.path))):
            if raw.offset < following.get(raw.partition, raw.offset):
                continue
            following[raw.partition] = raw.offset + 1
            if raw.mark:
                if records := waiting.pop(raw.partition, None):
                    stretch = read_stretch(records)
                    offset = np.array([record.offset for record in records], dtype=np.int64)[stretch.at]
                    yield partial(_admit, runner, raw.partition, stretch, offset)
                yield partial(runner.mark, raw.partition, raw.stamp_ms)
            elif raw.partition != self._control:
                waiting.setdefault(raw.partition, []).append(raw)

    def _begin(self) -> None:
        total, partitions = self._raw.total, self.recorded.settings.partitions
        self._ingest = Ingest(self._configurations(), self._control)
        for record in self._told:
            self._ingest.hear(record)
        self._fusion = [FusePartition(self._configurations(), total, partition) for partition in range(partitions)]
        self._desk = CityDesk(self.site.name, self._configurations())
        self._sent = [0] * partitions
        self._judged = 0
        self._marks: dict[int, int] = {}

    def _configurations(self) -> Configurations:
        """All that the city was told, as each program reads it when it starts."""
        configurations = Configurations(self.site.configurations.first)
        for change in (*self._changes, *self._recorded_changes):
            configurations.add(change)
        return configurations

    def _told_configurations(self) -> Iterator[Configured]:
        known = self._configurations()
        for change in self._changes:
            ready = known.ready(Change.from_bytes(change).configuration.version)
            if ready is not None:
                yield ready

    def _play(self, after_ns: int) -> Iterator[PlayedTick]:
        flushed_ns = after_ns
        for record in read_series(self.path, after_ns):
            raw = self._raw_record(record)
            if raw is None or not self._take(raw):
                continue
            self._log_ns = record.log_ns
            if raw.mark or self._ingest.is_full:
                yield from self._say(self._flushed())
                flushed_ns = self._log_ns
        if self._log_ns > flushed_ns:
            yield from self._say(self._flushed())

    def _stages(self) -> dict[str, bytes]:
        if self._desk.next_offset != self._judged:
            raise StateError(f"{self.path}: wanted partitions that have all spoken of the same ticks, got others")
        fusion = zip(self._names(), self._fusion, strict=True)
        stages = {"ingest": self._ingest.to_bytes(), "desk": self._desk.to_bytes()}
        return stages | {name: stage.to_bytes() for name, stage in fusion}

    def _restore(self, state: StreetState) -> None:
        wanted = ["desk", "ingest", *self._names()]
        if sorted(state.stages) != sorted(wanted):
            raise StateError(f"{self.path}: wanted a state of {wanted}, got one of {sorted(state.stages)}")
        self._ingest.restore(state.stages["ingest"])
        self._desk.restore(state.stages["desk"])
        for name, stage in zip(self._names(), self._fusion, strict=True):
            stage.restore(state.stages[name])
        self._sent, self._judged = [stage.next_offset for stage in self._fusion], self._desk.next_offset
        if self._types is not None:
            self._branch(state, self._types)

    def _names(self) -> list[str]:
        return [f"fusion/{number}" for number in range(len(self._fusion))]

    def _branch(self, state: StreetState, types: dict[str, bytes]) -> None:
        """Goes on with other incident types, as if the city had been told of them with its last tick."""
        now = self._configurations().record(state.configuration) or self._changes[0]
        announced = [(state.due_ms, _with_types(now, types))]
        for record in self._told:
            if not record.mark and record.offset < self._ingest.next_offset(self._control):
                with suppress(StateError):
                    since_ms = Change.from_bytes(record.value or b"").holds_from_ms(record.stamp_ms)
                    announced += [(since_ms, record.value or b"")] if since_ms > state.due_ms else []
        for stage in self._fusion:
            for since_ms, change in announced:
                stage.announce(since_ms, change)

    def _raw_record(self, record: Record) -> RawRecord | None:
        """A record of a raw topic; None for one of any other."""
        prefix = self.recorded.topic_prefix
        name = record.topic.removeprefix(prefix)
        if name not in self._counts or not record.topic.startswith(prefix):
            return None
        number = self._raw.number(name, record.partition)
        mark = any(header == MARK_HEADER for header, _ in record.headers)
        return RawRecord(number, record.offset, record.timestamp_ms, record.value, mark)

    def _told_by(self, record: RawRecord) -> RawRecord:
        """A record with the incident types of this street, where it is a configuration and they are others."""
        if record.partition != self._control or record.mark or self._types is None:
            return record
        return replace(record, value=_with_types(record.value or b"", self._types))

    def _take(self, record: RawRecord) -> bool:
        """Takes a record; answers whether it was new."""
        if not self._ingest.has_begun(record.partition):
            self._ingest.begin(record.partition, record.offset)
        if record.offset < self._ingest.next_offset(record.partition):
            return False
        self.at_rest = False
        if record.mark:
            self._check_mark(record)
        try:
            self._ingest.read(self._told_by(record))
        except StateError as wrong:
            topic, partition = self.place(record.partition)
            raise StateError(f"{self.path}, {topic}/{partition}: {wrong}: the recording lacks records") from wrong
        return True

    def _check_mark(self, record: RawRecord) -> None:
        """Raises RecordingError for a mark that would close more ticks than anybody can wait for."""
        before = self._marks.get(record.partition, self._due_ms or record.stamp_ms)
        if record.stamp_ms - before > MARKS_APART_MS:
            topic, partition = self.place(record.partition)
            told = (
                f"wanted a mark at most {MARKS_APART_MS // 86_400_000} days after {before} ms, got {record.stamp_ms} ms"
            )
            raise RecordingError(f"{self.path}, {topic}/{partition} {record.offset}: {told}")
        self._marks[record.partition] = record.stamp_ms

    def _flushed(self) -> Iterator[CityTick]:
        for partition, parcel in self._ingest.flush().parcels:
            offset = self._sent[partition]
            self._sent[partition] += 1
            for part in self._fusion[partition].read(offset, parcel.to_bytes()):
                yield from self._desk.read(self._judged, part.to_bytes())
                self._judged += 1


def _admit(runner: Runner, raw_partition: int, stretch: Stretch, offset: Ints) -> None:
    """Lets a runner take a stretch of a raw partition, whose rows (n,) have these offsets."""
    for unread in stretch.unread:
        runner.dead_letter(unread.reason)
    for record, packed in stretch.alerts:
        log_time = runner.engines[0].ticker.state.log_time
        runner.alerts.take(log_time, raw_partition, record.offset, record.stamp_ms, packed)
    runner.read(raw_partition, stretch.observations, offset)


def _changes(records: Iterable[RawRecord]) -> Iterator[bytes]:
    """Those of the records of `control` that are configurations."""
    for record in records:
        with suppress(StateError):
            if not record.mark:
                Change.from_bytes(record.value or b"")
                yield record.value or b""


def _with_types(record: bytes, types: dict[str, bytes]) -> bytes:
    """A record of `control` with other incident types; what is no configuration stays as it is."""
    try:
        return Change.from_bytes(record).with_types(types).to_bytes()
    except StateError:
        return record
