"""Seven properties of a feed, checked on what its subscribers wrote down; knows nothing of how the feed works.

filter        a reader is told what it asked for and nothing else, and once of what it no longer matches
ordered       numbers rise
unique        no change is told twice
atomic        a revision comes whole, a snapshot too
reliable      no change is left out
bookmarkable  a sign of life at n comes behind every change up to n that the reader wants
resumable     a reader goes on where it was, or is told why not and begins with a snapshot
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from city_brain.feeds.filters import LEVELS, Polygon, Wanted
from city_brain.incidents.incident import Incident, incident_line
from tests.feed_chaos.ledger import Record

ANEW = frozenset({"HISTORY_GONE", "OTHER_FEED", "NUMBER_NOT_REACHED", "FILTER_CHANGED", "SCOPE_CHANGED"})
"""Reasons for which a feed may ask a reader to begin with a snapshot."""


@dataclass(frozen=True)
class Violation:
    """A property that does not hold, and where."""

    of: str
    where: str

    def __str__(self) -> str:
        return f"{self.of}: {self.where}"


@dataclass
class Truth:
    """The changes that a feed was given, from number 1."""

    changes: Sequence[Incident]
    previous: list[Incident | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        newest: dict[str, Incident] = {}
        for incident in self.changes:
            self.previous.append(newest.get(incident.incident_id))
            newest[incident.incident_id] = incident

    def told(self, wanted: Wanted) -> list[tuple[int, Incident, bool]]:
        """Number, incident and whether it no longer matches, of all that a reader must be told from the beginning."""
        found = []
        for at, (incident, before) in enumerate(zip(self.changes, self.previous, strict=True)):
            if matches(wanted, incident):
                found.append((at + 1, incident, False))
            elif before is not None and matches(wanted, before):
                found.append((at + 1, incident, True))
        return found


def matches(wanted: Wanted, incident: Incident) -> bool:
    """Whether a reader wants an incident, worked out the plain way."""
    if wanted.types and incident.type not in wanted.types:
        return False
    if wanted.states and incident.state not in wanted.states:
        return False
    if wanted.minimum_level:
        grave = LEVELS.index(incident.level) if incident.level else len(LEVELS)
        if grave > LEVELS.index(wanted.minimum_level):
            return False
    if incident.confidence < wanted.minimum_confidence:
        return False
    if wanted.area_codes and not set(wanted.area_codes) & set(incident.place.area_codes):
        return False
    return not isinstance(wanted.area, Polygon) or _inside(wanted.area.border, incident.lon, incident.lat)


def _inside(border: Sequence[tuple[float, float]], lon: float, lat: float) -> bool:
    """Ray casting."""
    inside = False
    for (ax, ay), (bx, by) in zip(border, [*border[1:], border[0]], strict=True):
        if (ay > lat) != (by > lat) and lon < (bx - ax) * (lat - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def digest_of(incident: Incident) -> str:
    """Stands for all that is said of an incident."""
    return hashlib.sha256(incident_line(incident)).hexdigest()[:16]


class Judge:
    """Goes through the records of one subscriber."""

    def __init__(self, name: str, wanted: Wanted, truth: Truth) -> None:
        self._name, self._truth, self._wanted = name, truth, wanted
        self._told = truth.told(wanted)
        self._next = 0
        """Index of the next change that it must be told."""
        self._position: int | None = None
        self._may_begin_anew = True
        self.held: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def violations(self, records: Iterator[Record]) -> Iterator[Violation]:
        """Whatever does not hold, in the order of the records."""
        for record in records:
            self.counts[record.kind] += 1
            match record.kind:
                case "snapshot":
                    yield from self._snapshot(record)
                case "change":
                    yield from self._change(record)
                case "life":
                    yield from self._life(record)
                case "broken":
                    self._may_begin_anew |= record.anew and record.said.partition(":")[0] in ANEW

    def ended(self) -> Iterator[Violation]:
        """Whether it holds what it must, all having been told."""
        if self._next < len(self._told) or self._position is None:
            yield self._at("reliable", f"ended before change {self._due()} was told")
        newest = {incident.incident_id: incident for incident in self._truth.changes}
        wanted = {
            key: incident.revision
            for key, incident in newest.items()
            if matches(self._wanted, incident) and (key in self.held or not _is_over(newest, key))
        }
        if wanted != self.held:
            yield self._at("reliable", f"holds {_difference(wanted, self.held)}")

    def _snapshot(self, record: Record) -> Iterator[Violation]:
        if not self._may_begin_anew:
            yield self._at("resumable", f"a snapshot at {record.number} for which there was no reason")
        newest = {incident.incident_id: incident for incident in self._truth.changes[: record.number]}
        wanted = {
            key: incident.revision
            for key, incident in newest.items()
            if matches(self._wanted, incident) and (key in record.held or not _is_over(newest, key))
        }
        if wanted != record.held:
            yield self._at("atomic", f"snapshot at {record.number} {_difference(wanted, record.held)}")
        self._may_begin_anew, self._position, self.held = False, record.number, dict(record.held)
        self._next = sum(1 for number, _, _ in self._told if number <= record.number)

    def _change(self, record: Record) -> Iterator[Violation]:
        number, position = record.number, self._position
        if position is None:
            yield self._at("resumable", f"change {number} before any snapshot")
            position = 0
        if number == position:
            yield self._at("unique", f"change {number} told again")
        elif number < position:
            yield self._at("ordered", f"change {number} behind {position}")
        if self._due() < number:
            yield self._at("reliable", f"change {self._due()} left out before {number}")
        while self._next < len(self._told) and self._told[self._next][0] < number:
            self._next += 1
        if number > position and self._due() != number:
            yield self._at("filter", f"change {number} was not asked for")
        elif number > position:
            _, incident, dropped = self._told[self._next]
            self._next += 1
            if dropped != record.dropped:
                yield self._at("filter", f"change {number}: no longer matches: wanted {dropped}, got {record.dropped}")
            if record.said != digest_of(incident):
                yield self._at("atomic", f"change {number} is not as it was given to the feed")
        if record.dropped:
            self.held.pop(record.incident_id, None)
        else:
            self.held[record.incident_id] = record.revision
        self._position = max(position, number)

    def _life(self, record: Record) -> Iterator[Violation]:
        if self._position is not None and record.number < self._position:
            yield self._at("ordered", f"sign of life at {record.number} behind {self._position}")
        if self._due() <= record.number and self._position is not None:
            yield self._at("bookmarkable", f"sign of life at {record.number} before change {self._due()}")
        self._position = max(self._position or 0, record.number)

    def _due(self) -> int:
        """Number of the next change that it must be told; beyond all where none is."""
        return self._told[self._next][0] if self._next < len(self._told) else len(self._truth.changes) + 1

    def _at(self, of: str, where: str) -> Violation:
        return Violation(of, f"{self._name}: {where}")


def _is_over(newest: dict[str, Incident], incident_id: str) -> bool:
    return incident_id in newest and newest[incident_id].state in ("ended", "withdrawn")


def _difference(wanted: dict[str, int], got: dict[str, int]) -> str:
    missing = sorted(wanted.items() - got.items())[:3]
    surplus = sorted(got.items() - wanted.items())[:3]
    return f"lacks {missing} and has {surplus} beside" if surplus else f"lacks {missing}"


class Filters(msgspec.Struct):
    """The filters of subscribers by name, for the program that plays them."""

    by_name: dict[str, Wanted]
