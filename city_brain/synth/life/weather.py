"""Weather, air, noise and water of a synthetic city, as its sensors would measure them without error of unit or clock.

Plumes are Gaussian (Pasquill class D, urban) with the wind of the moment; what a source gives off reaches a place down
the wind after distance / wind speed. Sound falls by 20 log10 of distance; sources add in energy.
"""

from dataclasses import dataclass, field

import numpy as np

from city_brain.observations.vocabulary import Quantity
from city_brain.synth.ground.sensors import Sensors
from city_brain.synth.settings import Traits
from city_brain.types import Floats, Indices, Ints

_PLUME_REACH_M = 1_500.0
_HEAR_M = 3_000.0
_WET_MM = 55.0
"""What a dry place shows at most in heavy rain."""


@dataclass(slots=True)
class Source:
    """Something that fouls the air: `rate` in µg/s (or ppb m³/s), active from `start_s` to `end_s`."""

    quantity: int
    x: float
    y: float
    rate: float
    start_s: float
    end_s: float
    number: int
    """The incident it belongs to, -1 for none."""


@dataclass(slots=True)
class Warmth:
    """Something hot: `rise` in K at the place itself, felt within about 70 m."""

    x: float
    y: float
    rise: float
    start_s: float
    end_s: float
    number: int


@dataclass(slots=True)
class Flood:
    """Water that rises at one sensor while it rains: to `depth` mm with the time constant `tau_s`."""

    sensor: int
    depth: float
    tau_s: float
    start_s: float
    end_s: float
    number: int


@dataclass(slots=True)
class Override:
    """A sensor that lies for a while: stuck at its value, or `extra` added."""

    sensor: int
    kind: str
    extra: float
    start_s: float
    end_s: float
    value: float = float("nan")


@dataclass(slots=True)
class Readings:
    """What the sensors due in one second say, in canonical units; `touched`: (sensor, incident) of real effects."""

    sensor: Indices
    value: Floats
    touched: list[tuple[int, int]] = field(default_factory=list)


class Weather:
    """The air and all sensors; `step` moves them by one second, `read` gives the readings that are due."""

    def __init__(self, sensors: Sensors, traits: Traits, chance: np.random.Generator) -> None:
        self.sensors, self.traits, self.chance = sensors, traits, chance
        count = sensors.count
        self.wind_mps = traits.wind_mps
        self.wind_to_deg = float(chance.uniform(0, 360))
        self._wind_home = self.wind_to_deg
        self.rain_mm_h = 0.0
        self.rains: list[tuple[float, float, float]] = []
        """(start, end, mm/h) of spells of rain, in seconds."""
        self.sources: list[Source] = []
        self.warmths: list[Warmth] = []
        self.floods: list[Flood] = []
        self.overrides: list[Override] = []
        self._washed = 1.0
        self._haze = 0.0
        self._wet = 0.0
        self._slow = chance.normal(0, 1, count)
        self._offset = chance.normal(0, 1, count)
        self._scale = np.exp(chance.normal(0, 0.25, count))
        self._noise_now = np.zeros(count)
        self._peak = np.zeros(count)
        self._peak_of = np.full(count, -1)
        self._temperature = float(chance.uniform(4, 30))
        self._noise = sensors.of(Quantity.NOISE)
        self._by_quantity = {q: sensors.of(q) for q in (Quantity.PM2_5, Quantity.VOC, Quantity.TEMPERATURE)}

    def step(self, second: int) -> None:
        """From `second` - 1 to `second`."""
        chance = self.chance
        home = self.traits.wind_mps
        self.wind_mps = float(
            np.clip(self.wind_mps + 0.004 * (home - self.wind_mps) + chance.normal(0, 0.03), 0.5, 9.0)
        )
        self.wind_to_deg += 0.002 * (self._wind_home - self.wind_to_deg) + float(chance.normal(0, 0.35))
        self.rains = [rain for rain in self.rains if rain[1] > second]
        falling = max((amount for start, _, amount in self.rains if start <= second), default=0.0)
        self.rain_mm_h += 0.03 * (falling - self.rain_mm_h)
        self._wet += (0.004 if falling > 0 else 0.0015) * (min(self.rain_mm_h / 40.0, 1.0) - self._wet)
        self._washed += 0.012 * ((0.5 if self.rain_mm_h > 2 else 1.0) - self._washed)
        self._haze = 0.998 * self._haze + float(chance.normal(0, 0.0025))
        self._slow = 0.9995 * self._slow + 0.0316 * chance.normal(0, 1, len(self._slow))
        self.sources = [item for item in self.sources if item.end_s + 1_500 > second]
        self.warmths = [item for item in self.warmths if item.end_s + 600 > second]
        self.floods = [item for item in self.floods if item.end_s + 3_600 > second]
        self.overrides = [item for item in self.overrides if item.end_s > second]

    def sound(self, x: float, y: float, level_db: float, number: int = -1) -> None:
        """A sound of `level_db` at one metre, now; the next reading of every microphone near holds its peak."""
        sensors = self.sensors
        near = self._noise
        distance = np.maximum(np.hypot(sensors.x[near] - x, sensors.y[near] - y), 1.0)
        level = level_db - 20 * np.log10(distance) + self.chance.normal(0, 0.2, len(near))
        loud = (distance < _HEAR_M) & (level > self._peak[near])
        self._peak[near[loud]] = level[loud]
        self._peak_of[near[loud]] = number

    def read(self, second: int) -> Readings:
        """Readings of the sensors that are due in this second."""
        sensors = self.sensors
        due = np.flatnonzero((second + sensors.phase_s) % sensors.period_s == 0).astype(np.int32)
        readings = Readings(due, self._quiet(due, second))
        values, at = readings.value, np.full(sensors.count, -1)
        at[due] = np.arange(len(due))
        self._add_plumes(second, at, readings)
        self._add_sound(due, readings)
        for flood in self.floods:
            row = at[flood.sensor]
            if row >= 0 and second >= flood.start_s:
                ends = min(second, flood.end_s)
                risen = flood.depth * (1 - np.exp(-(ends - flood.start_s) / flood.tau_s))
                values[row] += risen * np.exp(-max(0.0, second - flood.end_s) / 900.0)
                readings.touched.append((flood.sensor, flood.number))
        self._lie(second, at, values)
        return readings

    def _quiet(self, due: Indices, second: int) -> Floats:
        """What sensors read when nothing happens."""
        quantity, n, traits = self.sensors.quantity[due], len(due), self.traits
        jitter = self.chance.normal(0, 1, n)
        slow, offset, scale = self._slow[due], self._offset[due], self._scale[due]
        dust = traits.pm_base * self._washed * (1 + self._haze + 0.04 * offset)
        dust += traits.pm_base * (0.016 * slow + 0.024 * jitter) + 0.7 * jitter
        hum = traits.noise_base_db + 2.5 * offset + 1.2 * slow + np.maximum(self.chance.gumbel(0, 2.0, n), -3)
        warm = self._temperature + 4 * np.sin(2 * np.pi * second / 86_400) - 2.0 * self._wet
        base: dict[int, Floats] = {
            Quantity.PM2_5: dust,
            Quantity.VOC: 65 + 22 * offset + 7 * slow + 5 * jitter,
            Quantity.TEMPERATURE: warm + 0.5 * offset + 0.15 * jitter,
            Quantity.NOISE: hum + min(6.0, 1.2 * self.rain_mm_h**0.5),
            Quantity.WATER_LEVEL: np.maximum(0.0, _WET_MM * 0.8 * self._wet * np.minimum(scale, 1.25) + np.abs(jitter)),
            Quantity.WIND_SPEED: np.maximum(0.0, self.wind_mps * (1 + 0.12 * jitter)),
            Quantity.WIND_DIRECTION: np.mod(self.wind_to_deg + 180.0 + 8 * jitter + 3 * offset, 360.0),
            Quantity.RAIN: np.maximum(0.0, self.rain_mm_h * (1 + 0.1 * jitter)),
            Quantity.HUMIDITY: np.clip(55 + 8 * offset + 30 * self._wet + 0.8 * jitter, 3, 100),
        }
        return np.asarray(np.select([quantity == code for code in base], list(base.values())))

    def _add_plumes(self, second: int, at: Ints, readings: Readings) -> None:
        angle = np.deg2rad(self.wind_to_deg)
        ux, uy = np.sin(angle), np.cos(angle)
        wind = max(self.wind_mps, 0.6)
        for source in self.sources:
            near = self._by_quantity[Quantity(source.quantity)]
            near = near[at[near] >= 0]
            dx, dy = self.sensors.x[near] - source.x, self.sensors.y[near] - source.y
            down = np.maximum(dx * ux + dy * uy, 1.0)
            cross = dx * uy - dy * ux
            left = second - down / wind  # when the air that is here now passed the source
            reached = (
                (dx * ux + dy * uy > -15) & (down < _PLUME_REACH_M) & (left >= source.start_s) & (left <= source.end_s)
            )
            spread = 3.0 + 0.16 * down / np.sqrt(1 + 0.0004 * down)
            height = 2.5 + 0.14 * down / np.sqrt(1 + 0.0003 * down)
            strength = source.rate / (np.pi * wind * spread * height) * np.exp(-0.5 * (cross / spread) ** 2)
            self._add(
                readings,
                at,
                near,
                np.where(reached, strength, 0.0) * np.exp(self.chance.normal(0, 0.12, len(near))),
                source.number,
            )
        for warmth in self.warmths:
            near = self._by_quantity[Quantity.TEMPERATURE]
            near = near[at[near] >= 0]
            distance2 = (self.sensors.x[near] - warmth.x) ** 2 + (self.sensors.y[near] - warmth.y) ** 2
            grown = np.clip((second - warmth.start_s) / 60.0, 0, 1) * np.exp(-max(0.0, second - warmth.end_s) / 120.0)
            self._add(readings, at, near, warmth.rise * grown / (1 + distance2 / 35.0**2), warmth.number)

    def _add(self, readings: Readings, at: Ints, sensors: Indices, extra: Floats, number: int) -> None:
        felt = extra > 0.02
        rows = at[sensors[felt]]
        readings.value[rows] += extra[felt]
        if number >= 0:
            strong = sensors[extra > np.where(self.sensors.quantity[sensors] == Quantity.TEMPERATURE, 1.0, 10.0)]
            readings.touched.extend((int(sensor), number) for sensor in strong)

    def _add_sound(self, due: Indices, readings: Readings) -> None:
        heard = np.flatnonzero(self._peak[due] > 0)
        loud = self._peak[due[heard]]
        base = readings.value[heard]
        plain = due[heard[(loud > base + 3) & (self._peak_of[due[heard]] >= 0)]]
        readings.touched.extend(zip(plain.tolist(), self._peak_of[plain].tolist(), strict=True))
        readings.value[heard] = 10 * np.log10(10 ** (base / 10) + 10 ** (loud / 10))
        self._peak[due], self._peak_of[due] = 0.0, -1

    def _lie(self, second: int, at: Ints, values: Floats) -> None:
        for override in self.overrides:
            row = at[override.sensor]
            if row < 0 or not override.start_s <= second < override.end_s:
                continue
            if override.kind == "stuck":
                if override.value != override.value:
                    override.value = float(values[row])
                values[row] = override.value
            else:
                values[row] += override.extra
