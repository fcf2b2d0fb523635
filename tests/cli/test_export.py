"""`export` and `cap` as processes: others read what they write, and what is wrong is told and changes nothing."""

from pathlib import Path

import msgspec
import pytest
import xmlschema

from city_brain.city.loading import city_to_geojson
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.times import rfc3339
from city_brain.incidents.incident import Incident, incident_line, read_incident
from city_brain.incidents.tick_record import TickRecord
from city_brain.observations.json_twin import from_lines
from tests.city.city_maps import area, built, square
from tests.cli.processes import city_brain
from tests.formats.samples import OFFSETS, revision, warning
from tests.house import ROOT

BLESSED = ROOT / "tests/golden/street/incidents.jsonl"
LIFE = (
    revision(1, state="suspected", detected_ms=None, level=None),
    revision(2),
    revision(3, confidence=0.99),
    revision(4, state="withdrawn", reason="faded"),
)


@pytest.fixture
def incidents(tmp_path: Path) -> Path:
    """A file with the life of one incident."""
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(lines(*LIFE))
    return path


def lines(*revisions: Incident) -> bytes:
    """Canonical lines."""
    return b"".join(incident_line(incident) + b"\n" for incident in revisions)


def ticks(*revisions: Incident) -> bytes:
    """The same in tick records, with quiet ticks between them."""
    said = b""
    for tick, incident in enumerate(revisions):
        for at, told in ((2 * tick, ()), (2 * tick + 1, (incident_line(incident),))):
            record = TickRecord(tick=at, due_ms=1000 * at, city="x", versions={}, counters={}, lines=told)
            said += record.to_line() + b"\n"
    return said


def test_alerts_are_files_that_the_schema_takes(incidents: Path, tmp_path: Path, shared: Path) -> None:
    """A file for each announced revision, named by its identifier: Alert, Update, Cancel."""
    out = tmp_path / "alerts"
    done = city_brain("export", incidents, "--format", "cap", "--out", out, "--adcode", "370100", "--json")
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out) == {
        "format": "cap", "out": str(out), "revisions": 4, "incidents": 1, "written": 3,
    }  # fmt: skip
    schema = xmlschema.XMLSchema(shared / "data/cap/cap12.xsd")
    files = sorted(out.iterdir())
    for file in files:
        schema.validate(file.read_bytes().decode())
    alerts = [read_alert(file.read_bytes()) for file in files]
    assert [alert.message_type for alert in alerts] == ["Alert", "Update", "Cancel"]
    assert [file.name for file in files] == [f"{alert.identifier}.cap" for alert in alerts]


def test_ticks_are_read_as_incidents_are(incidents: Path, tmp_path: Path) -> None:
    """From a file and from standard input, byte for byte."""
    words = ("--format", "cloudevents", "--adcode", "370100")
    said = city_brain("export", incidents, *words)
    assert said.code == 0, said.err
    assert said.err == "4 events, from 4 revisions of 1 incident\n"
    assert city_brain("export", "-", *words, given=ticks(*LIFE)).out == said.out
    (tmp_path / "ticks.jsonl").write_bytes(ticks(*LIFE))
    out = tmp_path / "events.jsonl"
    assert city_brain("export", tmp_path / "ticks.jsonl", *words, "--out", out).code == 0
    assert out.read_text(encoding="utf-8") == said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "incidents.jsonl", "ticks.jsonl"]


def test_a_map_holds_the_last_revision_of_each(incidents: Path) -> None:
    done = city_brain("export", BLESSED, "--format", "geojson", "--zone", "UTC")
    features = msgspec.json.decode(done.out)["features"]
    blessed = map(read_incident, BLESSED.read_bytes().splitlines())
    told = {feature["id"]: feature["properties"]["revision"] for feature in features}
    assert told == {incident.incident_id: incident.revision for incident in blessed}
    assert features[0]["properties"]["began"].endswith("+00:00")
    one = msgspec.json.decode(city_brain("export", incidents, "--format", "geojson").out)["features"]
    assert [feature["properties"]["state"] for feature in one] == ["withdrawn"]


def test_a_map_or_a_site_gives_the_code_of_the_city(incidents: Path, tmp_path: Path) -> None:
    """The largest area, unless the site says who speaks."""
    site = tmp_path / "site"
    site.mkdir()
    city = built(area("j", square(0, 0, 5000), "370100"), area("l", square(0, 0, 100), "370102"))
    (site / "city.geojson").write_bytes(city_to_geojson(city))
    words = ("export", incidents, "--format", "cloudevents")
    for option in (("--map", site / "city.geojson"), ("--site", site)):
        done = city_brain(*words, *option)
        assert done.code == 0, done.err
        assert '"source":"/cities/370100"' in done.out
    (site / "site.toml").write_text('time_zone = "UTC"\n[issuer]\nadcode = "370200"\ntrade = "416"\n', encoding="utf-8")
    done = city_brain(*words, "--site", site)
    assert '"source":"/cities/370200"' in done.out
    assert '+00:00","type"' in done.out
    assert '"source":"/cities/370300"' in city_brain(*words, "--site", site, "--adcode", "370300").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--format", "cap", "--adcode", "370100"), 2, "--out: wanted a folder for the alerts"),
        (("--format", "cap", "--out", "OUT"), 2, "--adcode: wanted the code of the city, or --map or --site"),
        (("--format", "cap", "--out", "OUT", "--adcode", "37"), 2, "issuer: adcode: wanted 6 digits, got '37'"),
        (("--format", "cloudevents", "--out", "OUT"), 2, "--adcode: wanted the code of the city"),
        (("--format", "geojson", "--site", "absent"), 2, "--site absent: wanted a site folder, got none"),
        (("--format", "geojson", "--types", "absent"), 2, "--types absent: wanted a folder"),
        (("--format", "geojson", "--zone", "Mars"), 2, "time zone: wanted a name"),
        (("--format", "kml"), 2, "kml"),
        (("--format", "geojson", "--out", "/nowhere/x"), 2, "/nowhere/x: wanted a place to write, got: No such file"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_written(
    incidents: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = city_brain("export", incidents, *(str(tmp_path / "out") if word == "OUT" else word for word in words))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert list(tmp_path.iterdir()) == [incidents]


def test_what_is_read_is_not_written_over(incidents: Path) -> None:
    done = city_brain("export", incidents, "--format", "geojson", "--out", incidents)
    assert done.code == 2
    assert incidents.read_bytes() == lines(*LIFE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lines(LIFE[1]) + b"\n{}\n", "- line 3: wanted one revision of an incident"),
        (ticks(LIFE[1]) + b'{"city":1}\n', "- line 3: wanted one line of a tick"),
        (lines(revision(type="sink_hole")), "incident type: wanted one of"),
        (b"\xff\xfe\n", "- line 1: wanted one revision of an incident"),
    ],
)
def test_a_line_that_is_no_incident_is_told_by_its_number(given: bytes, said: str) -> None:
    done = city_brain("export", "-", "--format", "geojson", given=given)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_a_revision_that_comes_twice_is_told(tmp_path: Path) -> None:
    words = ("export", "-", "--format", "cap", "--adcode", "370100", "--out", tmp_path / "out")
    done = city_brain(*words, given=lines(LIFE[1], LIFE[1]))
    assert done.code == 1
    assert "wanted an identifier of its own, got one twice" in done.err


def test_an_absent_file_is_a_wrong_word() -> None:
    done = city_brain("export", "absent", "--format", "geojson")
    assert done.code == 2
    assert done.err == "city-brain: absent: wanted a file of incidents, got: No such file or directory\n"


def test_check_tells_what_a_warning_says(tmp_path: Path) -> None:
    file = tmp_path / "rain.cap"
    file.write_bytes(warning())
    done = city_brain("cap", "check", file)
    assert done.code == 0, done.err
    for words in (
        "Actual Alert 37010041600000_20260826160913 of 37010041600000",
        "暴雨 (11B03): level II, severity Severe",
        "from 2026-08-26T16:09:13+08:00 until 2026-08-27T16:09:13+08:00",
        "济南市: 370100000000, 1 polygon, 1 circle",
    ):
        assert words in done.out
    past = city_brain("cap", "check", "-", given=warning((">Expected<", ">Past<"))).out
    assert "level II, severity Severe, over\n" in past
    told = msgspec.json.decode(city_brain("cap", "check", "-", "--json", given=warning()).out)
    assert (told["file"], told["readiness"][0]["level"], told["references"]) == ("-", "II", [])


def test_check_reads_what_export_writes(incidents: Path, tmp_path: Path) -> None:
    out = tmp_path / "alerts"
    assert city_brain("export", incidents, "--format", "cap", "--out", out, "--adcode", "370100").code == 0
    done = city_brain("cap", "check", *sorted(out.iterdir()))
    assert (done.code, done.err) == (0, "")
    assert done.out.count("交通事故 (crash): level III") == 3
    assert done.out.count("refers to 37010000000000_") == 3


def test_check_exits_with_1_where_a_warning_is_refused(tmp_path: Path) -> None:
    """And reads the others all the same."""
    good, bad = tmp_path / "good.cap", tmp_path / "bad.cap"
    good.write_bytes(warning())
    bad.write_bytes(b"<!DOCTYPE x><x/>")
    done = city_brain("cap", "check", bad, good)
    assert done.code == 1
    assert done.err.startswith(f"city-brain: {bad}: wanted XML without document type and entities, got DTDForbidden")
    assert "level II" in done.out
    assert city_brain("cap", "check", tmp_path / "absent.cap").code == 2


def test_record_makes_a_line_of_each_warning(tmp_path: Path) -> None:
    """As they came, with an arrival where one is given; what is refused gives none, and exit code 1."""
    good, bad = tmp_path / "good.cap", tmp_path / "bad.cap"
    good.write_bytes(b"\xef\xbb\xbf" + warning())
    bad.write_bytes(b"<!DOCTYPE x><x/>")
    arrival = ("--arrival", "2026-08-26T16:10:00+08:00")
    done = city_brain("cap", "record", good, bad, "-", *arrival, given=warning())
    assert done.code == 1
    assert done.err.startswith(f"city-brain: {bad}: wanted XML without document type")
    parsed = from_lines(done.out.encode().splitlines())
    assert [found.cap for found in parsed.warnings] == [warning()] * 2
    assert {rfc3339(found.arrival_ms, OFFSETS) for found in parsed.warnings} == {arrival[1]}
    assert "arrival" not in city_brain("cap", "record", good).out
    wrong = city_brain("cap", "record", good, "--arrival", "noon")
    assert (wrong.code, wrong.out) == (2, "")
    assert "--arrival: wanted a time such as" in wrong.err
