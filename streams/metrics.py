"""What a program shows of itself in figures: a Prometheus registry of its own, read over HTTP.

Faust's sensors are not attached: they ask the consumer for ends that it does not know while partitions move, and die.
Rows are counted where every partition counts them, in its tick records; so these counters go on over restarts.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

TICK_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""A tick is a second of the city: a partition that needs more for one does not keep up."""
Place = tuple[str, int]
"""A topic with its prefix, and a partition of it."""


class Metrics:
    """The figures of one program. It is told in the program's loop and read in another thread."""

    def __init__(self, program: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._program = program
        place = ("topic", "partition")
        self.records = self._counter("records_read", "Records taken from a partition of the input.", *place)
        self.sent = self._counter("records_sent", "Records sent, by topic.", "topic")
        self.rows_sent = self._counter("rows_sent", "Rows that ingest sent on; those in a halo once for each reader.")
        self.refused = self._counter("rows_refused", "Rows that ingest refused, by reason.", "reason")
        self.ticks = self._counter(
            "ticks_closed", "Ticks said, by partition of fusion; of the city, by 0.", "partition"
        )
        self.rule_failures = self._counter(
            "rule_failures", "Ticks in which a detector raised and was skipped.", "partition", "type"
        )
        self._failed: dict[int, Mapping[str, int]] = {}
        self.rebalances = self._counter("rebalances", "How often partitions were given out anew.")
        self.tick_seconds = Histogram(
            "city_brain_tick_seconds", "Time to compute one tick.", ("program",), registry=self.registry, buckets=TICK_S
        ).labels(program)
        self.snapshot_bytes = Gauge(
            "city_brain_snapshot_bytes", "Size of the last snapshot, packed.", ("program", "partition"),
            registry=self.registry,
        )  # fmt: skip
        self._now = _Now(program)
        self.registry.register(self._now)

    def _counter(self, name: str, says: str, *labels: str) -> Any:
        counter = Counter(f"city_brain_{name}", says, ("program", *labels), registry=self.registry)
        return counter if labels else counter.labels(self._program)

    def took(self, topic: str, partition: int) -> None:
        """A record was taken."""
        self.records.labels(self._program, topic, partition).inc()

    def lag(self, behind: Mapping[Place, int]) -> None:
        """How many records wait in each assigned partition."""
        self._now.lag = dict(behind)

    def closed(self, partition: int, due_ms: int, seconds: float) -> None:
        """A tick was said, which was due at a log time; computing it took so long."""
        self.ticks.labels(self._program, partition).inc()
        self.tick_seconds.observe(seconds)
        self._now.log_ms[partition] = due_ms

    def log_time(self, partition: int, log_ms: int) -> None:
        """Log time has come so far, by what was read of a partition."""
        self._now.log_ms[partition] = log_ms

    def rows(self, partition: int, counters: Mapping[str, int]) -> None:
        """Where the rows of a partition of fusion have ended so far."""
        self._now.rows[partition] = counters

    def failed(self, partition: int, failures: Mapping[str, int]) -> list[str]:
        """Counts detectors that raised, by how often each has so far; those that did so now."""
        before = self._failed.get(partition, failures)
        self._failed[partition] = failures
        now = [name for name, times in failures.items() if times > before.get(name, 0)]
        for name in now:
            self.rule_failures.labels(self._program, partition, name).inc()
        return now

    def saved(self, partition: int, size: int) -> None:
        """A snapshot of so many bytes was stored."""
        self.snapshot_bytes.labels(self._program, partition).set(size)
        self._now.saved_s[partition] = time.monotonic()

    def outgoing(self, topic: str) -> None:
        """A record was sent."""
        self.sent.labels(self._program, topic).inc()

    def refuse(self, reasons: Mapping[str, int]) -> None:
        """Rows were refused, by counter and reason."""
        for reason, rows in reasons.items():
            self.refused.labels(self._program, reason).inc(rows)

    def only(self, partitions: set[int]) -> None:
        """Partitions were given out: figures of those that are with others now are theirs to tell."""
        for figures in (self._now.log_ms, self._now.rows, self._now.saved_s):
            for partition in figures.keys() - partitions:
                del figures[partition]
        self._now.lag = {}


class _Now(Collector):
    """Figures that are computed when they are asked for."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.lag: dict[Place, int] = {}
        self.log_ms: dict[int, int] = {}
        self.rows: dict[int, Mapping[str, int]] = {}
        self.saved_s: dict[int, float] = {}

    def collect(self) -> Iterator[Metric]:
        """All families; copies, since the loop goes on meanwhile."""
        lag = GaugeMetricFamily(
            "city_brain_lag_records", "Records that wait.", labels=("program", "topic", "partition")
        )
        for (topic, partition), behind in dict(self.lag).items():
            lag.add_metric((self._program, topic, str(partition)), behind)
        now_s, wall_s = time.monotonic(), time.time()
        saved = {partition: now_s - at_s for partition, at_s in dict(self.saved_s).items()}
        behind_s = {partition: wall_s - log_ms / 1000.0 for partition, log_ms in dict(self.log_ms).items()}
        yield lag
        yield self._gauge("snapshot_age_seconds", "Since the last snapshot was stored.", saved)
        yield self._gauge("log_behind_seconds", "How far log time is behind this machine's clock.", behind_s)
        yield from self._rows(dict(self.rows))

    def _gauge(self, name: str, says: str, values: Mapping[int, float]) -> Metric:
        family = GaugeMetricFamily(f"city_brain_{name}", says, labels=("program", "partition"))
        for partition, value in values.items():
            family.add_metric((self._program, str(partition)), value)
        return family

    def _rows(self, counted: Mapping[int, Mapping[str, int]]) -> Iterator[Metric]:
        labels = ("program", "partition")
        read = CounterMetricFamily("city_brain_rows_read", "Rows read.", labels=labels)
        late = CounterMetricFamily("city_brain_rows_late", "Rows used after their tick.", labels=labels)
        held = GaugeMetricFamily("city_brain_rows_held", "Rows that wait for their tick.", labels=labels)
        ended = CounterMetricFamily(
            "city_brain_rows", "Where rows ended: these and the held are those read.", labels=(*labels, "end", "reason")
        )
        whole: dict[str, Any] = {"read": read, "late": late, "held": held}
        for partition, counters in counted.items():
            for name, rows in counters.items():
                at = (self._program, str(partition))
                if name in whole:
                    whole[name].add_metric(at, rows)
                else:
                    end, _, reason = name.partition(".")
                    ended.add_metric((*at, end, reason), rows)
        yield from (read, late, held, ended)
