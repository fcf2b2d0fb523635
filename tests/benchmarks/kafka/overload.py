"""Overload: twice as much as the street can take, for a minute; then it catches up.

Raw records bear the stamps of a city that lives faster than the street can follow. What must hold: the lag grows and
goes again, memory does not grow with it, and incidents and counters are those of one process that nobody hurries.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import zstandard

from city_brain.distributed import RAW_TOPICS
from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.topics import DESK_STATE, FUSION_STATE, FUSION_TICKS, INCIDENTS
from tests.benchmarks.kafka.city import Gateway, observed, recorded, rows_of, save, saved, the_city
from tests.benchmarks.kafka.crew import Crew, Ends, Writer, crew, encoded_map, load
from tests.benchmarks.kafka.reference import Reference
from tests.benchmarks.kafka.street import due_between
from tests.chaos.logs import read_log

GATEWAY = Gateway(1_024)
WARM_UP_S = 20
TIMES = 2.0
"""How much more is sent than can be taken."""
LOOK_S = 0.5
FETCHED_OF_A_PARTITION = 6
"""A fetch under way, one that is drained, the same as rows, and what the outputs of it weigh."""
SNAPSHOTS_HELD = 6
"""A state while it is saved: as plain values, as bytes, packed, and on its way, beside the one before."""


class Overloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. Lags in seconds of the city; memory in MB by worker: warm, at the peak, and what it may be."""

    sources: int
    rows: int
    capacity: int
    sent_per_s: int
    seconds: float
    lag_at_end_s: float
    lag_halfway_s: float
    caught_up_s: float
    warm_mb: dict[str, int]
    halfway_mb: dict[str, int]
    peak_mb: dict[str, int]
    bound_mb: dict[str, int]
    late: int
    late_unhurried: int
    same_counters: bool
    same: bool
    ticks: int
    load: float

    @property
    def bounded(self) -> bool:
        """Whether no worker went beyond its bound."""
        return all(peak <= self.bound_mb[name] for name, peak in self.peak_mb.items())


@dataclass
class Watch:
    """Follows how far the city has come, and the memory of its programs, while records are written."""

    city: Crew
    seen: list[tuple[float, int, dict[str, int]]] = field(default_factory=list)
    """Moment (monotonic s), ticks said, and MB of each worker."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with Ends(self.city.kafka, INCIDENTS) as ends:
            while not self._ended.wait(LOOK_S):
                self.seen.append((time.monotonic(), ends.now(), self.city.memory_mb()))

    def at(self, moment_s: float) -> tuple[int, dict[str, int]]:
        """What was seen last by then."""
        before = [(ticks, mb) for when_s, ticks, mb in self.seen if when_s <= moment_s]
        return before[-1]


def measure(capacity: int, sources: int, seconds: int, servers: str, folder: Path) -> Overloaded:
    """Writes for so many seconds at twice `capacity` (rows per second by the clock), and waits until all is said."""
    path, city = folder / "overload.raw", the_city(sources, WARM_UP_S)
    *_, last = recorded(observed(city), GATEWAY)  # by then as many vehicles are in view as ever
    per_s = max(rows_of(last), 1)
    lives_s = WARM_UP_S + round(TIMES * capacity * seconds / per_s)
    city = the_city(sources, lives_s)
    save(recorded(observed(city), GATEWAY), path)
    with crew(folder, servers, "overload.", encoded_map(city.geojson())) as programs:
        programs.start({"ingest": 1, "fuse": 1, "desk": 1})
        return _overload(programs, path, capacity, sources)


def _overload(city: Crew, path: Path, capacity: int, sources: int) -> Overloaded:
    ticks = city.site.settings.ticks
    last_ms = first_ms = next(saved(path))[0].stamp_ms
    with Writer(city.kafka) as writer, Watch(city) as watch:
        rows, begun_s = 0, 0.0
        for number, second in enumerate(saved(path)):
            if number == WARM_UP_S:
                city.await_ticks(due_between(ticks, first_ms, last_ms))
                time.sleep(3.0)  # a snapshot of the warm state
                warm_mb, begun_s = city.memory_mb("VmHWM"), time.monotonic()
            writer.write(second)
            last_ms = max(raw.stamp_ms for raw in second if raw.mark)
            if begun_s:
                rows += rows_of(second)
                time.sleep(max(0.0, begun_s + rows / (TIMES * capacity) - time.monotonic()))
        written_s = time.monotonic()
        due = due_between(ticks, first_ms, last_ms)
        city.await_ticks(due)
        ended_s = time.monotonic()
    halfway_s = (begun_s + written_s) / 2.0
    (said_halfway, halfway_mb), (said_then, _) = watch.at(halfway_s), watch.at(written_s)
    peak_mb, bound_mb = city.memory_mb("VmHWM"), _bounds(city, warm_mb)
    city.fleet.end()
    reference = Reference(city.site)
    for second in saved(path):
        reference.read(second)
    said = [record.value for record in read_log(city.kafka, INCIDENTS)]
    *_, last = read_log(city.kafka, FUSION_TICKS)
    counters, unhurried = PartitionTick.from_bytes(last.value).counters, reference.counters()
    return Overloaded(
        sources=sources,
        rows=rows,
        capacity=capacity,
        sent_per_s=round(rows / (written_s - begun_s)),
        seconds=round(written_s - begun_s, 1),
        lag_at_end_s=due - said_then,
        lag_halfway_s=(due + WARM_UP_S) / 2 - said_halfway,
        caught_up_s=round(ended_s - written_s, 1),
        warm_mb=warm_mb,
        halfway_mb=halfway_mb,
        peak_mb=peak_mb,
        bound_mb=bound_mb,
        late=counters["late"],
        late_unhurried=unhurried["late"],
        same_counters=all(counters[name] == count for name, count in unhurried.items()),
        same=said == reference.lines,
        ticks=len(said),
        load=load(),
    )


def _bounds(city: Crew, warm_mb: dict[str, int]) -> dict[str, int]:
    """What each worker may use: what it used when warm, what it fetches ahead of itself, and its snapshots."""
    fetched_mb = FETCHED_OF_A_PARTITION * city.site.settings.workers.fetch_bytes_max / (1 << 20)
    partitions = {"ingest": len(RAW_TOPICS), "fuse": city.partitions, "desk": 1}
    states_mb = {"ingest": 0.0, "fuse": _state_mb(city, FUSION_STATE), "desk": _state_mb(city, DESK_STATE)}
    bounds = {}
    for name, mb in warm_mb.items():
        program = name.partition("-")[0]
        bounds[name] = round(mb + fetched_mb * partitions[program] + SNAPSHOTS_HELD * states_mb[program])
    return bounds


def _state_mb(city: Crew, topic: str) -> float:
    """The newest state of a program, unpacked."""
    *_, newest = read_log(city.kafka, topic)
    return len(zstandard.ZstdDecompressor().decompress(newest.value, max_output_size=1 << 30)) / (1 << 20)
