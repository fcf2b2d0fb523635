"""Hourly air quality and weather of one station, as in the UCI data set “Beijing PM2.5” (CSV), as observations.

Columns: No, year, month, day, hour (local time), pm2.5 (µg/m³), DEWP, TEMP (°C), PRES (hPa), cbwd, Iws, Is, Ir. What is
said is what was measured: PM2.5, temperature, pressure, wind. `NA` is a gap and gives no row.

- Wind direction is a quarter of the compass (NE, SE, SW, NW), given as its middle; `cv` (calm, variable) gives no row.
- `Iws` sums the wind speeds of consecutive hours with the same `cbwd`, so the speed of an hour is the difference to the
  hour before, or the sum itself where the direction is new.
- An hour that is not later than the one before it is an error: the file is an archive, not a wire.
- Left out: `Is` and `Ir` count hours of snow and rain and say nothing of how strong they were; from a dew point rounded
  to whole degrees relative humidity would be wrong by up to 7 points.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from city_brain.city.city_map import CityMap, Sensor
from city_brain.city.datum import Datum, to_wgs84
from city_brain.errors import RecordingError
from city_brain.geo import LocalFrame
from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import Kind

COLUMNS: Final = ("No", "year", "month", "day", "hour", "pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir")
QUARTERS_DEG: Final = {"NE": 45.0, "SE": 135.0, "SW": 225.0, "NW": 315.0}
CALM: Final = "cv"
GAP: Final = "NA"
HOURS_PER_BLOCK: Final = 1000
PERIOD_S: Final = 3600.0

_BEFORE_ALL: Final = -(1 << 62)

_UNITS: Final = {
    "pm2_5": "ug/m3",
    "temperature": "degC",
    "pressure": "hPa",
    "wind_speed": "m/s",
    "wind_direction": "deg",
}


@dataclass(frozen=True, slots=True)
class Station:
    """Where the measurements were taken: `lon`, `lat` in `datum`, and how many hours its clock is ahead of UTC.

    Each quantity is a source of its own, `<id>-<quantity>`.
    """

    id: str
    lon: float
    lat: float
    datum: Datum = Datum.WGS84
    utc_offset_hours: float = 8.0

    def source_id(self, quantity: str) -> str:
        """The source that measures a quantity here."""
        return f"{self.id}-{quantity}"


@dataclass(frozen=True, slots=True)
class _Reading:
    number: int
    time_ms: int
    quantity: str
    value: float


def read_air_quality(path: str | Path, station: Station) -> Iterator[Observations]:
    """The readings of the file in order of time, in blocks of `HOURS_PER_BLOCK` hours.

    The archive knows no gateway, so a row arrives when it was measured. Raises RecordingError with the line where the
    file is not what it should be.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            block: list[_Reading] = []
            for hour, readings in enumerate(_hours(file, path, station), 1):
                block += readings
                if hour % HOURS_PER_BLOCK == 0:
                    yield _observations(block, station)
                    block = []
            if block:
                yield _observations(block, station)
    except (OSError, UnicodeError, csv.Error) as wrong:
        raise RecordingError(f"{path}: wanted a CSV file of hourly measurements, got: {wrong}") from wrong


def station_map(station: Station) -> CityMap:
    """A city that is nothing but the station: a sensor for each quantity."""
    lon, lat = to_wgs84(station.datum, np.array([station.lon]), np.array([station.lat]))
    sensors = [
        Sensor(id=station.source_id(quantity), x=0.0, y=0.0, quantity=quantity, unit=unit, period_s=PERIOD_S)
        for quantity, unit in sorted(_UNITS.items())
    ]
    return CityMap(frame=LocalFrame(float(lon[0]), float(lat[0])), datum=station.datum, sensors=tuple(sensors))


def _hours(file: Iterable[str], path: str | Path, station: Station) -> Iterator[list[_Reading]]:
    rows = csv.DictReader(file)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise RecordingError(f"{path} line 1: wanted the columns {','.join(COLUMNS)}, got {rows.fieldnames}")
    clock = timezone(timedelta(hours=station.utc_offset_hours))
    direction_before, sum_before, time_before_ms = "", 0.0, _BEFORE_ALL
    for row in rows:
        line = _Line(f"{path} line {rows.line_num}", row)
        time_ms, direction, sum_now = line.time_ms(clock), line.direction(), line.number("Iws")
        if time_ms <= time_before_ms:
            raise RecordingError(f"{line.place}: wanted a later hour than on the line before, got {line.hour()}")
        values = {
            "pm2_5": line.number_or_gap("pm2.5"),
            "temperature": line.number("TEMP"),
            "pressure": line.number("PRES"),
            "wind_speed": round(sum_now - (sum_before if direction == direction_before else 0.0), 2),
            "wind_direction": QUARTERS_DEG.get(direction),
        }
        direction_before, sum_before, time_before_ms = direction, sum_now, time_ms
        number = line.whole("No")
        yield [_Reading(number, time_ms, name, value) for name, value in values.items() if value is not None]


@dataclass(frozen=True, slots=True)
class _Line:
    """The cells of a line by column; `place` opens every error."""

    place: str
    cells: Mapping[str, str | None]

    def wrong(self, column: str, wanted: str) -> NoReturn:
        """Raises the error of a cell."""
        raise RecordingError(f"{self.place} column {column}: wanted {wanted}, got {self.cells[column]!r}")

    def whole(self, column: str) -> int:
        """A whole number."""
        try:
            return int(self.cells[column] or "")
        except ValueError:
            self.wrong(column, "a whole number")

    def number(self, column: str) -> float:
        """A finite number."""
        try:
            value = float(self.cells[column] or "")
        except ValueError:
            value = math.nan
        return value if math.isfinite(value) else self.wrong(column, "a number")

    def number_or_gap(self, column: str) -> float | None:
        """The same, or None for a gap."""
        return None if self.cells[column] == GAP else self.number(column)

    def direction(self) -> str:
        """Where the wind comes from, or calm."""
        text = self.cells["cbwd"]
        known = (*QUARTERS_DEG, CALM)
        return text if text in known else self.wrong("cbwd", f"one of {', '.join(known)}")

    def hour(self) -> str:
        """The cells of the time as they stand."""
        return " ".join(str(self.cells[column]) for column in ("year", "month", "day", "hour"))

    def time_ms(self, clock: timezone) -> int:
        """When the hour began, epoch ms."""
        year, month, day, hour = (self.whole(column) for column in ("year", "month", "day", "hour"))
        try:
            return round(datetime(year, month, day, hour, tzinfo=clock).timestamp() * 1000)
        except ValueError as wrong:
            raise RecordingError(
                f"{self.place} columns year to hour: wanted a date and an hour of 0 to 23, got {self.hour()}"
            ) from wrong


def _observations(readings: list[_Reading], station: Station) -> Observations:
    quantities = list(_UNITS)
    strings = (
        *quantities,
        *_UNITS.values(),
        *(station.source_id(name) for name in quantities),
        station.datum.label,
        "sensor",
    )
    n = len(readings)
    quantity = np.array([quantities.index(reading.quantity) for reading in readings], dtype=np.int32)
    time_ms = np.array([reading.time_ms for reading in readings], dtype=np.int64)
    common = Common.absent(
        n,
        kind=np.full(n, Kind.SENSOR, dtype=np.uint8),
        source=quantity + np.int32(2 * len(quantities)),
        source_kind=np.full(n, strings.index("sensor"), dtype=np.int32),
        datum=np.full(n, strings.index(station.datum.label), dtype=np.int32),
        seq=np.array([reading.number for reading in readings], dtype=np.int64),
        event_ms=time_ms,
        arrival_ms=time_ms,
        lon=np.full(n, station.lon),
        lat=np.full(n, station.lat),
    )
    sensors = Sensors(
        quantity=quantity,
        value=np.array([reading.value for reading in readings], dtype=np.float64),
        unit=quantity + np.int32(len(quantities)),
    )
    return Observations(strings, common, Detections.absent(0), Signals.absent(0), sensors, Reports.absent(0))
