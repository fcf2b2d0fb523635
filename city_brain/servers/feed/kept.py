"""What a live feed asks of whoever keeps it; every call may block."""

from typing import Protocol

from city_brain.feeds.change_log import Change
from city_brain.store.values import Proof, Subscriber


class Kept(Protocol):
    """The stored feed, as its readers need it."""

    def changes(self, after: int, limit: int) -> list[Change]:
        """The next changes behind a number, at most `limit`; none where they have been forgotten."""

    def subscribers(self) -> list[Subscriber]:
        """Every named reader."""

    def acknowledge(self, name: str, number: int, feed_id: str) -> None:
        """A named reader has everything up to a number; one that was not known is known from now on.

        Raises RefusedError (OTHER_FEED) where the number was counted by another feed than this one.
        """

    def forget(self, name: str) -> None:
        """Lets a named reader go."""

    def proof(self, incident_id: str, revision: int | None) -> Proof:
        """That a revision (None: the newest) is in the log; raises RefusedError."""
