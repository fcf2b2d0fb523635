"""Bugs that a feed might have: each is planted in the server before it starts, and must be seen in the ledgers."""

from collections.abc import Callable, Iterator
from typing import Any

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.subscription import Delivery, Subscription
from city_brain.feeds.tokens import Binding, Tokens
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.messages import Messages
from city_brain.wire.feed.v1 import feed_pb2

PLANT: dict[str, Callable[[], None]] = {}
"""By the name of each bug: what plants it."""


def bug(plant: Callable[[], None]) -> Callable[[], None]:
    """Gives a bug the name of what plants it."""
    PLANT[plant.__name__.replace("_", "-")] = plant
    return plant


@bug
def resumes_one_late() -> None:
    """A token stands for the number behind its own."""
    read = Tokens.read
    Tokens.read = lambda self, text, binding: read(self, text, binding) + 1


@bug
def resumes_one_early() -> None:
    """A token stands for the number before its own."""
    read = Tokens.read
    Tokens.read = lambda self, text, binding: max(0, read(self, text, binding) - 1)


@bug
def bookmarks_ahead() -> None:
    """A sign of life says the last number of the log, whatever the reader has been told."""
    heartbeat = Messages.heartbeat
    Messages.heartbeat = lambda self, number: heartbeat(self, self.log.last_number)


@bug
def tokens_ahead() -> None:
    """A token is of the end of the log, whatever the reader has been told."""
    write = Tokens.write
    newest = [0]
    append = ChangeLog.append

    def remembers(self: ChangeLog, *said: Any) -> bool:
        taken = append(self, *said)
        newest[0] = self.last_number
        return taken

    def ahead(self: Tokens, binding: Binding, number: int) -> str:
        return write(self, binding, max(number, newest[0]))

    ChangeLog.append, Tokens.write = remembers, ahead


@bug
def says_nothing_when_it_leaves() -> None:
    """An incident that no longer matches is not mentioned."""
    passed = Subscription.passed

    def without_leaving(self: Subscription, changes: Any) -> Iterator[Delivery]:
        return (delivery for delivery in passed(self, changes) if not delivery.no_longer_matches)

    Subscription.passed = without_leaving


@bug
def forgets_a_condition() -> None:
    """Confidence does not count."""
    matches = IncidentFilter.matches

    def sure(self: IncidentFilter, incident: Any) -> bool:
        import msgspec

        return matches(self, msgspec.structs.replace(incident, confidence=1.0))

    IncidentFilter.matches = sure


@bug
def turns_two_round() -> None:
    """Where two changes wait, the second is told first."""
    passed = Subscription.passed

    def turned(self: Subscription, changes: Any) -> Iterator[Delivery]:
        waiting = list(changes)
        if len(waiting) >= 2:
            waiting[0], waiting[1] = waiting[1], waiting[0]
        return passed(self, waiting)

    Subscription.passed = turned


@bug
def loses_the_seam() -> None:
    """The last change of a page from the store is not told."""
    changes = Keeper.changes

    def short(self: Keeper, after: int, limit: int) -> Any:
        page = changes(self, after, limit)
        return page[:-1] + page[-2:-1] if len(page) > 2 else page

    Keeper.changes = short


@bug
def skips_what_is_gone() -> None:
    """A reader behind the history goes on where the history begins, without a word."""
    init = Subscription.__init__

    def leaps(self: Subscription, log: ChangeLog, wanted: Any, after: int | None = None, *rest: Any) -> None:
        if after is not None:
            after = max(after, log.resumable_number - 1)
        init(self, log, wanted, after, *rest)

    Subscription.__init__ = leaps


@bug
def tears_snapshots() -> None:
    """The first piece of a snapshot is called complete."""
    snapshot = Messages.snapshot

    def torn(self: Messages, *said: Any) -> Iterator[feed_pb2.WatchIncidentsResponse]:
        for piece in snapshot(self, *said):
            piece.snapshot.complete = True
            yield piece
            return

    Messages.snapshot = torn


@bug
def dates_snapshots_back() -> None:
    """A snapshot says the number before its own: the last change in it is told again."""
    snapshot = Messages.snapshot
    Messages.snapshot = lambda self, incidents, number: snapshot(self, incidents, max(0, number - 1))


@bug
def drops_what_waits() -> None:
    """A reader that is too slow is moved on to the end instead of being cut."""

    def moved_on(self: Subscription) -> Delivery | None:
        if self.waiting > self.queue_limit // 10:
            self.position = self._log.last_number
        return next(self.passed(self._log.after(self.position)), None) if not self.behind_log else None

    Subscription.take = moved_on


@bug
def says_it_twice() -> None:
    """One change in fifty is told twice."""
    take = Subscription.take
    said: set[tuple[int, int]] = set()

    def again(self: Subscription) -> Delivery | None:
        delivery = take(self)
        if delivery and delivery.number % 50 == 7 and (id(self), delivery.number) not in said:
            said.add((id(self), delivery.number))
            self.position = delivery.number - 1
        return delivery

    Subscription.take = again
