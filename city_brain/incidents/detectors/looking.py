"""What a detector needs at a place to see anything there, and what it looked at there without handing it over.

Nothing here decides: whoever asks why nothing was told asks the detectors after a tick what they looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np

from city_brain.city.roads import Roads
from city_brain.numerics import sin_cos_deg
from city_brain.observations.vocabulary import Quantity
from city_brain.types import Bools, Floats

_DIRECTIONS_DEG: Floats = np.arange(0.0, 360.0, 45.0)


@dataclass(frozen=True, slots=True)
class Ring:
    """What lies within `radius_m` of a place, in metres of the map's frame."""

    x: float
    y: float
    radius_m: float

    def holds(self, x: Floats, y: Floats) -> Bools:
        """Which places (n,) lie in it."""
        dx, dy = x - self.x, y - self.y
        inside: Bools = dx * dx + dy * dy <= self.radius_m * self.radius_m
        return inside

    def wider(self, radius_m: float) -> "Ring":
        """The same with at least this radius."""
        return Ring(self.x, self.y, max(self.radius_m, radius_m))

    def roads(self, roads: Roads) -> list[int]:
        """The roads that lead through it, as far as points of it show: its middle, and eight on two circles."""
        east, north = sin_cos_deg(_DIRECTIONS_DEG)
        x = np.concatenate([[0.0], 0.5 * self.radius_m * east, self.radius_m * east]) + self.x
        y = np.concatenate([[0.0], 0.5 * self.radius_m * north, self.radius_m * north]) + self.y
        found = roads.match(x, y).road
        return [int(road) for road in np.unique(found[found >= 0])]


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a detector looked at in a tick, whether it handed it over or not."""

    key: str
    """The same from tick to tick."""
    x: float
    y: float
    since_ms: int
    what: str
    """In words: `a car stood 33 s in its lane`."""
    lacks: str
    """In words, what it lacked; empty where it was handed over."""
    log_odds: float | None = None
    """What it came to, where it got so far as to be weighed."""
    size: float = 0.0
    """Of what was not weighed the larger tells more: seconds, a depth, a share."""
    sources: tuple[int, ...] = ()


@runtime_checkable
class Looks(Protocol):
    """A detector that can say what it looked at."""

    def looked_at(self, scene: Any, ring: Ring) -> list[Looked]:
        """What it looked at in a ring in the tick that it has just stepped through; changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """One way in which a detector comes to know of something: all that is named must be there.

    `camera`: one that views the place. `lane`: a lane of the map beside it. `road_cover`: cameras that view at least
    this share of a road there, if not the place itself. `signal`: a signal that serves the junction. `sensors`: one of
    the quantities, within `reach_m`.
    """

    camera: bool = False
    lane: bool = False
    road_cover: float = 0.0
    signal: bool = False
    sensors: tuple[Quantity, ...] = ()
    reach_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Needs:
    """The ways in which a detector can see; with none it depends on no source of the map. `helps` is what adds to the
    others and is enough for nothing.
    """

    routes: tuple[Route, ...] = ()
    helps: tuple[Route, ...] = ()


def listed(parts: Iterable[tuple[str, float]]) -> str:
    """Weights that are not zero as words: `braking +0.50, bang +2.10`."""
    return ", ".join(f"{name} {weight:+.2f}" for name, weight in parts if round(weight, 2))
