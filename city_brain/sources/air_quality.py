"""Hourly air quality and weather of one station, as in the UCI data set “Beijing PM2.5” (CSV), as observations.

Columns: No, year, month, day, hour (local time), pm2.5 (µg/m³), DEWP, TEMP (°C), PRES (hPa), cbwd, Iws, Is, Ir. What is
said is what was measured: PM2.5, temperature, pressure, wind. `NA` is a gap and gives no row.

- Wind direction is a quarter of the compass (NE, SE, SW, NW), given as its middle; `cv` (calm, variable) gives no row.
- `Iws` sums the wind speeds of consecutive hours with the same `cbwd`, so the speed of an hour is the difference to the
  hour before, or the sum itself where the direction is new.
- Left out: `Is` and `Ir` count hours of snow and rain and say nothing of how strong they were; from a dew point rounded
  to whole degrees relative humidity would be wrong by up to 7 points.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import numpy as np

from city_brain.errors import RecordingError
from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import Kind

COLUMNS: Final = ("No", "year", "month", "day", "hour", "pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir")
QUARTERS_DEG: Final = {"NE": 45.0, "SE": 135.0, "SW": 225.0, "NW": 315.0}
CALM: Final = "cv"
GAP: Final = "NA"
HOURS_PER_BLOCK: Final = 1000

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
    datum: str = "WGS-84"
    utc_offset_hours: float = 8.0


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


def _hours(file: Iterable[str], path: str | Path, station: Station) -> Iterator[list[_Reading]]:
    rows = csv.DictReader(file)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise RecordingError(f"{path} line 1: wanted the columns {','.join(COLUMNS)}, got {rows.fieldnames}")
    clock = timezone(timedelta(hours=station.utc_offset_hours))
    direction_before, sum_before = "", 0.0
    for row in rows:
        try:
            hour = datetime(int(row["year"]), int(row["month"]), int(row["day"]), int(row["hour"]), tzinfo=clock)
            number, time_ms, sum_now = int(row["No"]), round(hour.timestamp() * 1000), float(row["Iws"])
            if row["cbwd"] not in (*QUARTERS_DEG, CALM):
                raise ValueError(f"wind direction {row['cbwd']!r}")
            values = {
                "pm2_5": None if row["pm2.5"] == GAP else float(row["pm2.5"]),
                "temperature": float(row["TEMP"]),
                "pressure": float(row["PRES"]),
                "wind_speed": round(sum_now - (sum_before if row["cbwd"] == direction_before else 0.0), 2),
                "wind_direction": QUARTERS_DEG.get(row["cbwd"]),
            }
        except (TypeError, ValueError) as wrong:
            raise RecordingError(
                f"{path} line {rows.line_num}: wanted one hour of measurements, got {wrong}"
            ) from wrong
        direction_before, sum_before = row["cbwd"], sum_now
        yield [_Reading(number, time_ms, name, value) for name, value in values.items() if value is not None]


def _observations(readings: list[_Reading], station: Station) -> Observations:
    quantities = list(_UNITS)
    strings = (*quantities, *_UNITS.values(), *(f"{station.id}-{name}" for name in quantities), station.datum, "sensor")
    n = len(readings)
    quantity = np.array([quantities.index(reading.quantity) for reading in readings], dtype=np.int32)
    time_ms = np.array([reading.time_ms for reading in readings], dtype=np.int64)
    common = Common.absent(
        n,
        kind=np.full(n, Kind.SENSOR, dtype=np.uint8),
        source=quantity + np.int32(2 * len(quantities)),
        source_kind=np.full(n, strings.index("sensor"), dtype=np.int32),
        datum=np.full(n, strings.index(station.datum), dtype=np.int32),
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
