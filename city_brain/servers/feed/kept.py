"""A feed in its store, as a live feed and its readers need it; every call may block."""

from collections.abc import Iterable
from contextlib import suppress

from city_brain.feeds.change_log import CLOSED_KEPT, Change, ChangeLog
from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.incidents.incident import Incident
from city_brain.incidents.lifecycle import OPEN
from city_brain.store.feed import Feed
from city_brain.store.values import Proof, Subscriber


class Kept:
    """What readers ask of a stored feed; `feed` is None as long as nothing is stored."""

    def __init__(self, feed: Feed | None) -> None:
        self.feed = feed

    def log(self, feed_id: str) -> ChangeLog:
        """The log of the feed as it is stored; an empty one under `feed_id` where nothing is."""
        head = self.feed.head() if self.feed else None
        if self.feed is None or head is None or not head.feed_id:
            return ChangeLog(feed_id=feed_id, oldest_number=1)
        held = {kept.incident.incident_id: kept for kept in self.feed.held()}
        closed = [key for key, kept in held.items() if kept.incident.state not in OPEN]
        for key in closed[:-CLOSED_KEPT]:
            del held[key]
        return ChangeLog(
            feed_id=head.feed_id,
            last_number=head.last_number,
            last_tick=head.last_tick,
            heartbeat=head.heartbeat,
            held=held,
            closed=min(len(closed), CLOSED_KEPT),
            oldest_number=head.first_number,
        )

    def changes(self, after: int, limit: int) -> list[Change]:
        """The next changes behind a number, at most `limit`; none where the store has forgotten them."""
        with suppress(RefusedError):
            return self.feed.changes(after, limit) if self.feed else []
        return []

    def newest(self, incident_ids: Iterable[str]) -> list[Incident]:
        """The newest revisions of incidents that are open or were closed within the history."""
        return self.feed.newest(incident_ids) if self.feed else []

    def subscribers(self) -> list[Subscriber]:
        """Every named reader."""
        return self.feed.subscriptions.all() if self.feed else []

    def acknowledge(self, name: str, number: int, feed_id: str) -> None:
        """A named reader has everything up to a number; one that was not known is known from now on.

        Raises RefusedError (OTHER_FEED) where the number was counted by another feed than this one.
        """
        if self.feed is not None:
            self.feed.subscriptions.keep(name, number, feed_id)

    def forget(self, name: str) -> None:
        """Lets a named reader go."""
        if self.feed is not None:
            self.feed.subscriptions.forget(name)

    def proof(self, incident_id: str, revision: int | None) -> Proof:
        """That a revision (None: the newest) is in the log; raises RefusedError."""
        if self.feed is None:
            message = f"incident {cut(incident_id)!r}: not found; nothing is stored yet"
            raise RefusedError(Reason.NO_SUCH_INCIDENT, message, "name", incident_id=incident_id)
        return self.feed.proof(incident_id, revision)
