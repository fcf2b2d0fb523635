"""What is worth telling: the incident with most to explain, and the suspicion that came nearest to a false alarm."""

from collections.abc import Sequence
from dataclasses import dataclass

from city_brain.incidents.incident import Evidence, Incident
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.inquiry.suspicions import Suspicion, suspicions
from city_brain.inquiry.telling import enough
from city_brain.scoring import Answer, Truth
from city_brain.scoring.matching import gap_m, match, metres
from city_brain.scoring.records import GATE_M, Distractor, TrueIncident

NEAR_M = 80.0
"""A suspicion within so many metres of a hard negative is put down to it."""
UNMAPPED = "source:"
"""How the name of a source that is on no map begins."""
_BEFORE_MS, _AFTER_MS = 15_000, 60_000


def most_explained(revisions: Sequence[Incident], types: IncidentTypes) -> Incident | None:
    """The announced revision, still sure enough, with the most kinds of evidence, by most rules, also against it."""

    def wealth(incident: Incident) -> tuple[int, int, bool, int]:
        counted = [item for item in incident.evidence if item.weight]
        against = any(item.weight < 0 for item in counted)
        return len({item.what for item in counted}), len({item.rule for item in counted}), against, len(counted)

    sure = [incident for incident in revisions if incident.confidence >= enough(types[incident.type])]
    return max((incident for incident in sure if incident.state == "active"), key=wealth, default=None)


def contradicted(revisions: Sequence[Incident], incident: Incident) -> tuple[Incident, Evidence] | None:
    """The heaviest evidence against an incident in any of its revisions, and that revision."""
    said = [other for other in revisions if other.incident_id == incident.incident_id]
    against = [(other, item) for other in said for item in other.evidence if item.weight < 0]
    return min(against, key=lambda pair: pair[1].weight, default=None)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A suspicion that was never announced, and what was really there, if known."""

    suspicion: Suspicion
    distractor: Distractor | None
    away_m: float


def near_miss(revisions: Sequence[Incident], truth: Truth) -> NearMiss | None:
    """The suspicion that came nearest to a false alarm: of a device rather than of a caller, at a hard negative rather
    than elsewhere, held back by evidence rather than by the lack of it, then the surest. What really happened is
    nobody's false alarm and is left out.
    """
    found = [
        _near_miss(suspicion, truth)
        for suspicion in suspicions(revisions)
        if suspicion.last.detected_ms is None and not any(_shows(suspicion.first, true) for true in truth.incidents)
    ]

    def nearness(miss: NearMiss) -> tuple[bool, bool, bool, float]:
        surest = miss.suspicion.surest
        on_the_map = any(not source.startswith(UNMAPPED) for source in surest.sources)
        held_back = miss.suspicion.strongest_against is not None
        return on_the_map, miss.distractor is not None, held_back, surest.confidence

    return max(found, key=nearness, default=None)


def _near_miss(suspicion: Suspicion, truth: Truth) -> NearMiss:
    surest = suspicion.surest
    around = [(_away_m(surest, near), near) for near in truth.distractors if _at_the_time(surest, near)]
    away_m, distractor = min(around, key=lambda item: item[0], default=(0.0, None))
    return NearMiss(suspicion, None if away_m > NEAR_M else distractor, away_m)


def unsuspected(revisions: Sequence[Incident], answers: Sequence[Answer], truth: Truth) -> list[Distractor]:
    """The hard negatives that nothing was suspected of, true incidents nearby aside."""
    real = {answer.incident_id for answer in match(truth.incidents, answers).found.values()}
    suspected = [incident for incident in revisions if incident.incident_id not in real]
    return [
        near
        for near in truth.distractors
        if not any(_at_the_time(incident, near) and _away_m(incident, near) <= NEAR_M for incident in suspected)
    ]


def _at_the_time(incident: Incident, near: Distractor) -> bool:
    return near.start - _BEFORE_MS <= incident.updated_ms and incident.first_seen_ms <= near.end + _AFTER_MS


def _away_m(incident: Incident, near: Distractor) -> float:
    return metres((near.lon, near.lat), (incident.lon, incident.lat))


def _shows(incident: Incident, true: TrueIncident) -> bool:
    """Whether a suspicion may well be a true incident, of whatever type, or what follows from one."""
    place = Answer(incident.incident_id, true.type, incident.updated_ms, incident.lon, incident.lat)
    at_the_time = true.start - _BEFORE_MS <= incident.updated_ms and incident.first_seen_ms <= true.end + _AFTER_MS
    return at_the_time and gap_m(true, place) <= GATE_M[true.type]
