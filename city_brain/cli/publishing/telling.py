"""What `send` says of lines: each that was refused, how far it has got, and the sums."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import Progress, plural

if TYPE_CHECKING:
    from city_brain.observations.json_twin import Parsed, Rejected
    from city_brain.observations.json_twin.describing import Fault
    from city_brain.servers.publishing.intake import Taken

_TOLD_LINES: Final = 20
"""Refused lines that are told one by one; the others are counted."""


class Sent(Protocol):
    """What became of the lines so far."""

    rows: int
    records: int
    marks: int
    warnings: int
    rejected: Counter[str]


@dataclass
class Published:
    """What a city said of the lines; `rows` are those that it accepted, warnings of others not among them."""

    rows: int = 0
    records: int = 0
    """Requests that were answered."""
    duplicate: int = 0
    """Rows that it had taken before."""
    marks: int = 0
    """Marks of a recording, left out: the city makes its own."""
    warnings: int = 0
    unknown_keys: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Lines that are no observations by reason, and those that the city refused."""

    def read(self, parsed: "Parsed") -> None:
        """Counts a block that is about to be sent."""
        self.marks += len(parsed.marks)
        self.unknown_keys += parsed.unknown_keys
        self.rejected.update(one.reason.value for one in parsed.rejected)

    def answered(self, taken: "Taken", *, warning: bool) -> None:
        """Counts an answer."""
        self.records += 1
        self.duplicate += taken.duplicate
        if warning:
            self.warnings += taken.accepted
        else:
            self.rows += taken.accepted
        if taken.refused:
            self.rejected["refused"] += taken.refused


class Teller:
    """Progress and refused lines on standard error; what became of all lines at the end."""

    def __init__(self) -> None:
        self._progress = Progress("send")
        self._said = self._refused = 0

    def tell(self, rejected: "tuple[Rejected, ...]") -> None:
        """Tells the lines of a block that are no observations."""
        from city_brain.observations.json_twin.describing import fault_of

        self.refused([fault_of(line) for line in rejected[: _TOLD_LINES - self._said]], len(rejected))

    def refused(self, faults: "list[Fault]", count: int) -> None:
        """Tells lines that were refused, of `count` the first ones."""
        for fault in faults[: _TOLD_LINES - self._said]:
            self._progress.done()
            typer.echo(printable(str(fault)), err=True)
            self._said += 1
        self._refused += count

    def show(self, sent: Sent) -> None:
        """Says how far it has got."""
        self._progress.show(f"{sent.rows} rows in {sent.records} records, {self._refused} lines rejected")

    def broke(self, why: str, pause_s: float) -> None:
        """Says that the link broke."""
        self._progress.done()
        typer.echo(f"! {printable(why)}; again in {pause_s:.1f} s", err=True)

    def end(self, sent: Sent, *, duplicate: int = 0, as_json: bool) -> None:
        """Tells the sums."""
        self._progress.done()
        if self._refused > self._said:
            typer.echo(f"… and {self._refused - self._said} more", err=True)
        if as_json:
            typer.echo(msgspec.json.encode(sent, order="sorted"))
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(sent.rejected.items()))
        rejected = f"{sum(sent.rejected.values())} lines rejected" + (f" ({reasons})" if reasons else "")
        left_out = f", {sent.marks} marks left out" if sent.marks else ""
        again = f"; {plural(duplicate, 'duplicate')}" if duplicate else ""
        warnings = f" and {plural(sent.warnings, 'warning')}" if sent.warnings else ""
        typer.echo(f"sent {sent.rows} rows{warnings} in {sent.records} records{again}; {rejected}{left_out}", err=True)
