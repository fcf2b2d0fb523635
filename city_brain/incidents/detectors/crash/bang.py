"""A bang as noise sensors hear it: one level that falls by 20 dB per tenfold distance, and is gone in seconds.

A short sound of level L0 at 1 m is heard at distance d with L0 - 20 log10 d (free field, ISO 9613-2 without ground
and air). So a place where something may have burst is tested by what L0 each sensor would make of it: at the right
place they agree within tenths of a decibel. A reading stands for the time since the one before it, so when a bang
was is an interval; a siren obeys the same law but lasts, and is told by what is heard before and after.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.city.grid.pairs import Neighbours
from city_brain.fusion.sensors import SensorBook
from city_brain.incidents.hypothesis import LogPosition
from city_brain.numerics import first_of_run
from city_brain.observations.vocabulary import Quantity
from city_brain.types import Bools, Floats, Ints

_STEP_M = 0.5
_FARTHEST_M = 4_000.0
_LOSS_DB = np.array([round(20.0 * math.log10(max(k * _STEP_M, 1.0)), 9) for k in range(int(_FARTHEST_M / _STEP_M) + 2)])


def loss_db(distance_m: Floats) -> Floats:
    """20 log10 of distances (n,), held at 1 m and 4 km; by table, so that it gives the same bits everywhere."""
    at = np.minimum(distance_m, _FARTHEST_M) / _STEP_M
    low = at.astype(np.int64)
    loss: Floats = _LOSS_DB[low] + (at - low) * (_LOSS_DB[low + 1] - _LOSS_DB[low])
    return loss


_EXCESS_STEP_DB = 0.05
_EXCESS_MOST_DB = 40.0
_OWN_DB = np.array(
    [
        round(10.0 * math.log10(1.0 - 10.0 ** (-max(k * _EXCESS_STEP_DB, 0.5) / 10.0)), 9)
        for k in range(int(_EXCESS_MOST_DB / _EXCESS_STEP_DB) + 2)
    ]
)

BEFORE_MS = 8_000
"""What was loud this long before the stop already is no bang of it."""


def without_base_db(level: Floats, base: Floats) -> Floats:
    """What of levels (n,) is not the usual noise `base` (n,): energies subtract; by table."""
    at = np.minimum(np.maximum(level - base, 0.0), _EXCESS_MOST_DB) / _EXCESS_STEP_DB
    low = at.astype(np.int64)
    own: Floats = level + _OWN_DB[low] + (at - low) * (_OWN_DB[low + 1] - _OWN_DB[low])
    return own


class BangParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as hearing a bang."""

    reach_m: float
    excess_db: float
    """A reading this much over the sensor's base is loud."""
    excess_spreads: float
    early_s: float
    late_s: float
    """Loud readings from `early_s` before to `late_s` after the stop may be its bang: clocks, periods, ringing."""
    sensors_min: int
    sensors_most: int
    """So many of the loud sensors, those that stand out most, tell the level at the source."""
    exact_weight: float
    weight_per_db: float
    """Taken from `exact_weight` for each decibel of median deviation."""
    unverified_max: float
    """Weight at most, while it is not known yet whether the noise goes on."""
    lasting_weight: float
    """Where a third of them were loud before or go on, or where as many more should have heard it and did not."""
    quiet_level_db: float
    """Level at 1 m of the faintest crash that is always heard."""
    silent_min: int
    silence_weight: float
    """Where `silent_min` sensors, near enough to hear even that, heard nothing."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What sensors say of a bang at one place: those that were loud, when they spoke, some of their readings."""

    sources: tuple[int, ...]
    first_ms: int
    last_ms: int
    rows: tuple[LogPosition, ...]


@dataclass(frozen=True, slots=True)
class Ears:
    """The noise sensors that can be trusted: `channel` (m,), and which of their readings `loud` (m, ring) stand out."""

    book: SensorBook
    channel: Ints
    loud: Bools

    @classmethod
    def of(cls, book: SensorBook, limits: BangParameters) -> "Ears":
        """The noise sensors whose base is known and whose value is not frozen."""
        at, table = book.of(Quantity.NOISE), book.table
        at = at[~table["flat"][at] & (table["n"][at] > 3)]
        least = np.maximum(limits.excess_db, limits.excess_spreads * table["spread"][at])
        loud = (table["ring"][at] > (table["base"][at] + least)[:, None]) & (table["ring_ms"][at] >= 0)
        return cls(book, at, loud)

    def loud_since(self, from_ms: int) -> Ints:
        """Channels that have been loud since `from_ms`."""
        recent = self.loud & (self.book.table["ring_ms"][self.channel] >= from_ms)
        return self.channel[recent.any(axis=1)]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the sensors in reach of n places say of a bang there at given times.

    `said` (n,): whether they say anything yet; `fits`: they were loud; `weight` log-odds; `deviation_db` by which they
    differ about its level; `verified`: it is known that the noise did not go on. By pair of a place and a sensor: where
    each place's pairs begin, the channel, and which readings (ring,) may be of the bang.
    """

    book: SensorBook
    said: Bools
    fits: Bools
    weight: Floats
    deviation_db: Floats
    verified: Bools
    begin_ms: Ints
    end_ms: Ints
    first: Ints
    channel: Ints
    of_bang: Bools

    def of(self, place: int) -> Heard:
        """Who says what of one place."""
        if not self.fits[place]:
            return Heard((), int(self.begin_ms[place]), int(self.end_ms[place]), ())
        pairs = slice(int(self.first[place]), int(self.first[place + 1]))
        table, at, of_bang = self.book.table, self.channel[pairs], self.of_bang[pairs]
        times = table["ring_ms"][at][of_bang]
        row, column = of_bang.nonzero()
        rows = table["ring_position"][at][row, column][:8].tolist()
        sources = table["source"][at[of_bang.any(axis=1)]].tolist()
        return Heard(
            tuple(sorted(dict.fromkeys(sources))),
            int(times.min()),
            int(times.max()),
            tuple((p, o, s) for p, o, s in rows),
        )


def hear(ears: Ears, limits: BangParameters, x: Floats, y: Floats, stop_ms: Ints, now_ms: int) -> Hearing:
    """What is heard of bangs at places (n,) in m about `stop_ms` (n,)."""
    table, n = ears.book.table, len(x)
    near = Neighbours.within(x, y, table["x"][ears.channel], table["y"][ears.channel], limits.reach_m)
    place, channel, loud = near.place(), ears.channel[near.point], ears.loud[near.point]
    begin, end = stop_ms - int(1000 * limits.early_s), stop_ms + int(1000 * limits.late_s)
    times, base, spread = table["ring_ms"][channel], table["base"][channel], table["spread"][channel]
    dx, dy = table["x"][channel] - x[place], table["y"][channel] - y[place]
    loss = loss_db(np.sqrt(dx * dx + dy * dy))
    within = (times >= begin[place][:, None]) & (times < end[place][:, None])
    of_bang = within & loud
    heard, spoke = of_bang.any(axis=1), within.any(axis=1)
    heard_n = np.bincount(place[heard], minlength=n)
    fits = heard_n >= limits.sensors_min
    pair = (heard & fits[place]).nonzero()[0]
    source_db, deviation = _at_source(place[pair], channel[pair], of_bang[pair], loss[pair], ears, limits, n)
    later, before = times >= end[place][:, None], times < begin[place][:, None]
    before &= times >= begin[place][:, None] - BEFORE_MS
    lasting = heard & ((later | before) & loud).any(axis=1)
    verified = 2 * np.bincount(place[heard & later.any(axis=1)], minlength=n) >= heard_n
    faint = base + limits.excess_db + limits.excess_spreads * spread
    deaf = spoke & ~heard & (source_db[place] - loss > faint)
    silent_n = np.bincount(place[spoke & ~heard & (limits.quiet_level_db - loss > faint)], minlength=n)
    other = (3 * np.bincount(place[lasting], minlength=n) > heard_n) | (np.bincount(place[deaf], minlength=n) > heard_n)
    weight = np.maximum(limits.exact_weight - limits.weight_per_db * deviation, limits.lasting_weight)
    weight = np.where(verified, weight, np.minimum(weight, limits.unverified_max))
    weight = np.where(other, limits.lasting_weight, weight)
    said = fits | ((now_ms >= end) & (silent_n >= limits.silent_min))
    weight = np.where(said, np.where(fits, weight, limits.silence_weight), 0.0)
    return Hearing(
        book=ears.book,
        said=said,
        fits=fits,
        weight=weight,
        deviation_db=np.where(fits, deviation, 0.0),
        verified=verified | ~fits,
        begin_ms=begin,
        end_ms=end,
        first=near.first,
        channel=channel,
        of_bang=of_bang,
    )


def _at_source(
    place: Ints, channel: Ints, of_bang: Bools, loss: Floats, ears: Ears, limits: BangParameters, places: int
) -> tuple[Floats, Floats]:
    """Level at 1 m and median deviation from it, in dB, at each place, from its pairs (k,) with loud sensors."""
    table = ears.book.table
    level, base = (
        np.where(of_bang, table["ring"][channel], -np.inf).max(axis=1, initial=-np.inf),
        table["base"][channel],
    )
    order = np.lexsort((base - level, place))
    first = first_of_run(place[order]).nonzero()[0]
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    clear = order[rank < limits.sensors_most]
    of, at_source = place[clear], without_base_db(level[clear], base[clear]) + loss[clear]
    median = _median(at_source, of, places)
    return median, _median(np.abs(at_source - median[of]), of, places)


def _median(values: Floats, of: Ints, groups: int) -> Floats:
    """Median of the values (k,) of each group 0..groups-1; 0 where there are none."""
    ordered = values[np.lexsort((values, of))]
    count = np.bincount(of, minlength=groups)
    some = count > 0
    first = count.cumsum() - count
    low, high = first + (count - 1) // 2, first + count // 2
    median = np.zeros(groups)
    median[some] = 0.5 * (ordered[low[some]] + ordered[high[some]])
    return median
