"""Curves around an incident: what its sensors read, and how traffic went on its road, from before it until after it.

`Curves.take` looks into the books of fusion after each tick and remembers the last readings of every channel and road
in rings, so that what came before a suspicion is still there when it arises. Memory: `RING_CELLS` readings of 24 bytes,
48 MB at most, in each partition; `MOST_CURVES` curves of some thousand readings for each of `MOST_INCIDENTS` incidents.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from city_brain.incidents.incident import Incident
from city_brain.numerics import hash63
from city_brain.observations.vocabulary import MEASURES, Quantity
from city_brain.page.document import MOST_INCIDENTS, Curve
from city_brain.pipeline import Engine
from city_brain.types import Bools, Column, Floats, Ints

BEFORE_MS: Final = 180_000
AFTER_MS: Final = 60_000
"""What is shown before an incident began and after its last revision."""
RING_CELLS: Final = 2_000_000
LONGEST_RING: Final = 1_200
MOST_CURVES: Final = 6
"""Of one incident; those of the sources that say most."""
MOST_POINTS: Final = 240
"""Of one curve; of readings nearer to each other the one that is farthest from what is usual stands for all."""
_ROAD_SPEED, _ROAD_QUEUE = "road_speed", "road_queue"


@dataclass(frozen=True, slots=True)
class _Key:
    """Whose curve of what."""

    of: str
    what: str
    unit: str


class _Ring:
    """The last readings (n, length) of channels or roads; rows are added as they appear."""

    def __init__(self) -> None:
        self.time_ms: Ints = np.full((0, 0), -1, dtype=np.int64)
        self.value: Floats = np.empty((0, 0))
        self.usual: Floats = np.empty((0, 0))
        self._next: Ints = np.empty(0, dtype=np.int64)

    def grow(self, rows: int) -> None:
        """Makes room for so many rows, as far as the cells reach."""
        have = len(self._next)
        if rows <= have:
            return
        length = self.time_ms.shape[1] or min(LONGEST_RING, RING_CELLS // rows)
        more = rows - have
        self.time_ms = np.vstack([self.time_ms.reshape(have, length), np.full((more, length), -1, dtype=np.int64)])
        self.value = np.vstack([self.value.reshape(have, length), np.full((more, length), np.nan)])
        self.usual = np.vstack([self.usual.reshape(have, length), np.full((more, length), np.nan)])
        self._next = np.append(self._next, np.zeros(more, dtype=np.int64))

    def add(self, at: Ints, time_ms: Ints, value: Floats, usual: Floats) -> None:
        """Adds one reading to each of the rows (k,)."""
        if self.time_ms.shape[1] == 0 or len(at) == 0:
            return
        slot = self._next[at]
        self.time_ms[at, slot], self.value[at, slot], self.usual[at, slot] = time_ms, value, usual
        self._next[at] = (slot + 1) % self.time_ms.shape[1]

    def within(self, row: int, first_ms: int, last_ms: int) -> tuple[Column, Column, Column]:
        """The readings of a row within a time, oldest first."""
        time_ms = self.time_ms[row]
        at = np.flatnonzero((time_ms >= first_ms) & (time_ms <= last_ms) & np.isfinite(self.value[row]))
        at = at[np.argsort(time_ms[at], kind="stable")]
        return time_ms[at], self.value[row][at], self.usual[row][at]


class Curves:
    """Readings around incidents (see the module), of one run."""

    def __init__(self) -> None:
        self._channels: dict[int, _Ring] = {}
        self._roads: dict[int, _Ring] = {}
        self._kept: dict[str, dict[_Key, dict[int, tuple[float, float]]]] = {}
        self._spread: dict[_Key, float] = {}
        self.left_out = 0
        """Incidents beyond the limit, which have no curves."""

    def take(self, engines: Iterable[Engine], due_ms: int, incidents: Iterable[Incident]) -> None:
        """Takes the books after a tick, and keeps what is around the incidents that it told of."""
        for number, engine in enumerate(engines):
            ring, table = self._channels.setdefault(number, _Ring()), engine.books.sensors.table
            ring.grow(table.n)
            fresh = np.flatnonzero(table["fresh"])
            ring.add(fresh, table["last_ms"][fresh], table["value"][fresh], table["expected"][fresh])
            filling = engine.books.queues.filling
            speeds = self._roads.setdefault(number, _Ring())
            speeds.grow(len(filling.speed_mps))
            # A road's queue stands where a channel has what is usual: both belong to one time.
            every = np.arange(len(filling.speed_mps))
            speeds.add(every, np.full(len(every), due_ms), np.nan_to_num(filling.speed_mps, nan=-1.0), filling.queue_m)
        for incident in incidents:
            self.keep(engines, incident)

    def keep(self, engines: Iterable[Engine], incident: Incident) -> None:
        """Keeps what the rings have around an incident."""
        kept = self._kept.get(incident.incident_id)
        if kept is None:
            if len(self._kept) >= MOST_INCIDENTS:
                self.left_out += 1
                return
            kept = self._kept[incident.incident_id] = {}
        first_ms, last_ms = incident.first_seen_ms - BEFORE_MS, incident.updated_ms + AFTER_MS
        for number, engine in enumerate(engines):
            for key, time_ms, value, usual in self._around(number, engine, incident, first_ms, last_ms):
                if key in kept or len(kept) < MOST_CURVES:
                    readings = zip(value.tolist(), usual.tolist(), strict=True)
                    kept.setdefault(key, {}).update(zip(time_ms.tolist(), readings, strict=True))

    def _around(
        self, number: int, engine: Engine, incident: Incident, first_ms: int, last_ms: int
    ) -> Iterator[tuple[_Key, Column, Column, Column]]:
        road = incident.place.road
        if road is not None and road in engine.ground.roads.road_id:
            row = engine.ground.roads.road_id.index(road)
            time_ms, speed, queue = self._roads[number].within(row, first_ms, last_ms)
            seen: Bools = speed >= 0
            none = np.full(len(time_ms), np.nan)
            yield _Key(road, _ROAD_SPEED, "m/s"), time_ms[seen], speed[seen], none[seen]
            yield _Key(road, _ROAD_QUEUE, "m"), time_ms, queue, none
        table = engine.books.sensors.table
        for source in _telling(incident):
            for row in np.flatnonzero(table["source"] == hash63(source)).tolist():
                quantity = Quantity(int(table["quantity"][row]))
                key = _Key(source, quantity.name.lower(), MEASURES[quantity].unit)
                self._spread[key] = round(float(table["spread"][row]), 3)
                yield key, *self._channels[number].within(row, first_ms, last_ms)

    def of(self, incident_id: str) -> tuple[Curve, ...]:
        """The curves of an incident, those that say something."""
        found = (self._curve(key, readings) for key, readings in self._kept.get(incident_id, {}).items())
        return tuple(curve for curve in found if len(curve.times_ms) > 1 and _says_something(curve))

    def _curve(self, key: _Key, readings: dict[int, tuple[float, float]]) -> Curve:
        times = sorted(readings)
        value = np.array([readings[time][0] for time in times])
        usual = np.array([readings[time][1] for time in times])
        known = bool(len(usual)) and bool(np.all(np.isfinite(usual)))
        at = _typical(np.array(times, dtype=np.int64), value - usual if known else value)
        first_ms = times[0] if times else 0
        return Curve(
            of=key.of,
            what=key.what,
            unit=key.unit,
            first_ms=first_ms,
            times_ms=tuple(times[i] - first_ms for i in at),
            values=tuple(round(float(value[i]), 3) for i in at),
            usual=tuple(round(float(usual[i]), 3) for i in at) if known else (),
            spread=self._spread.get(key, 0.0) if known else 0.0,
        )


def _telling(incident: Incident) -> list[str]:
    """The sources of the evidence, the heaviest first, each once."""
    heaviest = sorted(incident.evidence, key=lambda item: -abs(item.weight))
    return list(dict.fromkeys(source for item in heaviest for source in item.sources))


def _typical(time_ms: Ints, deviation: Floats) -> list[int]:
    """Which readings stand for all: of each of `MOST_POINTS` spans of time the most unusual one."""
    if len(time_ms) <= MOST_POINTS:
        return list(range(len(time_ms)))
    span = (time_ms - time_ms[0]) * MOST_POINTS // (time_ms[-1] - time_ms[0] + 1)
    far = np.abs(deviation - np.median(deviation))
    order = np.lexsort((-far, span))
    first = np.append(True, span[order][1:] != span[order][:-1])
    return sorted(order[first].tolist())


def _says_something(curve: Curve) -> bool:
    """A queue of nothing, from beginning to end, is no curve."""
    return curve.what != _ROAD_QUEUE or any(curve.values)
