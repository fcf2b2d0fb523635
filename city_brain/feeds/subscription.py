"""One reader's position in the change log, and when a slow reader is cut.

A subscription keeps a number, not a queue: what waits for the reader waits in the log, once for everybody, so a stalled
reader costs nothing and delays nobody. What is limited is how far it may fall behind.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from city_brain.feeds.change_log import Change, ChangeLog
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.sifting.sieve import Sieve
from city_brain.incidents.incident import Incident

QUEUE_LIMIT = 1_000


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One change as one reader is told it."""

    number: int
    incident: Incident
    """The revision of this change; where the reader may not see that one, the revision before, which it may see."""
    no_longer_matches: bool
    """It matched the reader's filter before and does not any more; told once."""
    token: str = ""
    """Where a reader goes on behind it, as its server says."""


class Subscription:
    """A reader that holds everything up to `position`.

    With `after` it resumes behind that number (raises RefusedError where the log cannot serve that). Without, it stands
    at the end of the log, and the reader must be given `snapshot` first, before anything else is appended.

    At `queue_limit` changes that came after it subscribed and are still waiting, matching or not, it is cut: `take`
    raises READER_TOO_SLOW. What was in the log before does not count, so a reader with much to catch up may do so.
    """

    __slots__ = ("_bits", "_joined", "_log", "_sieves", "_sifted", "filter", "position", "queue_limit")

    def __init__(
        self,
        log: ChangeLog,
        wanted: IncidentFilter,
        after: int | None = None,
        feed_id: str = "",
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        if after is not None:
            log.check_resume(after, feed_id)
        self._log = log
        self._joined = log.last_number
        self.filter = wanted
        self.position = log.last_number if after is None else after
        self.queue_limit = queue_limit
        self._sieves: deque[Sieve] = deque()  # those of changes that it has not passed yet: `queue_limit` at most
        self._sifted: Sieve | None = None
        self._bits = 0

    @property
    def waiting(self) -> int:
        """Number of changes that came after the reader did and that it has not passed yet."""
        return self._log.last_number - max(self.position, self._joined)

    @property
    def behind_log(self) -> bool:
        """Whether what it needs next is no longer in the log, and must come from the store beside it."""
        return self.position + 1 < self._log.first_number

    @property
    def too_slow(self) -> bool:
        """Whether the reader is to be cut: too much waits, or what it needs next has been forgotten everywhere."""
        return self.waiting > self.queue_limit or self.position + 1 < self._log.resumable_number

    def snapshot(self) -> list[Incident]:
        """The matching incidents as of `position`, newest revision of each, in the order of their last change."""
        return [held.incident for held in self._log.snapshot() if self.filter.matches(held.incident)]

    def take(self) -> Delivery | None:
        """The next change that the reader wants, now counted as passed; None where it has passed everything here."""
        behind = self.behind_log
        if self.waiting > self.queue_limit or (behind and self.too_slow):
            raise self.cut()
        if behind:
            return None
        while self.position < self._log.last_number:
            sieve = self._sieve()
            ahead = sieve.behind(self.position, self._bits) if sieve else self._log.after(self.position)
            found = next(self.passed(ahead), None)
            if found is not None:
                return found
            self.position = sieve.last if sieve else self._log.last_number
        return None

    def sift(self, sieve: Sieve) -> None:
        """Spares this reader to look at each of the changes that the log took just now."""
        self._sieves.append(sieve)

    def _sieve(self) -> Sieve | None:
        """The one that holds the next change, whose bits for this reader are then at hand; None where none does."""
        while self._sieves and self._sieves[0].last <= self.position:
            self._sieves.popleft()
        if not self._sieves or self.position + 1 < self._sieves[0].first:
            return None
        if self._sifted is not self._sieves[0]:
            self._sifted = self._sieves[0]
            self._bits = self._sifted.bits(self.filter.asked)
        return self._sifted

    def passed(self, changes: Iterable[Change]) -> Iterator[Delivery]:
        """What the reader is told of the changes behind its position, which moves on with each."""
        for change in changes:
            self.position = change.number
            if self.filter.matches(change.incident):
                yield Delivery(number=change.number, incident=change.incident, no_longer_matches=False)
            elif change.previous is not None and self.filter.matches(change.previous):
                told = change.incident if self.filter.may_see(change.incident) else change.previous
                yield Delivery(number=change.number, incident=told, no_longer_matches=True)

    def cut(self) -> RefusedError:
        """Why the reader is cut; it loses nothing if it comes back while the log still holds its next number."""
        message = (
            f"feed {self._log.feed_id}: this reader is {self._log.last_number - self.position} changes behind, "
            f"more than the {self.queue_limit} that may wait; resume after {self.position}"
        )
        return RefusedError(
            Reason.READER_TOO_SLOW,
            message,
            position=self.position,
            last=self._log.last_number,
            queue_limit=self.queue_limit,
        )
