"""Incidents of every kind, an issuer, and CAP messages with one thing changed."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from city_brain.formats.cap.incidents import Issuer
from city_brain.formats.times import CHINA
from city_brain.incidents.incident import Incident, Level, MultiLineString, Place, State
from city_brain.incidents.incident_type import load_incident_types
from tests.feeds.builders import START_MS, an_incident

TYPES = load_incident_types()
STATES: tuple[State, ...] = get_args(State)
LEVELS: tuple[Level | None, ...] = (None, *get_args(Level))
OFFSETS = CHINA
ISSUER = Issuer(adcode="370100", trade="416", unit="001", name="济南城市大脑", name_en="Jinan city brain")
PLACE = Place(
    intersection="J1",
    road="R7",
    area_codes=("370100", "370102", "370102001", "north"),
    names={"zh": "经十路<&>口", "en": "Jingshi Road & 1st"},
)
LINES = MultiLineString((((117.0, 36.65), (117.01, 36.65)), ((117.0, 36.65), (117.0, 36.66), (117.0, 36.67))))


def revision(count: int = 1, **said: Any) -> Incident:
    """A revision ten seconds after the one before."""
    at = START_MS + 10_000 * count
    return msgspec.structs.replace(an_incident("01hqz", count, updated_ms=at, place=PLACE), **said)


def all_kinds() -> Iterator[Incident]:
    """Every type in every state at every level, with and without lines."""
    for kind in TYPES:
        for state in STATES:
            for level in LEVELS:
                for lines in (None, LINES):
                    yield revision(
                        type=kind.type,
                        state=state,
                        level=level,
                        geometry=lines,
                        radius_m=None if lines else 120.0,
                        reason="faded" if state == "withdrawn" else None,
                        ended_ms=START_MS + 60_000 if state == "ended" else None,
                        detected_ms=None if state == "suspected" else START_MS,
                    )


WARNING = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>37010041600000_20260826160913</identifier>
  <sender>37010041600000</sender>
  <sent>2026-08-26T16:09:13+08:00</sent>
  <status>Actual</status>
  <msgType>Alert</msgType>
  <scope>Public</scope>
  <info>
    <language>zh-CN</language>
    <category>Met</category>
    <event>暴雨</event>
    <urgency>Expected</urgency>
    <severity>Severe</severity>
    <certainty>Likely</certainty>
    <eventCode>
      <valueName>CPEAS Event Code</valueName>
      <value>11B03</value>
    </eventCode>
    <effective>2026-08-26T16:09:13+08:00</effective>
    <expires>2026-08-27T16:09:13+08:00</expires>
    <senderName>济南市气象台</senderName>
    <headline>济南市气象台发布暴雨橙色预警[II级/严重]</headline>
    <description>预计未来3小时降水量将达50毫米以上。</description>
    <area>
      <areaDesc>济南市</areaDesc>
      <polygon>36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9</polygon>
      <circle>36.65,117.0 5</circle>
      <geocode>
        <valueName>CPEAS Geographic Code</valueName>
        <value>370100000000</value>
      </geocode>
    </area>
  </info>
</alert>
"""
"""A warning as Chinese weather services write them."""


def warning(*changes: tuple[str, str]) -> bytes:
    """The warning with words replaced, each of which must be there."""
    text = WARNING
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()
