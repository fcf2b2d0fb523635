"""What the street in one process says of the same raw records, and what it takes for that: nothing of Kafka."""

import dataclasses
import time
from collections.abc import Iterable

import numpy as np

from city_brain.distributed import RAW_TOPICS
from city_brain.observations.envelope import from_envelope
from city_brain.runner import Runner
from city_brain.site import Site
from tests.benchmarks.kafka.city import Raw


class Reference:
    """A runner that is given raw records. `lines`: the records of its ticks so far."""

    def __init__(self, site: Site) -> None:
        self.lines: list[bytes] = []
        self.rows = 0
        self._runner: Runner = site.runner(len(RAW_TOPICS))
        self._offsets = [0] * len(RAW_TOPICS)
        self._begun = False

    def read(self, records: Iterable[Raw]) -> float:
        """Takes records; the processor time (s) that it took."""
        begun_s = time.process_time()
        for raw in records:
            self._take(raw)
        return time.process_time() - begun_s

    def _take(self, raw: Raw) -> None:
        offset, self._offsets[raw.topic] = self._offsets[raw.topic], self._offsets[raw.topic] + 1
        if raw.mark:
            if not self._begun:
                self._runner.begin_at(self._runner.settings.index_at(raw.stamp_ms))
                self._begun = True
            self._runner.mark(raw.topic, raw.stamp_ms)
            self.lines.extend(closed.record.to_line() for closed in self._runner.closed())
            return
        observations = from_envelope(raw.value)
        stamp_ms = np.full(observations.n, raw.stamp_ms, dtype=np.int64)
        common = dataclasses.replace(observations.common, arrival_ms=stamp_ms)
        self._runner.read(raw.topic, dataclasses.replace(observations, common=common), offset)
        self.rows += observations.n

    def counters(self) -> dict[str, int]:
        """Where the rows of the first partition that were admitted have ended, as its tick records count them."""
        ticker = self._runner.engines[0].ticker
        counted = ticker.state.counters
        return {"used": counted.used, "late": counted.late, "duplicate": counted.duplicate, "held": ticker.held}
