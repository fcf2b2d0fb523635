"""Five years of one real station, hour by hour: every reading is used, haze is no plume, and true outages are told.

Beijing had hundreds of spells of haze in these years, of hours to a week, with over 300 µg/m³ of PM2.5. A haze lies
over the whole region; one station cannot tell it from a source nearby, and hourly means cannot show that something
began within minutes. So no plume may be announced. What one station does show is its own outages.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.shared.recordings import Fused, convert_and_fuse, recording

FILE = "data/air-quality/PRSA_data_2010.1.1-2014.12.31.csv"
HOURS = 43_824
HOUR_MS = 3_600_000
HAZE_UG_M3 = 300.0
BEATS_MISSED = 4
"""A sensor that is due every hour is silent from the fourth reading on that does not come."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Measured:
    """What the file holds, read without our reader: times of the readings by quantity, and PM2.5."""

    times_ms: dict[str, list[int]] = field(default_factory=lambda: {"pm2_5": [], "wind_direction": []})
    pm2_5: list[float] = field(default_factory=list)
    rows: int = 0

    def gaps(self, quantity: str) -> list[tuple[int, int]]:
        """The last reading before each gap of an hour and more, and the first one after it."""
        times = self.times_ms[quantity]
        return [(a, b) for a, b in pairwise(times) if b - a > HOUR_MS]


@pytest.fixture(scope="module")
def measured(shared: Path) -> Measured:
    """The file as it is."""
    times: dict[str, list[int]] = {"pm2_5": [], "wind_direction": []}
    pm2_5: list[float] = []
    rows = 0
    for hour in _hours(recording(shared, FILE)):
        clock = datetime(*(int(hour[name]) for name in ("year", "month", "day", "hour")), tzinfo=UTC)
        time_ms = round(clock.timestamp() * 1000) - 8 * HOUR_MS
        rows += 3
        if hour["pm2.5"] != "NA":
            times["pm2_5"].append(time_ms)
            pm2_5.append(float(hour["pm2.5"]))
        if hour["cbwd"] != "cv":
            times["wind_direction"].append(time_ms)
    return Measured(times, pm2_5, rows + len(times["pm2_5"]) + len(times["wind_direction"]))


def _hours(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def fused(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    """The whole file through `convert air-quality` and `fuse --tick 3600`."""
    place = ("--lon", 116.47, "--lat", 39.95, "--source", "beijing")
    folder = tmp_path_factory.mktemp("beijing")
    return convert_and_fuse(folder, "air-quality", recording(shared, FILE), *place, tick_s=3600.0)


def test_every_reading_of_five_years_is_used_once(fused: Fused, measured: Measured) -> None:
    """Those of the very first hour are late: a row is taken to be measured a little before it arrives."""
    counters = fused.result["counters"]
    assert counters["read"] == counters["used"] == measured.rows > 200_000
    assert counters["late"] <= 5
    assert counters["duplicate"] == fused.result["held"] == 0
    assert counters["quarantined"] == counters["dead_lettered"] == {}
    assert fused.result["ticks"] == HOURS


def test_haze_over_a_region_is_no_plume(fused: Fused, measured: Measured) -> None:
    """Nothing is announced but outages, though the air was bad for weeks in all."""
    haze = np.array(measured.pm2_5) > HAZE_UG_M3
    spells = int(np.count_nonzero(haze[1:] & ~haze[:-1]))
    assert np.count_nonzero(haze) > 1_000 and spells > 200
    assert set(fused.result["announced"]) <= {"coverage_lost"}


def test_every_outage_that_is_told_is_a_gap_of_the_file(fused: Fused, measured: Measured) -> None:
    """It is seen from the last reading on, told while it lasts, and ends with the first reading after it."""
    assert len(fused.announced) > 20
    for incident in fused.announced:
        (source,) = incident.sources
        gaps = measured.gaps(source.removeprefix("beijing-"))
        around = [(a, b) for a, b in gaps if abs(a - incident.first_seen_ms) < 1_000]
        assert len(around) == 1, incident
        last_ms, next_ms = around[0]
        assert incident.detected_ms is not None and incident.ended_ms is not None
        assert last_ms + BEATS_MISSED * HOUR_MS < incident.detected_ms < next_ms + HOUR_MS
        assert next_ms <= incident.ended_ms <= next_ms + 2 * HOUR_MS


def test_every_outage_of_a_day_and_more_is_told_once(fused: Fused, measured: Measured) -> None:
    """The four days in which the weather station wrote one value again and again, calm air among it, count as well."""
    for quantity in ("pm2_5", "wind_direction"):
        long = [a for a, b in measured.gaps(quantity) if b - a > 24 * HOUR_MS]
        told = [incident.first_seen_ms for incident in fused.announced if incident.sources == (f"beijing-{quantity}",)]
        assert [sum(abs(time_ms - a) < 1_000 for time_ms in told) for a in long] == [1] * len(long)
        assert long
