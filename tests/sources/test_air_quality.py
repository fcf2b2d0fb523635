"""Hourly air quality: what was measured becomes readings, gaps become nothing, and errors say the line."""

import re
from pathlib import Path

import numpy as np
import pytest

from city_brain.city.datum import Datum
from city_brain.city.loading import city_to_geojson, load_city
from city_brain.errors import RecordingError
from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import CONVERSIONS, MEASURES, QUANTITY_CODES, Quantity
from city_brain.sources.air_quality import COLUMNS, Station, read_air_quality, station_map

STATION = Station("dongsi", 116.42, 39.93)
HOURS = """\
1,2010,1,1,0,NA,-21,-11,1021,NW,1.79,0,0
2,2010,1,1,1,129,-21,-12,1020,NW,4.92,0,0
3,2010,1,1,2,148,-21,-11,1019,cv,0.89,0,1
4,2010,1,1,3,12.5,-21,-14,1019.5,cv,1.78,0,0
5,2010,1,1,4,NA,-20,-12,1018,SE,0.45,0,0
"""


def written(tmp_path: Path, text: str) -> Path:
    """A file with the usual head."""
    path = tmp_path / "air.csv"
    path.write_text(",".join(COLUMNS) + "\n" + text, encoding="utf-8")
    return path


def readings(blocks: list[Observations]) -> dict[str, list[tuple[int, float]]]:
    """Hour number and value of the readings, by source."""
    found: dict[str, list[tuple[int, float]]] = {}
    for block in blocks:
        common, sensors = block.common, block.sensors
        for source, seq, value in zip(common.source, common.seq.tolist(), sensors.value.tolist(), strict=True):
            found.setdefault(block.strings[source], []).append((seq, value))
    return found


def test_each_quantity_is_a_source_without_its_gaps(tmp_path: Path) -> None:
    """Wind speed is what each hour adds to the sum of its direction; calm air has no direction."""
    assert readings(list(read_air_quality(written(tmp_path, HOURS), STATION))) == {
        "dongsi-pm2_5": [(2, 129.0), (3, 148.0), (4, 12.5)],
        "dongsi-temperature": [(1, -11.0), (2, -12.0), (3, -11.0), (4, -14.0), (5, -12.0)],
        "dongsi-pressure": [(1, 1021.0), (2, 1020.0), (3, 1019.0), (4, 1019.5), (5, 1018.0)],
        "dongsi-wind_speed": [(1, 1.79), (2, 3.13), (3, 0.89), (4, 0.89), (5, 0.45)],
        "dongsi-wind_direction": [(1, 315.0), (2, 315.0), (5, 135.0)],
    }


def test_times_are_local_and_positions_are_the_stations(tmp_path: Path) -> None:
    """The first hour of 2010 in Beijing was 16:00 of the last day of 2009 in Greenwich."""
    (block,) = read_air_quality(written(tmp_path, HOURS), STATION)
    assert block.common.event_ms.min() == 1_262_275_200_000
    assert (np.diff(block.common.event_ms) >= 0).all()
    assert (block.common.arrival_ms == block.common.event_ms).all()
    assert set(zip(block.common.lon.tolist(), block.common.lat.tolist(), strict=True)) == {(116.42, 39.93)}
    assert {block.strings[datum] for datum in block.common.datum} == {"WGS-84"}


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("129", "many", "line 3 column pm2.5: wanted a number, got 'many'"),
        (",148,", ",,", "line 4 column pm2.5: wanted a number, got ''"),
        ("1019.5", "nan", "line 5 column PRES: wanted a number, got 'nan'"),
        ("SE", "UP", "line 6 column cbwd: wanted one of NE, SE, SW, NW, cv, got 'UP'"),
        (
            "2010,1,1,3",
            "2010,1,1,24",
            "line 5 columns year to hour: wanted a date and an hour of 0 to 23, got 2010 1 1 24",
        ),
        ("2010,1,1,3", "2010,1,1,2", "line 5: wanted a later hour than on the line before, got 2010 1 1 2"),
        (
            "4,2010,1,1,3,12.5,-21,-14,1019.5,cv,1.78,0,0",
            "4,2010",
            "line 5 column month: wanted a whole number, got None",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, old: str, new: str, error: str) -> None:
    """An archive is not garbage from the field: a wrong cell stops the reading and is named by line and column."""
    with pytest.raises(RecordingError, match=re.escape(f"air.csv {error}")):
        list(read_air_quality(written(tmp_path, HOURS.replace(old, new)), STATION))


def test_columns_that_nobody_reads_may_be_missing(tmp_path: Path) -> None:
    """A line that ends behind the last cell that is read is a whole hour."""
    assert len(list(read_air_quality(written(tmp_path, HOURS.replace("4.92,0,0", "4.92")), STATION))) == 1


def test_the_map_of_a_station_has_its_sources(tmp_path: Path) -> None:
    """Every source of the rows stands on the map, at the station, in the datum that the rows are given in."""
    station = Station("dongsi", 116.42, 39.93, Datum.GCJ02)
    city = load_city(city_to_geojson(station_map(station)))
    (block,) = read_air_quality(written(tmp_path, HOURS), station)
    rows, refused = admit(block, 0, 0, AdmissionTable.from_city(city))
    assert set(readings([block])) == set(city.source_ids) and city.datum == Datum.GCJ02
    assert len(refused.row) == 0 and np.isin(rows.source, city.source_keys).all()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A missing file, other columns and no text are named errors."""
    path = tmp_path / "other.csv"
    with pytest.raises(RecordingError, match="other"):
        list(read_air_quality(path, STATION))
    for data in (b"a,b\n1,2\n", b"", b"\xff\xfe\x00"):
        path.write_bytes(data)
        with pytest.raises(RecordingError, match="other"):
            list(read_air_quality(path, STATION))


def test_five_years_of_beijing_are_plausible(shared: Path) -> None:
    """Every hour is there, every gap is a gap, and no reading is outside the range of its quantity."""
    blocks = list(read_air_quality(shared / "data/air-quality/PRSA_data_2010.1.1-2014.12.31.csv", STATION))
    found = readings(blocks)
    assert len(found["dongsi-temperature"]) == 43_824
    assert len(found["dongsi-pm2_5"]) == 43_824 - 2_067 + 1
    for block in blocks:
        for quantity in np.unique(block.sensors.quantity):
            measure = MEASURES[Quantity(QUANTITY_CODES[block.strings[quantity]])]
            here = block.sensors.quantity == quantity
            assert (QUANTITY_CODES[block.strings[quantity]], block.strings[block.sensors.unit[here][0]]) in CONVERSIONS
            assert ((block.sensors.value[here] >= measure.low) & (block.sensors.value[here] <= measure.high)).all()
