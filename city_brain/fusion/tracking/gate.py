"""Gates and costs: which track can be which object, in sigmas of what motion and cameras allow.

Between an object predicted over a gap and a track stands the squared Mahalanobis distance along and across the object's
motion, plus terms for heading, speed, class and carriageway. The spreads come from recorded traffic: unknown delay
floors shift a moving vehicle along its path, a gap lets it brake or turn.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Floats, Ints

GATE_CHI2 = 22.0
"""A wide gate: camera noise is slow, and delay floors have fatter tails than a Gaussian of the mean spread."""

REACH_SAME_TIME_M = 9.0
REACH_PER_GAP_S_M = 8.0
REACH_LIMIT_M = 45.0
SAME_CLASS_CHI2 = 6.0
SAME_CARRIAGEWAY_CHI2 = 7.0

_FAMILIES = {
    ObjectClass.PERSON: 1,
    ObjectClass.SMOKE: 2,
    ObjectClass.FIRE: 2,
    ObjectClass.ANIMAL: 3,
    ObjectClass.WATER: 4,
}
_FAMILY = np.array([_FAMILIES.get(cls, 0) for cls in ObjectClass])


@dataclass(frozen=True, slots=True)
class Motions:
    """Columns (n,) of things that move: place and spread in metres, velocity in m/s, heading and lane direction as unit
    vectors.
    """

    x: Floats
    y: Floats
    sigma_m: Floats
    vx: Floats
    vy: Floats
    hx: Floats
    hy: Floats
    ux: Floats
    uy: Floats
    cls: Ints

    @classmethod
    def of(cls, table: Table, at: Ints, ahead_s: Floats | float = 0.0) -> "Motions":
        """Rows `at` of a track or object table, moved on by `ahead_s`."""
        vx, vy = table["vx"][at], table["vy"][at]
        return cls(
            table["x"][at] + vx * ahead_s, table["y"][at] + vy * ahead_s, table["sigma_m"][at], vx, vy, table["hx"][at],
            table["hy"][at], table["ux"][at], table["uy"][at], table["cls"][at],
        )  # fmt: skip

    def take(self, at: Ints) -> "Motions":
        """Rows `at`."""
        return Motions(*(getattr(self, name)[at] for name in self.__slots__))


def cost_chi2(a: Motions, b: Motions, gap_s: Floats) -> Floats:
    """Cost (k,) that object a, predicted over `gap_s` (k,), is track b; infinite where it cannot be."""
    speed = np.sqrt(a.vx * a.vx + a.vy * a.vy)
    base = 0.3 + a.sigma_m * a.sigma_m + b.sigma_m * b.sigma_m
    over = np.maximum(gap_s - 1.2, 0.0)
    along2 = base + (0.30 * speed) ** 2 + (0.15 * speed * gap_s) ** 2 + (0.6 * over * over) ** 2
    across2 = base + (0.10 * speed * gap_s) ** 2
    dx, dy = b.x - a.x, b.y - a.y
    along, across = dx * a.hx + dy * a.hy, dy * a.hx - dx * a.hy
    cost = along * along / along2 + across * across / across2
    b_speed = np.sqrt(b.vx * b.vx + b.vy * b.vy)
    both_move = (speed > 2.0) & (b_speed > 2.0)
    turn = 0.3 + 0.12 * gap_s
    cost += np.where(both_move, 2.0 * (1.0 - (a.hx * b.hx + a.hy * b.hy)) / (turn * turn), 0.0)
    cost += ((speed - b_speed) / (2.0 + 1.5 * gap_s)) ** 2
    against = a.ux * b.ux + a.uy * b.uy < -0.5
    cost += np.where(against & ~both_move, SAME_CARRIAGEWAY_CHI2, 0.0)
    cost += np.where(a.cls != b.cls, SAME_CLASS_CHI2, 0.0)
    return np.where(_FAMILY[a.cls] == _FAMILY[b.cls], cost, np.inf)


def reach_m(gap_s: float) -> float:
    """How far apart in metres a prediction over `gap_s` and a track can be and still pass the gate."""
    return float(min(REACH_SAME_TIME_M + REACH_PER_GAP_S_M * max(gap_s - 1.0, 0.0), REACH_LIMIT_M))
