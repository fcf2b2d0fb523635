"""What the store takes and gives: ticks to append, where a feed stands, proofs, what compaction forgot."""

from collections.abc import Sequence

import msgspec

from city_brain.digest import verify_inclusion
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.incident import Incident


class TickChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What one closed tick says: its new revisions in order, perhaps none."""

    tick: int
    log_time_ms: int
    """Log time at the end of the tick, epoch ms; the age of its changes is counted from it."""
    incidents: Sequence[Incident] = ()
    heartbeat: Heartbeat | None = None
    """None leaves the one before."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where a feed stands."""

    feed_id: str = ""
    """Identity of this count of numbers; "" before the first append."""
    last_number: int = 0
    first_number: int = 1
    """The oldest change that can still be had; `last_number + 1` while there is none."""
    last_tick: int | None = None
    """None before the first, and for a feed that counts without ticks."""
    log_time_ms: int | None = None
    heartbeat: Heartbeat | None = None
    digest: str
    """Merkle tree head (RFC 6962) over the lines of the changes 1..last_number, in hexadecimal digits."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that a line is number `number` of the `size` changes under `head` (RFC 6962 §2.1.1)."""

    number: int
    size: int
    line: bytes
    path: tuple[bytes, ...]
    """Hashes of the siblings, nearest first."""
    head: bytes

    def holds(self) -> bool:
        """Whether the path leads from the line to the head."""
        return verify_inclusion(self.line, self.number - 1, self.size, self.path, self.head)


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed has forgotten, to be announced to its readers."""

    first_before: int
    first_after: int
    """The oldest change that can still be had."""
    kept_for: str = ""
    """The slowest registered subscriber, where more would have gone but for it."""

    @property
    def forgotten(self) -> int:
        """Number of changes that can be had no more."""
        return self.first_after - self.first_before


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A reader that the store knows by name."""

    name: str
    acknowledged: int
    """It has everything up to this number; compaction leaves the changes behind it."""
    sent: int
    """It has been sent everything up to this number; never below `acknowledged`."""


class FeedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One feed as a check found it."""

    name: str
    feed_id: str
    first_number: int
    last_number: int
    last_tick: int | None
    incidents: int
    """Incidents whose newest revision is held."""
    digest: str


class StoreCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a whole store found."""

    feeds: tuple[FeedCheck, ...]
    """Those that are in order, by name."""
    damage: tuple[str, ...]
    """One sentence for each thing that is not as it was written; empty where all is in order."""
