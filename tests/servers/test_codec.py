"""Codecs: an incident survives the way to a message and back, and what is no incident is refused."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import ServiceError
from city_brain.feeds.filters import Circle, Polygon, Wanted
from city_brain.feeds.heartbeat import AreaReadiness, BlindArea, Heartbeat
from city_brain.incidents.incident import Evidence, Incident, MultiLineString, Place
from city_brain.servers.codec.feeds import (
    heartbeat_from_proto,
    heartbeat_to_proto,
    wanted_from_proto,
    wanted_to_proto,
)
from city_brain.servers.codec.incidents import incident_from_proto, incident_id_of, incident_to_proto
from city_brain.wire.feed.v1 import feed_pb2
from city_brain.wire.incident.v1 import incident_pb2
from tests.feeds.builders import START_MS, a_heartbeat, an_incident

TEXT = st.text(max_size=8)
NAME = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
NAMES = st.lists(NAME, max_size=3).map(tuple)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MOMENT = st.integers(-(10**12), 10**13)
LINE = st.lists(st.tuples(NUMBER, NUMBER), min_size=2, max_size=4).map(tuple)
FACT = st.one_of(TEXT, st.integers(-(2**53), 2**53), NUMBER, st.booleans())
EVIDENCE = st.builds(
    Evidence,
    what=NAME,
    sources=NAMES,
    weight=NUMBER,
    first_ms=MOMENT,
    last_ms=MOMENT,
    distance_m=st.none() | NUMBER,
    rows=st.lists(
        st.tuples(st.integers(0, 2**15 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1)), max_size=3
    ).map(tuple),
    note=st.dictionaries(TEXT, FACT, max_size=3),
    rule=NAME,
    version=st.integers(1, 100),
)
INCIDENT = st.builds(
    Incident,
    incident_id=NAME,
    revision=st.integers(1, 2**62),
    number=TEXT,
    type=NAME,
    status=st.sampled_from(["actual", "exercise", "test", "replay"]),
    state=st.sampled_from(["suspected", "active", "ended", "withdrawn"]),
    reason=st.none() | TEXT,
    confidence=NUMBER,
    level=st.sampled_from([None, "I", "II", "III", "IV"]),
    lon=NUMBER,
    lat=NUMBER,
    position_error_m=NUMBER,
    radius_m=st.none() | NUMBER,
    geometry=st.none() | st.builds(MultiLineString, coordinates=st.lists(LINE, max_size=2).map(tuple)),
    first_seen_ms=MOMENT,
    detected_ms=st.none() | MOMENT,
    updated_ms=MOMENT,
    ended_ms=st.none() | MOMENT,
    sources=NAMES,
    place=st.builds(
        Place,
        intersection=st.none() | TEXT,
        road=st.none() | TEXT,
        area_codes=NAMES,
        names=st.dictionaries(TEXT, TEXT, max_size=2),
    ),
    evidence=st.lists(EVIDENCE, max_size=3).map(tuple),
)
AREA = st.one_of(
    st.none(),
    st.builds(Circle, NUMBER, NUMBER, NUMBER),
    st.builds(Polygon, st.lists(st.tuples(NUMBER, NUMBER), max_size=4).map(tuple)),
)
WANTED = st.builds(
    Wanted,
    types=NAMES,
    states=st.lists(st.sampled_from(["suspected", "active", "ended", "withdrawn"]), max_size=3).map(tuple),
    minimum_level=st.sampled_from(["", "I", "II", "III", "IV"]),
    minimum_confidence=NUMBER,
    area_codes=NAMES,
    area=AREA,
)


@given(INCIDENT)
def test_an_incident_survives_the_way_there_and_back(incident: Incident) -> None:
    """Through the bytes of the message, every field the same, absent ones absent."""
    data = incident_to_proto(incident).SerializeToString()
    assert incident_from_proto(incident_pb2.Incident.FromString(data)) == incident


@given(st.binary(max_size=64))
def test_what_is_no_incident_is_refused(data: bytes) -> None:
    """Whatever parses as a message becomes an incident or a ServiceError, never another exception."""
    message = incident_pb2.Incident()
    try:
        message.ParseFromString(data)
    except Exception:  # noqa: BLE001 - garbage that protobuf itself refuses is not what is tested here
        return
    try:
        incident_from_proto(message)
    except ServiceError:
        return
    assert message.incident_id


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("incident_id", "other", "wanted the name incidents/{id}"),
        ("status", 0, "status: wanted one of actual"),
        ("state", 9, "state: wanted one of suspected, active, ended, withdrawn, got value 9"),
        ("level", 9, "level: wanted one of I, II, III, IV, got value 9"),
    ],
)
def test_a_message_of_another_version_is_refused_by_field(field: str, value: object, said: str) -> None:
    """What this version does not know is named, not guessed."""
    message = incident_to_proto(an_incident())
    setattr(message, field, value)
    with pytest.raises(ServiceError, match=said):
        incident_from_proto(message)


@pytest.mark.parametrize("field", ["position", "first_seen_time", "update_time"])
def test_an_incomplete_message_is_refused(field: str) -> None:
    """A default must not pass for a place or a time."""
    message = incident_to_proto(an_incident())
    message.ClearField(field)
    with pytest.raises(ServiceError, match=f"wanted {field}, got none"):
        incident_from_proto(message)


@given(WANTED)
def test_a_filter_survives_the_way_there_and_back(wanted: Wanted) -> None:
    """What the reader asks is what the server checks."""
    data = wanted_to_proto(wanted).SerializeToString()
    assert wanted_from_proto(feed_pb2.IncidentFilter.FromString(data)) == wanted


def test_a_heartbeat_survives_the_way_there_and_back() -> None:
    """With and without blind areas, and before the first tick."""
    blind = BlindArea(source_id="cam-9", name="Jing 7 Rd", lon=117.0, lat=36.6, radius_m=80.0, silent_since_ms=START_MS)
    never_spoke = BlindArea(source_id="cam-8", name="", lon=117.0, lat=36.6, radius_m=80.0)
    ready = AreaReadiness(
        area_code="370102", name="历下区", level="II", event="暴雨", event_codes=("11B03",), headline="暴雨橙色预警",
        sender="37010041600000", identifier="37010041600000_20260826160913", from_ms=START_MS, until_ms=START_MS + 9,
    )  # fmt: skip
    plain = AreaReadiness(
        area_code="jinan", name="", level=None, event="fog", sender="s", identifier="i", from_ms=0, until_ms=1
    )
    warned = a_heartbeat(readiness=(ready, plain), readiness_total=7)
    for heartbeat in (None, a_heartbeat(), a_heartbeat(blind_areas=(blind, never_spoke)), warned):
        assert heartbeat_from_proto(heartbeat_to_proto(7, "jinan-1", heartbeat)) == (7, "jinan-1", heartbeat)


def test_a_heartbeat_lists_the_largest_blind_areas_and_counts_all() -> None:
    """A city where much is blind does not send a map with every sign of life."""
    area = BlindArea(source_id="cam-9", name="", lon=117.0, lat=36.6, radius_m=80.0)
    heartbeat = Heartbeat(log_time_ms=START_MS, sources_live=0, sources_silent=150, blind_areas=(area,) * 150)
    message = heartbeat_to_proto(7, "jinan-1", heartbeat)
    assert (len(message.blind_areas), message.blind_areas_total) == (100, 150)


@pytest.mark.parametrize(
    ("name", "incident_id"),
    [("incidents/a1", "a1"), ("a1", None), ("incidents/", None), ("incidents/a/b", None), ("cities/a1", None)],
)
def test_resource_names_are_read_strictly(name: str, incident_id: str | None) -> None:
    """Only `incidents/{incident_id}` names an incident."""
    assert incident_id_of(name) == incident_id
