"""The mission succeeds as it is run by hand, and its checks cry out where something is wrong."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from city_brain.canonical import canonical_json
from city_brain.city.city_map import CityMap
from city_brain.incidents.hypothesis import LogPosition
from city_brain.incidents.incident import Evidence, Incident, incident_line
from city_brain.incidents.incident_type import load_incident_types
from city_brain.scoring import Truth
from city_brain.scoring.records import TrueIncident
from tests.chaos.checker import Verdict
from tests.chaos.oracle import Wanted
from tests.city import city_maps
from tests.feeds.builders import START_MS, an_incident, evidence
from tests.house import ROOT
from tests.kafka.jars import need_java
from tests.mission import checks
from tests.mission.films import Drawn

PATIENCE_S = 300.0
CAMERA, BANG, LAMP = (
    evidence("abrupt_stop", ("cam-1",), 2.0),
    evidence("bang_fits", ("mic-2",), 2.5),
    evidence("own_lamp_green", ("sig-5",), 0.0),
)


def _city() -> CityMap:
    corners = city_maps.square(0, 0, 10)
    return city_maps.built(
        city_maps.camera("cam-1", 0, 0, corners),
        city_maps.intersection("int-5", corners),
        city_maps.signal("sig-5", "int-5"),
        city_maps.sensor("mic-2", 5, 5),
    )


def _crash(**said: Any) -> Incident:
    return an_incident(**{"evidence": (CAMERA, BANG, LAMP), "confidence": 0.98, **said})


def _truth(metres_east: float, after_s: float, kind: str = "crash") -> Truth:
    there = city_maps.degrees(metres_east, 0.0)
    start = START_MS - round(1000 * after_s)
    return Truth(1, START_MS, START_MS, (TrueIncident("T1", kind, start, start, start, *there, 5.0),), ())


def test_an_incident_of_two_kinds_of_evidence_is_not_the_one() -> None:
    """All three must speak, and of those in which they do the surest active one is shown."""
    city = _city()
    two = _crash(evidence=(CAMERA, BANG), confidence=0.99)
    over = _crash(state="ended", confidence=0.99)
    sure, surer = _crash(confidence=0.95), _crash(incident_id="b", confidence=0.97)
    assert checks.chosen([two, over, sure, surer], city, "cam-1") == surer
    assert checks.chosen([two, over], city, "cam-1") is None
    assert checks.chosen([sure, surer], city, "cam-2") is None, "another camera tells of them"
    assert checks.of_evidence(sure, city).holds
    assert "wanted camera, signal and sensor, got camera cam-1" in str(checks.of_evidence(two, city))


def test_a_person_is_no_device() -> None:
    """A source that is on no map is a report, and counts for none of the kinds."""
    told = _crash(evidence=(CAMERA, LAMP, evidence("report", ("source:0123456789abcdef",), 1.0)))
    assert list(checks.sources_by_kind(told, _city())) == ["camera", "signal"]


def test_a_position_in_another_topic_is_seen() -> None:
    """What a camera saw stands in the log of detections, what a sensor heard in that of readings."""
    places = [("video.detections", 0), ("signal.states", 0), ("sensor.readings", 0)]

    def holds(camera: int, sensor: int) -> bool:
        saw = msgspec.structs.replace(CAMERA, rows=((camera, 17, 0),))
        heard = msgspec.structs.replace(BANG, rows=((sensor, 4, 1),))
        return checks.of_positions(_crash(evidence=(saw, heard, LAMP)), _city(), places).holds

    assert holds(0, 2)
    assert not holds(2, 0)
    assert not holds(0, 1)
    assert not checks.of_positions(_crash(), _city(), places).holds, "there are none"


def test_a_row_that_is_not_from_pixels_is_seen() -> None:
    """All rows of cameras must be those of the film's camera, as they lie in the topic, and none may be missing."""
    saw = evidence("abrupt_stop", ("cam-film",), 2.0, rows=((0, 17, 0), (0, 19, 3)))
    heard = msgspec.structs.replace(BANG, rows=((2, 4, 1),))
    corners = city_maps.square(0, 0, 10)
    city = city_maps.built(
        city_maps.camera("cam-film", 0, 0, corners), city_maps.camera("cam-1", 0, 0, corners),
        city_maps.sensor("mic-2", 5, 5),
    )  # fmt: skip
    stored = {(0, 17, 0), (0, 18, 0), (0, 19, 3)}

    def check(*said: Evidence, told: int = 3, stored: set[LogPosition] = stored) -> checks.Check:
        return checks.of_pixels(_crash(evidence=said), city, stored, told, Drawn())

    assert check(saw, heard).holds
    assert "2 rows of cam-film, at offsets 17, 19 of video.detections" in check(saw, heard).got
    assert not check(saw, heard, told=4).holds
    assert not check(saw, heard, stored={(0, 17, 0), (0, 18, 0), (0, 19, 2)}).holds
    assert not check(saw, heard, msgspec.structs.replace(CAMERA, rows=((0, 18, 0),))).holds
    assert not check(heard).holds


@pytest.mark.parametrize("said", [{"state": "suspected"}, {"confidence": 0.5}, {"level": None}])
def test_a_mere_suspicion_is_no_alarm(said: dict[str, Any]) -> None:
    """State, confidence and level must all be those of an announced crash."""
    types = load_incident_types()
    assert checks.of_belief(_crash(), types).holds
    assert not checks.of_belief(_crash(**said), types).holds


def test_one_byte_that_differs_is_seen() -> None:
    """The revision must stand in the log of one process as it came over gRPC, once."""
    line = incident_line(_crash(revision=2))
    wanted = Wanted(lines={7: b'{"incidents":[%s],"tick":7}' % line, 8: canonical_json({"incidents": [], "tick": 8})})
    assert checks.of_bytes(_crash(revision=2), wanted).holds
    assert not checks.of_bytes(_crash(revision=2, lon=117.0000001), wanted).holds
    assert not checks.of_bytes(_crash(revision=3), wanted).holds


def test_an_explanation_of_another_revision_is_seen() -> None:
    incident = _crash()
    assert checks.of_explanation(incident, incident, "0611-001 Crash\n").holds
    assert not checks.of_explanation(incident, _crash(revision=2), "0611-001 Crash\n").holds
    assert not checks.of_explanation(incident, incident, "0611-002 Crash\n").holds


@pytest.mark.parametrize(
    ("truth", "holds"),
    [
        (_truth(9.0, 59.0), True),
        (_truth(11.0, 0.0), False),
        (_truth(0.0, 61.0), False),
        (_truth(0.0, 0.0, "fire"), False),
    ],
)
def test_what_did_not_happen_there_and_then_is_not_true(truth: Truth, holds: bool) -> None:
    assert checks.of_truth(_crash(), truth).holds is holds


def test_topics_that_differ_and_rows_that_are_missing_are_seen() -> None:
    verdict = Verdict(rows={"read": 5, "used": 4, "quarantined.clock": 1, "late": 2})
    assert all(check.holds for check in checks.of_topics(verdict, Wanted()))
    verdict.rows["used"] = 3
    verdict.differences.append("incidents: ticks lost: 7")
    assert [check.holds for check in checks.of_topics(verdict, Wanted())] == [False, False]
    assert not checks.of_programs(["fuse-0 ended with 70"]).holds


@pytest.mark.slow
def test_the_mission_succeeds() -> None:
    """As `make mission` runs it: a broker of its own, and a process for each program."""
    need_java()
    done = subprocess.run(
        [sys.executable, "-m", "tests.mission"], cwd=ROOT, check=False, capture_output=True, timeout=PATIENCE_S
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, out + err
    assert "own lamp was green" in out
    assert out.count("\n  ok ") == 13
