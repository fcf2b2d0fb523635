"""What is around the candidates of a tick: their stands, vehicles standing near, people, noise sensors in reach.

Looked up for all candidates together, so that a tick costs as much as there are candidates, however large the city.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.city.grid.pairs import Neighbours
from city_brain.fusion.scene import Scene
from city_brain.numerics import find_sorted, stable_order
from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.types import Floats, Ints

NOWHERE_M = 1e7


@dataclass(frozen=True, slots=True)
class Reach:
    """How far, in metres, to look for what; `aside_m` from its lane's centre a thing is still on the road."""

    stands_m: float
    people_m: float
    noise_m: float
    aside_m: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of candidates (n,): index of the `stand`, -1 where it is gone; and near it `stands`, `people` (objects), `noise`
    (channels).
    """

    stand: Ints
    stands: Neighbours
    people: Neighbours
    noise: Neighbours

    @classmethod
    def of(cls, scene: Scene, keys: Ints, reach: Reach) -> "Surroundings":
        """Looks around the candidates whose stands have `keys` (n,)."""
        stands, objects, sensors = scene.queues.stands.table, scene.objects.table, scene.sensors.table
        order = stable_order(stands["key"])
        found = find_sorted(stands["key"][order], keys)
        stand = np.where(found >= 0, order[found] if len(order) else -1, -1)
        x, y = (np.where(stand >= 0, stands[name][stand] if stands.n else 0.0, NOWHERE_M) for name in ("x", "y"))
        others = (np.abs(stands["offset_m"]) <= reach.aside_m) & (stands["arrived"] | stands["appeared"])
        people = objects["fresh"] & (objects["cls"] == ObjectClass.PERSON) & (objects["lane"] >= 0)
        people &= (objects["standing_since_ms"] >= 0) & (objects["n_rows"] >= 3)
        people &= np.abs(objects["offset_m"]) <= reach.aside_m
        return cls(
            stand,
            _near(x, y, stands["x"], stands["y"], others.nonzero()[0], reach.stands_m),
            _near(x, y, objects["x"], objects["y"], people.nonzero()[0], reach.people_m),
            _near(x, y, sensors["x"], sensors["y"], scene.sensors.of(Quantity.NOISE), reach.noise_m),
        )


def _near(x: Floats, y: Floats, of_x: Floats, of_y: Floats, at: Ints, reach_m: float) -> Neighbours:
    """For places (n,) those of the points `at` that are within reach."""
    found = Neighbours.within(x, y, of_x[at], of_y[at], reach_m)
    return Neighbours(found.first, at[found.point])
