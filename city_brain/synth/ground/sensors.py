"""Where the sensors of a synthetic city stand and what each measures."""

from dataclasses import dataclass

import numpy as np

from city_brain.observations.vocabulary import Quantity
from city_brain.synth.ground.streets import Streets
from city_brain.synth.settings import SynthSettings
from city_brain.types import Codes, Column, Floats, Indices

UNITS: dict[int, tuple[tuple[str, float, float], ...]] = {
    Quantity.PM2_5: (("ug/m3", 1.0, 0.0), ("mg/m3", 0.001, 0.0)),
    Quantity.VOC: (("ppb", 1.0, 0.0), ("ppm", 0.001, 0.0)),
    Quantity.TEMPERATURE: (("degC", 1.0, 0.0), ("degF", 1.8, 32.0)),
    Quantity.NOISE: (("dB", 1.0, 0.0), ("dB", 1.0, 0.0)),
    Quantity.WATER_LEVEL: (("mm", 1.0, 0.0), ("cm", 0.1, 0.0)),
    Quantity.WIND_SPEED: (("m/s", 1.0, 0.0), ("km/h", 3.6, 0.0)),
    Quantity.WIND_DIRECTION: (("deg", 1.0, 0.0), ("deg", 1.0, 0.0)),
    Quantity.RAIN: (("mm/h", 1.0, 0.0), ("mm/h", 1.0, 0.0)),
    Quantity.HUMIDITY: (("%", 1.0, 0.0), ("%", 1.0, 0.0)),
}
"""Per quantity the usual and the odd unit: sent = a * canonical + b."""

UNIT_NAMES = tuple(tuple(name for name, _, _ in pair) for pair in UNITS.values())
"""The names of all units, by quantity."""
_ODD_UNIT = 0.08
_AIR = (Quantity.PM2_5, Quantity.VOC, Quantity.TEMPERATURE)
_WEATHER = (Quantity.WIND_SPEED, Quantity.WIND_DIRECTION, Quantity.RAIN, Quantity.HUMIDITY)
_SHORT = {
    Quantity.PM2_5: "pm25", Quantity.VOC: "voc", Quantity.TEMPERATURE: "temp", Quantity.NOISE: "noise",
    Quantity.WATER_LEVEL: "water", Quantity.WIND_SPEED: "wind", Quantity.WIND_DIRECTION: "winddir",
    Quantity.RAIN: "rain", Quantity.HUMIDITY: "hum",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """S sensors as columns; `unit` 1 marks the odd unit, `road` is where a water sensor lies (-1 for others)."""

    quantity: Codes
    unit: Codes
    x: Floats
    y: Floats
    period_s: Indices
    phase_s: Indices
    road: Indices
    ids: tuple[str, ...]

    @property
    def count(self) -> int:
        """S."""
        return len(self.x)

    def of(self, quantity: int) -> Indices:
        """The sensors of one quantity."""
        return np.flatnonzero(self.quantity == quantity).astype(np.int32)

    def unit_name(self, sensor: int) -> str:
        """The unit in which a sensor sends."""
        return UNITS[int(self.quantity[sensor])][int(self.unit[sensor])][0]


def build_sensors(settings: SynthSettings, streets: Streets) -> Sensors:
    """Stations of air (particles, vapours, warmth), of noise, of water on low roads, and of weather."""
    chance = settings.chance(4)
    count = streets.junctions
    inner = np.flatnonzero(streets.start >= 0).astype(np.int32)
    stations: list[tuple[tuple[Quantity, ...], Indices, Floats, Floats, Indices]] = []
    wanted = settings.sensor_count
    scale = 1.0 if wanted is None else max(0.02, wanted / (8.0 * count))
    for quantities, per_junction, least in (
        (_AIR, 2.1, 4),
        ((Quantity.NOISE,), 1.0, 5),
        ((Quantity.WATER_LEVEL,), 0.5, 2),
        (_WEATHER, 0.12, 1),
    ):
        number = max(1 if wanted is not None else least, round(per_junction * count * scale))
        road = chance.choice(inner if len(inner) else np.arange(streets.roads, dtype=np.int32), number)
        lateral = chance.uniform(8, 18, number) if quantities[0] != Quantity.WATER_LEVEL else np.zeros(number)
        x, y, _, _ = streets.point(road, streets.length[road] * chance.uniform(0.1, 0.9, number), lateral)
        stations.append((quantities, np.arange(number, dtype=np.int32), x, y, road))
    columns = _spread(stations, chance)
    if wanted is not None:
        columns = {name: values[:wanted] for name, values in columns.items()}
    station = columns.pop("station")
    return Sensors(**columns, ids=_names(columns["quantity"], station))


def _spread(
    stations: list[tuple[tuple[Quantity, ...], Indices, Floats, Floats, Indices]], chance: np.random.Generator
) -> dict[str, Column]:
    """One row per sensor from stations that carry several, in an order that mixes stations of all sorts."""
    kinds, where = [], []
    for quantities, number, x, y, road in stations:
        for carried in quantities:
            kinds.append(np.full(len(number), int(carried)))
            where.append((number, x, y, np.where(carried == Quantity.WATER_LEVEL, road, -1)))
    quantity = np.concatenate(kinds).astype(np.uint8)
    number, x, y, road = (np.concatenate([w[k] for w in where]) for k in range(4))
    # Truncating to a wished number of sensors must keep some of every sort: order by station number, scaled per sort.
    total = np.concatenate([np.full(len(w[0]), len(w[0])) for w in where])
    order = np.argsort(number / total, kind="stable")
    period = np.select(
        [quantity == Quantity.NOISE, (quantity >= Quantity.WIND_SPEED) & (quantity <= Quantity.RAIN)], [5, 20], 10
    )
    period = np.where(quantity == Quantity.HUMIDITY, 20, period)
    columns: dict[str, Column] = {
        "quantity": quantity,
        "unit": (chance.random(len(x)) < _ODD_UNIT).astype(np.uint8),
        "x": x,
        "y": y,
        "period_s": period.astype(np.int32),
        "road": road.astype(np.int32),
        "station": number,
    }
    columns["phase_s"] = chance.integers(0, period).astype(np.int32)
    return {name: values[order] for name, values in columns.items()}


def _names(quantity: Codes, station: Indices) -> tuple[str, ...]:
    return tuple(_name(Quantity(q), s) for q, s in zip(quantity.tolist(), station.tolist(), strict=True))


def _name(quantity: Quantity, station: int) -> str:
    for group, quantities in (("air", _AIR), ("met", _WEATHER)):
        if quantity in quantities:
            return f"{group}-{station:05d}-{_SHORT[quantity]}"
    return f"{_SHORT[quantity]}-{station:05d}"
