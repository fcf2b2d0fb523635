"""Explaining away: which incident accounts for a finding, read from the types' `explained_by` as data.

One cause per set of facts: a crash explains its queue and its pedestrians, a fire its plume, a dark signal those who
run it, an incident the reports about it. A cause that is only forming makes its effect wait (the type's `hold_s`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from city_brain.incidents.desk.case import Case, DeskState, identity
from city_brain.incidents.desk.joining import CellIndex, Shape, gap_m, shape_of, tail_gap_m
from city_brain.incidents.incident_type import Explanation, IncidentType, IncidentTypes


@dataclass(frozen=True, slots=True)
class Cause:
    """A case that accounts for another, by which rule and at which distance."""

    case: Case
    link: Explanation
    distance_m: float

    @property
    def suffices(self) -> bool:
        """Whether it explains now; otherwise it is only forming."""
        return self.case.state != "suspected" or self.link.needs == "suspected"


class Explainer:
    """Finds the cause of a case among the others."""

    def __init__(self, types: IncidentTypes, state: DeskState, index: Mapping[str, CellIndex]) -> None:
        self._types, self._state, self._index = types, state, index
        self._linger_ms = {kind.type: _linger_ms(kind, types) for kind in types}

    def linger_ms(self, kind: str) -> int:
        """How long a closed incident of a type may still join or explain findings."""
        return self._linger_ms[kind]

    def cause_of(self, case: Case) -> Cause | None:
        """The best cause: one that suffices before one that forms, then the nearest, then the oldest."""
        links = self._types[case.type].explained_by
        if not links or case.lead not in case.members:
            return None
        finding = case.members[case.lead].finding
        shape = shape_of(finding)
        best: Cause | None = None
        for link in links:
            if link.about and case.about not in link.about:
                continue
            reach = max(link.radius_m, self._types[case.type].join_radius_m)
            kinds = (link.type, case.type)
            hinted = [self._state.owner.get(identity(case.status, k, key)) for key in finding.causes for k in kinds]
            for name in sorted(dict.fromkeys([*filter(None, hinted), *self._index[link.type].near(shape, reach)])):
                cause = self._judge(case, self._state.cases[name], link, shape, name in hinted)
                if cause is not None and (best is None or _order(cause) < _order(best)):
                    best = cause
        return best

    def _judge(self, case: Case, other: Case, link: Explanation, shape: Shape, hinted: bool) -> Cause | None:
        if other.type != link.type or other.status != case.status or other.state == "withdrawn":
            return None
        if case.first_seen_ms < other.first_seen_ms - 1000 * link.before_s:
            return None
        if not other.is_open and case.first_seen_ms > other.last_seen_ms + 1000 * link.after_s:
            return None
        grown = hinted or self._touches_explained(case, other, shape)
        reach = math.inf if grown else link.radius_m
        distance = min(gap_m(shape, shape_of(finding), reach) for finding in other.findings())
        return Cause(other, link, distance) if distance <= reach else None

    def _touches_explained(self, case: Case, other: Case, shape: Shape) -> bool:
        """Whether a queue goes on where one that the cause explains ends."""
        kind = self._types[case.type]
        if not kind.merges:
            return False
        explained = [entry.finding for entry in other.absorbed.values() if not entry.gone]
        shapes = [shape_of(finding) for finding in explained if finding.type == kind.type]
        return any(tail_gap_m(shape, theirs, kind.join_radius_m) <= kind.join_radius_m for theirs in shapes)


def lent_log_odds(case: Case) -> float:
    """What explained findings, reports and waiting effects add to a case: by type, once for each set of sources."""
    if not case.absorbed and not case.lent:
        return 0.0
    by_type: dict[str, dict[tuple[int, ...], float]] = {}
    most: dict[str, float] = {}
    for absorbed in case.absorbed.values():
        kind = absorbed.finding.type
        evidence = absorbed.finding.evidence
        weighed = [item for item in evidence if item.weight] or evidence
        sources = tuple(sorted(dict.fromkeys(key for item in weighed for key in item.sources)))
        shares = by_type.setdefault(kind, {})
        shares[sources] = max(shares.get(sources, 0.0), absorbed.weight)
        most[kind] = max(most.get(kind, 0.0), absorbed.most)
    total = 0.0
    for kind in sorted({**by_type, **case.lent}):
        shares = by_type.get(kind, {})
        sum_of_shares = min(math.fsum(shares[sources] for sources in sorted(shares)), most.get(kind, 0.0))
        total += max(sum_of_shares, case.lent.get(kind, 0.0))
    return total


def _linger_ms(kind: IncidentType, types: IncidentTypes) -> int:
    explains = [link.after_s for other in types for link in other.explained_by if link.type == kind.type]
    return round(1000 * max([kind.join_gap_s, *explains]))


def _order(cause: Cause) -> tuple[bool, float, tuple[int, int, str]]:
    return not cause.suffices, cause.distance_m, cause.case.age
