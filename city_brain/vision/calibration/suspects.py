"""Which point of a calibration looks wrong: each is left out in turn, and the rest are asked where it should lie.

A wrong point pulls the fit towards itself, so its own residual may well be small; without it the others agree. Of
five points any may be left out and the other four agree always: that something is wrong can be told then, but not what.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.errors import CalibrationError
from city_brain.types import Floats
from city_brain.vision.calibration.fitting import Fit, FitSettings, Pairs, fit

LEAST_TO_NAME = 6
_SURE_SIGMA = 2.326
"""Of a misfit that chance brings once in a hundred calibrations."""
_OFF_SIGMAS = 4.0
"""A point that lies so far, in sigmas, from where all others put it looks wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Suspicion:
    """`misfit`: the points agree worse than their errors allow. `point`: the one without which the others agree best,
    where it can be told and lies far off. `off_m` (n,): how far each lies from where the others put it, NaN where they
    do not settle it.
    """

    misfit: bool
    point: int | None
    off_m: Floats


def suspicion(pairs: Pairs, fitted: Fit, settings: FitSettings | None = None) -> Suspicion:
    """Looks for a wrong point."""
    limits = settings or FitSettings()
    n = len(pairs.u)
    off_m, off_sigmas, rest = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.inf)
    for row in range(n) if n > 4 else ():
        try:
            others = fit(pairs.take(np.delete(np.arange(n), row)), "the others", limits)
        except CalibrationError:
            continue
        error = np.array([limits.point_error_px])
        seen = others.homography.place(pairs.u[row : row + 1], pairs.v[row : row + 1], error, error)
        x, y = float(pairs.x[row] - seen.x[0]), float(pairs.y[row] - seen.y[0])
        xx, xy, yy = seen.xx[0] + limits.point_error_m**2, seen.xy[0], seen.yy[0] + limits.point_error_m**2
        off_m[row] = np.hypot(x, y)
        off_sigmas[row] = np.sqrt((yy * x * x - 2.0 * xy * x * y + xx * y * y) / (xx * yy - xy * xy))
        rest[row] = others.chi2
    misfit = fitted.freedom > 0 and fitted.chi2 > _chi2_limit(fitted.freedom)
    worst = int(rest.argmin())
    named = misfit and n >= LEAST_TO_NAME and rest[worst] < np.inf and not off_sigmas[worst] <= _OFF_SIGMAS
    return Suspicion(misfit, worst if named else None, off_m)


def one_too_many(pairs: Pairs, settings: FitSettings | None = None) -> int | None:
    """Of points that no homography fits, the one without which the others agree; None where there is no such one."""
    n = len(pairs.u)
    agreeing = []
    for row in range(n) if n >= LEAST_TO_NAME else ():
        try:
            others = fit(pairs.take(np.delete(np.arange(n), row)), "the others", settings)
        except CalibrationError:
            continue
        if others.chi2 <= _chi2_limit(others.freedom):
            agreeing.append(row)
    return agreeing[0] if len(agreeing) == 1 else None


def _chi2_limit(freedom: int) -> float:
    """The value that χ² passes once in a hundred times, by Wilson and Hilferty (1931)."""
    part = 2.0 / (9.0 * freedom)
    return float(freedom * (1.0 - part + _SURE_SIGMA * part**0.5) ** 3)
