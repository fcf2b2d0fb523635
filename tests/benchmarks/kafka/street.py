"""Throughput from the raw topics to the log of incidents: the whole street, by size of the envelopes.

The programs stand warm behind a first part of the city while the next part is written, held up by a signal. Then the
clock starts: processor time of ingest, fuse and desk until the last tick that is due has been said.
"""

import time
from pathlib import Path

import msgspec

from city_brain.kafka.topics import INCIDENTS
from city_brain.ticks.tick import TickSettings
from tests.benchmarks.kafka.city import Gateway, Raw, observed, recorded, rows_of, the_city
from tests.benchmarks.kafka.crew import Crew, Writer, crew, encoded_map, load
from tests.benchmarks.kafka.reference import Reference
from tests.chaos.logs import read_log

ENVELOPES = (1, 64, 256, 1_024, 4_096)
WARM_UP_S = 20
WARM_UP_ROWS = 1_024
"""An envelope of the part that is not counted."""
SECONDS = {1: 2, 64: 20}
"""Of the city where each record costs most; else `MOST_SECONDS`."""
MOST_SECONDS = 60


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: rows in an envelope at most, partitions of the city, and workers that fuse them."""

    envelope: int = 1_024
    partitions: int = 1
    fuse: int = 1
    sources: int = 10_000
    seconds: int = MOST_SECONDS


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What it took. `program_us`: processor time per row, by program; `reference`: rows per second in one process.

    `per_core`: rows per second of processor time of all programs; `per_wall_second`: by the clock.
    """

    case: Case
    rows: int
    mean_envelope: float
    per_core: int
    per_wall_second: int
    program_us: dict[str, float]
    peak_mb: dict[str, int]
    reference: int
    same: bool
    ticks: int
    load: float


class Life:
    """The city of a run, made once and cut into records as each case wants."""

    def __init__(self, sources: int, seconds: int) -> None:
        city = the_city(sources, WARM_UP_S + seconds)
        self.city_map = encoded_map(city.geojson())
        self._seconds = list(observed(city))

    def parts(self, case: Case) -> tuple[list[Raw], list[Raw]]:
        """What is read before, and what is measured."""
        warm = recorded(self._seconds[:WARM_UP_S], Gateway(WARM_UP_ROWS))
        some = self._seconds[WARM_UP_S:][: min(case.seconds, SECONDS.get(case.envelope, case.seconds))]
        measured = recorded(some, Gateway(case.envelope))
        return [raw for second in warm for raw in second], [raw for second in measured for raw in second]


def cases(envelopes: list[int], sources: int, seconds: int) -> list[Case]:
    """Every size with one of each program; then two partitions, fused by one worker and by two."""
    sizes = [Case(envelope=rows, sources=sources, seconds=seconds) for rows in envelopes]
    wide = [Case(partitions=2, fuse=workers, sources=sources, seconds=seconds) for workers in (1, 2)]
    return [*sizes, *wide]


def measure(case: Case, life: Life, servers: str, folder: Path, prefix: str) -> Throughput:
    """Measures one case, and compares what was said with what one process says."""
    warm, measured = life.parts(case)
    with crew(folder, servers, prefix, life.city_map, case.partitions) as city:
        city.start({"ingest": 1, "fuse": case.fuse, "desk": 1})
        due = ticks_due(city, [*warm, *measured])
        with Writer(city.kafka) as writer:
            writer.write(warm)
        city.await_ticks(ticks_due(city, warm))
        with city.held():
            with Writer(city.kafka) as writer:
                writer.write(measured)
            before, begun_s = city.processor_s(), time.monotonic()
        city.await_ticks(due)
        wall_s = time.monotonic() - begun_s
        used = {program: s - before[program] for program, s in city.processor_s().items()}
        peak_mb = city.memory_mb("VmHWM")
        city.fleet.end()
        said = [record.value for record in read_log(city.kafka, INCIDENTS)]
        reference = Reference(city.site)
        reference.read(warm)
        alone_s = reference.read(measured)
    rows = rows_of(measured)
    return Throughput(
        case=case,
        rows=rows,
        mean_envelope=round(rows / sum(not raw.mark for raw in measured), 1),
        per_core=round(rows / sum(used.values())),
        per_wall_second=round(rows / wall_s),
        program_us={program: round(1e6 * s / rows, 2) for program, s in used.items()},
        peak_mb=peak_mb,
        reference=round(rows / alone_s),
        same=said == reference.lines,
        ticks=len(said),
        load=load(),
    )


def ticks_due(city: Crew, records: list[Raw]) -> int:
    """How many ticks the city must have said once all marks among the records were read."""
    return due_between(city.site.settings.ticks, *_span(records))


def due_between(ticks: TickSettings, first_ms: int, last_ms: int) -> int:
    """Ticks that are due at log time `last_ms` where the first mark was `first_ms`."""
    first = ticks.index_at(first_ms)
    count = 0
    while ticks.due_ms(first + count) <= last_ms:
        count += 1
    return count


def _span(records: list[Raw]) -> tuple[int, int]:
    marks = [raw.stamp_ms for raw in records if raw.mark]
    return marks[0], marks[-1]
