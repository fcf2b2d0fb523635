"""Suspicions in words: the sum of their evidence as lines, and what stopped them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from city_brain.incidents.desk.evidence import confidence
from city_brain.incidents.explain import explain, headline, phrase, source_names, sum_of
from city_brain.incidents.incident import Evidence, Incident
from city_brain.incidents.incident_type import IncidentType, IncidentTypes
from city_brain.incidents.types.figures import figures
from city_brain.inquiry.suspicions import Suspicion

Clock: TypeAlias = Callable[[float], str]
"""Writes milliseconds since the epoch for people."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line, and whether it speaks against the incident."""

    text: str
    against: bool = False


def enough(kind: IncidentType) -> float:
    """The confidence from which an incident of a type is announced."""
    return confidence(kind.open_log_odds, kind.calibration)


def sum_lines(incident: Incident, types: IncidentTypes, clock: Clock, *, in_words: bool = False) -> list[Told]:
    """Prior and evidence, heaviest first, and the sum that they give as printed; figures by name, or in words."""
    kind = types[incident.type]
    told, parts = explain(incident, types), sum_of(incident, kind)
    lines = [Told(f"{parts.prior:+6.2f}  prior: what is thought of any suspected {kind.type}")]
    lent = [item for item in told.joined if item.weight]
    for label, items in (("", told.supporting), ("joined", lent), ("against", told.contradicting)):
        said = [evidence_line(item, label, types, clock, in_words=in_words) for item in items]
        lines += [Told(line, against=label == "against") for line in said]
    if parts.rest:
        lines.append(Told(f"{parts.rest:+6.2f}  rounding, and what is not listed"))
    if parts.calibration is not None:
        lines.append(
            Told(f"{parts.calibration:+6.2f}  calibration: how often such a sum was right, by worlds with truth")
        )
    announced_from = kind.calibration.of(kind.open_log_odds)
    total = f"{parts.total:+6.2f}  sum, which is confidence {incident.confidence:.3f}; {kind.type} version "
    lines.append(Told(f"{total}{kind.version} is announced from {announced_from:+.2f}, confidence {enough(kind):.3f}"))
    listed = sum(not item.weight for item in incident.evidence)
    if listed:
        lines.append(Told(f"and {listed} more of the same sources about the same, which count once"))
    return lines


def evidence_line(item: Evidence, label: str, types: IncidentTypes, clock: Clock, *, in_words: bool = False) -> str:
    """One piece of evidence: its weight, what it says, who says so, when, how far off, and its figures."""
    seconds = round((item.last_ms - item.first_ms) / 1000)
    when = clock(item.first_ms) + (f" +{seconds} s" if seconds else "")
    away = "" if item.distance_m is None else f"{item.distance_m:.1f} m"
    by_name = [f"{name} {value}" for name, value in sorted(item.note.items())]
    note = ", ".join(figures(item.note, "en") if in_words else by_name)
    head = f"{item.weight:+6.2f}  {phrase(item, types, 'en')}" + (f" ({label})" if label else "")
    return "; ".join(filter(None, (head, source_names(item.sources), when, away, note)))


def stopped(suspicion: Suspicion, types: IncidentTypes, clock: Clock) -> str:
    """What stopped a suspicion that was never announced."""
    last, cause = suspicion.last, suspicion.cause
    if last.state == "suspected":
        return "it had not reached that by the end"
    why = "what spoke for it went away"
    if cause is not None:
        does = "took it over" if suspicion.gate == "merged" else "explains it"
        why = f"{cause.number} {does}, {headline(cause, types[cause.type]).en}"
    return f"{why}; withdrawn at {clock(last.updated_ms)}"
