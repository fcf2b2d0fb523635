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
    share_min: float
    """Of the sensors that spoke in that time, so many must have been loud."""
    exact_weight: float
    weight_per_db: float
    """Taken from `exact_weight` for each decibel of median deviation."""
    unverified_max: float
    """Weight at most, while it is not known yet whether the noise goes on."""
    lasting_weight: float
    silence_weight: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What sensors say of a bang at a place: log-odds, those that were loud, how far they differ, when they spoke."""

    weight: float
    sources: tuple[int, ...]
    deviation_db: float
    first_ms: int
    last_ms: int
    verified: bool
    rows: tuple[tuple[int, int, int], ...]


def loud_sensors(book: SensorBook, limits: BangParameters, from_ms: int) -> int:
    """How many noise sensors have been loud since `from_ms`."""
    at = book.of(Quantity.NOISE)
    table = book.table
    loud = _is_loud(book, at, limits) & (table["ring_ms"][at] >= from_ms)
    return int(np.count_nonzero(loud.any(axis=1) & ~table["flat"][at]))


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
    spoke, heard = within.any(axis=1), (within & loud).any(axis=1)
    if np.count_nonzero(spoke) < limits.sensors_min:
        return None
    enough = np.count_nonzero(heard) >= max(limits.sensors_min, math.ceil(limits.share_min * np.count_nonzero(spoke)))
    if not enough:
        waited = now_ms >= end
        return _nothing(limits, begin, end) if waited else None
    return _fit(book, at, distance, within & loud, loud, end, limits)


def _fit(
    book: SensorBook, at: Ints, distance: Floats, of_bang: Bools, loud: Bools, end: int, limits: BangParameters
) -> Heard:
    """How well the loud readings `of_bang` (n, ring) of channels `at` agree on one level at the source."""
    table, heard = book.table, of_bang.any(axis=1)
    level = np.max(np.where(of_bang, table["ring"][at], -np.inf), axis=1)[heard]
    at_source = level + loss_db(distance[heard])
    deviation = float(np.median(np.abs(at_source - np.median(at_source))))
    weight = max(limits.exact_weight - limits.weight_per_db * deviation, limits.lasting_weight)
    later = table["ring_ms"][at[heard]] >= end
    lasting = np.count_nonzero((later & loud[heard]).any(axis=1))
    verified = 2 * int(np.count_nonzero(later.any(axis=1))) >= int(np.count_nonzero(heard))
    if 3 * lasting > np.count_nonzero(heard):
        weight = limits.lasting_weight
    elif not verified:
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
        verified=verified,
        rows=tuple((int(p), int(o), int(s)) for p, o, s in place),
    )


def _nothing(limits: BangParameters, begin: int, end: int) -> Heard:
    return Heard(limits.silence_weight, (), 0.0, begin, end, True, ())


def _is_loud(book: SensorBook, at: Ints, limits: BangParameters) -> Bools:
    """Which readings (n, ring) of channels `at` stand out of their base."""
    table = book.table
    least = np.maximum(limits.excess_db, limits.excess_spreads * table["spread"][at])
    loud: Bools = (table["ring"][at] > (table["base"][at] + least)[:, None]) & (table["ring_ms"][at] >= 0)
    return loud
