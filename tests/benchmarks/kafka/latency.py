"""Latency from an observation to the record of its tick in `incidents`, on a live city well below what it could bear.

The broker stamps raw records, the programs stamp what they write; all run on one machine, so stamps compare. A tick is
due at its end and the lateness budget, and then waits for the next mark: that is the tick's own waiting. What the
programs add is the time from the stamp of the mark that closed it to the stamp of its record.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from city_brain.distributed import RAW_TOPICS, Parcel
from city_brain.incidents.tick_record import PartitionTick, TickRecord
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import FUSION_TICKS, INCIDENTS, OBSERVATIONS
from city_brain.ticks.tick import TickSettings
from city_brain.ticks.ticker import Ticker
from tests.benchmarks.kafka.city import MARKS_PER_S, Gateway, Second, observed, recorded, the_city
from tests.benchmarks.kafka.crew import Crew, Writer, crew, encoded_map, load
from tests.chaos.logs import read_log

WARM_UP_S = 15
GATEWAY = Gateway(1_024, patience_ms=100)
ROWS_PREPARED_PER_S = 60_000
"""How fast a city is made, at least: it must be ready before its first second comes."""
ADDED_MS_MAX = 150
"""What may be added to the tick, its budget and the mark interval, at the 99th percentile."""


class Spread(msgspec.Struct, frozen=True):
    """Median, 99th percentile and most of some milliseconds."""

    median: float
    high: float
    most: float

    @classmethod
    def of(cls, ms: Any) -> "Spread":
        """Of all values."""
        return cls(*(round(float(np.quantile(ms, share)), 1) for share in (0.5, 0.99, 1.0)))


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. `parts`: by name, in the order of the way; `cores`: share of a core that each program used."""

    sources: int
    rows_per_s: int
    capacity: int
    rows: int
    late: float
    ticks: int
    bound_ms: int
    parts: dict[str, Spread]
    cores: dict[str, float]
    load: float


EVENT = "event → incidents, all of it"
ARRIVAL = "arrival → incidents"
WAITS = "of it the tick's own waiting: from its due time to the stamp of the mark behind it"
ADDED = "of it added by us: from that mark's stamp to incidents"
RAW = "raw → observations"
FUSED = "observations → fusion.ticks"
JUDGED = "fusion.ticks → incidents"


def measure(capacity: int, share: float, rows_per_source_s: float, seconds: int, servers: str, folder: Path) -> Latency:
    """Plays a city of the size that sends a share of `capacity` (rows per second by the clock)."""
    sources = max(10, round(capacity * share / rows_per_source_s))
    lead_s = 15 + round((seconds + WARM_UP_S + 60) * capacity * share / ROWS_PREPARED_PER_S)
    start_ms = 1000 * (round(time.time()) + lead_s)
    city = the_city(sources, WARM_UP_S + seconds, start_ms)
    city_map = encoded_map(city.geojson())
    with crew(folder, servers, "latency.", city_map, replayed=False) as programs:
        programs.start({"clock": 1, "ingest": 1, "fuse": 1, "desk": 1})
        played = list(recorded(observed(city), GATEWAY))
        if time.time() * 1000 > start_ms:
            raise RuntimeError(f"latency: wanted the city to be made within {lead_s} s, got none by then")
        used, wall_s = _play(programs, played, start_ms)
        time.sleep(5.0)  # the last ticks fall due
        programs.fleet.check()
        programs.fleet.end()
        return _told(programs, start_ms, sources, capacity, {name: s / wall_s for name, s in used.items()})


def _play(programs: Crew, played: list[Second], start_ms: int) -> tuple[dict[str, float], float]:
    """Sends every record when its time has come; what the programs used behind the warm-up, and for how long."""
    before: dict[str, float] = {}
    begun_s = 0.0
    with Writer(programs.kafka, own_stamps=False) as writer:
        for number, second in enumerate(played):
            if number == WARM_UP_S:
                before, begun_s = programs.processor_s(), time.monotonic()
            for raw in second:
                if not raw.mark:
                    time.sleep(max(0.0, raw.stamp_ms / 1000.0 - time.time()))
                    writer.write([raw])
    used = {name: round(s - before[name], 2) for name, s in programs.processor_s().items()}
    return used, time.monotonic() - begun_s


@dataclass
class Traced:
    """Stamps (epoch ms) of what happened to each tick, as the topics tell it.

    `rows`: arrival and corrected event time of the rows of a tick, and how many were late. `closed`: the stamp of the
    mark that a tick waited for, and of the parcel that brought it. `through`: of raw records, their own stamps and how
    long after each its parcel was written.
    """

    rows: dict[int, tuple[Any, Any, int]] = field(default_factory=dict)
    closed: dict[int, tuple[int, int]] = field(default_factory=dict)
    through: list[tuple[Any, Any]] = field(default_factory=list)
    fused: dict[int, int] = field(default_factory=dict)
    said: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, kafka: KafkaSettings, settings: TickSettings) -> "Traced":
        """Reads the topics back; rows fall into ticks as in fusion."""
        traced, ticker = cls(), Ticker(settings, len(RAW_TOPICS))
        raw_ms = [np.array([record.timestamp for record in read_log(kafka, name)]) for name in RAW_TOPICS]
        for record in read_log(kafka, OBSERVATIONS):
            parcel = Parcel.from_bytes(record.value)
            mine = raw_ms[parcel.raw_partition][parcel.after + 1 : parcel.upto + 1]
            traced.through.append((mine, record.timestamp - mine))
            if parcel.rows is not None:
                ticker.read(parcel.raw_partition, parcel.rows)
            for mark_ms in parcel.marks_ms:
                ticker.mark(parcel.raw_partition, mark_ms)
                # Ticks that close now have waited for this mark, whichever came before.
                for tick in ticker.closed():
                    traced.closed[tick.index] = mark_ms, record.timestamp
                    traced.rows[tick.index] = tick.rows.arrival_ms, tick.time_ms, int(tick.late.sum())
        traced.fused = {
            PartitionTick.from_bytes(one.value).tick: one.timestamp for one in read_log(kafka, FUSION_TICKS)
        }
        traced.said = {TickRecord.from_line(one.value).tick: one.timestamp for one in read_log(kafka, INCIDENTS)}
        return traced

    def parts(self, ticks: list[int], settings: TickSettings) -> dict[str, Spread]:
        """How long each part of the way took, over some ticks."""
        due, mark, parcel, fused, said = np.array(
            [(settings.due_ms(tick), *self.closed[tick], self.fused[tick], self.said[tick]) for tick in ticks]
        ).T
        begins_ms = settings.start_ms(min(ticks))
        return {
            EVENT: Spread.of(np.concatenate([self.said[tick] - self.rows[tick][1] for tick in ticks])),
            ARRIVAL: Spread.of(np.concatenate([self.said[tick] - self.rows[tick][0] for tick in ticks])),
            WAITS: Spread.of(mark - due),
            ADDED: Spread.of(said - mark),
            RAW: Spread.of(np.concatenate([ms[stamp_ms >= begins_ms] for stamp_ms, ms in self.through])),
            FUSED: Spread.of(fused - parcel),
            JUDGED: Spread.of(said - fused),
        }


def _told(programs: Crew, start_ms: int, sources: int, capacity: int, cores: dict[str, float]) -> Latency:
    settings = programs.site.settings.ticks
    traced = Traced.of(programs.kafka, settings)
    first = settings.index_at(start_ms) + WARM_UP_S
    ticks = [tick for tick in traced.said if tick >= first and len(traced.rows[tick][0])]
    rows, late = (
        sum(count(traced.rows[tick]) for tick in ticks) for count in (lambda of: len(of[0]), lambda of: of[2])
    )
    return Latency(
        sources=sources,
        rows_per_s=round(rows / len(ticks)),
        capacity=capacity,
        rows=rows,
        late=round(late / rows, 5),
        ticks=len(ticks),
        bound_ms=settings.tick_ms + settings.lateness_budget_ms + 1000 // MARKS_PER_S + ADDED_MS_MAX,
        parts=traced.parts(ticks, settings),
        cores={name: round(share, 2) for name, share in cores.items()},
        load=load(),
    )
