"""Incidents as CloudEvents and GeoJSON, read by the libraries of others."""

import json
import math
from typing import Any

import geojson
import pytest
import shapely
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from city_brain.canonical import canonical_json
from city_brain.errors import RuleError, SettingsError
from city_brain.formats.cloudevents import STRUCTURED, kafka_binary, structured
from city_brain.formats.geojson import feature_collection
from city_brain.incidents.incident import MultiLineString, incident_line
from tests.formats.samples import LINES, OFFSETS, PLACE, TYPES, all_kinds, revision

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "01hqz/3",
    "source": "/cities/370100",
    "type": "citybrain.incident.active",
    "subject": "01hqz",
    "time": "2026-05-29T04:27:10+08:00",
    "partitionkey": "01hqz",
}


def from_json(line: bytes) -> BaseCloudEvent:
    """An event in its structured form, as its own library reads it."""
    headers = {"content-type": STRUCTURED.encode()}
    return from_structured(KafkaMessage(headers=headers, key=None, value=line), JSONFormat())


def told(event: BaseCloudEvent) -> dict[str, str]:
    """Its attributes, the time as it is written."""
    said = dict(event.get_attributes())
    return {**said, "time": said["time"].isoformat()}


def test_an_event_is_read_by_others_in_its_structured_form() -> None:
    """With its attributes, and the canonical line as its data."""
    line = structured(revision(3), "370100", OFFSETS)
    event = from_json(line)
    assert told(event) == {**ATTRIBUTES, "datacontenttype": "application/json"}
    assert canonical_json(event.get_data()) == incident_line(revision(3))
    assert canonical_json(json.loads(line)) == line
    assert STRUCTURED == "application/cloudevents+json"


def test_an_event_is_read_by_others_in_the_binary_form_of_kafka() -> None:
    """Attributes as headers, the line itself as the value, the incident as the key."""
    said = kafka_binary(revision(3), "370100", OFFSETS)
    event = from_binary(KafkaMessage(headers=dict(said.headers), key=said.key, value=said.value), JSONFormat())
    assert told(event) == {**ATTRIBUTES, "datacontenttype": "application/json"}
    assert canonical_json(event.get_data()) == said.value == incident_line(revision(3))
    assert said.key == b"01hqz"
    assert dict(said.headers)["content-type"] == b"application/json"


def test_every_kind_of_incident_is_an_event() -> None:
    """Source and id tell revisions apart, the type tells the state."""
    for incident in all_kinds():
        event = from_json(structured(incident, "370100", OFFSETS))
        assert event.get_type() == f"citybrain.incident.{incident.state}"
        assert canonical_json(event.get_data()) == incident_line(incident)


@pytest.mark.parametrize("city", ["", "a b", "济南", "a/b", "x" * 101])
def test_a_source_that_is_no_code_is_refused(city: str) -> None:
    with pytest.raises(SettingsError, match="city: wanted a code such as 370100, got"):
        structured(revision(), city, OFFSETS)


def test_incidents_are_features_that_others_read() -> None:
    """A point, or with it the lines of a queue; the properties are flat and the same for all."""
    incidents = [revision(incident_id=f"n{at}", type=i.type, geometry=i.geometry) for at, i in enumerate(all_kinds())]
    read = geojson.loads(feature_collection(incidents, TYPES, OFFSETS))
    assert read.is_valid, read.errors()
    assert [feature["id"] for feature in read["features"]] == [incident.incident_id for incident in incidents]
    names = {tuple(sorted(feature["properties"])) for feature in read["features"]}
    assert len(names) == 1
    for feature, incident in zip(read["features"], incidents, strict=True):
        shape = shapely.geometry.shape(feature["geometry"])
        parts = [shape] if shape.geom_type == "Point" else list(shape.geoms)
        assert (parts[0].x, parts[0].y) == (incident.lon, incident.lat)
        assert (len(parts) == 2) == (incident.geometry is not None)
        assert all(value is None or isinstance(value, str | int | float) for value in feature["properties"].values())


def test_the_properties_say_what_people_ask_first() -> None:
    [feature] = json.loads(feature_collection([revision(level="II")], TYPES, OFFSETS))["features"]
    told = feature["properties"]
    assert (told["headline_zh"], told["headline_en"]) == (
        "经十路<&>口发生交通事故",
        "Crash at Jingshi Road & 1st",
    )
    assert (told["level"], told["area_codes"], told["sources"]) == ("II", " ".join(PLACE.area_codes), "cam-1 mic-2")
    assert (told["announced"], told["ended"]) == ("2026-05-29T04:26:43+08:00", None)


def test_no_incident_gives_an_empty_collection() -> None:
    assert json.loads(feature_collection([], TYPES, OFFSETS)) == {"type": "FeatureCollection", "features": []}


def test_a_line_of_one_point_is_not_drawn() -> None:
    short = MultiLineString((((117.0, 36.65),),))
    [feature] = json.loads(feature_collection([revision(geometry=short)], TYPES, OFFSETS))["features"]
    assert feature["geometry"]["type"] == "Point"


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(RuleError, match="incident type: wanted one of"):
        feature_collection([revision(type="sink_hole")], TYPES, OFFSETS)


@given(lon=st.floats(-180, 180), lat=st.floats(-85, 85))
def test_positions_have_seven_decimals_at_most(lon: float, lat: float) -> None:
    text = feature_collection([revision(lon=lon, lat=lat, geometry=LINES)], TYPES, OFFSETS)
    assert geojson.loads(text).is_valid
    for value in _numbers(json.loads(text)["features"][0]["geometry"]):
        assert math.isclose(value, round(value, 7), abs_tol=0.0)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int | float) else []
