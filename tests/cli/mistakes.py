"""Mistakes that people make in the files of a site, and the answer that they get from `city-brain check`.

Each spoils one file of a new site (`city-brain init`): `old` becomes `new` in it. `python -m tests.cli.mistakes` prints
mistakes and answers as a table, for people to judge.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.cli.processes import city_brain

MAP, ROWS, RULE, SETTINGS = "city.geojson", "observations.jsonl", "incident-types/gale.yaml", "site.toml"


@dataclass(frozen=True)
class Mistake:
    """A mistake and the parts of its answer: the place behind the file, what is wanted, what is found, nearest word."""

    what: str
    file: str
    old: str
    new: str
    place: str
    wanted: str
    got: str
    near: str | None = None


def spoilt(folder: Path, mistake: Mistake) -> None:
    """Writes the mistake into the file, once."""
    path = folder / mistake.file
    text = path.read_text(encoding="utf-8")
    if mistake.old not in text:
        raise AssertionError(f"{mistake.what}: wanted {mistake.old!r} in {mistake.file}, got none")
    path.write_text(text.replace(mistake.old, mistake.new, 1), encoding="utf-8")


_AT = '"lon":117.1205025,"lat":36.6511835'

MISTAKES = (
    # maps
    Mistake(
        "longitude and latitude swapped", MAP, '"coordinates":[117.1203463,36.6513258]',
        '"coordinates":[36.6513258,117.1203463]', "sensor 'wind-1': geometry",
        "longitude -180 to 180 and latitude -85 to 85", "these look swapped",
    ),
    Mistake("no datum", MAP, '"datum":"WGS-84",', "", "datum", "one of WGS-84, CGCS2000, GCJ-02, BD-09", "nothing"),
    Mistake("datum misspelt", MAP, '"WGS-84"', '"GCJ-20"', "datum", "one of WGS-84", "'GCJ-20'", "GCJ-02"),
    Mistake(
        "polygon not closed", MAP, "[117.1199992,36.6512808],[117.1199992,36.6511192]]", "[117.1199992,36.6512808]]",
        "intersection 'junction-1': geometry", "a closed ring", "different first and last positions",
    ),
    Mistake(
        "an id twice", MAP, '"id":"sig-1"', '"id":"wind-1"', "signal 'wind-1': id", "an id of its own",
        "sensor 'wind-1'",
    ),
    Mistake("sensor without a unit", MAP, '"unit":"m/s",', "", "sensor 'wind-1': unit", "a text", "nothing"),
    Mistake(
        "kind misspelt", MAP, '"kind":"camera"', '"kind":"Camra"', "feature 'cam-1': kind", "one of area, camera",
        "'Camra'", "camera",
    ),
    Mistake(
        "a number as text", MAP, '"period_s":5.0', '"period_s":"5"', "sensor 'wind-1': period_s",
        "a number from 0.001 to 31536000 s", "'5'",
    ),
    Mistake(
        "signal of no junction", MAP, '"intersection":"junction-1"', '"intersection":"junction1"',
        "signal 'sig-1': intersection", "the id of an intersection on the map", "'junction1'", "junction-1",
    ),
    Mistake(
        "property misspelt", MAP, '"width_m":3.5', '"widht_m":3.5', "lane 'lane-N-in': width_m",
        "a number from 0.5 to 30 m", "nothing, but 'widht_m'",
    ),
    Mistake(
        "speed limit in km/h, too high", MAP, '"speed_limit_mps":13.89', '"speed_limit_mps":120', "speed_limit_mps",
        "a number from 0.1 to 100 m/s", "120",
    ),
    Mistake(
        "geometry of the wrong type", MAP, '"geometry":{"type":"Point"', '"geometry":{"type":"Polygon"',
        "sensor 'wind-1': geometry", "a geometry of type Point", "type 'Polygon'",
    ),
    Mistake(
        "quantity of a sensor misspelt", MAP, '"quantity":"wind_speed"', '"quantity":"windspeed"',
        "sensor 'wind-1': quantity", "one of pm2_5", "'windspeed'", "wind_speed",
    ),
    Mistake(
        "unit of a sensor misspelt", MAP, '"unit":"m/s"', '"unit":"kmh"', "sensor 'wind-1': unit",
        "a unit of wind_speed: m/s, km/h", "'kmh'", "km/h",
    ),
    Mistake("cut off", MAP, "\n]}", "\n", "", "a GeoJSON FeatureCollection", "a file that ends too early"),
    # rows
    Mistake(
        "seconds instead of milliseconds", ROWS, '"event_time_ms":1790208000000', '"event_time_ms":1790208000',
        "line 1: event_time_ms", "at most 600 s from its arrival, 1790208000300",
        "1790208000; these look like seconds",
    ),
    Mistake(
        "position swapped", ROWS, _AT, '"lon":36.6511835,"lat":117.1205025', "lon, lat", "ranges of the camera",
        "these look swapped",
    ),
    Mistake(
        "no source", ROWS, '"source_id":"sig-1",', "", "line 1: source_id", "a text of 1 to 256 characters",
        "nothing",
    ),
    Mistake(
        "source under another name", ROWS, '"source_id":"wind-1"', '"sourceId":"wind-1"', "line 2: source_id",
        "a text of 1 to 256", 'nothing, but "sourceId"',
    ),
    Mistake(
        "kind misspelt", ROWS, '"kind":"sensor"', '"kind":"Sensors"', "line 2: kind",
        "one of detection, signal, sensor", '"Sensors"', "sensor",
    ),
    Mistake("a number as text", ROWS, '"value":4.1', '"value":"4.1"', "line 2: payload.value", "a number", '"4.1"'),
    Mistake(
        "NaN", ROWS, '"value":4.1', '"value":NaN', "line 2", "JSON, in which what is not a number is left out", "NaN",
    ),
    Mistake(
        "time without its offset", ROWS, '"event_time_ms":1790208000000', '"event_time_ms":"2026-09-24T08:00:00"',
        "line 1: event_time_ms", "RFC 3339 with its offset", '"2026-09-24T08:00:00"',
    ),
    Mistake(
        "confidence in per cent", ROWS, '"confidence":0.9', '"confidence":90', "payload.confidence",
        "a number from 0 to 1", "90",
    ),
    Mistake(
        "quantity misspelt", ROWS, '"quantity":"wind_speed"', '"quantity":"windspeed"', "line 2: payload.quantity",
        "one of pm2_5", '"windspeed"', "wind_speed",
    ),
    Mistake(
        "unit of another quantity", ROWS, '"unit":"m/s"', '"unit":"kmh"', "line 2: payload.unit",
        "a unit of wind_speed: m/s, km/h", '"kmh"', "km/h",
    ),
    Mistake(
        "two lines in one", ROWS, "}}}}\n{", "}}}}{", "line 1", "an observation as JSON", "is a line feed missing?",
    ),
    Mistake(
        "source that is not on the map", ROWS, '"source_id":"wind-1"', '"source_id":"wind-01"', "line 2: source_id",
        "a source of the map", '"wind-01"', "wind-1",
    ),
    Mistake(
        "lamp of another colour", ROWS, '"left":"red"', '"left":"rd"', "line 1: payload.approaches",
        "red, yellow, green", '"rd"', "red",
    ),
    # rules
    Mistake(
        "unknown primitive", RULE, "detector: threshold", "detector: treshold", "detector",
        "one of congestion, coverage_lost", "'treshold'", "threshold",
    ),
    Mistake("negative duration", RULE, "hold_s: 0", "hold_s: -30", "hold_s", "a number from 0 to 86400", "-30"),
    Mistake(
        "threshold as text", RULE, "limit: 17.2", 'limit: "17.2"', "parameters.limit", "a number",
        "'17.2', which is a text: write it without quotes",
    ),
    Mistake("tab for indentation", RULE, "  side: above", "\tside: above", "line 7", "spaces before the key", "a tab"),
    Mistake("indentation", RULE, "  side: above", "    side: above", "line 7", "YAML", "'side: above"),
    Mistake(
        "no, unquoted", RULE, 'zh: "{place}大风"', "zh: no", "headline.zh", "a text",
        "false, which is no text: yes, no, on, off, true and false want quotes",
    ),
    Mistake(
        "parameter misspelt", RULE, "lasts_s:", "last_s:", "parameters.last_s", "one of quantity, side, limit",
        "'last_s'", "lasts_s",
    ),
    Mistake(
        "quantity misspelt", RULE, "quantity: wind_speed", "quantity: wind_sped", "parameters.quantity",
        "one of camera_down", "'wind_sped'", "wind_speed",
    ),
    Mistake("a level that is none", RULE, "{level: I,", "{level: 1,", "levels[0].level", "one of I, II, III, IV", "1"),
    Mistake(
        "thresholds the wrong way round", RULE, "close_log_odds: -1.0", "close_log_odds: 3", "open_log_odds",
        "close_log_odds <= suspect_log_odds <= open_log_odds", "3, 0, 2.2",
    ),
    Mistake(
        "placeholder misspelt", RULE, "Gale at {place}", "Gale at {palce}", "headline.en", "{place}", "{palce}",
        "place",
    ),
    Mistake(
        "unit forgotten in a key", RULE, "join_radius_m: 400", "join_radius: 400", "join_radius",
        "one of type, version", "'join_radius'", "join_radius_m",
    ),
    Mistake("field missing", RULE, "close_gap_s: 30\n", "", "close_gap_s", "a number from 0 to 86400", "nothing"),
    # settings
    Mistake(
        "key misspelt", SETTINGS, 'address = "127.0.0.1:50550"', 'adress = "127.0.0.1:50550"', "[feed]",
        "one of address, tls_certificate", "'adress'", "address",
    ),
    Mistake("syntax", SETTINGS, 'city = "', 'city "', "line 2, column 6", "TOML", "expected '=' after a key"),
    Mistake(
        "unknown zone", SETTINGS, "Asia/Shanghai", "Asia/Shanghia", "time_zone", "a name as the IANA has it",
        "'Asia/Shanghia'", "Asia/Shanghai",
    ),
    Mistake(
        "port out of range", SETTINGS, "127.0.0.1:50550", "127.0.0.1:505500", "[feed]: address",
        "a port from 0 to 65535", "505500 in '127.0.0.1:505500'",
    ),
    Mistake(
        "no port", SETTINGS, "127.0.0.1:50550", "127.0.0.1", "[feed]: address", "host:port, [ipv6]:port or unix:path",
        "'127.0.0.1'",
    ),
    Mistake(
        "path that does not exist", SETTINGS, "[feed]", '[feed]\ntls_certificate = "city.pem"',
        "[feed]: tls_certificate", "a file that is there", "city.pem",
    ),
    Mistake(
        "key in the wrong table", SETTINGS, "[http]", "[http]\npartitions = 4", "[http]", "one of address",
        "'partitions', which belongs above the first [table]",
    ),
    Mistake(
        "number as text", SETTINGS, "[feed]", '[ticks]\ntick_ms = "1000"\n[feed]', "[ticks]: tick_ms",
        "a whole number", "'1000', which is a text: write it without quotes",
    ),
    Mistake(
        "no partition", SETTINGS, "[feed]", "partitions = 0\n[feed]", "partitions", "a whole number of at least 1",
        "0",
    ),
    Mistake("table misspelt", SETTINGS, "[http]", "[htpp]", "", "one of city, time_zone", "'htpp'", "http"),
    Mistake(
        "camera that is not on the map", SETTINGS, "[feed]",
        '[video.cameras.cam1]\naddress = "rtsp://10.0.0.1/"\n[feed]', "[video.cameras]", "cameras of the map",
        "'cam1'", "cam-1",
    ),
    Mistake(
        "unknown type of a department", SETTINGS, "[feed]", "[kafka.departments.fire]\ntypes = ['gael']\n[feed]",
        "[kafka.departments.fire]: types", "incident types of this site", "'gael'", "gale",
    ),
    Mistake(
        "negative tick", SETTINGS, "[feed]", "[ticks]\ntick_ms = -1000\n[feed]", "[ticks]: tick_ms",
        "a positive number of milliseconds", "-1000",
    ),
)  # fmt: skip


def answered(folder: Path, mistake: Mistake) -> tuple[int, list[dict[str, str]]]:
    """Exit code and faults."""
    spoilt(folder, mistake)
    files = (folder, folder / ROWS) if mistake.file == ROWS else (folder,)
    told = city_brain("check", *files, "--json")
    faults = [fault for one in msgspec.json.decode(told.out)["files"] for fault in one["faults"]]
    return told.code, faults


def main() -> None:
    """Prints the table."""
    print("| mistake | answer |\n| --- | --- |")
    for mistake in MISTAKES:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "site"
            city_brain("init", folder)
            _, faults = answered(folder, mistake)
            cell = "<br>".join(fault["message"].replace(f"{folder}/", "") for fault in faults).replace("|", "\\|")
            print(f"| {mistake.file.split('/')[-1]}: {mistake.what} | {cell} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
