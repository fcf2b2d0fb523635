"""Counters: every row read ends in exactly one of them, so nothing is lost in silence."""

import msgspec

from city_brain.errors import ObservationError


class Counters(msgspec.Struct):
    """Rows by where they ended: read = used + duplicate + quarantined + dead-lettered, once nothing is pending.

    `late` counts rows that came after their tick and were used all the same; it lies within `used`. `quarantined` and
    `dead_lettered` are by reason, in the order in which the reasons first occurred.
    """

    read: int = 0
    used: int = 0
    late: int = 0
    duplicate: int = 0
    quarantined: dict[str, int] = {}
    dead_lettered: dict[str, int] = {}

    def quarantine(self, reason: str, rows: int = 1) -> None:
        """Counts rows that were readable and not believed."""
        _count(self.quarantined, reason, rows)

    def dead_letter(self, reason: str, rows: int = 1) -> None:
        """Counts rows (lines, records) that could not be read as observations."""
        _count(self.dead_lettered, reason, rows)

    def add(self, other: "Counters") -> None:
        """Adds what another counter set has counted."""
        self.read += other.read
        self.used += other.used
        self.late += other.late
        self.duplicate += other.duplicate
        for reason, rows in other.quarantined.items():
            self.quarantine(reason, rows)
        for reason, rows in other.dead_lettered.items():
            self.dead_letter(reason, rows)

    def flat(self) -> dict[str, int]:
        """The same as one level of numbers; a reason is written `quarantined.clock`."""
        counts = {"read": self.read, "used": self.used, "late": self.late, "duplicate": self.duplicate}
        counts |= {f"quarantined.{reason}": rows for reason, rows in self.quarantined.items()}
        return counts | {f"dead_lettered.{reason}": rows for reason, rows in self.dead_lettered.items()}

    @property
    def lost(self) -> int:
        """Rows that reached no tick: quarantined and dead-lettered ones."""
        return sum(self.quarantined.values()) + sum(self.dead_lettered.values())

    def check(self, pending: int = 0) -> None:
        """Raises ObservationError unless every row read is in exactly one counter, or among the `pending`."""
        ended = self.used + self.duplicate + self.lost + pending
        if ended != self.read:
            raise ObservationError(f"counters: wanted {self.read} rows read to end somewhere, got {ended} that did")
        if self.late > self.used:
            raise ObservationError(f"counters: wanted no more late rows than the {self.used} used, got {self.late}")


def _count(counts: dict[str, int], reason: str, rows: int) -> None:
    if rows:
        counts[reason] = counts.get(reason, 0) + rows
