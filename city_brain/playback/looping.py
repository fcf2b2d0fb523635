"""A recording played several times on end: from the second lap on all its times go on where the lap before ended.

Rows, marks and arrivals of a lap are later by whole laps; a configuration comes once, in the first. What cannot be
opened goes as it is, and so do warnings of others, which name times of their own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER
from city_brain.kafka.topics import CONTROL
from city_brain.playback.faults.values import open_value, skewed
from city_brain.playback.recorded_city import CITY

PAUSE_MS: Final = 1000
"""Between the last mark of a lap and the first of the next."""
_NS_PER_MS: Final = 1_000_000


def laps(path: Path, count: int) -> Iterator[Record]:
    """The records of a recording so many times, in order of arrival."""
    with Recording(path) as recording:
        control = recording.metadata.get(CITY, {}).get("topic_prefix", "") + CONTROL
    first_ms = last_ms = first_ns = last_ns = None
    for record in read_series(path):
        stamp_ms, log_ns = record.timestamp_ms, record.log_ns
        if stamp_ms >= 0:
            first_ms = stamp_ms if first_ms is None else min(first_ms, stamp_ms)
            last_ms = stamp_ms if last_ms is None else max(last_ms, stamp_ms)
        first_ns, last_ns = log_ns if first_ns is None else first_ns, log_ns
        yield record
    if count == 1 or first_ms is None or last_ms is None or first_ns is None or last_ns is None:
        return
    # Whole seconds, so that ticks of a lap are cut as those of the one before.
    lap_ms = (last_ms - first_ms + 999) // 1000 * 1000 + PAUSE_MS
    lap_ns = max(lap_ms * _NS_PER_MS, last_ns - first_ns + 1)
    for lap in range(1, count):
        for record in read_series(path):
            if record.topic != control or _is_mark(record):
                yield _later(record, lap * lap_ms, lap * lap_ns)


def _is_mark(record: Record) -> bool:
    return any(name == MARK_HEADER for name, _ in record.headers)


def _later(record: Record, by_ms: int, by_ns: int) -> Record:
    value, opened = record.value, open_value(record.value)
    if opened is not None and opened.observations.n:
        every = np.ones(opened.observations.n, dtype=np.bool_)
        value = opened.of(skewed(opened.observations, every, by_ms, 0.0, 0))
    stamp_ms = record.timestamp_ms + by_ms if record.timestamp_ms >= 0 else record.timestamp_ms
    return msgspec.structs.replace(record, value=value, timestamp_ms=stamp_ms, log_ns=record.log_ns + by_ns)
