"""A Kalman filter of constant velocity for many boxes at once.

The state of a box is that of SORT (Bewley et al., "Simple online and realtime tracking", ICIP 2016) as ByteTrack has it
(Zhang et al., ECCV 2022): centre, width and height, each with its speed. Neither motion nor noise couples the four, so
each is a filter of two numbers, place p and speed s, and no matrix is inverted:

    predict  p += s·dt    pp += 2·dt·ps + dt²·ss + q·dt³/3    ps += dt·ss + q·dt²/2    ss += q·dt
    update   p += pp/(pp + r)·(z - p)    s += ps/(pp + r)·(z - p)

Time is in seconds, so frames may come at any interval. Noise is in sizes of the box, as that is what it grows with.
"""

import numpy as np

from city_brain.table import Table
from city_brain.types import Floats, Ints

BOX_SIGMA = 0.05
"""1 σ of a detector's centre and size, in sizes of the box: the weight 1/20 of ByteTrack."""
LOW_SCORE_FACTOR = 2.0
"""Boxes of low score are mostly half hidden: their edges are off by more."""
_ACCELERATION2 = np.array([2.0, 2.0, 0.5, 0.5]) ** 2
"""The square of white acceleration, in sizes per s^1.5, of centre x, y, width, height: a car of 2 m that brakes or
starts at 3 m/s².
"""
_BIRTH_SPEED = np.array([6.0, 6.0, 1.0, 1.0])
"""1 σ of the unknown speed of a new track, in sizes per second: a car of 2 m at 45 km/h."""
_SMALLEST_PX = 1.0

STATE = dict.fromkeys(("place", "speed", "pp", "ps", "ss"), (np.float64, (4,)))
"""Columns of a table that this filter keeps: centre x, centre y, width, height in pixels; per second; variances."""


def size_px(place: Floats) -> Floats:
    """The size (n, 1) of boxes (n, 4) given by centre, width, height: the geometric mean of both sides."""
    root: Floats = np.sqrt(place[:, 2:3] * place[:, 3:4])
    return root


def centred(box: Floats) -> Floats:
    """Corners (n, 4) x0, y0, x1, y1 as centre x, centre y, width, height."""
    low, high = box[:, :2], box[:, 2:]
    return np.concatenate([(low + high) / 2.0, high - low], axis=1)


def cornered(place: Floats) -> Floats:
    """Centre x, centre y, width, height (n, 4) as corners x0, y0, x1, y1."""
    half = place[:, 2:] / 2.0
    return np.concatenate([place[:, :2] - half, place[:, :2] + half], axis=1)


def born(place: Floats) -> dict[str, Floats]:
    """The state of new tracks at boxes (n, 4): standing, with a speed that may be anything."""
    size = size_px(place)
    return {
        "place": place,
        "speed": np.zeros_like(place),
        "pp": np.broadcast_to((BOX_SIGMA * size) ** 2, place.shape),
        "ps": np.zeros_like(place),
        "ss": (_BIRTH_SPEED * size) ** 2,
    }


def predict(table: Table, dt_s: float) -> None:
    """Moves every row on by `dt_s`; a box that is not seen keeps its size, as in SORT."""
    place, speed, pp, ps, ss = (table[name] for name in STATE)
    speed[table["misses"] > 0, 2:] = 0.0
    q = _ACCELERATION2 * (place[:, 2:3] * place[:, 3:4])
    place += speed * dt_s
    np.maximum(place[:, 2:], _SMALLEST_PX, out=place[:, 2:])
    pp += (2.0 * dt_s) * ps + dt_s**2 * ss + q * (dt_s**3 / 3.0)
    ps += dt_s * ss + q * (dt_s**2 / 2.0)
    ss += q * dt_s


def update(table: Table, rows: Ints, seen: Floats, factor: Floats) -> None:
    """Gives the tracks `rows` (k,) their boxes `seen` (k, 4); `factor` (k,) multiplies the error of a box.

    A size stays positive: it becomes a mean of two that are.
    """
    noise2 = (BOX_SIGMA * factor[:, None] * size_px(seen)) ** 2
    pp, ps = table["pp"][rows], table["ps"][rows]
    gain, gain_speed = pp / (pp + noise2), ps / (pp + noise2)
    off = seen - table["place"][rows]
    table["place"][rows] += gain * off
    table["speed"][rows] += gain_speed * off
    table["ss"][rows] -= gain_speed * ps
    table["ps"][rows] = (1.0 - gain) * ps
    table["pp"][rows] = (1.0 - gain) * pp


def distance2(table: Table, rows: Ints, seen: Floats) -> Floats:
    """Squared Mahalanobis distance (k,) of the centres of boxes `seen` (k, 4) from where tracks `rows` are expected."""
    noise2 = (BOX_SIGMA * size_px(seen)) ** 2
    off = seen[:, :2] - table["place"][rows, :2]
    total: Floats = (off * off / (table["pp"][rows, :2] + noise2)).sum(axis=1)
    return total
