"""`city-brain send SITE FILE`: a recording, or lines from standard input, into the raw topics of a site."""

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from city_brain.cli.common import DATA_LOST, JsonOption, Progress, plural
from city_brain.cli.kafka.common import SiteArgument, site_settings
from city_brain.errors import RecordingError

if TYPE_CHECKING:
    from city_brain.kafka.sending import Sent
    from city_brain.observations.json_twin import Rejected

_TOLD_LINES: Final = 20
"""Rejected lines that are told one by one; the others are counted."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(send)


def send(
    site: SiteArgument,
    observations: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON lines, plain or Zstandard; - reads standard input.")
    ],
    rows_per_record: Annotated[
        int,
        typer.Option(
            "--rows-per-record", min=1, max=1 << 16, help="Rows of an envelope at most; 1 sends single lines."
        ),
    ] = 1024,
    now: Annotated[
        bool, typer.Option("--as-now", help="Move all times so that the recording begins now, and send it at its pace.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send observations to a site's raw topics."""
    from city_brain.cli.kafka.pacing import as_now
    from city_brain.kafka.sending import Sender
    from city_brain.sources.recording import STANDARD_INPUT, read_blocks

    settings = site_settings(site).kafka
    live = observations == STANDARD_INPUT
    teller = _Teller()
    broken: RecordingError | None = None
    sender = Sender(settings, rows_per_record)
    try:
        with sender:
            try:
                blocks = read_blocks(observations, live=live)
                for parsed in as_now(blocks) if now else blocks:
                    teller.tell(sender.send(parsed), sender.sent)
            except RecordingError as wrong:
                broken = wrong
    finally:
        teller.end(sender.sent, as_json)
    if broken is not None:
        typer.echo(f"city-brain: {broken}", err=True)
    if broken is not None or sender.sent.rejected:
        raise typer.Exit(DATA_LOST)


class _Teller:
    """Progress and rejected lines on standard error; what became of all lines at the end."""

    def __init__(self) -> None:
        self._progress = Progress("send")
        self._told = 0

    def tell(self, rejected: tuple["Rejected", ...], sent: "Sent") -> None:
        """Tells the lines of a block that were rejected, and how far it has got."""
        for line in rejected[: max(0, _TOLD_LINES - self._told)]:
            self._progress.done()
            typer.echo(f"line {line.line} rejected: {line.reason.value}", err=True)
        self._told += len(rejected)
        self._progress.show(f"{sent.rows} rows in {sent.records} records, {self._told} lines rejected")

    def end(self, sent: "Sent", as_json: bool) -> None:
        """Tells the sums."""
        self._progress.done()
        if self._told > _TOLD_LINES:
            typer.echo(f"… and {self._told - _TOLD_LINES} more", err=True)
        if as_json:
            typer.echo(msgspec.json.encode(sent, order="sorted"))
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(sent.rejected.items()))
        rejected = f"{sum(sent.rejected.values())} lines rejected" + (f" ({reasons})" if reasons else "")
        left_out = f", {sent.marks} marks left out" if sent.marks else ""
        warnings = f" and {plural(sent.warnings, 'warning')}" if sent.warnings else ""
        typer.echo(f"sent {sent.rows} rows{warnings} in {sent.records} records; {rejected}{left_out}", err=True)
