"""Incidents and logs for tests: valid ones with as little said as possible."""

from typing import Any

import msgspec

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter, Names, Wanted
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.incident import Evidence, Incident, Place
from city_brain.incidents.incident_type import IncidentType, IncidentTypes, Words

START_MS = 1_780_000_000_000
_KINDS = {
    name: IncidentType(
        type=name,
        version=1,
        detector=name,
        parameters=None,
        suspect_log_odds=0.0,
        open_log_odds=2.0,
        close_log_odds=-1.0,
        hold_s=0.0,
        close_gap_s=60.0,
        join_radius_m=30.0,
        join_gap_s=60.0,
        headline=Words(zh=f"{zh}：{{place}}", en=f"{name} at {{place}}"),
    )
    for name, zh in (("congestion", "拥堵"), ("crash", "事故"), ("fire", "火情"), ("stopped_vehicle", "停车"))
}
TYPES = IncidentTypes(_KINDS, tuple(_KINDS))
AREAS = ("370000", "370100", "370102")
NAMES = Names(types=tuple(TYPES.by_name), area_codes=AREAS)

_PLAIN = Incident(
    incident_id="a",
    revision=1,
    number="0611-001",
    type="crash",
    status="actual",
    state="active",
    reason=None,
    confidence=0.9,
    level="III",
    lon=117.0,
    lat=36.65,
    position_error_m=2.5,
    radius_m=None,
    geometry=None,
    first_seen_ms=START_MS,
    detected_ms=START_MS + 3_000,
    updated_ms=START_MS + 3_000,
    ended_ms=None,
    sources=("cam-1", "mic-2"),
    place=Place(intersection="int-5"),
    evidence=(),
)


def an_incident(incident_id: str = "a", revision: int = 1, **said: Any) -> Incident:
    """An active crash, but for what is said."""
    return msgspec.structs.replace(_PLAIN, incident_id=incident_id, revision=revision, **said)


def evidence(what: str, sources: tuple[str, ...], weight: float, **said: Any) -> Evidence:
    """A piece of evidence without rows, but for what is said."""
    plain = Evidence(
        what=what,
        sources=sources,
        weight=weight,
        first_ms=START_MS,
        last_ms=START_MS + 1_000,
        distance_m=None,
        rows=(),
        note={},
        rule="crash",
        version=1,
    )
    return msgspec.structs.replace(plain, **said)


def a_heartbeat(tick: int = 0, **said: Any) -> Heartbeat:
    """The sign of life of a tick of one second."""
    plain = Heartbeat(log_time_ms=START_MS + 1_000 * tick, sources_live=60, sources_silent=2)
    return msgspec.structs.replace(plain, **said)


def a_log(*ticks: list[Incident], **settings: Any) -> ChangeLog:
    """A log with these ticks, from tick 0 on."""
    log = ChangeLog(feed_id="jinan-1", **settings)
    for tick, incidents in enumerate(ticks):
        log.append(tick, incidents, a_heartbeat(tick))
    return log


def a_filter(**wanted: Any) -> IncidentFilter:
    """A filter of a city with the types and areas of NAMES."""
    return IncidentFilter(Wanted(**wanted), NAMES)
