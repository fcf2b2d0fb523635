"""`city-brain redrive SITE`: dead letters back into the raw topics, once what was wrong with them is mended."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from city_brain.cli.common import JsonOption, Progress, epoch_ms, plural
from city_brain.cli.kafka.common import SiteArgument, site_settings
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.kafka.redriving import Redrive

_OTHERS = ("repeated", "redriven_before", "refused_again", "not_chosen", "empty", "elsewhere", "unreadable")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(redrive)


def redrive(
    site: SiteArgument,
    reason: Annotated[
        str, typer.Option("--reason", help="Only letters with this reason, such as position or quarantined.position.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Only records that arrived since, RFC 3339 with its offset.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also what was redriven before and refused again, each letter once.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be sent; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to where they came from; a letter goes once, and what is refused again stays."""
    from city_brain.kafka.redriving import Choice
    from city_brain.kafka.redriving import redrive as send_back

    choice = Choice(_known(reason), epoch_ms(since, "--since") if since else 0, again)
    progress = Progress("redrive")
    done = send_back(
        site_settings(site).kafka, choice, dry_run, lambda so_far: progress.show(f"{so_far.sent} letters sent")
    )
    progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(done, order="sorted"))
    typer.echo(_said(done, dry_run), err=True)


def _said(done: "Redrive", dry_run: bool) -> str:
    """The sum, which adds up."""
    others = [(name, getattr(done, name)) for name in _OTHERS]
    parts = [f"{'would send' if dry_run else 'sent'} {done.sent}"]
    parts += [f"{name.replace('_', ' ')} {count}" for name, count in others if count]
    reasons = ", ".join(f"{reason} {rows}" for reason, rows in sorted(done.rows.items()))
    return f"{plural(done.letters, 'letter')} = " + " + ".join(parts) + (f"; rows: {reasons}" if reasons else "")


def _known(reason: str) -> str:
    from city_brain.observations.vocabulary import DeadLetter, Quarantine

    known = {f"dead_lettered.{word.value}" for word in DeadLetter}
    known |= {f"quarantined.{word.name.lower()}" for word in Quarantine if word}
    if reason and reason not in known | {word.partition(".")[2] for word in known}:
        raise SettingsError(f"--reason: wanted one of {', '.join(sorted(known))}, got {reason!r}")
    return reason
