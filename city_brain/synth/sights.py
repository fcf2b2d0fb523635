"""What there is in a synthetic city, second by second, kept so that pictures of it can be drawn afterwards."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from city_brain.synth.life.people import PHANTOM
from city_brain.synth.senses.tracking import Scene
from city_brain.types import Codes, Floats

MOST_THINGS: Final = 1_000_000
"""Kept of all seconds together, about 100 bytes each: 24 cameras for half an hour."""


@dataclass(frozen=True, slots=True, eq=False)
class Things:
    """What there is about a place at one moment, as columns (n,): ObjectClass, middle in metres east and north of that
    place, direction of the body as a unit vector, length in metres.
    """

    cls: Codes
    x: Floats
    y: Floats
    hx: Floats
    hy: Floats
    length_m: Floats


class Sights:
    """Remembers one run of a city: `SynthCity.blocks` is given `take`.

    A city with more than `most` things is not remembered to its end: then `whole` is false, and what was kept is gone.
    """

    def __init__(self, most: int = MOST_THINGS) -> None:
        self.whole = True
        self._most = most
        self._scenes: list[Scene] = []
        self._things = 0

    def take(self, scene: Scene) -> None:
        """Takes the next second."""
        self._things += len(scene.oid)
        self.whole = self.whole and self._things <= self._most
        if self.whole:
            self._scenes.append(scene)
        else:
            self._scenes.clear()

    @property
    def until_ms(self) -> int:
        """The end of the last second that is remembered."""
        return 1000 * len(self._scenes)

    def about(self, x: float, y: float, reach_m: float, time_ms: int) -> Things:
        """What is really there within `reach_m` of a place in the city's plane, `time_ms` after its beginning.

        What a detector only believes to see is not there.
        """
        second, ms = divmod(time_ms, 1000)
        scene, part = self._scenes[second], ms / 1000.0
        dx, dy = scene.px + part * (scene.x - scene.px) - x, scene.py + part * (scene.y - scene.py) - y
        at = np.flatnonzero((dx * dx + dy * dy <= reach_m * reach_m) & (scene.oid & 3 != PHANTOM))
        return Things(scene.cls[at], dx[at], dy[at], scene.hx[at], scene.hy[at], scene.size[at])
