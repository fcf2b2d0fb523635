"""A reading beyond a limit for so long: what a city watches that no other detector knows of.

The limit holds for one quantity, in its canonical unit (`observations.vocabulary.MEASURES`). A channel is beyond it
while both of its last two readings are, so that one reading alone says nothing; how long counts by event time, up to
its newest reading. Other channels beyond the limit nearby agree, each sensor once. A sensor that falls silent is
believed for a while.
"""

import math
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.readings import distance_m, near, reading
from city_brain.incidents.hypothesis import Evidence, Finding, Note
from city_brain.observations.vocabulary import MEASURES, QUANTITY_CODES, Quantity
from city_brain.types import Ints

MOST_OTHERS = 8
"""Sensors that agree and are told, the nearest."""

if TYPE_CHECKING:
    QuantityName: TypeAlias = str
else:
    QuantityName = Literal[tuple(QUANTITY_CODES)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class ThresholdParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `Threshold` watches, from where on, and what that weighs."""

    quantity: QuantityName
    side: Literal["above", "below"]
    """The magnitude of a finding is the reading, or below a limit how far below it."""
    limit: float
    """In the quantity's canonical unit."""
    lasts_s: NotNegative
    """So long beyond the limit weighs all of `weight`, and less of it in proportion."""
    weight: NotNegative
    forget_s: NotNegative
    """So long after its last reading a sensor says nothing more."""
    agrees_m: NotNegative
    """Other sensors beyond the limit so near speak of the same event."""
    agrees_weight: NotNegative
    """What each of them adds."""
    prior_log_odds: float


class ThresholdState(msgspec.Struct):
    """Since when each channel has been beyond the limit, event ms (-1: it is not)."""

    since_ms: np.ndarray


class Threshold:
    """Watches the channels of one quantity (see the module)."""

    def __init__(self, type_name: str, parameters: ThresholdParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.quantity = Quantity(QUANTITY_CODES[parameters.quantity])
        self.state = ThresholdState(np.zeros(0, np.int64))

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every channel beyond the limit."""
        beyond = self._beyond(scene)
        return [self._finding(scene, int(channel), beyond) for channel in beyond]

    def _beyond(self, scene: Scene) -> Ints:
        """Channels beyond the limit by both of their last two readings."""
        table = scene.sensors.table
        missing = table.n - len(self.state.since_ms)
        self.state.since_ms = np.append(self.state.since_ms, np.full(missing, -1, np.int64))
        at = scene.sensors.of(self.quantity)
        at = at[(table["n"][at] >= 2) & (scene.now_ms - table["last_ms"][at] <= 1000.0 * self.parameters.forget_s)]
        last = table["ring"][at, -2:]
        limit = self.parameters.limit
        over = (last > limit).all(axis=1) if self.parameters.side == "above" else (last < limit).all(axis=1)
        since_ms = self.state.since_ms
        began_ms = np.where(since_ms[at] < 0, table["ring_ms"][at, -2], since_ms[at])[over]
        since_ms[:] = -1
        since_ms[at[over]] = began_ms
        return at[over]

    def _finding(self, scene: Scene, channel: int, beyond: Ints) -> Finding:
        limits, table = self.parameters, scene.sensors.table
        x, y, since_ms = float(table["x"][channel]), float(table["y"][channel]), int(self.state.since_ms[channel])
        evidence = [self._lasting(scene, channel), *self._agreeing(scene, channel, beyond)]
        return Finding(
            type=self.type_name,
            key=f"{int(table['key'][channel]):016x}",
            x=x,
            y=y,
            position_error_m=2.0,
            first_seen_ms=since_ms,
            log_odds=limits.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
            magnitude=self._magnitude(float(table["value"][channel])),
        )

    def _magnitude(self, value: float) -> float:
        """The newest reading, or how far it lies below the limit: the more, the worse."""
        return value if self.parameters.side == "above" else max(self.parameters.limit - value, 0.0)

    def _lasting(self, scene: Scene, channel: int) -> Evidence:
        limits, since_ms = self.parameters, int(self.state.since_ms[channel])
        lasts_s = (int(scene.sensors.table["last_ms"][channel]) - since_ms) / 1000.0
        share = 1.0 if lasts_s >= limits.lasts_s else lasts_s / limits.lasts_s
        weight = round(limits.weight * share, 2)
        figures: Note = {
            "limit": limits.limit, "unit": MEASURES[self.quantity].unit, "lasts_s": round(lasts_s, 1),
        }  # fmt: skip
        return reading(scene.sensors, channel, "beyond_limit", weight, since_ms, 0.0, figures)

    def _agreeing(self, scene: Scene, channel: int, beyond: Ints) -> list[Evidence]:
        limits, sensors = self.parameters, scene.sensors
        x, y = float(sensors.table["x"][channel]), float(sensors.table["y"][channel])
        others = near(sensors, beyond, x, y, limits.agrees_m)
        others = others[sensors.table["source"][others] != sensors.table["source"][channel]][:MOST_OTHERS]
        return [
            reading(
                sensors, other, "another_sensor", limits.agrees_weight, int(self.state.since_ms[other]),
                distance_m(sensors, other, x, y), {},
            )
            for other in others.tolist()
        ]  # fmt: skip
