"""Which produced incident is which true one: gates of place and time, related types, duplicates, false alarms."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from city_brain.geo import METRES_PER_DEGREE
from city_brain.scoring.records import GATE_M, Answer, TrueIncident

EARLY_S: Final = {"congestion": 60, "waterlogging": 180, "crowd": 60}
"""Types of which one may be warned before the truth's threshold."""
_EARLY_DEFAULT_S, _LATE_S = 15, 120
_RELATED: Final = {
    frozenset(pair)
    for pair in (
        ("crash", "stopped_vehicle"),
        ("crash", "pedestrian_on_carriageway"),
        ("fire", "pollution"),
        ("crowd", "pedestrian_on_carriageway"),
        ("signal_fault", "red_light_running"),
    )
}


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres between two places in degrees."""
    east = (a[0] - b[0]) * METRES_PER_DEGREE * math.cos(math.radians(a[1]))
    return math.hypot(east, (a[1] - b[1]) * METRES_PER_DEGREE)


def gap_m(truth: TrueIncident, answer: Answer) -> float:
    """Metres to the nearest point of the true incident's extent or place."""
    return min(metres(point, (answer.lon, answer.lat)) for point in (*truth.extent, (truth.lon, truth.lat)))


def _fits(truth: TrueIncident, answer: Answer) -> bool:
    early_ms = 1000 * EARLY_S.get(truth.type, _EARLY_DEFAULT_S)
    grey = truth.start if truth.grey_from is None else truth.grey_from
    if not min(truth.start, grey) - early_ms <= answer.detected_ms <= truth.end + 1000 * _LATE_S:
        return False
    return gap_m(truth, answer) <= GATE_M[truth.type]


def _related(a: str, b: str) -> bool:
    return frozenset((a, b)) in _RELATED


@dataclass(slots=True)
class Matching:
    """Who is what, in one world."""

    real: list[TrueIncident]
    found: dict[str, Answer] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    mistyped: dict[str, Answer] = field(default_factory=dict)
    false: list[Answer] = field(default_factory=list)
    ignored: int = 0

    def judged(self) -> list[tuple[Answer, bool]]:
        """The answers that are simply right or wrong: those that found a true incident, and false alarms."""
        return [(answer, True) for answer in self.found.values()] + [(answer, False) for answer in self.false]

    def take(self, answer: Answer, care_not: list[TrueIncident]) -> None:
        """Decides what one answer, the next in time, is."""
        same = [t for t in self.real if t.type == answer.type and _fits(t, answer)]
        same.sort(key=lambda truth: gap_m(truth, answer))
        new = [truth for truth in same if truth.incident_id not in self.found]
        near = [t for t in self.real if _related(t.type, answer.type) and _fits(t, answer)]
        if new:
            self.found[new[0].incident_id] = answer
        elif same:
            self.duplicates[same[0].incident_id] += 1
        elif near and near[0].incident_id in self.mistyped:
            self.duplicates[near[0].incident_id] += 1
        elif near:
            self.mistyped[near[0].incident_id] = answer
        elif any((t.type == answer.type or _related(t.type, answer.type)) and _fits(t, answer) for t in care_not):
            self.ignored += 1
        else:
            self.false.append(answer)


def match(incidents: Sequence[TrueIncident], answers: Sequence[Answer]) -> Matching:
    """Decides about the answers of one world, in the order of their announcement."""
    matching = Matching([truth for truth in incidents if not truth.ignore])
    care_not = [truth for truth in incidents if truth.ignore]
    for answer in sorted(answers, key=lambda answer: answer.detected_ms):
        matching.take(answer, care_not)
    for name in matching.mistyped.keys() & matching.found.keys():
        # The same event named rightly too: the wrong name was a second alarm for it.
        matching.duplicates[name] += 1
        del matching.mistyped[name]
    return matching
