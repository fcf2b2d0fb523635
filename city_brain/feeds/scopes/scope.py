"""What a department may know of: its scope, and every filter of its readers within that.

A scope is a `Wanted` that the reader does not choose. What lies outside of it is, for this reader, not there: it is not
found, not listed, not told, and an incident that leaves the scope is told as one that no longer matches, in the last
revision that lay inside.
"""

from city_brain.feeds.change_log import ChangeLog, Held
from city_brain.feeds.filters import IncidentFilter, Names, Wanted
from city_brain.feeds.scopes.numbers import the_one
from city_brain.incidents.incident import Incident


class Sight:
    """A scope made ready to be asked. Raises RefusedError where its level, state or shape makes no sense."""

    __slots__ = ("_filter", "conditions", "scope")

    def __init__(self, scope: Wanted) -> None:
        self.scope = scope
        # By its own names: a type that the city gives up must not open the scope, nor close the feed.
        self._filter = IncidentFilter(scope, Names(types=scope.types, area_codes=scope.area_codes))
        self.conditions = self._filter.conditions
        """The tests that an incident must pass to be there for the reader."""

    def shows(self, incident: Incident) -> bool:
        """Whether this revision lies in the scope."""
        return self._filter.matches(incident)

    def of(self, log: ChangeLog, asked: str) -> Held:
        """The newest revision of one incident, by its id, or by its number where that leaves no doubt (`the_one`);
        RefusedError (NO_SUCH_INCIDENT), the same one, where it is not in the log and where its newest revision lies
        outside of the scope.
        """
        found = log.held.get(asked)
        if found is None:
            shown = (held.incident for held in log.held.values() if self.shows(held.incident))
            numbered = the_one(shown, asked)
            found = log.held[numbered.incident_id] if numbered else None
        if found is None or not self.shows(found.incident):
            raise log.not_found(asked)
        return found


class ScopedFilter(IncidentFilter):
    """What a reader wants and its scope allows: both must hold."""

    __slots__ = ("_sight",)

    def __init__(self, wanted: Wanted, names: Names, scope: Wanted) -> None:
        super().__init__(wanted, names)
        self._sight = Sight(scope)
        self.conditions += self._sight.conditions

    @property
    def asked(self) -> tuple[Wanted, ...]:
        """What the reader wants, and its scope."""
        return (self.wanted, self._sight.scope)

    def may_see(self, incident: Incident) -> bool:
        """Whether the revision lies in the scope."""
        return self._sight.shows(incident)
