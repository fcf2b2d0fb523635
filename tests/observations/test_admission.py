"""Admission: what is plausible comes through in metres and canonical units; each other row has one reason."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.city.datum import Datum, from_wgs84
from city_brain.numerics import hash63
from city_brain.observations.admission import AdmissionTable, Refused, admit
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import from_lines
from city_brain.observations.rows import SCHEMA, Rows, unpack_lamps
from city_brain.observations.vocabulary import (
    CONVERSIONS,
    MEASURES,
    MOVEMENTS,
    SIDES,
    Category,
    Colour,
    Kind,
    Mode,
    ObjectClass,
    Quantity,
    Status,
)
from city_brain.snapshot import to_bytes
from city_brain.types import Floats
from tests.city.city_maps import FRAME, built, camera, degrees, intersection, sensor, signal, square
from tests.observations.lines import NOON_MS, Line, any_lines, dumped, line

CITY = built(
    camera("cam-1", 0.0, 0.0, square(0.0, 50.0, 40.0)),
    intersection("X", square(0.0, 0.0, 12.0)),
    signal("sig-1", "X", 30.0, 0.0),
    sensor("air-1", 100.0, 100.0),
    {**sensor("odd-1", 0.0, 100.0), "properties": {**sensor("odd-1", 0, 0)["properties"], "unit": "furlongs"}},
)
TABLE = AdmissionTable.from_city(CITY)


def at(x: float, y: float) -> tuple[float, float]:
    """Metres to longitude and latitude."""
    lon, lat = degrees(x, y)
    return lon, lat


def seen(**changed: Any) -> Line:
    """A detection by the mapped camera."""
    return line("detection", "cam-1", at(0.0, 40.0), **changed)


def read(**changed: Any) -> Line:
    """A reading of the mapped sensor, which sends no position."""
    return line("sensor", "air-1", **changed)


def admitted(*lines: Line, table: AdmissionTable = TABLE) -> tuple[Rows, Refused]:
    """What admission makes of lines that the twin accepts."""
    parsed = from_lines(dumped(list(lines)))
    assert not parsed.rejected
    return admit(parsed.observations, 3, parsed.line + 100, table)


def the_row(written: Line) -> dict[str, Any]:
    """The one row that a line becomes."""
    rows, refused = admitted(written)
    assert (rows.n, refused.counts()) == (1, {})
    return {name: column[0] for name, column in rows.columns().items()}


FAR_TIME = NOON_MS + 233 * 365 * 86_400_000
REFUSED: dict[str, tuple[Line, str]] = {
    "an event in the year 2259": (seen(event_time_ms=FAR_TIME), "clock"),
    "an event eleven minutes ago": (seen(event_time_ms=NOON_MS - 660_000), "clock"),
    "an arrival at the end of time": (seen(arrival_time_ms=2**63 - 1), "clock"),
    "an unknown status": (seen(status="drill"), "status"),
    "longitude with the wrong sign": (seen(lon=-117.0), "position"),
    "longitude and latitude exchanged": (seen(lon=36.65, lat=117.0), "position"),
    "latitude above 90": (seen(lat=90.5), "position"),
    "longitude above 180": (seen(lon=1e300), "position"),
    "no latitude": (seen(lat=None), "position"),
    "a detection without position": (seen(lon=None, lat=None), "position"),
    "a detection beyond its camera": (line("detection", "cam-1", at(0.0, 351.0)), "position"),
    "a detection by a sensor, elsewhere": (line("detection", "air-1", at(100.0, 301.0)), "position"),
    "a mapped sensor that has moved": (line("sensor", "air-1", at(100.0, 301.0)), "position"),
    "a report without position": (line("report", "hotline", datum="WGS-84"), "position"),
    "a report from out of town": (line("report", "hotline", at(0.0, 3_200.0), datum="WGS-84"), "position"),
    "a negative position error": (seen(position_error_m=-1), "position"),
    "a position error of a county": (seen(position_error_m=10_001), "position"),
    "a source off the map without datum": (line("report", "hotline", at(0.0, 0.0)), "datum"),
    "an unknown datum": (seen(datum="Beijing-54"), "datum"),
    "confidence above 1": (seen(confidence=1.01), "confidence"),
    "confidence below 0": (seen(confidence=-0.1), "confidence"),
    "a negative speed": (seen(speed_mps=-0.5), "speed"),
    "the speed of a train": (seen(speed_mps=121), "speed"),
    "heading 400": (seen(heading_deg=400), "heading"),
    "a negative heading": (seen(heading_deg=-10), "heading"),
    "an unknown quantity": (read(quantity="mood"), "quantity"),
    "an unknown unit": (read(unit="furlongs"), "unit"),
    "a unit of something else": (read(unit="degC"), "unit"),
    "no unit, off the map": (line("sensor", "new", at(0.0, 0.0), datum="WGS-84", unit=None), "unit"),
    "no unit, and none on the map that fits": (line("sensor", "odd-1", unit=None), "unit"),
    "no unit for another quantity": (read(quantity="pm10", unit=None), "unit"),
    "dust beyond any instrument": (read(value=20_001), "value"),
    "dust beyond any instrument, in mg": (read(value=20.1, unit="mg/m3"), "value"),
    "very negative dust": (read(value=-51), "value"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_plausible_is_refused_with_its_reason(what: str) -> None:
    """The row is refused for the one reason, and its neighbours in the batch come through."""
    written, reason = REFUSED[what]
    rows, refused = admitted(seen(), written, read())
    assert refused.counts() == {reason: 1}
    assert refused.row.tolist() == [1]
    assert rows.offset.tolist() == [100, 102]


PLAUSIBLE = {
    "a detection at the end of the camera's reach": line("detection", "cam-1", at(0.0, 349.0)),
    "a report from the edge of the map": line("report", "hotline", at(0.0, 3_080.0), datum="WGS-84"),
    "an event ten minutes ago": seen(event_time_ms=NOON_MS - 600_000),
    "no arrival": seen(arrival_time_ms=None),
    "a little negative dust": read(value=-11.06),
    "a mapped sensor near its place": line("sensor", "air-1", at(100.0, 299.0)),
    "an unknown class": seen(class_="unicorn"),
    "heading 360": seen(heading_deg=360),
    "no speed and no heading": seen(speed_mps=None, heading_deg=None, bbox=None),
}


@pytest.mark.parametrize("what", PLAUSIBLE)
def test_what_is_plausible_comes_through(what: str) -> None:
    """The limits are where the documents say."""
    rows, refused = admitted(PLAUSIBLE[what])
    assert (rows.n, refused.counts()) == (1, {})


def test_a_detection_becomes_a_row() -> None:
    """Every column of a detection is where it belongs."""
    row = the_row(seen(position_error_m=0.5))
    assert (row["x"], row["y"]) == pytest.approx((0.0, 40.0), abs=1e-3)
    wanted = {
        "raw_partition": 3, "offset": 100, "sub": 0, "arrival_ms": NOON_MS, "event_ms": NOON_MS,
        "source": hash63("cam-1"),
        "kind": Kind.DETECTION, "seq": 3, "status": Status.ACTUAL, "sigma": 0.5, "code": ObjectClass.CAR, "track": 7,
        "value": 0.8, "speed": 9.5, "heading": 271.3, "lamps": 0, "note": -1,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_what_is_not_said_is_nan() -> None:
    """Absent numbers are NaN, an absent arrival is -1, heading 360 is 0, a stated error of 0 is unknown."""
    row = the_row(seen(speed_mps=None, heading_deg=360, arrival_time_ms=None, position_error_m=0))
    assert math.isnan(row["speed"])
    assert math.isnan(row["sigma"])
    assert (row["heading"], row["arrival_ms"]) == (0.0, -1)


def test_named_tracks_and_unknown_words_are_kept() -> None:
    """A track may have a name; a class, mode or category that we do not know is `other`, never lost."""
    assert the_row(seen(track_id="t-1"))["track"] == hash63("t-1")
    assert the_row(seen(class_="unicorn"))["code"] == ObjectClass.OTHER
    assert the_row(line("signal", "sig-1", mode="party"))["code"] == Mode.OTHER
    report = line("report", "hotline", at(0.0, 0.0), datum="WGS-84", category="lost dog")
    assert the_row(report)["code"] == Category.OTHER


def test_mapped_sources_stand_where_the_map_says() -> None:
    """A sensor's own opinion of its position, if it has one, changes nothing."""
    for written in (read(), line("sensor", "air-1", at(150.0, 120.0))):
        row = the_row(written)
        assert (row["x"], row["y"]) == pytest.approx((100.0, 100.0), abs=0.05)


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09, Datum.CGCS2000])
def test_positions_in_chinese_datums_come_out_in_the_same_place(datum: Datum) -> None:
    """A row of a source off the map names its datum; one on the map may differ from the map's."""
    lon, lat = FRAME.to_degrees(np.array([20.0]), np.array([30.0]))
    shifted = tuple(float(axis[0]) for axis in from_wgs84(datum, lon, lat))
    for written in (
        line("detection", "cam-1", shifted, datum=datum.label),
        line("report", "h", shifted, datum=datum.label),
    ):
        row = the_row(written)
        assert (row["x"], row["y"]) == pytest.approx((20.0, 30.0), abs=0.01)


def test_the_map_datum_is_that_of_its_sources() -> None:
    """Rows of mapped sources without a datum are in the map's."""
    city = built(camera("cam-1", 0.0, 0.0, square(0.0, 50.0, 40.0)), datum="GCJ-02")
    table = AdmissionTable.from_city(city)
    source = city.cameras[0]
    rows, _ = admitted(line("detection", "cam-1", at(0.0, 40.0)), table=table)
    assert (rows.x[0] - source.x, rows.y[0] - source.y) == pytest.approx((0.0, 40.0), abs=0.2)


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "canonical"),
    [
        ("pm2_5", "mg/m3", 0.05, 50.0),
        ("co", "ug/m3", 1200.0, 1.2),
        ("temperature", "degF", 212.0, 100.0),
        ("temperature", "K", 273.15, 0.0),
        ("wind_speed", "km/h", 36.0, 10.0),
        ("wind_speed", "kn", 10.0, 5.144),
        ("water_level", "m", 0.21, 210.0),
        ("pressure", "kPa", 101.3, 1013.0),
        ("rain", "mm/min", 0.5, 30.0),
        ("humidity", "1", 0.5, 50.0),
        ("voc", "ppm", 0.2, 200.0),
        ("wind_direction", "deg", 360.0, 0.0),
        ("pm2_5", None, 58.0, 58.0),
    ],
)
def test_readings_come_out_in_canonical_units(quantity: str, unit: str | None, value: float, canonical: float) -> None:
    """Units are converted; without one the map's unit counts."""
    row = the_row(read(quantity=quantity, unit=unit, value=value))
    assert row["value"] == pytest.approx(canonical, abs=1e-3)
    assert row["code"] == Quantity[quantity.upper()]


def test_every_quantity_has_a_measure() -> None:
    """Each has a range, its own unit is converted to itself, and others by a positive factor."""
    for quantity in Quantity:
        assert MEASURES[quantity].low < MEASURES[quantity].high
        assert CONVERSIONS[quantity, MEASURES[quantity].unit] == (1.0, 0.0)
    assert all(scale > 0.0 for scale, _ in CONVERSIONS.values())


def test_lamps_are_packed_by_side_and_movement() -> None:
    """What forbids is red, what flashes flashes, and u-turns have no lamp of their own in the engine."""
    shown = {
        "N": {"left": "red_yellow", "through": "flashing_green"},
        "SW": {"right": "flashing_red", "uturn": "green"},
    }
    lamps = unpack_lamps(np.array([the_row(line("signal", "sig-1", approaches=shown))["lamps"]]))[0]
    lit = {(SIDES[at // 3], MOVEMENTS[at % 3]): Colour(lamps[at]) for at in np.flatnonzero(lamps)}
    assert lit == {("N", "left"): Colour.RED, ("N", "through"): Colour.GREEN, ("SW", "right"): Colour.FLASHING}


def test_reports_keep_their_words() -> None:
    """Each row finds its own text, and one without a text has none."""
    place, words = at(0.0, 0.0), ["fire 着火", "smoke", "fire 着火"]
    told = [line("report", "h", place, datum="WGS-84", text=text) for text in words]
    rows, _ = admitted(*told, line("report", "h", place, datum="WGS-84", text=None), seen())
    assert [rows.notes[note] if note >= 0 else None for note in rows.note.tolist()] == [*words, None, None]


def test_an_envelope_counts_its_rows() -> None:
    """Rows of one record share its offset and are told apart by their number in it."""
    observations = from_lines(dumped([seen(), seen(confidence=2), read()])).observations
    rows, _ = admit(observations, 1, 77, TABLE)
    assert (rows.offset.tolist(), rows.sub.tolist()) == ([77, 77], [0, 2])


def test_the_stamp_of_a_record_is_the_arrival_of_rows_without_one() -> None:
    """A gateway without a clock is stamped by the log; one with a clock keeps its own time."""
    sent = [seen(arrival_time_ms=None), seen(arrival_time_ms=None, event_time_ms=FAR_TIME), seen()]
    observations = from_lines(dumped(sent)).observations
    rows, refused = admit(observations, 0, 0, TABLE, stamp_ms=NOON_MS + 500)
    assert rows.arrival_ms.tolist() == [NOON_MS + 500, NOON_MS]
    assert (refused.row.tolist(), refused.counts()) == ([1], {"clock": 1})


def test_endless_numbers_of_envelopes_are_refused() -> None:
    """No line can bring them, an envelope can; NaN where a number must be is refused too."""
    sent = from_lines(dumped([seen() for _ in range(6)] + [read(), read()])).observations
    inf = math.inf
    common = replace(
        sent.common,
        lon=spoilt(sent.common.lon, {0: inf}),
        position_error_m=spoilt(sent.common.position_error_m, {1: inf}),
    )
    said = sent.detections
    detections = replace(
        said,
        speed_mps=spoilt(said.speed_mps, {2: inf}),
        confidence=spoilt(said.confidence, {3: inf, 5: math.nan}),
        bbox=spoilt(said.bbox, {4: inf}),
    )
    sensors = replace(sent.sensors, value=spoilt(sent.sensors.value, {0: inf, 1: math.nan}))
    _, refused = admit(replace(sent, common=common, detections=detections, sensors=sensors), 0, 0, TABLE)
    assert refused.counts() == {"position": 2, "confidence": 2, "speed": 1, "value": 2}


def spoilt(column: Floats, values: dict[int, float]) -> Floats:
    """A column with other values in some rows."""
    changed = column.copy()
    for row, value in values.items():
        changed[row] = value
    return changed


def test_copies_without_a_number_have_the_same_content_hash() -> None:
    """The arrival is the gateway's; all else that was said is in the hash, the dictionary's order is not."""
    first = seen(seq=None)
    again = {**first, "arrival_time_ms": NOON_MS + 900}
    others = [seen(seq=None, **{name: value}) for name, value in (
        ("track_id", 8), ("track_id", "7"), ("class_", "bus"), ("confidence", 0.81), ("event_time_ms", NOON_MS + 1),
        ("bbox", [972, 359, 19, 17]), ("lon", 117.00001), ("status", "test"),
    )]  # fmt: skip
    others += [line("signal", "sig-1", seq=None), line("signal", "sig-1", seq=None, approaches={"N": {"left": "red"}})]
    one, _ = admitted(first, *others)
    two, _ = admitted(*reversed(others), again)
    assert one.seq[0] == two.seq[-1] >= 0
    assert one.seq.tolist() == two.seq.tolist()[::-1]
    assert len(set(one.seq.tolist())) == one.n


def good(kind: str) -> Line:
    """A plausible line of each kind."""
    off_map = {"datum": "GCJ-02"} if kind == "report" else {}
    return line(
        kind, {"detection": "cam-1", "signal": "sig-1", "sensor": "air-1"}.get(kind, "h"), at(40.0, 40.0), **off_map
    )


@settings(max_examples=40)
@given(
    any_lines,
    st.lists(st.sampled_from(["detection", "signal", "sensor", "report"]), max_size=6),
    st.randoms(),
    st.data(),
)
def test_grouping_changes_no_row(odd: list[Line], kinds: list[str], order: Any, data: st.DataObject) -> None:
    """Rows do not depend on what else was in their batch; admitted and refused add up to all."""
    lines = [*odd, *map(good, kinds)]
    order.shuffle(lines)
    written = dumped(lines)
    cut = data.draw(st.integers(0, len(lines)))
    whole, refused = parsed_and_admitted(written, 0)
    parts = [parsed_and_admitted(written[:cut], 0)[0], parsed_and_admitted(written[cut:], cut)[0]]
    assert whole.n + len(refused.row) == len(lines)
    joined = Rows.concat(parts)
    assert [joined.notes[k] for k in joined.note if k >= 0] == [whole.notes[k] for k in whole.note if k >= 0]
    plain = [Rows(**{**rows.columns(), "note": np.minimum(rows.note, 0)}) for rows in (whole, joined)]
    assert to_bytes(plain[0]) == to_bytes(plain[1])


def parsed_and_admitted(written: list[bytes], first: int) -> tuple[Rows, Refused]:
    """What becomes of lines that start at some line of a file."""
    parsed = from_lines(written, first)
    return admit(parsed.observations, 0, parsed.line, TABLE)


@given(any_lines)
def test_what_is_admitted_is_within_all_limits(lines: list[Line]) -> None:
    """No odd number reaches the engine: columns have their types, and values their ranges."""
    rows, _ = admitted(*lines, seen(), read())
    assert {name: column.dtype for name, column in rows.columns().items()} == SCHEMA
    assert np.isfinite([rows.x, rows.y]).all()
    detection = rows.kind == Kind.DETECTION
    assert ((rows.value[detection] >= 0.0) & (rows.value[detection] <= 1.0)).all()
    assert not (rows.speed < 0.0).any()
    assert not ((rows.heading < 0.0) | (rows.heading >= 360.0)).any()
    assert (rows.seq >= 0).all()
    assert ((rows.note >= -1) & (rows.note < max(len(rows.notes), 1))).all()


def test_no_rows_are_admitted_as_no_rows() -> None:
    """An empty batch, and an empty map, are no special case for the caller."""
    nothing = from_lines([]).observations
    rows, refused = admit(nothing, 0, 0, TABLE)
    assert (rows.n, len(refused.row)) == (0, 0)
    assert admit(Observations.concat([]), 0, 0, AdmissionTable.from_city(built()))[0].n == 0
    lost, refused = admitted(seen(), table=AdmissionTable.from_city(built()))
    assert (lost.n, refused.counts()) == (0, {"datum": 1})
    assert orjson.dumps(refused.counts()) == b'{"datum":1}'
