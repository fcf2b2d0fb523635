"""What a province says of an incident: a function of its members alone, but for the number that people know it by.

Members that were withdrawn say nothing while others stand. The lead is the one that began first.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from city_brain.incidents.incident import (
    Evidence,
    Incident,
    Level,
    Member,
    MultiLineString,
    Place,
    ProvincialIncident,
    State,
)
from city_brain.incidents.incident_type import LEVELS

FEED_REPLACED: Final = "feed_replaced"
"""Why a member is withdrawn whose city began another feed, which does not know it."""
_STANDING: Final[tuple[State, ...]] = ("active", "ended", "suspected")
"""States that a member gives the whole, the strongest first: once announced it is over, not merely suspected."""

Key = tuple[str, str]
"""A member: code of its city, id of its incident there."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The newest revision of a city's incident, as the province has it."""

    city: str
    feed_id: str
    number: int
    """Of the change that brought it."""
    incident: Incident

    @property
    def key(self) -> Key:
        """Which incident of which city."""
        return self.city, self.incident.incident_id


def united(
    provincial_id: str,
    members: Sequence[Held],
    last: ProvincialIncident | None,
    provincial_reason: Callable[[Held], str | None],
) -> ProvincialIncident:
    """The next revision of a provincial incident with these members, in the order in which they came (at least one).

    `provincial_reason` says why a member is over, in ids of the province.
    """
    standing = [held for held in members if held.incident.state != "withdrawn"] or list(members)
    standing.sort(key=lambda held: (held.incident.first_seen_ms, held.key))
    incidents = [held.incident for held in standing]
    lead, all_of_them = incidents[0], [held.incident for held in members]
    state: State = next((state for state in _STANDING if any(said.state == state for said in incidents)), "withdrawn")
    detected = [said.detected_ms for said in all_of_them if said.detected_ms is not None]
    ended = [said.ended_ms for said in incidents if said.ended_ms is not None]
    radii = [said.radius_m for said in incidents if said.radius_m is not None]
    return ProvincialIncident(
        incident_id=provincial_id,
        revision=last.revision + 1 if last else 1,
        number=last.number if last else f"{standing[0].city}-{lead.number}",
        type=lead.type,
        status=lead.status,
        state=state,
        reason=_reason(standing, state, provincial_reason),
        confidence=max(said.confidence for said in incidents),
        level=_gravest([said.level for said in incidents]),
        lon=lead.lon,
        lat=lead.lat,
        position_error_m=lead.position_error_m,
        radius_m=max(radii, default=None),
        geometry=_lines(incidents),
        first_seen_ms=lead.first_seen_ms,
        detected_ms=min(detected, default=None),
        updated_ms=max(said.updated_ms for said in all_of_them),
        ended_ms=max(ended, default=None) if state == "ended" else None,
        sources=tuple(sorted({_of_city(held, source) for held in standing for source in held.incident.sources})),
        place=_place(standing, members),
        evidence=_evidence(standing),
        members=tuple(_member(held) for held in members),
    )


def _reason(standing: Sequence[Held], state: State, provincial_reason: Callable[[Held], str | None]) -> str | None:
    """Of the member that was decided last among those of the state."""
    if state not in ("ended", "withdrawn"):
        return None
    of_state = [held for held in standing if held.incident.state == state]
    return provincial_reason(max(of_state, key=lambda held: (held.incident.updated_ms, held.key)))


def _gravest(levels: Sequence[Level | None]) -> Level | None:
    return min((level for level in levels if level is not None), key=LEVELS.index, default=None)


def _lines(incidents: Sequence[Incident]) -> MultiLineString | None:
    lines = tuple(line for said in incidents if said.geometry for line in said.geometry.coordinates)
    return MultiLineString(lines) if lines else None


def _place(standing: Sequence[Held], members: Sequence[Held]) -> Place:
    """That of the lead; the cities of all members count as areas."""
    place = standing[0].incident.place
    codes = [held.city for held in members]
    codes += [code for held in standing for code in held.incident.place.area_codes]
    return msgspec.structs.replace(place, area_codes=tuple(dict.fromkeys(codes)))


def _evidence(standing: Sequence[Held]) -> tuple[Evidence, ...]:
    pieces = [
        msgspec.structs.replace(piece, sources=tuple(_of_city(held, source) for source in piece.sources))
        for held in standing
        for piece in held.incident.evidence
    ]
    pieces.sort(key=lambda piece: (piece.first_ms, piece.rule, piece.what, piece.sources))
    return tuple(pieces)


def _of_city(held: Held, source: str) -> str:
    """A source id that no other city has."""
    return f"{held.city}/{source}"


def _member(held: Held) -> Member:
    return Member(
        city=held.city,
        incident_id=held.incident.incident_id,
        number=held.number,
        revision=held.incident.revision,
    )
