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

PLACE, SPEED, PP, PS, SS = range(5)
STATE = {"state": (np.float64, (5, 4))}
"""The column of a table that this filter keeps: rows place, speed and the variances pp, ps, ss; columns centre x
and y, width, height in pixels; per second.
"""


def size_px(place: Floats) -> Floats:
    """The size (n, 1) of boxes (n, 4) given by centre, width, height: the geometric mean of both sides."""
    root: Floats = np.sqrt(place[:, 2:3] * place[:, 3:4])
    return root


def centred(box: Floats) -> Floats:
    """Corners (n, 4) x0, y0, x1, y1 as centre x, centre y, width, height."""
    place = np.empty_like(box)
    low, high = box[:, :2], box[:, 2:]
    np.subtract(high, low, out=place[:, 2:])
    np.add(low, high, out=place[:, :2])
    place[:, :2] /= 2.0
    return place


def cornered(place: Floats) -> Floats:
    """Centre x, centre y, width, height (n, 4) as corners x0, y0, x1, y1."""
    box = np.empty_like(place)
    half = place[:, 2:] / 2.0
    np.subtract(place[:, :2], half, out=box[:, :2])
    np.add(place[:, :2], half, out=box[:, 2:])
    return box


def born(place: Floats) -> Floats:
    """The states (n, 5, 4) of new tracks at boxes (n, 4): standing, with a speed that may be anything."""
    size, state = size_px(place), np.zeros((len(place), 5, 4))
    state[:, PLACE], state[:, PP], state[:, SS] = place, (BOX_SIGMA * size) ** 2, (_BIRTH_SPEED * size) ** 2
    return state


def predict(table: Table, dt_s: float) -> None:
    """Moves every row on by `dt_s`; a box that is not seen keeps its size, as in SORT."""
    place, speed, pp, ps, ss = table["state"].swapaxes(0, 1)
    unseen = table["misses"] > 0
    if unseen.any():
        speed[unseen, 2:] = 0.0
    q = _ACCELERATION2 * (place[:, 2:3] * place[:, 3:4])
    place += speed * dt_s
    np.maximum(place[:, 2:], _SMALLEST_PX, out=place[:, 2:])
    pp += (2.0 * dt_s) * ps + dt_s**2 * ss + q * (dt_s**3 / 3.0)
    ps += dt_s * ss + q * (dt_s**2 / 2.0)
    ss += q * dt_s


def update(table: Table, rows: Ints, seen: Floats, factor: Floats | float) -> None:
    """Gives the tracks `rows` (k,) their boxes `seen` (k, 4); `factor` (k, 1) multiplies the error of a box.

    A size stays positive: it becomes a mean of two that are.
    """
    state = table["state"][rows]
    place, speed, pp, ps, ss = state.swapaxes(0, 1)
    error2 = pp + (BOX_SIGMA * factor * size_px(seen)) ** 2
    gain, gain_speed = pp / error2, ps / error2
    off, left = seen - place, 1.0 - gain
    place += gain * off
    speed += gain_speed * off
    ss -= gain_speed * ps
    ps *= left
    pp *= left
    table["state"][rows] = state


def distance2(state: Floats, rows: Ints, seen: Floats) -> Floats:
    """Squared Mahalanobis distance (k,) of the centres of boxes `seen` (k, 4) from where tracks `rows` are expected."""
    noise2 = (BOX_SIGMA * size_px(seen)) ** 2
    off = seen[:, :2] - state[rows, PLACE, :2]
    total: Floats = (off * off / (state[rows, PP, :2] + noise2)).sum(axis=1)
    return total
