"""Takes the changes of cities one by one, as they were accepted, and says what changes at the province.

Every incident of a city belongs to exactly one provincial incident, which it opens unless it is one event with that of
another city. Two incidents of one city are never joined here, since that city tells its own events apart; but where it
merged them itself, they are one here, too. What has been joined stays joined. The outcome depends on the order of the
changes and on nothing else, and all of the state comes back from what the province has published and mirrored.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from city_brain.canonical import content_id
from city_brain.incidents.incident import ProvincialIncident
from city_brain.incidents.incident_type import IncidentType
from city_brain.incidents.lifecycle import OPEN
from city_brain.province.joining.nearby import Nearby
from city_brain.province.joining.nearness import distance_m
from city_brain.province.joining.uniting import FEED_REPLACED, Held, Key, united

_MERGED = "merged_into:"
_EXPLAINED = "explained_by:"


class _Group:
    """A provincial incident: its members in the order in which they came, and its newest revision."""

    __slots__ = ("id", "last", "members", "opened")

    def __init__(self, provincial_id: str, opened: int) -> None:
        self.id, self.opened = provincial_id, opened
        self.members: list[Key] = []
        self.last: ProvincialIncident | None = None


class Joining:
    """The provincial incidents of one province. Incidents of types that it does not know are passed on alone."""

    def __init__(self, types: Mapping[str, IncidentType]) -> None:
        self._types = types
        self._held: dict[Key, Held] = {}
        self._group_of: dict[Key, _Group] = {}
        self._nearby = Nearby()
        self._opened = 0

    @classmethod
    def restored(
        cls,
        types: Mapping[str, IncidentType],
        published: Iterable[tuple[int, ProvincialIncident]],
        held: Iterable[Held],
    ) -> "Joining":
        """The state from what was published and what the members are.

        `published`: newest revisions, in the order of their last change, each with the number of its first one.
        """
        joining = cls(types)
        known = {one.key: one for one in held}
        for opened, incident in published:
            group = _Group(incident.incident_id, opened)
            group.last = incident
            joining._opened = max(joining._opened, opened)
            for member in incident.members:
                key = (member.city, member.incident_id)
                if key in known:
                    before = joining._group_of.get(key)
                    if before is not None:  # it has gone over since
                        before.members.remove(key)
                    group.members.append(key)
                    joining._group_of[key] = group
                    joining._keep(known[key])
        return joining

    def __len__(self) -> int:
        """Number of members."""
        return len(self._held)

    def take(self, held: Held) -> list[ProvincialIncident]:
        """Takes one change of a city; returns the revisions that follow from it, in order."""
        changed: dict[str, _Group] = {}
        gone: list[ProvincialIncident] = []
        self._keep(held)
        group = self._group_of.get(held.key)
        if group is None:
            group = self._open(held)
        elif self._clash(group.members, []):  # it came back, and stands beside what it was merged into
            changed[group.id] = group
            group = self._leave(held, group)
        changed[group.id] = group
        while (other := self._other(held, group)) is not None:
            group, over = (group, other) if group.opened < other.opened else (other, group)
            changed.pop(over.id, None)
            gone += self._go_over(over, group)
            changed[group.id] = group
        return gone + [self._publish(one) for one in changed.values()]

    def replaced(self, city: str, feed_id: str) -> list[ProvincialIncident]:
        """Withdraws the open members of a city that come from another feed than `feed_id`, and says what follows.

        Whatever else is not as it was published is said, too: the city may have gone back to a feed of before.
        """
        groups: dict[str, _Group] = {}
        for key in sorted(key for key in self._held if key[0] == city):
            held = self._held[key]
            if held.feed_id != feed_id and held.incident.state in OPEN:
                self._keep(withdrawn_as_replaced(held))
            group = self._group_of[key]
            groups[group.id] = group
        return [self._publish(group) for group in groups.values() if self._is_news(group)]

    def keep_only(self, provincial_ids: Collection[str]) -> None:
        """Forgets the members of all other provincial incidents."""
        for key in [key for key, group in self._group_of.items() if group.id not in provincial_ids]:
            del self._group_of[key], self._held[key]
            self._nearby.drop(key)

    def _keep(self, held: Held) -> None:
        self._held[held.key] = held
        self._nearby.put(held.key, held.incident)

    def _open(self, held: Held) -> _Group:
        self._opened += 1
        provincial_id = content_id("provincial", held.city, held.feed_id, held.incident.incident_id, held.number)
        group = _Group(provincial_id, self._opened)
        group.members.append(held.key)
        self._group_of[held.key] = group
        return group

    def _leave(self, held: Held, group: _Group) -> _Group:
        """Opens a group for a member and for what was merged into it."""
        leaving = [held.key]
        for key in leaving:
            leaving += [one for one in group.members if one[0] == held.city and self._merged_into(one) == key[1]]
        own = self._open(held)
        own.members = leaving
        for key in leaving:
            group.members.remove(key)
            self._group_of[key] = own
        return own

    def _other(self, held: Held, group: _Group) -> _Group | None:
        """Another group that is the same event: that of what it was merged into, else the nearest of other cities."""
        into = _named(held.incident.reason, _MERGED) if held.incident.state == "withdrawn" else None
        target = self._group_of.get((held.city, into)) if into else None
        if target is not None and target is not group and not self._clash(group.members, target.members):
            return target
        kind = self._types.get(held.incident.type)
        if kind is None:
            return None
        found: list[tuple[float, int, _Group]] = []
        for key in self._nearby.around(held.incident, kind):
            other = self._group_of[key]
            if key[0] == held.city or other is group:
                continue
            apart_m = distance_m(held.incident, self._held[key].incident, kind)
            if apart_m is not None and not self._clash(group.members, other.members):
                found.append((apart_m, other.opened, other))
        return min(found, key=lambda one: one[:2])[2] if found else None

    def _clash(self, one: Sequence[Key], other: Sequence[Key]) -> bool:
        """Whether together they hold two incidents of one city that the city has not merged."""
        together = [*one, *other]
        names = set(together)
        standing = [key for key in together if (key[0], self._merged_into(key)) not in names]
        cities = [city for city, _ in standing]
        return len(cities) != len(set(cities))

    def _merged_into(self, key: Key) -> str | None:
        incident = self._held[key].incident
        return _named(incident.reason, _MERGED) if incident.state == "withdrawn" else None

    def _go_over(self, over: _Group, into: _Group) -> list[ProvincialIncident]:
        """Moves all members; one that was published is withdrawn."""
        into.members += over.members
        for key in over.members:
            self._group_of[key] = into
        over.members = []
        if over.last is None:
            return []
        updated_ms = max(over.last.updated_ms, *(self._held[key].incident.updated_ms for key in into.members))
        over.last = msgspec.structs.replace(
            over.last,
            revision=over.last.revision + 1,
            state="withdrawn",
            reason=f"{_MERGED}{into.id}",
            updated_ms=updated_ms,
            ended_ms=None,
        )
        return [over.last]

    def _publish(self, group: _Group) -> ProvincialIncident:
        group.last = self._united(group)
        return group.last

    def _is_news(self, group: _Group) -> bool:
        last = group.last
        return last is None or msgspec.structs.replace(self._united(group), revision=last.revision) != last

    def _united(self, group: _Group) -> ProvincialIncident:
        return united(group.id, [self._held[key] for key in group.members], group.last, self._reason)

    def _reason(self, held: Held) -> str | None:
        """Why a member is over. What explains it is named as the province does, if it knows it.

        What its city merged it into is named by city and id: `merged_into:` with an id of the province stands where all
        members of a provincial incident have gone over to another.
        """
        reason = held.incident.reason
        merged, explained = _named(reason, _MERGED), _named(reason, _EXPLAINED)
        if merged is not None:
            return f"{_MERGED}{held.city}/{merged}"
        if explained is not None:
            group = self._group_of.get((held.city, explained))
            return f"{_EXPLAINED}{group.id if group else f'{held.city}/{explained}'}"
        return reason


def withdrawn_as_replaced(held: Held) -> Held:
    """The same incident, withdrawn because its city began another feed."""
    withdrawn = msgspec.structs.replace(held.incident, state="withdrawn", reason=FEED_REPLACED, ended_ms=None)
    return msgspec.structs.replace(held, incident=withdrawn)


def _named(reason: str | None, what: str) -> str | None:
    """The incident id that a reason of this kind names."""
    return reason.removeprefix(what) if reason is not None and reason.startswith(what) else None
