"""Baselines: what a sensor reads when nothing happens, without chasing what happens.

A reading is compared with the sensor's own base moved by what its whole neighbourhood does: rain halves the dust
everywhere within two minutes, and that is no event. The base follows residuals clipped to two spreads, so an event of
five minutes moves it by less than one spread, whatever its size.
"""

import numpy as np

from city_brain.observations.vocabulary import Quantity
from city_brain.types import Bools, Floats, Ints

PLAIN, RATIO, SHIFT = 0, 1, 2

MOVES_BY = np.full(len(Quantity), PLAIN)
"""How the readings of a quantity move together over a city: by a ratio (concentrations), by a shift, or not at all."""
MOVES_BY[[Quantity.PM2_5, Quantity.PM10, Quantity.SO2, Quantity.NO2, Quantity.O3, Quantity.CO, Quantity.VOC]] = RATIO
MOVES_BY[[Quantity.CO2, Quantity.METHANE]] = RATIO
MOVES_BY[[Quantity.TEMPERATURE, Quantity.HUMIDITY, Quantity.PRESSURE]] = SHIFT

LEAST_SPREAD = np.zeros(len(Quantity))
"""1 σ below which a spread is not believed, in the quantity's unit: the resolution of usual instruments."""
LEAST_SPREAD[[Quantity.PM2_5, Quantity.PM10, Quantity.SO2, Quantity.NO2, Quantity.O3]] = 2.0
LEAST_SPREAD[[Quantity.CO, Quantity.VOC, Quantity.CO2, Quantity.METHANE]] = 0.1, 10.0, 10.0, 0.1
LEAST_SPREAD[[Quantity.TEMPERATURE, Quantity.HUMIDITY, Quantity.PRESSURE]] = 0.3, 1.0, 0.3
LEAST_SPREAD[[Quantity.NOISE, Quantity.WATER_LEVEL, Quantity.RAIN, Quantity.WIND_SPEED]] = 1.5, 3.0, 0.5, 0.3

WARM_UP = 12
"""So many first readings give base and spread by median and median deviation."""

_SLOWEST = 90.0
_CLIP = 2.0
_SIGMA_PER_MAD = 1.4826
_SIGMA_PER_MEAN_ABS = 1.35
"""1 σ of a normal over the mean of its deviations clipped at 2.5 σ."""

LEAST_NEIGHBOURS = 5
LEAST_IN_CELL = 25
_FAR = 4.0


def expected(base: Floats, level: Floats, quantity: Ints) -> Floats:
    """What sensors (n,) of a base should read where their neighbourhood stands at `level` (a ratio or a shift)."""
    moves_by = MOVES_BY[quantity]
    return np.where(moves_by == RATIO, base * level, np.where(moves_by == SHIFT, base + level, base))


def unmoved(readings: Floats, level: Floats, quantity: Ints) -> Floats:
    """Readings (n, k) as they would be were each neighbourhood (n,) at rest."""
    moves_by, at = MOVES_BY[quantity][:, None], level[:, None]
    return np.where(
        moves_by == RATIO, readings / np.maximum(at, 0.1), np.where(moves_by == SHIFT, readings - at, readings)
    )


def neighbourhood_at_rest(quantity: Ints) -> Floats:
    """The level (n,) of a neighbourhood in which nothing moves: ratio 1, shift 0."""
    return np.where(MOVES_BY[quantity] == RATIO, 1.0, 0.0)


def warm_up(values: Floats, known: Bools, quantity: Ints) -> tuple[Floats, Floats]:
    """Base and spread (n,) of the readings (n, k) that are `known` (n, k), each row with one at least."""
    count = np.count_nonzero(known, axis=1)
    base = _row_median(values, known, count)
    mad = _row_median(np.abs(values - base[:, None]), known, count)
    floor = np.maximum(LEAST_SPREAD[quantity], 0.02 * np.abs(base))
    return base, np.maximum(np.where(count < 4, 2.0, 1.0) * floor, _SIGMA_PER_MAD * mad)


def _row_median(values: Floats, known: Bools, count: Ints) -> Floats:
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    row = np.arange(len(values))
    middle: Floats = 0.5 * (ordered[row, (count - 1) // 2] + ordered[row, count // 2])
    return middle


def follow(
    base: Floats, spread: Floats, residual: Floats, level: Floats, n: Ints, quantity: Ints
) -> tuple[Floats, Floats]:
    """Base and spread (n,) after readings that differ by `residual` from what was expected."""
    gain = 1.0 / np.minimum(n, _SLOWEST)
    gain = np.where(np.abs(residual) > _FAR * spread, 0.25 * gain, gain)
    step = gain * np.minimum(np.maximum(residual, -_CLIP * spread), _CLIP * spread)
    step = np.where(MOVES_BY[quantity] == RATIO, step / np.maximum(level, 0.1), step)
    deviation = _SIGMA_PER_MEAN_ABS * np.minimum(np.abs(residual), 2.5 * spread)
    floor = np.maximum(LEAST_SPREAD[quantity], 0.02 * np.abs(base))
    return base + step, np.maximum(spread + gain * (deviation - spread), floor)


def neighbourhood_levels(value: Floats, base: Floats, spread: Floats, quantity: Ints, cell: Ints) -> Floats:
    """Level (n,) of each sensor's neighbourhood: the median over its cell, or over the city where the cell has too few.

    Sensors are of quantities that move together; those far off the median are left out of a second one, so that a plume
    over a third of the sensors does not lift what is expected of the rest.
    """
    if len(value) < LEAST_NEIGHBOURS:
        return neighbourhood_at_rest(quantity)
    ratio = MOVES_BY[quantity] == RATIO
    scale = np.where(ratio, np.maximum(np.abs(base), 1e-6), 1.0)
    relative = np.where(ratio, value / scale, value - base)
    tolerance = _FAR * spread / scale
    level = neighbourhood_at_rest(quantity)
    for group, least in ((quantity, LEAST_NEIGHBOURS), (cell, LEAST_IN_CELL)):
        first, members = _segment_median(relative, group)
        enough = members >= least
        near = np.abs(relative - first) <= tolerance
        second, remaining = _segment_median(relative, group, near)
        level = np.where(enough, np.where(2 * remaining >= members, second, first), level)
    return level


def _segment_median(values: Floats, group: Ints, mask: Bools | None = None) -> tuple[Floats, Ints]:
    """Median over each `group` of rows where `mask` holds, told to every row (n,), and their number (n,)."""
    keys, of = np.unique(group, return_inverse=True)
    kept = np.arange(len(values)) if mask is None else np.flatnonzero(mask)
    order = kept[np.lexsort((values[kept], of[kept]))]
    count = np.bincount(of[kept], minlength=len(keys))
    start = np.cumsum(count) - count
    low, high = start + np.maximum(count - 1, 0) // 2, start + count // 2
    low, high = np.minimum(low, max(len(order) - 1, 0)), np.minimum(high, max(len(order) - 1, 0))
    ordered = values[order] if len(order) else np.zeros(1)
    median = 0.5 * (ordered[low] + ordered[high])
    return median[of], count[of]
