"""Hot sensors: channels that read far more than the city's air explains, from their first such reading on."""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.observations.vocabulary import Quantity
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

NOBODY = -1
_FROZEN_N = 3
_SHARE_AT_ONCE = 0.5
_SAME_EPISODE_MS = 90_000

MICROGRAMS_PER_UNIT = {
    Quantity.PM2_5: 1.0, Quantity.PM10: 1.0, Quantity.SO2: 1.0, Quantity.NO2: 1.0, Quantity.CO: 1000.0,
    Quantity.VOC: 3.2, Quantity.METHANE: 655.0,
}  # fmt: skip
"""Quantities that plumes carry, and ug/m3 in one canonical unit of each (VOC as benzene, at 25 degrees C)."""

_CARRIED = np.isin(np.arange(len(Quantity)), list(MICROGRAMS_PER_UNIT))

_SCHEMA = {
    "channel": np.int64, "quantity": np.int64, "first_ms": np.int64, "last_ms": np.int64, "n": np.int64,
    "mean": np.float64, "hot": np.bool_, "of": np.int64, "tells": np.bool_,
}  # fmt: skip


class HotSensors(msgspec.Struct):
    """Channels in order of their first hot reading.

    `channel` index into the sensor table, `quantity`; `first_ms`, `last_ms` of its hot readings, `n` of them, `mean`
    of their excess in the quantity's unit; `hot` still; `of` number of the source that explains it, -1 until there is
    one; `tells` whether it helps to place that source, or is merely such that the source may account for it.
    """

    table: Table

    @classmethod
    def none(cls) -> "HotSensors":
        """All air is clean."""
        return cls(Table(_SCHEMA))

    def step(self, scene: Scene, spreads: float, share: float, stays: float, forget_s: float) -> bool:
        """Takes the fresh readings of a tick; answers whether a channel has become hot or cool.

        Hot is an excess above `spreads` times the channel's spread and `share` of what is expected; once hot, `stays`
        times that is enough. Cool channels are forgotten after `forget_s`.
        """
        table, sensors = self.table, scene.sensors.table
        table.keep(table["last_ms"] >= scene.now_ms - 1000 * forget_s)
        at = self._fresh(scene)
        if len(at) == 0:
            return False
        excess = sensors["value"][at] - sensors["expected"][at]
        limit = np.maximum(spreads * sensors["spread"][at], share * sensors["expected"][at])
        known = np.isin(at, table["channel"][table["hot"]])
        above = excess > np.where(known, stays * limit, limit)
        above &= (sensors["flat_n"][at] < _FROZEN_N) & (known | self._at_once(scene, at, excess))
        changed = False
        for k in np.flatnonzero(above | known).tolist():
            changed |= self._take(int(at[k]), bool(above[k]), float(excess[k]), scene)
        return changed

    def _fresh(self, scene: Scene) -> Ints:
        """Channels read in this tick whose quantity plumes carry."""
        at = np.flatnonzero(scene.sensors.table["fresh"])
        return at[_CARRIED[scene.sensors.table["quantity"][at]]]

    def _at_once(self, scene: Scene, at: Ints, excess: Floats) -> Bools:
        """Whether half of an excess (n,) came within three readings, as a plume's does; the air of a city drifts."""
        ring = scene.sensors.table["ring"][at]
        before = np.minimum(np.minimum(ring[:, -2], ring[:, -3]), ring[:, -4])
        at_once: Bools = ring[:, -1] - before >= _SHARE_AT_ONCE * excess
        return at_once

    def _take(self, channel: int, above: bool, excess: float, scene: Scene) -> bool:
        table, sensors = self.table, scene.sensors.table
        time_ms = int(sensors["last_ms"][channel])
        rows = np.flatnonzero(table["channel"] == channel)
        if not above:
            row = rows[-1]
            cooled = time_ms - int(table["last_ms"][row]) > 1.5 * float(sensors["period_ms"][channel])
            table["hot"][row] = not cooled
            return cooled
        recent = len(rows) > 0 and time_ms - int(table["last_ms"][rows[-1]]) <= _SAME_EPISODE_MS
        if not recent:
            quantity = sensors["quantity"][channel]
            table.append(
                1, channel=channel, quantity=quantity, first_ms=time_ms, last_ms=time_ms, n=1, mean=excess, hot=True,
                of=NOBODY, tells=False,
            )  # fmt: skip
            return True
        row = rows[-1]
        again = not bool(table["hot"][row])
        table["n"][row] += 1
        table["mean"][row] += (excess - table["mean"][row]) / table["n"][row]
        table["last_ms"][row], table["hot"][row] = time_ms, True
        return again

    def held_s(self) -> np.ndarray:
        """Seconds (n,) from the first to the last hot reading."""
        held: np.ndarray = (self.table["last_ms"] - self.table["first_ms"]) / 1000.0
        return held

    def lasting(self) -> Bools:
        """Channels (n,) with more than one hot reading: one alone may be an instrument's error."""
        lasting: Bools = self.table["n"] >= 2
        return lasting

    def telling(self, source: int) -> Ints:
        """Rows of the sensors that help to place a source."""
        return np.flatnonzero((self.table["of"] == source) & self.table["tells"])

    def drop_brief(self, brief_s: float) -> None:
        """Forgets channels that are cool again after less than `brief_s`: a lorry has passed."""
        self.table.keep(self.table["hot"] | (self.held_s() >= brief_s))
