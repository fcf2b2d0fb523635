"""From the devices to the gateway: clocks that are wrong, delays with a heavy tail, loss, duplicates, arrival order.

A message's event time is true time + the source's skew, which drifts and now and then steps. Its arrival is true time +
the source's floor + a log-normal delay, and not before a stall of the source's uplink ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from city_brain.observations.vocabulary import Kind
from city_brain.synth.senses.garbage import apply_flaws, choose_flaws
from city_brain.synth.settings import SynthSettings, Traits
from city_brain.types import Column, Floats, Ints

MESSAGE = np.dtype(
    [
        ("kind", "u1"),
        ("flaw", "u1"),  # 0, or the number of a kind of garbage
        ("status", "u1"),
        ("code", "u1"),  # object class, signal mode, report category
        ("source", "i4"),
        ("note", "i4"),  # text of a report, -1
        ("seq", "i8"),
        ("event_ms", "i8"),  # true time until it is sent
        ("arrival_ms", "i8"),
        ("lon", "f8"),
        ("lat", "f8"),
        ("sigma", "f8"),  # NaN: not sent
        ("track", "i8"),
        ("value", "f8"),  # confidence, reading in the unit sent
        ("speed", "f8"),
        ("heading", "f8"),
        ("bbox", "i2", (4,)),
        ("lamps", "i8"),  # sum of colour * 6 ** (3 * arm + movement)
    ]
)
"""One message in flight; times in epoch ms."""

_LISTENS_S = 3
_LONGEST_STALL_S = 60.0
_STEP_CHANCE = 4e-6
"""Steps of a source's clock per source and second."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Numbers of all sources: cameras first, then signals, sensors, and the hotline last."""

    cameras: int
    signals: int
    sensors: int

    @property
    def count(self) -> int:
        """All sources with the hotline."""
        return self.cameras + self.signals + self.sensors + 1

    @property
    def hotline(self) -> int:
        """The number of the hotline."""
        return self.count - 1

    def kind(self, source: Column) -> Column:
        """`Kind` of each source."""
        bounds = np.cumsum([self.cameras, self.signals, self.sensors])
        return np.searchsorted(bounds, source, side="right").astype(np.uint8)


class Channel:
    """Clocks and uplinks of all sources, and the messages under way.

    Memory is what is under way, and 40 B per source.
    """

    def __init__(self, settings: SynthSettings, traits: Traits, roster: Roster, chance: np.random.Generator) -> None:
        self.settings, self.traits, self.roster, self.chance = settings, traits, roster, chance
        count = roster.count
        self._skew_ms = chance.uniform(-traits.skew_s, traits.skew_s, count) * 1000
        self._drift = chance.uniform(-traits.drift_ppm, traits.drift_ppm, count) * 1e-6
        kinds = roster.kind(np.arange(count))
        low, high = traits.delay_floor_s
        floor = chance.uniform(low, high, count)
        self._floor_ms = np.where(kinds == Kind.DETECTION, floor, low + (floor - low) * 0.35) * 1000
        self._skew_ms[kinds == Kind.REPORT] = 0.0
        self._seq = np.zeros(count, dtype=np.int64)
        self._stalled_until = np.zeros(count)
        self._stalled = np.zeros(0, dtype=np.int64)
        self._under_way: dict[int, list[Column]] = {}
        self.counts = {"dropped": 0, "duplicates": 0, "garbage": 0}

    def send(self, second: int, parts: Sequence[Column]) -> None:
        """Puts the messages of one second under way; each source's rows stand together, in the order of sending."""
        self._stall(second)
        messages = joined(parts)
        n = len(messages)
        if n == 0:
            return
        source = messages["source"]
        true_ms = messages["event_ms"].copy()
        messages["seq"] = self._number(source)
        elapsed = true_ms - self.settings.start_ms
        messages["event_ms"] += np.rint(self._skew_ms[source] + self._drift[source] * elapsed).astype(np.int64)
        delay = self.traits.delay_median_s * 1000 * np.exp(self.traits.delay_shape * self._normal(n))
        arrival = true_ms + self._floor_ms[source] + delay
        stalled = self._stalled_until[source]
        late = stalled > arrival
        arrival[late] = stalled[late] + self.chance.exponential(60.0, int(late.sum()))
        self._deliver(messages, np.rint(arrival).astype(np.int64))

    def _deliver(self, messages: Column, arrival_ms: Ints) -> None:
        """Loses some, repeats some, spoils copies of some, and puts all into buckets by second of arrival."""
        chance, n = self.chance, len(messages)
        kept = np.flatnonzero(chance.random(n) >= self.traits.loss)
        fate = chance.random(len(kept))
        again = kept[fate < self.traits.duplicates]
        spoiled = kept[fate > 1 - self.settings.garbage_fraction]
        late = arrival_ms[again] + 1 + np.rint(chance.exponential(700.0, len(again))).astype(np.int64)
        which = np.concatenate([kept, again, spoiled])
        arrives = np.concatenate([arrival_ms[kept], late, arrival_ms[spoiled]])
        flaw = np.zeros(len(which), dtype=np.uint8)
        flaw[len(which) - len(spoiled) :] = choose_flaws(messages["kind"][spoiled], chance)
        bucket = (arrives - self.settings.start_ms) // 1000
        order = np.argsort(bucket, kind="stable")
        ordered = messages[which[order]]
        ordered["arrival_ms"], ordered["flaw"] = arrives[order], flaw[order]
        if len(spoiled):
            apply_flaws(ordered)
        for second, part in _runs(bucket[order]):
            self._under_way.setdefault(second, []).append(ordered[part])
        counts = {"dropped": n - len(kept), "duplicates": len(again), "garbage": len(spoiled)}
        self.counts = {name: self.counts[name] + more for name, more in counts.items()}

    def _normal(self, n: int) -> Column:
        return self.chance.standard_normal(n, dtype=np.float32)

    def arrivals(self, second: int) -> Column:
        """The messages that arrive in one second, in order of arrival; all of them must have been sent."""
        parts = self._under_way.pop(second, None)
        if parts is None:
            return np.empty(0, dtype=MESSAGE)
        messages = joined(parts)
        return messages[np.argsort(messages["arrival_ms"], kind="stable")]

    def rest(self) -> Iterator[tuple[int, Column]]:
        """The seconds after the world's end in which the gateway still listens; what arrives later is not recorded.

        Else a recording would end with one stalled uplink in a city that has fallen silent.
        """
        while self._under_way:
            second = min(self._under_way)
            messages = self.arrivals(second)
            if second < self.settings.seconds + _LISTENS_S:
                yield second, messages
            else:
                self.counts["dropped"] += len(messages)

    def reboot(self, source: int) -> None:
        """A device starts anew: its sequence begins again and its clock is set."""
        self._seq[source] = 0
        self._skew_ms[source] = self.chance.uniform(-self.traits.skew_s, self.traits.skew_s) * 1000

    def _number(self, source: Ints) -> Ints:
        first = np.ones(len(source), dtype=np.bool_)
        first[1:] = source[1:] != source[:-1]
        start = np.flatnonzero(first)
        length = np.diff(np.append(start, len(source)))
        rank = np.arange(len(source)) - np.repeat(start, length)
        number = self._seq[source] + rank + 1
        self._seq[source[start]] += length
        return np.asarray(number)

    def _stall(self, second: int) -> None:
        """Uplinks stall, clocks step."""
        chance, count = self.chance, self.roster.count
        now = self.settings.start_ms + second * 1000
        stalls = chance.integers(0, count - 1, chance.poisson(self.traits.stall_rate * count))
        length: Floats = np.minimum(chance.exponential(9.0, len(stalls)) + 1.5, _LONGEST_STALL_S) * 1000
        self._stalled_until[stalls] = np.maximum(self._stalled_until[stalls], now + length)
        steps = chance.integers(0, count - 1, chance.poisson(_STEP_CHANCE * count))
        self._skew_ms[steps] = chance.uniform(-self.traits.skew_s, self.traits.skew_s, len(steps)) * 1000


def joined(parts: Sequence[Column]) -> Column:
    """Messages one after another; numpy's own joining of structured columns compares their fields anew every time."""
    whole = np.empty(sum(map(len, parts)), dtype=MESSAGE)
    at = 0
    for part in parts:
        whole[at : at + len(part)] = part
        at += len(part)
    return whole


def _runs(ordered: Ints) -> Iterator[tuple[int, slice]]:
    """Runs of equal values in an ascending column."""
    if len(ordered) == 0:
        return
    cuts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    bounds = [0, *cuts.tolist(), len(ordered)]
    for first, last in pairwise(bounds):
        yield int(ordered[first]), slice(first, last)
