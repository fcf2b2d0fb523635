"""Publishing: when a case is worth a revision, and what the revision says."""

import math
from collections.abc import Mapping
from itertools import pairwise

import msgspec

from city_brain.geo import LocalFrame
from city_brain.incidents.desk.case import Absorbed, Case, Published, next_number
from city_brain.incidents.desk.evidence import Counted, Weighed, confidence, weigh
from city_brain.incidents.desk.explaining import lent_log_odds
from city_brain.incidents.desk.places import Places
from city_brain.incidents.hypothesis import Evidence as Reason
from city_brain.incidents.hypothesis import Finding, LogPosition
from city_brain.incidents.incident import Evidence, Incident, Level, MultiLineString
from city_brain.incidents.incident_type import IncidentType, IncidentTypes

_GROWN_M = 20.0


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the desk speaks."""

    revise_every_s: float = 10.0
    """Least time between revisions of an incident whose state stays."""
    moved_m: float = 2.0
    """A place that moves further is news."""
    confidence_step: float = 0.05
    """A confidence that changes by so much is news."""
    extent_step: float = 0.2
    """A radius or queue that changes by such a share, and by 20 m, is news."""
    evidence_limit: int = 40
    """Most pieces of evidence in a revision; the lightest are left out."""
    row_limit: int = 16
    """Most log positions per piece of evidence; the middle ones are left out."""
    utc_offsets: tuple[tuple[int, int], ...] = ((0, 28_800),)
    """The city's clock, for counting by its days: (from event time in ms, seconds east of UTC), ascending."""


class Publisher:
    """Turns cases into revisions."""

    def __init__(
        self,
        types: IncidentTypes,
        settings: DeskSettings,
        frame: LocalFrame,
        places: Places,
        source_names: Mapping[int, str],
    ) -> None:
        self._types, self._settings, self._frame = types, settings, frame
        self._places, self._source_names = places, source_names

    def revision(self, case: Case, due_ms: int, numbers: dict[str, int]) -> Incident | None:
        """The next revision of a case, which then counts as published; None where nothing is news.

        The first one takes the next of `numbers` (see `next_number`).
        """
        last = case.published
        if last is None and (case.held or not case.is_open):
            return None
        changed = last is None or (last.state, last.reason) != (case.state, case.reason)
        waiting = last is not None and due_ms - last.updated_ms < 1000 * self._settings.revise_every_s
        if not changed and (waiting or not case.is_open):
            return None
        kind = self._types[case.type]
        weighed = weigh_case(case, kind)
        if case.is_open:
            believe(case, kind, weighed.log_odds)
        supporting = [*weighed.evidence, *_joined(case)]
        heard = {source: None for item in supporting if item.weight > 0 for source in item.evidence.sources}
        sources = tuple(sorted({**heard, **dict.fromkeys(last.sources if last else ())}))
        certain = confidence(case.log_odds, kind.calibration)
        extent = extent_m(case.findings())
        level = self._level(case, kind, certain, extent, len(sources))
        lead = case.members[case.lead].finding
        said = Published(
            revision=1 if last is None else last.revision + 1,
            state=case.state,
            reason=case.reason,
            confidence=certain,
            level=level,
            x=lead.x,
            y=lead.y,
            extent_m=extent,
            sources=sources,
            updated_ms=due_ms,
        )
        if last is not None and not changed and not self._is_news(last, said):
            return None
        case.number = case.number or next_number(numbers, case.first_seen_ms, self._settings.utc_offsets)
        case.published = said
        return self._incident(case, said, lead, self._evidence(supporting))

    def _is_news(self, last: Published, said: Published) -> bool:
        moved = (said.x - last.x) ** 2 + (said.y - last.y) ** 2 > self._settings.moved_m**2
        surer = abs(said.confidence - last.confidence) >= self._settings.confidence_step - 1e-9
        grown = abs(said.extent_m - last.extent_m) > max(_GROWN_M, self._settings.extent_step * last.extent_m)
        return moved or surer or grown or said.level != last.level or said.sources != last.sources

    def _level(self, case: Case, kind: IncidentType, certain: float, extent: float, sources: int) -> Level | None:
        """The gravest rung that has held since the announcement: a level falls by a person's word, not by itself."""
        if case.state == "suspected":
            return None
        before = case.published.level if case.published else None
        if case.state != "active":
            return before
        magnitude = max((f.magnitude for f in case.findings() if f.magnitude is not None), default=None)
        duration = (case.last_seen_ms - case.first_seen_ms) / 1000
        for rung in kind.levels:
            if rung.level == before:
                break
            enough = rung.magnitude is None or (magnitude is not None and magnitude >= rung.magnitude)
            enough = enough and certain >= rung.confidence and extent >= rung.extent_m
            if enough and duration >= rung.duration_s and sources >= rung.sources:
                return rung.level
        return before

    def _incident(self, case: Case, said: Published, lead: Finding, evidence: tuple[Evidence, ...]) -> Incident:
        lon, lat = self._frame.to_degrees(lead.x, lead.y)
        lines = tuple(tuple(self._degrees(point) for point in finding.path) for finding in _paths(case))
        return Incident(
            incident_id=case.id,
            revision=said.revision,
            number=case.number,
            type=case.type,
            status=case.status,
            state=case.state,
            reason=case.reason,
            confidence=said.confidence,
            level=said.level,
            lon=round(lon, 7),
            lat=round(lat, 7),
            position_error_m=round(lead.position_error_m, 1),
            radius_m=round(lead.radius_m, 1) if lead.radius_m > 0 else None,
            geometry=MultiLineString(lines) if lines else None,
            first_seen_ms=case.first_seen_ms,
            detected_ms=case.detected_ms,
            updated_ms=said.updated_ms,
            ended_ms=case.closed_ms if case.state == "ended" else None,
            sources=tuple(sorted(map(self._source_name, said.sources))),
            place=self._places.at(lead.x, lead.y, lead.road, lead.intersection),
            evidence=evidence,
        )

    def _degrees(self, point: tuple[float, float]) -> tuple[float, float]:
        lon, lat = self._frame.to_degrees(*point)
        return round(lon, 7), round(lat, 7)

    def _source_name(self, key: int) -> str:
        return self._source_names.get(key, f"source:{key:016x}")

    def _evidence(self, counted: list[Counted]) -> tuple[Evidence, ...]:
        heaviest = sorted(counted, key=lambda item: (-abs(item.weight), *_story(item)))
        told = [(item.finding.key, self._published(item)) for item in heaviest[: self._settings.evidence_limit]]
        told.sort(key=lambda pair: (pair[1].first_ms, pair[1].rule, pair[1].what, pair[1].sources, pair[0]))
        return tuple(item for _, item in told)

    def _published(self, counted: Counted) -> Evidence:
        item, kind = counted.evidence, self._types[counted.finding.type]
        return Evidence(
            what=item.what,
            sources=tuple(sorted(map(self._source_name, item.sources))),
            weight=round(counted.weight, 3),
            first_ms=item.first_ms,
            last_ms=item.last_ms,
            distance_m=None if item.distance_m is None else round(item.distance_m, 1),
            rows=_thinned(item.rows, self._settings.row_limit),
            note=item.note,
            rule=kind.type,
            version=kind.version,
        )


def weigh_case(case: Case, kind: IncidentType) -> Weighed:
    """The evidence of the members that stand (of all, where none does), and the total with what others lend."""
    weighed = weigh(case.findings(), kind.combine)
    return Weighed(weighed.log_odds + lent_log_odds(case), weighed.evidence)


def believe(case: Case, kind: IncidentType, total: float) -> None:
    """Takes a total over; a case that was announced and merely fades keeps what was believed of it."""
    if case.state == "suspected" or total >= kind.suspect_log_odds:
        case.log_odds = total


def extent_m(findings: list[Finding]) -> float:
    """Length of all paths together, or the widest radius where that is more."""
    pairs = [pair for finding in findings for pair in pairwise(finding.path)]
    length = math.fsum(math.sqrt((bx - ax) ** 2 + (by - ay) ** 2) for (ax, ay), (bx, by) in pairs)
    return max([length, *(finding.radius_m for finding in findings)])


def _paths(case: Case) -> list[Finding]:
    """Findings with a path, the head of the queue first, then by beginning and key; those that stand, else all."""
    found = [finding for finding in case.findings() if finding.path]
    return sorted(found, key=lambda finding: (finding.key != case.lead, finding.first_seen_ms, finding.key))


def _joined(case: Case) -> list[Counted]:
    """One piece of evidence for each finding that the case explains or that joined it."""
    counted: list[Counted] = []
    spent: dict[tuple[str, tuple[int, ...]], None] = {}
    by_type: dict[str, float] = {}
    for name in sorted(case.absorbed):
        absorbed = case.absorbed[name]
        item = _summary(absorbed)
        kind = absorbed.finding.type
        left = absorbed.most - by_type.get(kind, 0.0)
        weight = 0.0 if (kind, item.sources) in spent else max(min(absorbed.weight, left), 0.0)
        spent[kind, item.sources] = None
        by_type[kind] = by_type.get(kind, 0.0) + weight
        counted.append(Counted(item, weight, absorbed.finding))
    return counted


def _summary(absorbed: Absorbed) -> Reason:
    finding = absorbed.finding
    strongest = max(finding.evidence, key=lambda item: (item.weight, item.what), default=None)
    note = strongest.note if strongest else {}
    return Reason(
        what=strongest.what if strongest else finding.type,
        sources=tuple(sorted(dict.fromkeys(key for item in finding.evidence for key in item.sources))),
        weight=absorbed.weight,
        first_ms=finding.first_seen_ms,
        last_ms=finding.last_seen_ms,
        distance_m=absorbed.distance_m,
        rows=tuple(sorted(dict.fromkeys(row for item in finding.evidence for row in item.rows))),
        note=note,
    )


def _story(counted: Counted) -> tuple[int, str, str, tuple[int, ...], str]:
    """Orders pieces of equal weight: by first time, rule, code, sources, key."""
    item = counted.evidence
    return item.first_ms, counted.finding.type, item.what, item.sources, counted.finding.key


def _thinned(rows: tuple[LogPosition, ...], limit: int) -> tuple[LogPosition, ...]:
    ordered = tuple(sorted(rows))
    return ordered if len(ordered) <= limit else ordered[: limit // 2] + ordered[len(ordered) - (limit - limit // 2) :]
