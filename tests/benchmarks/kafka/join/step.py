"""The simple join itself: each detection with the newest state of its junction's signal and its cell's newest reading.

Twice, since systems are compared on both: event by event over dictionaries, and over columns of an envelope at once.
"""

from typing import Any

import numpy as np

from tests.benchmarks.kafka.join.events import (
    CELLS_PER_JUNCTION,
    DETECTION,
    HIT_COLUMNS,
    JUNCTIONS,
    READING,
    RED,
    SENSOR,
    SIGNAL,
    SPEED_MPS,
    Columns,
    Hit,
    number_of,
    pack,
    unpack,
)


class Events:
    """The join event by event; remembers what is newest in dictionaries."""

    def __init__(self) -> None:
        self._state: dict[str, str] = {}
        self._reading: dict[str, float] = {}

    def take(self, event: dict[str, Any]) -> Hit | None:
        """An event as JSON says it; the hit that it is, if it is one."""
        kind = event["kind"]
        if kind == "detection":
            if event["speed_mps"] > SPEED_MPS and self._state.get(event["junction"]) == "red":
                return hit(event, self._reading.get(event["cell"], 0.0))
        elif kind == "signal":
            self._state[event["junction"]] = event["state"]
        else:
            self._reading[event["cell"]] = event["reading"]
        return None


def hit(detection: dict[str, Any], reading: float) -> Hit | None:
    """A fast detection at a red light, where its cell reads enough."""
    if reading <= READING:
        return None
    junction = number_of(detection["junction"])
    return Hit(detection["seq"], junction, detection["track_id"], detection["speed_mps"], reading)


class Batches:
    """The join of whole envelopes; remembers what is newest in arrays."""

    def __init__(self) -> None:
        self.lamp = np.zeros(JUNCTIONS)
        self.reading = np.zeros(JUNCTIONS * CELLS_PER_JUNCTION)

    def take(self, record: bytes) -> bytes:
        """An envelope of events; an envelope of its hits."""
        return pack(self.join(unpack(record)), HIT_COLUMNS)

    def join(self, events: Columns) -> Columns:
        """Columns of events; columns of hits."""
        kind, value = events["kind"], events["value"]
        lamp = _newest(events["junction"], kind == SIGNAL, value, self.lamp)
        reading = _newest(events["cell"], kind == SENSOR, value, self.reading)
        found = (kind == DETECTION) & (value > SPEED_MPS) & (lamp == RED) & (reading > READING)
        hits = {name: events[name][found] for name in ("seq", "junction", "track")}
        return hits | {"speed": value[found], "reading": reading[found]}


def _newest(key: Any, speaks: Any, value: Any, known: Any) -> Any:
    """For each event the last value that spoke for its key by then, in these events or before; `known` learns."""
    order = np.argsort(key, kind="stable")
    keys, at = key[order], np.arange(len(key))
    begins = np.concatenate(([True], keys[1:] != keys[:-1]))
    first = np.maximum.accumulate(np.where(begins, at, 0))
    last = np.maximum.accumulate(np.where(speaks[order], at, -1))
    newest = np.where(last >= first, value[order][last], known[keys])
    ends = np.concatenate((begins[1:], [True]))
    known[keys[ends]] = newest[ends]
    result = np.empty(len(key))
    result[order] = newest
    return result
