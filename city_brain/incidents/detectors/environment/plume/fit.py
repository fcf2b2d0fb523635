"""Where a plume comes from: the posterior over a grid of places, strengths profiled, with travel times.

Every sensor counts, the clean ones too. Model and measurement may differ by a share of themselves, so that one sensor
which the model cannot place does not move the source. The place is the posterior mean, its error the posterior spread.
"""

import math
from dataclasses import dataclass

import numpy as np

from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across, fall, travel_s, unit_plume
from city_brain.types import Floats

MODEL_ERROR = 0.4
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
_FINE = np.linspace(-2.5, 2.5, 13)
_LEAST_SPREAD_M = 8.0


@dataclass(frozen=True, slots=True)
class Air:
    """What sensors (n,) measure beyond what is expected.

    `excess` and its 1 sigma `noise` in ug/m3; `since_s` when the excess began, on any clock, NaN where there is none;
    `now_s` on the same clock.
    """

    x: Floats
    y: Floats
    excess: Floats
    noise: Floats
    since_s: Floats
    now_s: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A source: place, error (1 sigma, m), strength in g/s, start on the clock of `Air`, squared misfit by sensor."""

    x: float
    y: float
    error_m: float
    strength: float
    start_s: float
    misfit: Floats


def fit_source(air: Air, wind: Wind) -> Fit:
    """Finds the one source that explains `air`; at least one sensor must have an excess."""
    strongest = int(np.argmax(np.where(np.isfinite(air.since_s), air.excess, -np.inf)))
    upwind = np.repeat(_UPWIND_M, len(_ASIDE))
    half = _ASIDE_SHARE * np.maximum(_UPWIND_M, 0.0) + _ASIDE_M
    aside = (half[:, None] * _ASIDE).reshape(-1)
    x = air.x[strongest] - upwind * wind.east - aside * wind.north
    y = air.y[strongest] - upwind * wind.north + aside * wind.east
    width = np.gradient(_UPWIND_M)
    area = np.repeat(width * half, len(_ASIDE))
    mx, my, sx, sy = _moments(x, y, area * _likelihood(air, wind, x, y))
    for _ in range(2):
        ax, ay = (np.repeat(_FINE, len(_FINE)), np.tile(_FINE, len(_FINE)))
        x, y = mx + ax * max(sx, _LEAST_SPREAD_M), my + ay * max(sy, _LEAST_SPREAD_M)
        mx, my, sx, sy = _moments(x, y, _likelihood(air, wind, x, y))
    return _describe(air, wind, mx, my, float(np.sqrt(sx * sx + sy * sy)))


def fit_strength(air: Air, wind: Wind, x: float, y: float, start_s: float) -> float:
    """Strength in g/s of a source at a known place and start; the usual one while no sensor can tell."""
    along, across = along_across(air.x - x, air.y - y, wind)
    reached = air.now_s - start_s >= travel_s(along, wind.speed_mps) + ARRIVAL_ERROR_S
    unit = unit_plume(along, across, wind.speed_mps)
    misfit = (_misfit(air, unit[:, None] * _STRENGTHS) * reached[:, None]).sum(axis=0)
    return float(_STRENGTHS[int(np.argmin(misfit + _STRENGTH_PENALTY))])


def _describe(air: Air, wind: Wind, x: float, y: float, error_m: float) -> Fit:
    at = np.array([x]), np.array([y])
    unit, start_s, weight, _ = _expected(air, wind, *at)
    misfit = _misfit(air, unit[:, :, None] * _STRENGTHS) * weight[:, :, None]
    best = int(np.argmin(misfit.sum(axis=1)[0] + _STRENGTH_PENALTY))
    return Fit(x, y, error_m, float(_STRENGTHS[best]), float(start_s[0]), misfit[0, :, best])


def _moments(x: Floats, y: Floats, weight: Floats) -> tuple[float, float, float, float]:
    total = weight.sum()
    mx, my = float((weight * x).sum() / total), float((weight * y).sum() / total)
    sx, sy = (weight * (x - mx) ** 2).sum() / total, (weight * (y - my) ** 2).sum() / total
    return mx, my, float(np.sqrt(sx)), float(np.sqrt(sy))


def _likelihood(air: Air, wind: Wind, x: Floats, y: Floats) -> Floats:
    """Relative likelihood (places,) of the source being at each place."""
    unit, _, weight, late = _expected(air, wind, x, y)
    misfit = (_misfit(air, unit[:, :, None] * _STRENGTHS) * weight[:, :, None]).sum(axis=1) + _STRENGTH_PENALTY
    best = misfit.min(axis=1) + late
    return fall(0.5 * (best - best.min()))


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
    scale2 = noise * noise + (0.5 * MODEL_ERROR * (excess + predicted)) ** 2
    z2 = (excess - predicted) ** 2 / scale2
    clean = ~np.isfinite(air.since_s)[:, None]
    bounded: Floats = np.where(clean, z2 / (1.0 + z2 / _CLEAN_Z2), z2)
    return bounded
