"""The weather over the city: wind and rain as the freshest instruments have them, smoothed."""

import msgspec
import numpy as np

from city_brain.numerics import sin_cos_deg
from city_brain.observations.vocabulary import Quantity
from city_brain.types import Floats, Ints

WIND_SMOOTHING_MS = 90_000
"""A vane wanders by 10° from reading to reading and the wind by a few degrees in minutes."""

RAIN_SMOOTHING_MS = 20_000
STALE_AFTER_MS = 180_000
_LOCAL_M = 1_500.0
"""Instruments nearer than this to a place count about alike."""


class Weather(msgspec.Struct):
    """Smoothed readings of the weather instruments, columns (instruments,) in order of channel.

    `channel` index into the sensor table, `quantity`, `x`, `y`, `last_ms` (-1 before the first reading). `east`,
    `north`: of a vane the unit vector that the wind blows TOWARDS, of other instruments the value and 0.
    """

    channel: np.ndarray
    quantity: np.ndarray
    x: np.ndarray
    y: np.ndarray
    last_ms: np.ndarray
    east: np.ndarray
    north: np.ndarray
    now_ms: int = 0

    @classmethod
    def empty(cls) -> "Weather":
        """No instruments."""
        none, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(none, none, real, real, none, real, real)

    def add(self, channel: Ints, quantity: Ints, x: Floats, y: Floats) -> None:
        """Takes those of new channels (n,) that measure the weather."""
        weather = np.isin(quantity, (Quantity.WIND_SPEED, Quantity.WIND_DIRECTION, Quantity.RAIN))
        count = int(np.count_nonzero(weather))
        for name, values in (("channel", channel), ("quantity", quantity), ("x", x), ("y", y)):
            setattr(self, name, np.append(getattr(self, name), values[weather]))
        self.last_ms = np.append(self.last_ms, np.full(count, -1, np.int64))
        self.east, self.north = np.append(self.east, np.zeros(count)), np.append(self.north, np.zeros(count))

    def step(self, fresh: np.ndarray, value: Floats, last_ms: Ints, now_ms: int) -> None:
        """Takes the sensor table's columns after a tick: `fresh`, `value` and `last_ms` by channel."""
        self.now_ms = now_ms
        at = np.flatnonzero(fresh[self.channel])
        if len(at) == 0:
            return
        channel = self.channel[at]
        read, time_ms = value[channel], last_ms[channel]
        vane = self.quantity[at] == int(Quantity.WIND_DIRECTION)
        sin, cos = sin_cos_deg(np.where(vane, read, 0.0))
        east, north = np.where(vane, -sin, read), np.where(vane, -cos, 0.0)
        smoothing = np.where(self.quantity[at] == int(Quantity.RAIN), RAIN_SMOOTHING_MS, WIND_SMOOTHING_MS)
        elapsed = (time_ms - self.last_ms[at]).astype(np.float64)
        first = (self.last_ms[at] < 0) | (elapsed > STALE_AFTER_MS)
        gain = np.where(first, 1.0, elapsed / (smoothing + elapsed))
        self.east[at] += gain * (east - self.east[at])
        self.north[at] += gain * (north - self.north[at])
        self.last_ms[at] = time_ms

    def wind_at(self, x: float, y: float) -> tuple[float, float, float] | None:
        """(east, north, speed): unit vector that the wind blows TOWARDS, and m/s; None where nobody knows."""
        vane = self._mean(Quantity.WIND_DIRECTION, x, y)
        speed = self._mean(Quantity.WIND_SPEED, x, y)
        if vane is None or speed is None:
            return None
        east, north = vane
        length = float(np.sqrt(east * east + north * north))
        if length < 0.2:
            return None
        return east / length, north / length, speed[0]

    def rain_at(self, x: float, y: float) -> float | None:
        """Rain in mm/h at a place; None where nobody knows."""
        rain = self._mean(Quantity.RAIN, x, y)
        return None if rain is None else rain[0]

    def _mean(self, quantity: Quantity, x: float, y: float) -> tuple[float, float] | None:
        known = self.last_ms >= max(self.now_ms - STALE_AFTER_MS, 0)
        at = np.flatnonzero((self.quantity == quantity) & known)
        if len(at) == 0:
            return None
        dx, dy = self.x[at] - x, self.y[at] - y
        weight = 1.0 / (dx * dx + dy * dy + _LOCAL_M * _LOCAL_M)
        total = float(weight.sum())
        return float((weight * self.east[at]).sum()) / total, float((weight * self.north[at]).sum()) / total
