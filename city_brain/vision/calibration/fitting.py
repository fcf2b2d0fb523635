"""Fits a homography to four or more pairs of points, with the covariance of what it found.

First the normalised direct linear transform (Hartley, "In defense of the eight-point algorithm", 1997; Hartley and
Zisserman, algorithm 4.2), then Gauss and Newton on the eight numbers left free, each point weighted by what an error of
reading its pixel and one of surveying its place do to it on the ground. So a far point, of which a pixel spans metres,
counts for little, as it should.

Where the points agree worse than those two errors allow, the covariance is enlarged to what they show; where they agree
better, it stays as the errors say: few points agree by chance.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.errors import CalibrationError, SettingsError
from city_brain.types import Floats, Ints
from city_brain.vision.ground.homography import Homography

LEAST_POINTS = 4
_STEPS = 30
_FLAT = 0.01
"""Points whose spread across is so small a part of that along lie on one line."""
_SINGULAR = 1e-4
"""Of the smallest to the largest singular value of the linear equations: below it there are several solutions."""


class FitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """1 σ of reading a point in the picture and of knowing it on the ground, of each coordinate.

    Raises SettingsError.
    """

    point_error_px: float = 2.0
    point_error_m: float = 0.3

    def __post_init__(self) -> None:
        for name, low in (("point_error_px", 0.01), ("point_error_m", 0.0)):
            value = getattr(self, name)
            if not low <= value <= 1000.0:
                raise SettingsError(f"{name}: wanted {low:g} to 1000, got {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Points as columns (n,): pixels `u`, `v` of a straight picture, metres `x`, `y` from the camera, and names."""

    u: Floats
    v: Floats
    x: Floats
    y: Floats
    names: tuple[str, ...]

    def take(self, rows: Ints) -> "Pairs":
        """Some of them."""
        return Pairs(self.u[rows], self.v[rows], self.x[rows], self.y[rows], tuple(self.names[row] for row in rows))


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A homography and how well the points fit it.

    `residual_m`, `residual_px` (n,): how far each point lies from where the homography puts it, on the ground and in
    the picture. `chi2`: the weighted sum of squares, about `freedom` where the errors given are the true ones.
    `error_m`: 1 σ of either coordinate of a place among the points: what is not known of the homography, together with
    how badly the points fit it.
    """

    homography: Homography
    residual_m: Floats
    residual_px: Floats
    chi2: float
    freedom: int
    error_m: float


def fit(pairs: Pairs, place: str, settings: FitSettings | None = None) -> Fit:
    """The homography of points; raises CalibrationError with the reason where they do not settle one."""
    limits = settings or FitSettings()
    _check_shape(pairs, place)
    scale_p, p = _normalised(pairs.u, pairs.v)
    scale_g, g = _normalised(pairs.x, pairs.y)
    h = _linear(p, g, pairs, place)
    before = np.inf
    for _ in range(_STEPS):
        off, slope = _equations(h, p, g, scale_p[0, 0] * limits.point_error_px, scale_g[0, 0] * limits.point_error_m)
        step = np.linalg.lstsq(slope, off, rcond=None)[0]
        h = h + step
        chi2 = float((off * off).sum())
        _check_side(h, p, pairs, place)
        if abs(before - chi2) <= 1e-10 * (1.0 + chi2) and np.abs(step).max() < 1e-9:
            break
        before = chi2
    off, slope = _equations(h, p, g, scale_p[0, 0] * limits.point_error_px, scale_g[0, 0] * limits.point_error_m)
    chi2, freedom = float((off * off).sum()), 2 * len(pairs.u) - 8
    _, singular, turn = np.linalg.svd(slope, full_matrices=False)
    spread = turn.T / singular
    back = np.linalg.inv(scale_g)
    matrix = back @ np.append(h, 1.0).reshape(3, 3) @ scale_p
    # Row by row vec(A·X·B) = (A ⊗ Bᵀ)·vec(X); the ninth entry of X is held at 1.
    stated = Homography(matrix, np.kron(back, scale_p.T)[:, :8] @ spread)
    _check_found(stated, pairs, place)
    worse = max(1.0, chi2 / freedom) ** 0.5 if freedom else 1.0
    return _judged(Homography(matrix, stated.spread * worse), pairs, chi2, freedom)


def _check_found(found: Homography, pairs: Pairs, place: str) -> None:
    """Raises where the ground is seen from below, or the errors stated leave the homography open."""
    if found.mirrored:
        why = "one seen from below; are x and y, or longitude and latitude, exchanged?"
        raise CalibrationError(f"{place}: wanted a picture of the ground from above, got {why}")
    none = np.zeros(len(pairs.u))
    own = found.place(pairs.u, pairs.v, none, none).sigma_m
    wide = float(np.sqrt(pairs.x.var() + pairs.y.var()))
    worst = int(np.nan_to_num(own, nan=np.inf).argmax())
    if not own[worst] < wide:
        got = f"an error at {pairs.names[worst]!r} as wide as all of them lie apart; they are near one line"
        raise CalibrationError(f"{place}: wanted points that settle a homography, got {got}")


def _judged(found: Homography, pairs: Pairs, chi2: float, freedom: int) -> Fit:
    none = np.zeros(len(pairs.u))
    own = np.nan_to_num(found.place(pairs.u, pairs.v, none, none).sigma_m, nan=np.inf)
    x, y = found.to_ground(pairs.u, pairs.v)
    u, v = found.to_pixels(pairs.x, pairs.y)
    off2 = (x - pairs.x) ** 2 + (y - pairs.y) ** 2
    misfit2 = float(off2.sum()) / freedom if freedom else 0.0
    return Fit(
        homography=found,
        residual_m=np.sqrt(off2),
        residual_px=np.sqrt((u - pairs.u) ** 2 + (v - pairs.v) ** 2),
        chi2=chi2,
        freedom=freedom,
        error_m=float(np.sqrt((own**2).mean() + misfit2)),
    )


def _check_shape(pairs: Pairs, place: str) -> None:
    """Raises where points are too few, twice the same, or on one line."""
    n = len(pairs.u)
    if n < LEAST_POINTS:
        raise CalibrationError(f"{place}: wanted at least {LEAST_POINTS} points, got {n}")
    for what, a, b, near in (("picture", pairs.u, pairs.v, 0.5), ("ground", pairs.x, pairs.y, 0.01)):
        close = (np.abs(a[:, None] - a) < near) & (np.abs(b[:, None] - b) < near)
        twice = np.argwhere(np.triu(close, 1))
        if len(twice):
            one, other = (pairs.names[row] for row in twice[0])
            wanted = f"points each at a place of its own in the {what}"
            raise CalibrationError(f"{place}: wanted {wanted}, got {one!r} and {other!r} at one")
        xy = np.stack([a, b], axis=1)
        if _on_a_line(xy):
            raise CalibrationError(f"{place}: wanted points not all on one line, got one line in the {what}")
        for row, name in enumerate(pairs.names):
            if _on_a_line(np.delete(xy, row, axis=0)):
                wanted = "two points or more off any line"
                raise CalibrationError(f"{place}: wanted {wanted}, got all but {name!r} on one line in the {what}")


def _on_a_line(xy: Floats) -> bool:
    singular = np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)
    return bool(singular[1] < _FLAT * singular[0])


def _normalised(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """A similarity (3, 3), and by it the points (3, n) about 0 at the mean distance √2."""
    mid_a, mid_b = a.mean(), b.mean()
    scale = np.sqrt(2.0) / np.sqrt((a - mid_a) ** 2 + (b - mid_b) ** 2).mean()
    matrix = np.array([[scale, 0.0, -scale * mid_a], [0.0, scale, -scale * mid_b], [0.0, 0.0, 1.0]])
    return matrix, matrix @ np.stack([a, b, np.ones_like(a)])


def _linear(p: Floats, g: Floats, pairs: Pairs, place: str) -> Floats:
    """Eight entries of the homography by the direct linear transform, the ninth being 1."""
    zero = np.zeros_like(p)
    rows = np.concatenate([np.concatenate([p, zero, -g[0] * p]), np.concatenate([zero, p, -g[1] * p])], axis=1).T
    _, singular, turn = np.linalg.svd(rows)
    if singular[7] < _SINGULAR * singular[0]:
        raise CalibrationError(f"{place}: wanted points that settle one homography, got points that fit several")
    h = turn[8]
    if abs(h[8]) < 1e-6 * np.abs(h).max():
        raise CalibrationError(f"{place}: wanted points on one side of the horizon, got a horizon through their middle")
    eight: Floats = h[:8] / h[8]
    _check_side(eight, p, pairs, place)
    return eight


def _check_side(h: Floats, p: Floats, pairs: Pairs, place: str) -> None:
    depth = h[6] * p[0] + h[7] * p[1] + 1.0
    if not (depth > 0.0).all():
        name = pairs.names[int(depth.argmin())]
        raise CalibrationError(f"{place}: wanted points on one side of the horizon, got {name!r} beyond it")


def _equations(h: Floats, p: Floats, g: Floats, error_p: float, error_g: float) -> tuple[Floats, Floats]:
    """Whitened residuals (2n,) and their slopes (2n, 8) against the entries of the homography, in normalised units."""
    depth = h[6] * p[0] + h[7] * p[1] + 1.0
    x, y = (h[0] * p[0] + h[1] * p[1] + h[2] * p[2]) / depth, (h[3] * p[0] + h[4] * p[1] + h[5] * p[2]) / depth
    a, zero = p / depth, np.zeros_like(p)
    slope = np.stack([np.concatenate([a, zero, -x * a[:2]]), np.concatenate([zero, a, -y * a[:2]])])  # 2, 8, n
    per_pixel = (
        np.stack(
            [
                np.stack([h[0] - x * h[6], h[1] - x * h[7]]),
                np.stack([h[3] - y * h[6], h[4] - y * h[7]]),
            ]
        )
        / depth
    )  # 2, 2, n
    per_pixel = np.moveaxis(per_pixel, 2, 0)
    covariance = error_p**2 * per_pixel @ np.swapaxes(per_pixel, 1, 2) + (error_g**2 + 1e-18) * np.eye(2)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    off = whiten @ np.stack([g[0] - x, g[1] - y], axis=1)[:, :, None]
    return off.reshape(-1), (whiten @ np.moveaxis(slope, 2, 0)).reshape(-1, 8)
