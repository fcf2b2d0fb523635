"""Where a plume comes from: the posterior over a grid of places, strengths profiled, with travel times.

Every sensor counts, the clean ones too. Model and measurement may differ by a share of themselves, so that one sensor
which the model cannot place does not move the source. The place is the posterior mean, its error the posterior spread.
"""

import math
from dataclasses import dataclass

import numpy as np

from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across, fall, travel_s, unit_plume
from city_brain.types import Floats, Ints

MODEL_ERROR = 0.3
"""Share of a concentration by which a plume model is off at one sensor (1 sigma)."""

ARRIVAL_ERROR_S = 12.0
ARRIVAL_ERROR_SHARE = 0.2
_CLEAN_Z2 = 16.0
"""Bounds what one clean sensor can say against a source: it may stand behind a house. Dirty ones are not let off."""

_ARRIVAL_Z2_MAX = 9.0

_STRENGTHS = 0.05 * 1.7 ** np.arange(14)
"""Grams per second, from a smouldering bin to a burning hall."""
_USUAL_G_S = 3.0
_STRENGTH_SPREAD = 1.5
"""1 sigma of the natural logarithm of strengths about the usual one."""

_STRENGTH_PENALTY = np.array([(math.log(float(q) / _USUAL_G_S) / _STRENGTH_SPREAD) ** 2 for q in _STRENGTHS])

_UPWIND_M = np.array([-15.0, 0.0, 12, 25, 40, 58, 80, 105, 135, 170, 210, 260, 320, 390, 470, 570, 690, 830])
_ASIDE = np.linspace(-1.0, 1.0, 15)
_ASIDE_SHARE, _ASIDE_M = 0.55, 45.0
_HALF_M = _ASIDE_SHARE * np.maximum(_UPWIND_M, 0.0) + _ASIDE_M
_WIDE_UPWIND_M, _WIDE_ASIDE_M = np.repeat(_UPWIND_M, len(_ASIDE)), (_HALF_M[:, None] * _ASIDE).reshape(-1)
_WIDE_AREA = np.repeat(np.gradient(_UPWIND_M) * _HALF_M, len(_ASIDE))
"""The first grid: a fan of places upwind of the strongest sensor, and how much ground each stands for."""

_FINE = np.linspace(-2.5, 2.5, 13)
_FINE_EAST, _FINE_NORTH = np.repeat(_FINE, len(_FINE)), np.tile(_FINE, len(_FINE))
"""The next grids, in spreads of the one before."""

_LEAST_SPREAD_M = 8.0
_OUTSIDE_M = 100.0
_PRIOR_AREA_M2 = 500_000.0
"""Beforehand a source may be anywhere upwind of a sensor within such an area."""


@dataclass(frozen=True, slots=True)
class Air:
    """What sensors (n,) measure beyond what is expected.

    `channel` numbers them; `excess` and its 1 sigma `noise` in ug/m3; `since_s` when the excess began, on any clock,
    NaN at clean sensors; `now_s` on the same clock.
    """

    channel: Ints
    x: Floats
    y: Floats
    excess: Floats
    noise: Floats
    since_s: Floats
    now_s: float
    box: tuple[float, float, float, float]
    """West, south, east, north of the city; beyond, a source is the less likely the farther."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A source: place, error (1 sigma, m), strength in g/s, start on the clock of `Air`.

    `worst` is the largest squared misfit of a hot sensor, that of `worst_channel`. `log_evidence` is the logarithm of
    the likelihood, integrated over all places, against clean air at the clean sensors.
    """

    x: float
    y: float
    error_m: float
    strength: float
    start_s: float
    worst: float
    worst_channel: int
    log_evidence: float


def fit_source(air: Air, wind: Wind) -> Fit:
    """Finds the one source that explains `air`; at least one sensor must have an excess."""
    strongest = int(np.argmax(np.where(np.isfinite(air.since_s), air.excess, -np.inf)))
    x = air.x[strongest] - _WIDE_UPWIND_M * wind.east - _WIDE_ASIDE_M * wind.north
    y = air.y[strongest] - _WIDE_UPWIND_M * wind.north + _WIDE_ASIDE_M * wind.east
    mx, my, sx, sy = _moments(x, y, _WIDE_AREA * _likelihood(air, wind, x, y))
    for _ in range(2):
        x, y = mx + _FINE_EAST * max(sx, _LEAST_SPREAD_M), my + _FINE_NORTH * max(sy, _LEAST_SPREAD_M)
        mx, my, sx, sy = _moments(x, y, _likelihood(air, wind, x, y))
    return _describe(air, wind, mx, my, max(sx, _LEAST_SPREAD_M), max(sy, _LEAST_SPREAD_M))


def _inside(air: Air, x: Floats, y: Floats) -> Floats:
    """Prior weight (places,) of places within the city, and falling off outside."""
    west, south, east, north = air.box
    out = np.maximum(np.maximum(west - x, x - east), 0.0) + np.maximum(np.maximum(south - y, y - north), 0.0)
    return fall(out / _OUTSIDE_M)


def fit_strength(air: Air, wind: Wind, x: float, y: float, start_s: float) -> float:
    """Strength in g/s of a source at a known place and start; the usual one while no sensor can tell."""
    along, across = along_across(air.x - x, air.y - y, wind)
    reached = air.now_s - start_s >= travel_s(along, wind.speed_mps) + ARRIVAL_ERROR_S
    unit = unit_plume(along, across, wind.speed_mps)
    misfit = (_misfit(air, unit[:, None] * _STRENGTHS) * reached[:, None]).sum(axis=0)
    return float(_STRENGTHS[int(np.argmin(misfit + _STRENGTH_PENALTY))])


def _describe(air: Air, wind: Wind, x: float, y: float, spread_x: float, spread_y: float) -> Fit:
    at = np.array([x]), np.array([y])
    unit, start_s, weight, late = _expected(air, wind, *at)
    misfit = _misfit(air, unit[:, :, None] * _STRENGTHS) * weight[:, :, None]
    cost = misfit.sum(axis=1)[0] + _STRENGTH_PENALTY
    best = int(np.argmin(cost))
    dirty = np.flatnonzero(np.isfinite(air.since_s))
    clean = _misfit(air, np.zeros((1, len(air.x), 1)))[0, :, 0] * weight[0]
    clean[dirty] = 0.0
    worst = int(dirty[np.argmax(misfit[0, dirty, best])])
    room = 2.0 * math.pi * spread_x * spread_y / _PRIOR_AREA_M2 * float(_inside(air, *at)[0])
    return Fit(
        x=x,
        y=y,
        error_m=math.sqrt(spread_x * spread_x + spread_y * spread_y),
        strength=float(_STRENGTHS[best]),
        start_s=float(start_s[0]),
        worst=float(misfit[0, worst, best]),
        worst_channel=int(air.channel[worst]),
        log_evidence=math.log(room) - 0.5 * float(cost[best] + late[0] - clean.sum()),
    )


def _moments(x: Floats, y: Floats, weight: Floats) -> tuple[float, float, float, float]:
    total = weight.sum()
    mx, my = float((weight * x).sum() / total), float((weight * y).sum() / total)
    sx, sy = (weight * (x - mx) ** 2).sum() / total, (weight * (y - my) ** 2).sum() / total
    return mx, my, float(np.sqrt(sx)), float(np.sqrt(sy))


def _likelihood(air: Air, wind: Wind, x: Floats, y: Floats) -> Floats:
    """Relative likelihood (places,) of the source being at each place."""
    unit, _, weight, late = _expected(air, wind, x, y)
    misfit = _misfit(air, unit[:, :, None] * _STRENGTHS)
    misfit *= weight[:, :, None]
    best = (misfit.sum(axis=1) + _STRENGTH_PENALTY).min(axis=1) + late
    return fall(0.5 * (best - best.min())) * _inside(air, x, y)


def _expected(air: Air, wind: Wind, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Of sources at places (p,): plume of 1 g/s (p, n), start (p,), air has arrived (p, n), misfit of arrivals (p,)."""
    along, across = along_across(air.x[None, :] - x[:, None], air.y[None, :] - y[:, None], wind)
    way_s = travel_s(along, wind.speed_mps)
    dirty = np.isfinite(air.since_s)
    sigma = ARRIVAL_ERROR_S + ARRIVAL_ERROR_SHARE * way_s[:, dirty]
    begun = air.since_s[dirty] - way_s[:, dirty]
    start_s = (begun / sigma**2).sum(axis=1) / (1.0 / sigma**2).sum(axis=1)
    late = np.minimum(((begun - start_s[:, None]) / sigma) ** 2, _ARRIVAL_Z2_MAX).sum(axis=1)
    arrived = dirty[None, :] | (air.now_s - start_s[:, None] >= 1.2 * way_s + ARRIVAL_ERROR_S)
    return unit_plume(along, across, wind.speed_mps), start_s, arrived.astype(np.float64), late


def _misfit(air: Air, predicted: Floats) -> Floats:
    """Squared misfit, bounded, of predictions whose last axis but one is the sensors."""
    excess, noise = air.excess[:, None], air.noise[:, None]
    scale2 = excess + predicted
    scale2 *= 0.5 * MODEL_ERROR
    scale2 *= scale2
    scale2 += noise * noise
    z2 = excess - predicted
    z2 *= z2
    z2 /= scale2
    bounded = np.divide(z2, _CLEAN_Z2, out=scale2)
    bounded += 1.0
    np.divide(z2, bounded, out=bounded)
    np.copyto(z2, bounded, where=~np.isfinite(air.since_s)[:, None])
    return z2
