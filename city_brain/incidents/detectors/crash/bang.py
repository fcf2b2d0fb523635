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

from city_brain.fusion.sensors import SensorBook
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
    quiet_level_db: float
    """Level at 1 m of the faintest crash that is always heard."""
    silent_min: int
    silence_weight: float
    """Where `silent_min` sensors, near enough to hear even that, heard nothing."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What sensors say of a bang at a place: log-odds, those that were loud, how far they differ, when they spoke."""

    weight: float
    sources: tuple[int, ...]
    deviation_db: float
    first_ms: int
    last_ms: int
    settled: bool
    rows: tuple[tuple[int, int, int], ...]


def places_in_noise(book: SensorBook, limits: BangParameters, x: Floats, y: Floats, from_ms: int) -> Bools:
    """Which places (n,) have had `sensors_min` loud noise sensors in reach since `from_ms`."""
    at, table = book.of(Quantity.NOISE), book.table
    loud = _is_loud(book, at, limits) & (table["ring_ms"][at] >= from_ms)
    at = at[loud.any(axis=1) & ~table["flat"][at]]
    if len(at) < limits.sensors_min:
        return np.zeros(len(x), dtype=np.bool_)
    dx, dy = x[:, None] - table["x"][at], y[:, None] - table["y"][at]
    near = dx * dx + dy * dy <= limits.reach_m * limits.reach_m
    enough: Bools = np.count_nonzero(near, axis=1) >= limits.sensors_min
    return enough


def hear(book: SensorBook, limits: BangParameters, x: float, y: float, stop_ms: int, now_ms: int) -> Heard | None:
    """What was heard of a bang at (x, y) m about `stop_ms`; None while, or where, too few sensors have spoken."""
    table, at = book.table, book.of(Quantity.NOISE)
    dx, dy = table["x"][at] - x, table["y"][at] - y
    distance = np.sqrt(dx * dx + dy * dy)
    near = (distance <= limits.reach_m) & ~table["flat"][at] & (table["n"][at] > 3)
    at, distance = at[near], distance[near]
    times, loud = table["ring_ms"][at], _is_loud(book, at, limits)
    begin, end = stop_ms - int(1000 * limits.early_s), stop_ms + int(1000 * limits.late_s)
    within = (times >= begin) & (times < end)
    heard = (within & loud).any(axis=1)
    if np.count_nonzero(heard) >= limits.sensors_min:
        return _fit(book, at, distance, within & loud, loud, (begin, end), limits)
    audible = limits.quiet_level_db - loss_db(distance) > table["base"][at] + limits.excess_db + table["spread"][at]
    silent = np.count_nonzero(within.any(axis=1) & audible & ~heard)
    if now_ms >= end and silent >= limits.silent_min:
        return Heard(limits.silence_weight, (), 0.0, begin, end, True, ())
    return None


def _fit(
    book: SensorBook,
    at: Ints,
    distance: Floats,
    of_bang: Bools,
    loud: Bools,
    span: tuple[int, int],
    limits: BangParameters,
) -> Heard:
    """How well the loud readings `of_bang` (n, ring) of channels `at` agree on one level at the source."""
    table, heard, (begin, end) = book.table, of_bang.any(axis=1), span
    level = np.max(np.where(of_bang, table["ring"][at], -np.inf), axis=1)[heard]
    base = table["base"][at[heard]]
    clearest = np.argsort(base - level, kind="stable")[: limits.sensors_most]
    at_source = (without_base_db(level, base) + loss_db(distance[heard]))[clearest]
    deviation = float(np.median(np.abs(at_source - np.median(at_source))))
    weight = max(limits.exact_weight - limits.weight_per_db * deviation, limits.lasting_weight)
    later = table["ring_ms"][at[heard]] >= end
    before = (table["ring_ms"][at[heard]] < begin) & (table["ring_ms"][at[heard]] >= begin - BEFORE_MS)
    lasting = np.count_nonzero(((later | before) & loud[heard]).any(axis=1))
    settled = 2 * int(np.count_nonzero(later.any(axis=1))) >= int(np.count_nonzero(heard))
    if 3 * lasting > np.count_nonzero(heard):
        weight = limits.lasting_weight
    elif not settled:
        weight = min(weight, limits.unverified_max)
    row, column = np.nonzero(of_bang)
    place = table["ring_position"][at][row, column][:8]
    times = table["ring_ms"][at][of_bang]
    return Heard(
        weight=weight,
        sources=tuple(np.unique(table["source"][at[heard]]).tolist()),
        deviation_db=deviation,
        first_ms=int(times.min()),
        last_ms=int(times.max()),
        settled=settled,
        rows=tuple((int(p), int(o), int(s)) for p, o, s in place),
    )


def _is_loud(book: SensorBook, at: Ints, limits: BangParameters) -> Bools:
    """Which readings (n, ring) of channels `at` stand out of their base."""
    table = book.table
    least = np.maximum(limits.excess_db, limits.excess_spreads * table["spread"][at])
    loud: Bools = (table["ring"][at] > (table["base"][at] + least)[:, None]) & (table["ring_ms"][at] >= 0)
    return loud
