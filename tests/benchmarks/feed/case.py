"""What is measured of the feed: how many read it, how much is told them, and what was seen."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement; the same values give the same changes and the same filters."""

    readers: Count = 1_000
    changes_per_second: Count = 60
    appends_per_second: Count = 1
    """A city appends once a second, all changes of a tick at once, so they come in bursts; more spread them."""
    seconds: Count = 30
    stalled: int = 0
    """Readers beside the others that stop reading after their first message, and want everything."""
    share: float = 0.05
    """Of all changes, what each filter matches."""
    connections: Count = 20
    processes: Count = 2
    """That read, with these connections between them."""
    profile: str = ""
    """File to which the server writes what its functions cost (cProfile, which makes it slower); "" for none."""

    @property
    def changes(self) -> int:
        """Number of changes in all."""
        return self.changes_per_second * self.seconds


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says at the end."""

    appended_ns: tuple[int, ...]
    """When each change was handed over to the server, from change 1 on: ns on the monotonic clock of the machine."""
    last_number: int
    wall_s: float
    cpu_s: float
    """Processor time of the server's process, user and system, from the first append to a second after the last."""
    peak_mb: float


class Stalled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the readers that stopped reading."""

    cut: int = 0
    """Of them, those that were turned away with READER_TOO_SLOW."""
    resumed: int = 0
    """Of them, those that came back and held the last change at the end."""
    missing: int = 0
    """Changes that any of them was never told."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen."""

    case: Case
    share: float
    """Of all changes that filters matched, on average over the readers."""
    deliveries: int
    missing: int
    """Deliveries that should have come and did not, came twice, or were not for that reader."""
    messages: int
    """Deliveries and heartbeats."""
    p50_ms: float
    p99_ms: float
    most_ms: float
    """From the hand-over of a change to the moment its bytes are in the reader's process."""
    server: Served
    readers_cpu_s: float
    load: float
    stalled: Stalled | None = None


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """Many readers that come back at once, each over a connection of its own."""

    readers: int
    behind: int
    """Changes that were appended while nobody read."""
    caught_up_s: float
    """From the first dial until every one of them has been told everything that there was at that moment."""
    median_s: float
    missing: int
    load: float
