"""A recording of raw topics run through the street in one process: no broker, no clock, one thread; ticks out.

Input: the records of all raw topics in order of arrival at the recorder. State: that of the stages. Output: the city's
tick records, the same bytes as the programs on Kafka say, since marks stand in the raw logs and are recorded with them:
how partitions interleave in the recording, and how fast it is read, decide nothing. A record that comes again is passed
over, as its partition's offsets say; one that is missing is a StateError, and nothing is said behind it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER, CityDesk, FusePartition, Ingest, RawPartitions, RawRecord
from city_brain.distributed.city_desk import CityTick
from city_brain.errors import RecordingError, StateError
from city_brain.kafka.topics import CONTROL, raw_partitions
from city_brain.pipeline.configuration import Change, Configuration, Configurations
from city_brain.playback.recorded_city import RecordedCity
from city_brain.site import Site


class PlayedTick(msgspec.Struct, frozen=True):
    """A tick of the city, and up to which log time (ns) the recording was read when it closed."""

    said: CityTick
    log_ns: int

    @property
    def line(self) -> bytes:
        """The tick record, canonical."""
        return self.said.record.to_line()


class Street:
    """All stages over one recording (see the module)."""

    def __init__(self, path: Path, types: dict[str, bytes] | None = None) -> None:
        """Reads what the city began with and was told. `types`: incident types of its own (file name to content) that
        take the place of those in every configuration that the recording holds, to see what they would have said.
        """
        with Recording(path) as recording:
            self.recorded = RecordedCity.read(recording)
        settings = self.recorded.settings
        self.path, self._types = path, types
        self._counts = raw_partitions(settings.kafka)
        self._raw = RawPartitions(list(self._counts.values()))
        self._control = self._raw.number(CONTROL, 0)
        every = filter(None, map(self._raw_record, read_series(path)))
        self._told = [record for record in every if record.partition == self._control]
        self._changes = [record.value or b"" for record in self._told if not record.mark]
        if not self._changes or Change.from_bytes(self._changes[0]).since_ms:
            told = f"wanted {CONTROL} from its first record on, which says what the city began with, got none of it"
            raise RecordingError(f"{path}: {told}")
        self.site = Site.of_changes(self._changes[:1], settings)

    def _begin(self) -> None:
        """Makes stages that have read nothing."""
        total, partitions = self._raw.total, self.recorded.settings.partitions
        self._ingest = Ingest(self._configurations(), self._control)
        for record in self._told:
            self._ingest.hear(record)
        self._fusion = [FusePartition(self._configurations(), total, partition) for partition in range(partitions)]
        self._desk = CityDesk(self.site.name, self._configurations())
        self._begun: set[int] = set()
        self._sent = [0] * partitions
        self._judged = 0

    def _configurations(self) -> Configurations:
        """All that the city was told, as each program reads it when it starts."""
        configurations = Configurations(self.site.configurations.first)
        for change in self._changes:
            with suppress(StateError):
                configurations.add(change)
        return configurations

    def ticks(self) -> Iterator[PlayedTick]:
        """Every tick that the recording closes, in order; each call begins anew."""
        self._begin()
        log_ns, last = 0, 0
        for record in read_series(self.path):
            raw = self._raw_record(record)
            if raw is None or not self._take(raw):
                continue
            log_ns = record.log_ns
            if raw.mark or self._ingest.is_full:
                yield from self._flush(log_ns)
                last = log_ns
        if log_ns > last:
            yield from self._flush(log_ns)

    def place(self, raw_partition: int) -> tuple[str, int]:
        """Topic, as it is called in the recording, and partition of a number that evidence names."""
        topic, partition = self._raw.place(raw_partition)
        return self.recorded.topic_prefix + topic, partition

    def _raw_record(self, record: Record) -> RawRecord | None:
        """A record of a raw topic; None for one of any other."""
        prefix = self.recorded.topic_prefix
        name = record.topic.removeprefix(prefix)
        if name not in self._counts or not record.topic.startswith(prefix):
            return None
        number = self._raw.number(name, record.partition)
        mark = any(header == MARK_HEADER for header, _ in record.headers)
        value = record.value
        if number == self._control and not mark and self._types is not None:
            value = _with_types(value or b"", self._types)
        return RawRecord(number, record.offset, record.timestamp_ms, value, mark)

    def _take(self, record: RawRecord) -> bool:
        """Takes a record; answers whether it was new."""
        if record.partition not in self._begun:
            self._begun.add(record.partition)
            self._ingest.begin(record.partition, record.offset)
        if record.offset < self._ingest.next_offset(record.partition):
            return False
        try:
            self._ingest.read(record)
        except StateError as wrong:
            topic, partition = self.place(record.partition)
            raise StateError(f"{self.path}, {topic}/{partition}: {wrong}: the recording lacks records") from wrong
        return True

    def _flush(self, log_ns: int) -> Iterator[PlayedTick]:
        for partition, parcel in self._ingest.flush().parcels:
            offset = self._sent[partition]
            self._sent[partition] += 1
            for part in self._fusion[partition].read(offset, parcel.to_bytes()):
                for said in self._desk.read(self._judged, part.to_bytes()):
                    yield PlayedTick(said, log_ns)
                self._judged += 1


def _with_types(record: bytes, types: dict[str, bytes]) -> bytes:
    """A record of `control` with other incident types; what is no configuration stays as it is."""
    try:
        change = Change.from_bytes(record)
    except StateError:
        return record
    configuration: Configuration = msgspec.structs.replace(change.configuration, types=types)
    return msgspec.structs.replace(change, configuration=configuration).to_bytes()
