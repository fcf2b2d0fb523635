"""An incident in one revision: everything that the city knows about one real event at one tick, and its canonical line.

Revisions are whole: a later one replaces an earlier one. Numbers are rounded as they are published (1e-7 degrees, 3
decimals of probability and log-odds, 0.1 m), so a line is the same bytes wherever it is computed. What people do about
an incident is a second axis, `handling`, a name kept free for them.
"""

from contextlib import suppress
from typing import Literal

import msgspec

from city_brain.canonical import canonical_json
from city_brain.errors import RecordingError
from city_brain.incidents.hypothesis import LogPosition, Note, Status

State = Literal["suspected", "active", "ended", "withdrawn"]
Level = Literal["I", "II", "III", "IV"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason for or against an incident, as published.

    `rule` is the incident type whose detector said so: the incident's own, or that of a finding which joined it (a
    report) or which it explains (the queue behind a crash). Where the same sources said the same thing twice, or where
    several findings are rival readings of one event, one counts and the others are listed with weight 0.
    """

    what: str
    sources: tuple[str, ...]
    """Source ids, ascending; a source that is not on the map appears as `source:` and 16 hexadecimal digits."""
    weight: float
    """Log-odds that it adds; negative: it contradicts; 0: listed, not counted."""
    first_ms: int
    last_ms: int
    distance_m: float | None
    rows: tuple[LogPosition, ...]
    note: Note
    rule: str
    version: int


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it is, in ids of the city map, codes of areas (largest first) and names by language (`zh`, `en`)."""

    intersection: str | None = None
    road: str | None = None
    area_codes: tuple[str, ...] = ()
    names: dict[str, str] = {}


class MultiLineString(msgspec.Struct, frozen=True, tag_field="type", tag="MultiLineString", forbid_unknown_fields=True):
    """GeoJSON lines: one for each road that a queue covers, from its head to its tail; longitude, latitude."""

    coordinates: tuple[tuple[tuple[float, float], ...], ...]


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One revision of one incident."""

    incident_id: str
    revision: int
    """Counts from 1, without gaps."""
    number: str
    """For people to say: month and day in the city's time zone, then a count within the day, as `0611-042`."""
    type: str
    status: Status
    state: State
    """Only active incidents are alarms."""
    reason: str | None
    """Why it was withdrawn: `faded`, `explained_by:<incident id>` or `merged_into:<incident id>`; or why it
    ended though nothing shows that it is over: `type_removed`; else null. At a province also `feed_replaced`: its city
    began another feed, which does not know it.
    """
    confidence: float
    """Probability that it is real: of those announced at p, the share p is."""
    level: Level | None
    """Proposed; a person confirms it."""
    lon: float
    lat: float
    position_error_m: float
    """One sigma."""
    radius_m: float | None
    """Of the area concerned; null for points and lines."""
    geometry: MultiLineString | None
    first_seen_ms: int
    """Event time of the beginning."""
    detected_ms: int | None
    """When it was first announced as active; null while it never was."""
    updated_ms: int
    """When this revision was decided."""
    ended_ms: int | None
    """When its end was decided; null while it goes on."""
    sources: tuple[str, ...]
    """Ids of the sources whose evidence speaks for it, ascending."""
    place: Place
    evidence: tuple[Evidence, ...]
    """In order of first time, rule, code and sources."""


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident of a city within one of a province."""

    city: str
    """Code of the city."""
    incident_id: str
    """Its id in the feed of that city."""
    number: int
    """Number of the change, in that feed, that brought its newest revision here."""
    revision: int


class ProvincialIncident(Incident, frozen=True, kw_only=True):
    """One revision of an incident of a province: what its cities know about one real event."""

    members: tuple[Member, ...]
    """In the order in which they came, at least one. Once it is merged into another, they belong to that one."""


def incident_line(incident: Incident) -> bytes:
    """The canonical line (RFC 8785) of a revision, without its line feed."""
    return canonical_json(msgspec.to_builtins(incident))


def read_incident(line: bytes | str) -> Incident:
    """The revision that a line holds, of a city or of a province; RecordingError where it holds none."""
    try:
        return msgspec.json.decode(line, type=Incident)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode(line, type=ProvincialIncident)
        raise RecordingError(f"incident line: wanted one revision of an incident, got {wrong}") from wrong
