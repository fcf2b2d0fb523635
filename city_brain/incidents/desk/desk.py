"""The desk: tick by tick it joins findings into cases, decides what they are, and tells what has changed.

A pure engine: the same findings in the same ticks give the same bytes, in whatever order or partition they come. Cases
are judged causes first, so that an effect meets its cause in the same tick. Costs grow in proportion to the open cases
(about 0.1 ms each per tick): neighbours are found through cells, never by comparing all with all.
"""

from collections.abc import Mapping, Sequence

import msgspec

from city_brain.canonical import content_id
from city_brain.city.city_map import CityMap
from city_brain.errors import StateError
from city_brain.incidents.desk.case import Absorbed, Case, DeskState, Member, identity, identity_of, open_case
from city_brain.incidents.desk.explaining import Cause, Explainer
from city_brain.incidents.desk.joining import CellIndex, Gathered, gap_m, gather, reach_m, shape_of, tail_gap_m
from city_brain.incidents.desk.places import Places
from city_brain.incidents.desk.publishing import DeskSettings, Publisher, believe, weigh_case
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident import Incident, incident_line
from city_brain.incidents.incident_type import IncidentType, IncidentTypes
from city_brain.incidents.lifecycle import move
from city_brain.incidents.tick_record import TickRecord

_LEAD_MARGIN = 1.0
"""Log-odds by which another finding must be stronger to take over the place of an incident."""

_ABSORBED_LIMIT = 100
"""Absorbed findings that one case keeps; beyond it those longest gone are dropped."""

_COUNTED = ("confirmed", "over", "faded", "explained", "merged", "returned")


class Desk:
    """The desk of one city. All its memory is `state`, which `city_brain.snapshot` writes and reads."""

    def __init__(
        self,
        city: str,
        city_map: CityMap,
        types: IncidentTypes,
        settings: DeskSettings | None = None,
        versions: Mapping[str, str] | None = None,
        state: DeskState | None = None,
    ) -> None:
        """`versions` of map and code go into every record beside those of types and settings; `state`: a snapshot's."""
        self.city = city
        self.state = state or DeskState()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._last_words: list[Incident] = []
        self._begin(city_map, types, settings or DeskSettings(), versions or {})

    def _begin(
        self, city_map: CityMap, types: IncidentTypes, settings: DeskSettings, versions: Mapping[str, str]
    ) -> None:
        self.types = types
        self._frame = city_map.frame
        self._versions = {
            **versions,
            "desk": content_id(msgspec.to_builtins(settings)),
            "types": types.fingerprint,
        }
        self._rank = {name: at for at, name in enumerate(types.order)}
        self._index = {name: CellIndex() for name in types.order}
        self._explainer = Explainer(types, self.state, self._index)
        names = dict(zip(city_map.source_keys.tolist(), city_map.source_ids, strict=True))
        self._publisher = Publisher(types, settings, city_map.frame, Places(city_map), names)
        for case in self.state.cases.values():
            self._enter(case)

    def adopt(
        self, city_map: CityMap, types: IncidentTypes, settings: DeskSettings, versions: Mapping[str, str], due_ms: int
    ) -> None:
        """Goes on with another configuration, before the tick that closes at `due_ms`. Cases go on; those of a type
        that is no more are closed, and the record of that tick says so.
        """
        gone = self.types.by_name.keys() - types.by_name.keys()
        for case in self._in_order():
            for name, entry in list(case.absorbed.items()):
                if entry.finding.type in gone:
                    del case.absorbed[name]
                    self._disown(case, name)
        for case in self._in_order():
            if case.type in gone and case.is_open:
                self._close(case, "over" if case.state == "active" else "faded", due_ms, "type_removed")
        leaving = [case for case in self._in_order() if case.type in gone]
        self._last_words = self._publish(leaving, due_ms)
        for case in leaving:
            self._drop(case)
        self._begin(city_map, types, settings, versions)

    def step(self, tick: int, due_ms: int, findings_by_partition: Sequence[Sequence[Finding]]) -> TickRecord:
        """Takes the findings of tick `tick` of all partitions, which closes at `due_ms`; ticks come without gaps."""
        if self.state.tick is not None and tick != self.state.tick + 1:
            raise StateError(f"desk of {self.city}: wanted tick {self.state.tick + 1}, got {tick}")
        self.state.tick = tick
        gathered = gather(findings_by_partition, self.types)
        for finding in gathered.findings:
            self._take(finding, due_ms)
        for kind in self.types:
            if kind.merges:
                self._merge_grown(kind, due_ms)
        for case in self._in_order():
            self._judge(case, due_ms)
        revisions = [*self._last_words, *self._publish(self._in_order(), due_ms)]
        self._last_words = []
        self._forget(due_ms)
        record = TickRecord(
            tick=tick,
            due_ms=due_ms,
            city=self.city,
            versions=self._versions,
            counters=self._counters(gathered, revisions),
            lines=tuple(map(incident_line, revisions)),
        )
        self._counts = dict.fromkeys(_COUNTED, 0)
        return record

    def _in_order(self) -> list[Case]:
        return sorted(self.state.cases.values(), key=lambda case: (self._rank[case.type], case.age))

    def _enter(self, case: Case) -> None:
        absorbed = [entry.finding for entry in case.absorbed.values() if not entry.gone]
        self._index[case.type].put(case.id, map(shape_of, [*case.findings(), *absorbed]))

    # Findings find their cases.

    def _take(self, finding: Finding, due_ms: int) -> None:
        name = identity_of(finding)
        kind = self.types[finding.type]
        case = self.state.cases.get(self.state.owner.get(name, ""))
        if case is not None:
            entry = case.absorbed[name] if name in case.absorbed else case.members[finding.key]
            parted = entry.gone if isinstance(entry, Absorbed) else self._is_past(case, due_ms)
            if case.is_open or not parted:
                self._update(case, entry, finding, due_ms)
                return
        if not finding.gone and finding.log_odds >= kind.suspect_log_odds:
            self._place(finding, due_ms, due_ms)

    def _update(self, case: Case, entry: Member, finding: Finding, due_ms: int) -> None:
        if finding.gone:
            entry.gone = True
            return
        strong = finding.log_odds >= self.types[finding.type].close_log_odds
        if entry.gone and not strong:
            return
        returned = entry.gone
        if strong:
            entry.gone, entry.strong_ms = False, due_ms
        before, entry.finding = entry.finding, finding
        if not isinstance(entry, Absorbed):
            case.see(finding)
        if returned or shape_of(before) != shape_of(finding):
            self._enter(case)

    def _place(self, finding: Finding, strong_ms: int, due_ms: int) -> None:
        """A finding that no case owns joins the nearest one it may, else opens its own."""
        kind = self.types[finding.type]
        shape, apart_m = shape_of(finding), tail_gap_m if kind.merges else gap_m
        hinted = [self.state.owner.get(identity(finding.status, finding.type, key)) for key in finding.causes]
        near = self._index[finding.type].near(shape, 2.0 * kind.join_radius_m)
        found: list[tuple[float, tuple[int, int, str], Case]] = []
        for name in dict.fromkeys([*filter(None, hinted), *near]):
            case = self.state.cases[name]
            wanted = (finding.type, finding.status, finding.about)
            if (case.type, case.status, case.about) != wanted or not self._may_join(case, due_ms):
                continue
            reach = reach_m(kind, finding.position_error_m, case.members[case.lead].finding.position_error_m)
            gap = 0.0 if name in hinted else min(apart_m(shape, shape_of(other), reach) for other in case.findings())
            if gap <= reach:
                found.append((gap, case.age, case))
        if found:
            case = min(found, key=lambda item: item[:2])[2]
            case.see(finding)
        else:
            case = open_case(finding, self.state.tick or 0, due_ms, self._frame.to_degrees(finding.x, finding.y))
            case.lead = finding.key
            self.state.cases[case.id] = case
        case.members[finding.key] = Member(finding, strong_ms)
        self.state.owner[identity_of(finding)] = case.id
        self._enter(case)

    def _may_join(self, case: Case, due_ms: int) -> bool:
        merged = case.reason is not None and case.reason.startswith("merged_into:")
        return case.is_open or not (merged or self._is_past(case, due_ms))

    def _is_past(self, case: Case, due_ms: int) -> bool:
        """Whether a case closed so long ago that the same event would be another incident."""
        return case.closed_ms is not None and due_ms - case.closed_ms > 1000 * self.types[case.type].join_gap_s

    # Cases that have grown together become one.

    def _merge_grown(self, kind: IncidentType, due_ms: int) -> None:
        cases = [case for case in self.state.cases.values() if case.type == kind.type and case.is_open]
        cases.sort(key=lambda case: (case.state != "active", case.age))
        links = self._links(cases, kind)
        reached: dict[str, None] = {}
        for senior in cases:
            if senior.id in reached:
                continue
            reached[senior.id] = None
            waiting = [senior.id]
            while waiting:
                for name in links[waiting.pop(0)]:
                    if name not in reached:
                        reached[name] = None
                        waiting.append(name)
                        self._merge(self.state.cases[name], senior, due_ms)

    def _links(self, cases: list[Case], kind: IncidentType) -> dict[str, dict[str, None]]:
        """For each case the others that it touches, or that a finding of either names as a cause."""
        links: dict[str, dict[str, None]] = {case.id: {} for case in cases}
        for case in cases:
            for finding in case.findings():
                shape = shape_of(finding)
                hinted = [self.state.owner.get(identity(case.status, kind.type, key)) for key in finding.causes]
                for name in [*filter(None, hinted), *self._index[kind.type].near(shape, kind.join_radius_m)]:
                    other = self.state.cases[name]
                    if name == case.id or name not in links or name in links[case.id]:
                        continue
                    if (other.status, other.about) != (case.status, case.about):
                        continue
                    gaps = (tail_gap_m(shape, shape_of(theirs), kind.join_radius_m) for theirs in other.findings())
                    if name in hinted or min(gaps) <= kind.join_radius_m:
                        links[case.id][name] = None
                        links[name][case.id] = None
        return links

    def _merge(self, junior: Case, senior: Case, due_ms: int) -> None:
        for key, member in junior.members.items():
            if not member.gone:
                senior.members[key] = Member(member.finding, member.strong_ms)
                senior.see(member.finding)
                self.state.owner[identity_of(member.finding)] = senior.id
                member.gone = True
        self._hand_on(junior, senior, 1.0)
        self._enter(senior)
        self._close(junior, "merged", due_ms, f"merged_into:{senior.id}")

    # Cases are judged.

    def _judge(self, case: Case, due_ms: int) -> None:
        if case.id not in self.state.cases:
            return
        self._let_lapse(case, due_ms)
        kind = self.types[case.type]
        if all(member.gone for member in case.members.values()):
            if case.is_open:
                self._close(case, "over" if case.state == "active" else "faded", due_ms)
            return
        case.lead = _lead(case)
        total = weigh_case(case, kind).log_odds
        case.lent = {}
        if not case.is_open and not self._may_return(case, kind, total, due_ms):
            return
        believe(case, kind, total)
        cause = self._explainer.cause_of(case)
        if cause is not None and cause.suffices:
            self._absorb(case, cause, due_ms)
            return
        if not case.is_open:
            self._move(case, "returned")
            case.reason = case.closed_ms = None
        self._decide(case, kind, total, cause, due_ms)

    def _decide(self, case: Case, kind: IncidentType, total: float, forming: Cause | None, due_ms: int) -> None:
        """Whether to announce a suspicion, or to wait for a cause that is forming and lend it weight."""
        if case.state == "suspected":
            ready = total >= kind.open_log_odds
            case.ready_ms = (due_ms if case.ready_ms is None else case.ready_ms) if ready else None
        waited_ms = 0 if case.ready_ms is None else due_ms - case.ready_ms
        case.held = forming is not None and waited_ms < 1000 * kind.hold_s
        if forming is not None:
            lent = forming.case.lent
            lent[case.type] = max(lent.get(case.type, 0.0), forming.link.weight)
        if case.state == "suspected" and case.ready_ms is not None and not case.held:
            self._move(case, "confirmed")
            if case.detected_ms is None:
                case.detected_ms = due_ms

    def _may_return(self, case: Case, kind: IncidentType, total: float, due_ms: int) -> bool:
        enough = kind.open_log_odds if case.state == "ended" else kind.suspect_log_odds
        return total >= enough and self._may_join(case, due_ms)

    def _let_lapse(self, case: Case, due_ms: int) -> None:
        """What was not handed over, or only weakly, for its type's close gap is gone."""
        for entry in case.entries():
            if due_ms - entry.strong_ms > 1000 * self.types[entry.finding.type].close_gap_s:
                entry.gone = True

    def _absorb(self, case: Case, cause: Cause, due_ms: int) -> None:
        """The findings of a case become evidence of its cause."""
        link, other = cause.link, cause.case
        most = link.weight if link.most is None else link.most
        for member in case.members.values():
            if not member.gone:
                name = identity_of(member.finding)
                other.absorbed[name] = Absorbed(
                    member.finding, member.strong_ms, weight=link.weight, most=most, distance_m=cause.distance_m
                )
                self.state.owner[name] = other.id
                member.gone = True
        self._hand_on(case, other, 0.0)
        self._enter(other)
        if case.is_open:
            self._close(case, "explained", due_ms, f"explained_by:{other.id}")

    def _hand_on(self, giver: Case, taker: Case, share: float) -> None:
        """What a case has absorbed goes to another, at a share of its weight."""
        for name, absorbed in giver.absorbed.items():
            if self.state.owner.get(name) == giver.id:
                absorbed.weight *= share
                taker.absorbed[name] = absorbed
                self.state.owner[name] = taker.id
        giver.absorbed = {}
        gone = [name for name, absorbed in taker.absorbed.items() if absorbed.gone]
        gone.sort(key=lambda name: (taker.absorbed[name].strong_ms, name))
        for name in gone[: max(len(taker.absorbed) - _ABSORBED_LIMIT, 0)]:
            del taker.absorbed[name]
            self._disown(taker, name)

    def _close(self, case: Case, event: str, due_ms: int, reason: str | None = None) -> None:
        self._move(case, event)
        case.closed_ms, case.ready_ms, case.held = due_ms, None, False
        case.reason = "faded" if event == "faded" else reason
        released = case.absorbed if event == "faded" else {}
        if released:
            case.absorbed = {}
        for name, absorbed in released.items():
            self._disown(case, name)
            if not absorbed.gone:
                self._place(absorbed.finding, absorbed.strong_ms, due_ms)
        if case.published is None:
            self._drop(case)

    def _move(self, case: Case, event: str) -> None:
        case.state = move(case.state, event)
        self._counts[event] += 1

    # Cases are told, and at last forgotten.

    def _publish(self, cases: Sequence[Case], due_ms: int) -> list[Incident]:
        said = (self._publisher.revision(case, due_ms, self.state.numbers) for case in cases)
        return [revision for revision in said if revision is not None]

    def _forget(self, due_ms: int) -> None:
        for case in list(self.state.cases.values()):
            if case.closed_ms is None:
                continue
            lingers = self._may_join(case, case.closed_ms) and due_ms - case.closed_ms <= self._explainer.linger_ms(
                case.type
            )
            if not lingers and all(entry.gone for entry in case.entries()):
                self._drop(case)

    def _drop(self, case: Case) -> None:
        del self.state.cases[case.id]
        self._index[case.type].drop(case.id)
        for entry in case.entries():
            self._disown(case, identity_of(entry.finding))

    def _disown(self, case: Case, name: str) -> None:
        if self.state.owner.get(name) == case.id:
            del self.state.owner[name]

    def _counters(self, gathered: Gathered, revisions: list[Incident]) -> dict[str, int]:
        states = [case.state for case in self.state.cases.values()]
        return {
            **self._counts,
            "findings": gathered.read,
            "findings_repeated": gathered.repeated,
            "findings_refused": gathered.refused,
            "revisions": len(revisions),
            "suspected_now": states.count("suspected"),
            "active_now": states.count("active"),
        }


def _lead(case: Case) -> str:
    """Key of the finding that gives the place: the head of the queue, else the strongest, with a margin to stay put."""
    standing = {key: member.finding for key, member in case.members.items() if not member.gone}
    if len(standing) == 1:
        return next(iter(standing))
    heads = [key for key, finding in standing.items() if not any(cause in standing for cause in finding.causes)]
    rivals = {key: standing[key] for key in heads or standing}
    best = min(rivals, key=lambda key: (-rivals[key].log_odds, rivals[key].first_seen_ms, key))
    if case.lead in rivals and rivals[best].log_odds <= rivals[case.lead].log_odds + _LEAD_MARGIN:
        return case.lead
    return best
