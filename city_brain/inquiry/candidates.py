"""Candidates: what might have been told of a place and time, and the gate that each did not get past."""

from collections.abc import Sequence
from typing import Final

import msgspec

from city_brain.geo import LocalFrame
from city_brain.incidents.desk.joining import Shape, gap_m
from city_brain.incidents.detectors.looking import Ring
from city_brain.incidents.explain import sum_of
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.inquiry.listening import Listener, Noticed, Weighed
from city_brain.inquiry.suspicions import Gate, Suspicion, suspicions

LOOKED_AT_MOST: Final = 3
"""Of what the detector of the asked type looked at, so many are told, the most telling first; of any type one."""

OTHERS_MOST: Final = 3
"""Of what was announced under other types than the asked one, so many are told, the nearest first."""

_NEAR_M: Final = 10.0
"""Of two things at the place one this far off is half as telling."""
_NOT_WEIGHED: Final = 99.0

_ORDER: Final[tuple[Gate, ...]] = (
    "announced", "not_enough", "held", "explained", "merged", "faded", "closed", "not_suspected", "not_handed_over",
)  # fmt: skip


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was near the place at the time; epoch ms, log-odds.

    `surest` is its revision of greatest confidence where it became an incident, `cause` the incident that explains it
    or took it over. `log_odds` is what it came to at best (None: it was not weighed), `needed` what an announcement
    needs.
    `what` and `lacks`, in words, are of what was only looked at; of a suspicion `lacks` is what its detector saw of it
    last, where that had become too little.
    """

    type: str
    gate: Gate
    away_m: float
    first_ms: int
    last_ms: int
    needed: float
    log_odds: float | None = None
    number: str = ""
    announced_ms: int | None = None
    surest: Incident | None = None
    last: Incident | None = None
    cause: Incident | None = None
    what: str = ""
    lacks: str = ""
    size: float = 0.0
    """Of what was only looked at the larger tells more: seconds, a depth, a share."""

    @property
    def missing(self) -> float | None:
        """Log-odds that were missing for an announcement, at its surest."""
        return None if self.log_odds is None else max(self.needed - self.log_odds, 0.0)


def candidates(listener: Listener) -> list[Candidate]:
    """All candidates of the wanted type, or of any, and what was announced under others; what came farthest first, then
    the surest, then the nearest.
    """
    types, question = listener.runner.types, listener.question
    told = suspicions(listener.revisions)
    by_id = {suspicion.last.incident_id: suspicion for suspicion in told}
    leading = _leading(listener)
    found = [made for suspicion in told if (made := _incident(suspicion, listener, leading)) is not None]
    named = {made.last.incident_id for made in found if made.last is not None}
    found += [
        _finding(weighed, by_id, types)
        for weighed in listener.weighed.values()
        if weighed.case not in named or weighed.case_type != weighed.surest.type
    ]
    handed_over = {(weighed.surest.type, weighed.surest.key) for weighed in listener.weighed.values()}
    looked = [item for item in listener.noticed.items() if item[0] not in handed_over and item[1].looked.lacks]
    found += [_looked(name, noticed, listener.ring, types) for (name, _), noticed in looked]
    wanted = [made for made in found if question.type in ("", made.type) or made.gate == "announced"]
    wanted.sort(key=_farthest_first)
    others = sorted((made for made in wanted if question.type not in ("", made.type)), key=lambda made: made.away_m)
    wanted = [made for made in wanted if made not in others]
    return _few(wanted, LOOKED_AT_MOST if question.type else 1) + others[:OTHERS_MOST]


def _farthest_first(made: Candidate) -> tuple[int, float, float]:
    sure = -_NOT_WEIGHED if made.log_odds is None else made.log_odds
    return _ORDER.index(made.gate), made.needed - sure, made.away_m


def _few(found: Sequence[Candidate], most: int) -> list[Candidate]:
    """All, but of what was only looked at the most telling of each type: the larger and the nearer."""
    looked: dict[str, list[Candidate]] = {}
    for made in found:
        if made.gate == "not_handed_over":
            looked.setdefault(made.type, []).append(made)
    kept = [made for made in found if made.gate != "not_handed_over"]
    for of_type in looked.values():
        kept += sorted(of_type, key=lambda made: -made.size / (_NEAR_M + made.away_m))[:most]
    return kept


def away_m(incident: Incident, ring: Ring, frame: LocalFrame) -> float:
    """Metres from the middle of a ring to an incident's extent."""
    lines = incident.geometry.coordinates if incident.geometry else (((incident.lon, incident.lat),),)
    here = Shape(((ring.x, ring.y),))
    shapes = [Shape(tuple(frame.to_metres(*point) for point in line), incident.radius_m or 0.0) for line in lines]
    return min(gap_m(shape, here) for shape in shapes)


def _leading(listener: Listener) -> dict[str, Weighed]:
    """The surest finding of each case that is of the type of the case, by its id."""
    leading: dict[str, Weighed] = {}
    for weighed in listener.weighed.values():
        known = leading.get(weighed.case)
        own = weighed.case_type == weighed.surest.type
        if own and (known is None or weighed.surest.log_odds > known.surest.log_odds):
            leading[weighed.case] = weighed
    return leading


def _became(listener: Listener, weighed: Weighed | None) -> str:
    """How a finding was weighed last, in words, where that was too little to hand it over."""
    if weighed is None:
        return ""
    noticed = listener.noticed.get((weighed.surest.type, weighed.surest.key))
    too_little = noticed is not None and noticed.latest.lacks and noticed.last_ms > weighed.last_ms
    return noticed.latest.what if noticed is not None and too_little else ""


def _incident(suspicion: Suspicion, listener: Listener, leading: dict[str, Weighed]) -> Candidate | None:
    """A candidate that was suspected at least; None where it was elsewhere or at another time."""
    types, question, last = listener.runner.types, listener.question, suspicion.last
    over_ms = last.ended_ms or (last.updated_ms if last.state in ("ended", "withdrawn") else listener.last_ms)
    if not question.overlaps(last.first_seen_ms, over_ms):
        return None
    frame = listener.runner.ground.city.frame
    near_m = min(away_m(incident, listener.ring, frame) for incident in suspicion.said)
    if near_m > question.radius_m and last.incident_id not in leading:
        return None
    kind, surest, lead = types[last.type], suspicion.surest, leading.get(last.incident_id)
    total = sum_of(surest, kind).total
    return Candidate(
        type=last.type,
        gate=suspicion.gate,
        away_m=near_m,
        first_ms=last.first_seen_ms,
        last_ms=over_ms,
        needed=kind.open_log_odds,
        log_odds=total if lead is None or suspicion.gate == "announced" else max(total, lead.surest.log_odds),
        number=last.number,
        announced_ms=last.detected_ms,
        surest=surest,
        last=last,
        cause=suspicion.cause,
        lacks=_became(listener, lead) if suspicion.gate != "announced" else "",
    )


def _finding(weighed: Weighed, by_id: dict[str, Suspicion], types: IncidentTypes) -> Candidate:
    """A candidate that became no incident of its own."""
    finding = weighed.surest
    kind, owner = types[finding.type], by_id.get(weighed.case)
    gate: Gate = "not_suspected"
    if owner is not None:
        gate = "explained"
    elif weighed.case:
        gate = "held"
    return Candidate(
        type=finding.type,
        gate=gate,
        away_m=weighed.away_m,
        first_ms=finding.first_seen_ms,
        last_ms=weighed.last_ms,
        needed=kind.open_log_odds,
        log_odds=finding.log_odds,
        cause=owner.last if owner is not None else None,
        what=_phrases(weighed, types),
    )


def _phrases(weighed: Weighed, types: IncidentTypes) -> str:
    """What spoke for and against a finding, in words."""
    phrases = types[weighed.surest.type].phrases
    said = [
        f"{phrases[item.what].en if item.what in phrases else item.what.replace('_', ' ')} {item.weight:+.2f}"
        for item in sorted(weighed.surest.evidence, key=lambda item: -abs(item.weight))
        if item.weight
    ]
    return ", ".join(said[:4])


def _looked(type_name: str, noticed: Noticed, ring: Ring, types: IncidentTypes) -> Candidate:
    looked = noticed.looked
    return Candidate(
        type=type_name,
        gate="not_handed_over",
        away_m=gap_m(Shape(((looked.x, looked.y),)), Shape(((ring.x, ring.y),))),
        first_ms=looked.since_ms,
        last_ms=noticed.last_ms,
        needed=types[type_name].open_log_odds,
        log_odds=looked.log_odds,
        what=looked.what,
        size=looked.size,
        lacks=looked.lacks,
    )
