"""What tests of the distributed street share: a small city's raw logs, and an oracle that shares no code with it."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

import msgspec
import numpy as np

from city_brain.city.loading import city_to_geojson, load_city
from city_brain.distributed import CityDesk, FusePartition, Ingest, IngestBatch, RawRecord
from city_brain.errors import ObservationError, StateError
from city_brain.feeds.heartbeat import AreaReadiness
from city_brain.fusion.scene import Ground
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.incident_type import IncidentTypes, load_incident_types
from city_brain.numerics import hash63
from city_brain.observations.envelope import from_envelope, to_envelope
from city_brain.observations.json_twin import from_lines
from city_brain.pipeline.configuration import Change, Configuration, Configurations, Configured
from city_brain.runner import Runner
from city_brain.synth import SynthCity, SynthSettings
from city_brain.ticks.tick import TickSettings

SETTINGS = SynthSettings(
    seed=2, cameras=6, minutes=1.0, garbage_fraction=0.01, warm_up_s=10, incidents_per_hour_per_100_cameras=3000.0
)
ROW_PARTITIONS = 4
CONTROL = ROW_PARTITIONS
"""The raw partition that holds configurations."""
RAW_PARTITIONS = ROW_PARTITIONS + 1
MARKS_PER_SECOND = 2
POISON = (b"\x00\xff", b"", b"\x08\x01\x10\x02", b'{"kind":"mark","arrival_time_ms":1}', b"[]", b'{"kind":"sensor"}\n')


@cache
def city() -> tuple[Ground, IncidentTypes]:
    """Map and types."""
    return Ground.of(load_city(msgspec.json.encode(SynthCity(SETTINGS).geojson()))), load_incident_types()


@cache
def first_configuration() -> bytes:
    """The record of `control` that the city begins with."""
    city_map = city()[0].city
    origin = (city_map.frame.lon0, city_map.frame.lat0)
    written = Configuration(city_map=city_to_geojson(city_map), origin=origin)
    return Change(since_ms=0, configuration=written).to_bytes()


@cache
def raw_logs() -> tuple[tuple[RawRecord, ...], ...]:
    """The raw partitions: JSON lines in one, envelopes in the others, poison in all, marks twice a second; `control`,
    with the first configuration and marks, is the last.
    """
    logs: list[list[RawRecord]] = [[] for _ in range(RAW_PARTITIONS)]
    logs[CONTROL].append(RawRecord(CONTROL, 0, SETTINGS.start_ms, first_configuration()))

    def add(partition: int, stamp_ms: int, value: bytes | None, mark: bool = False) -> None:
        logs[partition].append(RawRecord(partition, len(logs[partition]), stamp_ms, value, mark))

    for second in SynthCity(SETTINGS).blocks():
        now_ms = SETTINGS.start_ms + 1000 * (second.second + 1)
        lines = second.lines()
        home = np.array([hash63(line.partition(b'"source_id":"')[2][:12].hex()) for line in lines]) % ROW_PARTITIONS
        for partition in range(RAW_PARTITIONS):
            mine = [line for line, at in zip(lines, home.tolist(), strict=True) if at == partition]
            for part in range(MARKS_PER_SECOND):
                some, stamp_ms = mine[part::MARKS_PER_SECOND], now_ms - 1000 + 400 * (part + 1)
                if partition == CONTROL:
                    add(partition, stamp_ms + 50, None, mark=True)
                    continue
                if partition == 0:
                    for at in range(0, len(some), 3):
                        add(partition, stamp_ms, b"\n".join(some[at : at + 3]))
                else:
                    add(partition, stamp_ms, to_envelope(from_lines(some).observations))
                if second.second % 7 == partition:
                    add(partition, stamp_ms, POISON[second.second % len(POISON)])
                add(partition, stamp_ms + 50, None, mark=True)
    return tuple(tuple(log) for log in logs)


def with_changes(changes: Sequence[tuple[int, bytes]]) -> tuple[tuple[RawRecord, ...], ...]:
    """The raw logs with records in `control`, each behind the mark at so many seconds."""
    *logs, control = raw_logs()
    waiting = [(SETTINGS.start_ms + 1000 * second, value) for second, value in changes]
    found: list[RawRecord] = []
    for mark in control:
        found.append(dataclasses.replace(mark, offset=len(found)))
        while waiting and mark.stamp_ms >= waiting[0][0]:
            found.append(RawRecord(CONTROL, len(found), mark.stamp_ms, waiting.pop(0)[1]))
    return *logs, tuple(found)


def oracle(
    partitions: int, desk: DeskSettings | None = None, logs: Sequence[Sequence[RawRecord]] | None = None
) -> list[bytes]:
    """The city's lines by the street in one process, reading the raw logs its own way."""
    ground, types = city()
    logs = logs or raw_logs()
    runner = Runner(ground, types, partitions=partitions, raw_partitions=RAW_PARTITIONS, desk=desk)
    first_marks = [next(record.stamp_ms for record in log if record.mark) for log in logs]
    runner.begin_at(runner.settings.index_at(min(first_marks)))
    lines = []
    for record in logs[CONTROL]:
        if not record.mark:
            with suppress(StateError):
                runner.announce(record.value or b"", record.stamp_ms)
    for log in logs:
        for record in log:
            _give(runner, record)
        lines.extend(closed.record.to_line() for closed in runner.closed())
    return lines


def _give(runner: Runner, record: RawRecord) -> None:
    if record.mark:
        runner.mark(record.partition, record.stamp_ms)
        return
    if record.partition == CONTROL:
        return
    try:
        observations = from_envelope(record.value or b"")
    except ObservationError:
        observations = from_lines((record.value or b"").split(b"\n")).observations
    stamp_ms = np.full(observations.n, record.stamp_ms, dtype=np.int64)
    common = dataclasses.replace(observations.common, arrival_ms=stamp_ms)
    runner.read(record.partition, dataclasses.replace(observations, common=common), record.offset)


class Street:
    """Ingest, fusion and desk over logs in memory, with a crash wherever one is asked for."""

    def __init__(self, partitions: int, logs: Sequence[Sequence[RawRecord]] | None = None) -> None:
        self.partitions = partitions
        self.logs = logs or raw_logs()
        self.observations: list[list[bytes]] = [[] for _ in range(partitions)]
        self.ticks: list[bytes] = []
        self.said: list[bytes] = []
        self.readiness: dict[int, tuple[AreaReadiness, ...]] = {}
        self.dead: IngestBatch = IngestBatch()
        self.committed: list[list[int]] = [[0] for _ in range(RAW_PARTITIONS)]
        self.ingest = self.new_ingest()
        self.fusion = [self.new_fusion(partition) for partition in range(partitions)]
        self.desk = self.new_desk()

    def configurations(self) -> Configurations:
        """All that the city was ever told, as a program reads it when it starts."""
        configurations = Configurations(Configured(*city(), TickSettings(), DeskSettings(), self.partitions))
        for record in self.logs[CONTROL]:
            with suppress(StateError):
                configurations.add(record.value or b"")
        return configurations

    def new_ingest(self) -> Ingest:
        """One that has read nothing."""
        ingest = Ingest(self.configurations(), CONTROL)
        for record in self.logs[CONTROL]:
            ingest.hear(record)
        for raw in range(RAW_PARTITIONS):
            ingest.begin(raw, 0)
        return ingest

    def new_fusion(self, partition: int) -> FusePartition:
        """One that has read nothing."""
        return FusePartition(self.configurations(), RAW_PARTITIONS, partition)

    def new_desk(self) -> CityDesk:
        """One that has read nothing."""
        return CityDesk("city", self.configurations())

    def flush(self) -> None:
        """Ingest sends what it has read."""
        batch = self.ingest.flush()
        for partition, parcel in batch.parcels:
            self.observations[partition].append(parcel.to_bytes())
        self.dead.dead.extend(batch.dead)
        for raw, position in batch.positions.items():
            self.committed[raw].append(position)

    def fuse(self, partition: int, most: int) -> None:
        """A partition of fusion reads at most so many records."""
        fusion, log = self.fusion[partition], self.observations[partition]
        for offset in range(fusion.next_offset, min(fusion.next_offset + most, len(log))):
            self.ticks.extend(tick.to_bytes() for tick in fusion.read(offset, log[offset]))

    def judge(self, most: int) -> None:
        """The desk reads at most so many records."""
        begin = self.desk_at
        for offset in range(begin, min(begin + most, len(self.ticks))):
            for city in self.desk.read(offset, self.ticks[offset]):
                self.said.append(city.record.to_line())
                known = self.readiness.setdefault(city.record.tick, city.heartbeat.readiness)
                assert known == city.heartbeat.readiness
            self.desk_at = offset + 1

    desk_at = 0

    def lines(self) -> list[bytes]:
        """What the city said, each tick once; raises where a tick was said twice in different words, or skipped."""
        by_tick: dict[int, bytes] = {}
        for line in self.said:
            tick = msgspec.json.decode(line)["tick"]
            if by_tick.setdefault(tick, line) != line:
                raise AssertionError(f"tick {tick} was said in two ways")
        assert sorted(by_tick) == list(range(min(by_tick), max(by_tick) + 1))
        return [by_tick[tick] for tick in sorted(by_tick)]


def interleaved(chance: np.random.Generator, logs: Sequence[Sequence[RawRecord]]) -> Iterator[RawRecord]:
    """The records of all raw partitions, each partition's in order, partitions in a random one."""
    turns = np.concatenate([np.full(len(log), partition) for partition, log in enumerate(logs)])
    # Turns are shuffled within a window, so that no partition runs minutes ahead of the others.
    when = np.concatenate([np.linspace(0.0, 1.0, len(log)) for log in logs]) + chance.normal(0, 0.02, len(turns))
    left = [iter(log) for log in logs]
    for partition in turns[np.argsort(when, kind="stable")].tolist():
        yield next(left[partition])
