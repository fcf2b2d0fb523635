"""What was said of one suspicion over time, and the gate that stopped it where it was never announced."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from city_brain.incidents.incident import Evidence, Incident

Gate: TypeAlias = Literal[
    "announced", "not_enough", "faded", "explained", "merged", "closed", "held", "not_suspected", "not_handed_over"
]
"""What became of a candidate: `announced`, or what it did not get past; `not_enough` is of one still suspected at the
end, `held` of one that waited for a cause to form, the last two never became an incident.
"""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The revisions of one incident, and the one that explains it or took it over, as it was last."""

    said: Sequence[Incident]
    cause: Incident | None

    @property
    def first(self) -> Incident:
        """Its first revision."""
        return self.said[0]

    @property
    def last(self) -> Incident:
        """Its last revision."""
        return self.said[-1]

    @property
    def surest(self) -> Incident:
        """The revision of greatest confidence, the first of equals."""
        return max(self.said, key=lambda incident: incident.confidence)

    @property
    def strongest_against(self) -> Evidence | None:
        """The heaviest evidence against it in any revision."""
        evidence = [item for incident in self.said for item in incident.evidence if item.weight < 0]
        return min(evidence, key=lambda item: item.weight, default=None)

    @property
    def gate(self) -> Gate:
        """What it did not get past."""
        if self.last.detected_ms is not None:
            return "announced"
        if self.last.state == "suspected":
            return "not_enough"
        word = (self.last.reason or "").partition(":")[0]
        gates: dict[str, Gate] = {"faded": "faded", "explained_by": "explained", "merged_into": "merged"}
        return gates.get(word, "closed")


def suspicions(revisions: Iterable[Incident]) -> list[Suspicion]:
    """All incidents of some revisions, in the order of their first ones."""
    told: dict[str, list[Incident]] = {}
    for incident in revisions:
        told.setdefault(incident.incident_id, []).append(incident)
    last = {name: said[-1] for name, said in told.items()}
    return [Suspicion(said, last.get(cause_of(said[-1]))) for said in told.values()]


def cause_of(incident: Incident) -> str:
    """The id in the reason for which an incident was withdrawn, empty where it has none."""
    return (incident.reason or "").partition(":")[2]
