"""What is said of one file: faults in words, notes on what is taken but hardly meant, a summary and its figures."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Verdict(msgspec.Struct):
    """The verdict on one file. `what` says what it was taken for."""

    file: str
    what: str
    most: int
    """So many faults and notes are kept; more are counted."""
    faults: list[str] = []
    fault_count: int = 0
    notes: list[str] = []
    summary: str = ""
    counts: dict[str, Any] = {}

    def refuse(self, messages: Iterable[str]) -> None:
        """Takes faults."""
        for message in messages:
            self.count(message)

    def count(self, message: str | None = None, times: int = 1) -> None:
        """Counts faults, and keeps the message of the first of them."""
        if message is not None and len(self.faults) < self.most:
            self.faults.append(message)
        self.fault_count += times

    def note(self, message: str) -> None:
        """Takes a note."""
        if len(self.notes) < self.most and message not in self.notes:
            self.notes.append(message)

    @property
    def in_order(self) -> bool:
        """Whether nothing would be refused."""
        return self.fault_count == 0
