"""A bounded, numbered log of changes: a snapshot, then updates; a reader resumes from a number.

Every revision of every incident takes the next number, from 1. The state "as of R" is the newest revision of each
incident among the changes 1..R, so a snapshot as of R and the changes after R are all there is to know.

Memory: 2 x `capacity` changes and `closed_kept` closed incidents of some 5 kB each (20 pieces of evidence), with the
defaults about 105 MB. At the limit the oldest change is forgotten here; a reader that asks for it gets it from the
store beside, and is refused with HISTORY_GONE where that does not hold it either. The incident closed longest ago is
forgotten, and then not found. Those that go on are never forgotten.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from city_brain.errors import StateError
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.incidents.incident import Incident
from city_brain.incidents.lifecycle import OPEN

CAPACITY = 10_000
CLOSED_KEPT = 1_000


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one incident, under its number."""

    number: int
    incident: Incident
    previous: Incident | None
    """The revision before, None for the first: a filter must tell its reader when an incident leaves it."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The newest revision of an incident."""

    opened_number: int
    """Number of its first change; the order of lists."""
    number: int
    """Number of its last change; the order of snapshots."""
    incident: Incident


class ChangeLog(msgspec.Struct, kw_only=True):
    """The log of one city. One writer appends tick after tick; readers only look."""

    feed_id: str
    """Identity of this count of numbers, from what began it (city, versions, store or tick): another has another."""
    capacity: int = CAPACITY
    closed_kept: int = CLOSED_KEPT
    last_number: int = 0
    last_tick: int | None = None
    heartbeat: Heartbeat | None = None
    changes: list[Change] = []
    """The newest `capacity` changes in ascending order, and up to as many again that are about to be forgotten."""
    held: dict[str, Held] = {}
    """By incident id, in the order of their last change."""
    closed: int = 0
    """How many of the held incidents are over."""
    oldest_number: int | None = None
    """Number of the oldest change that a store holds beside this log; None: there is none but this."""

    def append(self, tick: int, incidents: Sequence[Incident], heartbeat: Heartbeat) -> bool:
        """Takes the new revisions of one closed tick, all at once; False for a tick that it already has.

        Ticks come without gaps. A gap, or a revision that does not follow the one before, is a StateError, and then
        nothing of this tick is taken.
        """
        if self.last_tick is not None and tick <= self.last_tick:
            return False
        if self.last_tick is not None and tick != self.last_tick + 1:
            raise StateError(f"change log {self.feed_id}: wanted tick {self.last_tick + 1}, got {tick}")
        self._check_revisions(tick, incidents)
        for incident in incidents:
            self._take(incident)
        self._forget()
        self.last_tick = tick
        self.heartbeat = heartbeat
        return True

    @property
    def first_number(self) -> int:
        """Number of the oldest change that is here; `last_number + 1` while there is none."""
        return self.last_number + 1 - min(len(self.changes), self.capacity)

    @property
    def resumable_number(self) -> int:
        """Number of the oldest change that a reader can still get, here or from the store beside."""
        return self.first_number if self.oldest_number is None else min(self.oldest_number, self.first_number)

    @property
    def log_time_ms(self) -> int | None:
        """Log time of the last tick, epoch ms; None before the first."""
        return self.heartbeat.log_time_ms if self.heartbeat else None

    def check_resume(self, after: int, feed_id: str = "") -> None:
        """Raises RefusedError where the changes after `after` are not all here."""
        first = self.resumable_number
        facts: dict[str, str | int] = {"asked": after, "first": first, "last": self.last_number}
        where = f"feed {self.feed_id}: wanted the changes after {after}"
        if feed_id and feed_id != self.feed_id:
            message = f"{where} of feed {feed_id}, which is another one; start again from a snapshot"
            raise RefusedError(Reason.OTHER_FEED, message, "feed_id", feed_id=self.feed_id, **facts)
        if after > self.last_number:
            message = f"{where}, but the last one is {self.last_number}; start again from a snapshot"
            raise RefusedError(Reason.NUMBER_NOT_REACHED, message, "after_change_number", **facts)
        if after + 1 < first:
            message = f"{where}, but the history begins with {first}; start again from a snapshot"
            raise RefusedError(Reason.HISTORY_GONE, message, "after_change_number", **facts)

    def after(self, number: int) -> Iterator[Change]:
        """The changes behind `number`, which `check_resume` has found good, in ascending order."""
        start = len(self.changes) - (self.last_number - number)
        return (self.changes[at] for at in range(start, len(self.changes)))

    def snapshot(self) -> list[Held]:
        """The newest revision of every incident as of `last_number`, in the order of their last change."""
        return list(self.held.values())

    def get(self, incident_id: str) -> Held:
        """The newest revision of one incident; raises RefusedError (NO_SUCH_INCIDENT)."""
        found = self.held.get(incident_id)
        if found is None:
            raise self.not_found(incident_id)
        return found

    def not_found(self, incident_id: str) -> RefusedError:
        """What is said of an incident that is not here, and of one that the caller may not know of: the same."""
        message = f"incident {cut(incident_id)!r}: not found; incidents that are over are kept up to {self.closed_kept}"
        return RefusedError(Reason.NO_SUCH_INCIDENT, message, "name", incident_id=incident_id)

    def history(self, incident_id: str) -> list[Change]:
        """The changes of one incident that are still in the log, oldest first."""
        return [change for change in self.after(self.first_number - 1) if change.incident.incident_id == incident_id]

    def _check_revisions(self, tick: int, incidents: Iterable[Incident]) -> None:
        newest: dict[str, int] = {}
        for incident in incidents:
            held = self.held.get(incident.incident_id)
            before = newest.get(incident.incident_id, held.incident.revision if held else incident.revision - 1)
            if incident.revision != before + 1:
                raise StateError(
                    f"change log {self.feed_id}, tick {tick}, incident {incident.incident_id}: "
                    f"wanted revision {before + 1}, got {incident.revision}"
                )
            newest[incident.incident_id] = incident.revision

    def _take(self, incident: Incident) -> None:
        self.last_number += 1
        before = self.held.pop(incident.incident_id, None)
        opened = before.opened_number if before else self.last_number
        previous = before.incident if before else None
        self.changes.append(Change(number=self.last_number, incident=incident, previous=previous))
        self.held[incident.incident_id] = Held(opened_number=opened, number=self.last_number, incident=incident)
        self.closed += _is_closed(incident) - (previous is not None and _is_closed(previous))

    def _forget(self) -> None:
        if len(self.changes) >= 2 * self.capacity:
            del self.changes[: -self.capacity]
        if self.closed > self.closed_kept:
            over = [held.incident.incident_id for held in self.held.values() if _is_closed(held.incident)]
            for incident_id in over[: self.closed - self.closed_kept]:
                del self.held[incident_id]
            self.closed = self.closed_kept


def _is_closed(incident: Incident) -> bool:
    return incident.state not in OPEN
