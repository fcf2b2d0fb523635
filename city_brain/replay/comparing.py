"""Two answers to the same observations held against each other where bytes may differ: the same incidents, near enough.

Other delays, or another number of partitions, change the order of arithmetic and the names of objects. What people see
must stay: every announced incident has a partner of its type within 10 m and 2 s, and at least 99 of 100 do.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from city_brain.incidents.incident import Incident

WITHIN_M = 10.0
WITHIN_MS = 2_000
SHARE_WANTED = 0.99
_METRES_PER_DEGREE = 111_320.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two answers agree; `alone` names the incidents of either that have no partner."""

    pairs: int
    alone: tuple[str, ...]
    worst_m: float
    worst_s: float

    @property
    def share(self) -> float:
        """Share of all announced incidents that have a partner."""
        total = 2 * self.pairs + len(self.alone)
        return 1.0 if total == 0 else 2 * self.pairs / total

    @property
    def same(self) -> bool:
        """Whether the answers are the same for people."""
        return self.share >= SHARE_WANTED


def announced(revisions: Iterable[Incident]) -> list[Incident]:
    """The last revision of every incident that was ever announced, in order of announcement."""
    last: dict[str, Incident] = {}
    for incident in revisions:
        last[incident.incident_id] = incident
    said = [incident for incident in last.values() if incident.detected_ms is not None]
    return sorted(said, key=lambda incident: (incident.detected_ms or 0, incident.type, incident.incident_id))


def paired(
    left: Sequence[Incident], right: Sequence[Incident], within_ms: int = WITHIN_MS, within_m: float = WITHIN_M
) -> list[tuple[int, int]]:
    """Which announced incidents of two answers are partners, as places in either: of one type, nearest first."""
    near = sorted(
        (gap_m(a, b), _apart_ms(a, b), i, j)
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if a.type == b.type and _apart_ms(a, b) <= within_ms and gap_m(a, b) <= within_m
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for *_, i, j in near:
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return list(partner.items())


def compare(one: Iterable[Incident], other: Iterable[Incident]) -> Comparison:
    """Pairs the announced incidents of two answers, nearest first."""
    left, right = announced(one), announced(other)
    partners = paired(left, right)
    taken_left, taken_right = ({pair[side] for pair in partners} for side in (0, 1))
    alone = [f"first: {_name(a)}" for i, a in enumerate(left) if i not in taken_left]
    alone += [f"second: {_name(b)}" for j, b in enumerate(right) if j not in taken_right]
    pairs = [(left[i], right[j]) for i, j in partners]
    return Comparison(
        pairs=len(pairs),
        alone=tuple(alone),
        worst_m=max((gap_m(a, b) for a, b in pairs), default=0.0),
        worst_s=max((_apart_ms(a, b) / 1000.0 for a, b in pairs), default=0.0),
    )


def gap_m(a: Incident, b: Incident) -> float:
    """Metres between the places of two incidents."""
    east = (a.lon - b.lon) * _METRES_PER_DEGREE * math.cos(math.radians(a.lat))
    return math.hypot(east, (a.lat - b.lat) * _METRES_PER_DEGREE)


def _apart_ms(a: Incident, b: Incident) -> int:
    return abs((a.detected_ms or 0) - (b.detected_ms or 0))


def _name(incident: Incident) -> str:
    return (
        f"{incident.number} {incident.type} at {incident.lon:.5f},{incident.lat:.5f} announced {incident.detected_ms}"
    )
