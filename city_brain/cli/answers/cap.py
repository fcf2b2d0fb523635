"""`city-brain cap`: what a warning in CAP says, as this city understands it, and its record for the logs of a city."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import FAILED, ZONE, JsonOption, ZoneOption, epoch_ms, instants, plural, read_file
from city_brain.errors import CapError

if TYPE_CHECKING:
    from city_brain.formats.cap.alert import Alert
    from city_brain.formats.cap.readiness import Readiness

_STANDARD: Final = "-"
FilesArgument = Annotated[list[str], typer.Argument(metavar="FILE...", help="CAP 1.1 or 1.2; - is standard input.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    cap = typer.Typer(no_args_is_help=True, help="Look into warnings of the Common Alerting Protocol.")
    cap.command("check")(check)
    cap.command("record")(record)
    app.add_typer(cap, name="cap")


def check(
    files: FilesArgument,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Read warnings strictly and print what they say: event, level, areas, from when until when.

    Exit code 1 where one of them is refused; the others are read all the same.
    """
    for name, _, alert in _alerts(files):
        _tell(name, alert, zone, as_json)


def record(
    files: FilesArgument,
    arrival: Annotated[
        str, typer.Option("--arrival", help="When it came (RFC 3339), for recordings; brokers stamp it themselves.")
    ] = "",
) -> None:
    """Print each warning as a line that `run`, `fuse` and `send` take among observations.

    In a running city it raises the readiness of the areas that it is about. Exit code 1 where one of them is refused.
    """
    from city_brain.observations.json_twin import warning_line

    arrival_ms = epoch_ms(arrival, "--arrival") if arrival else None
    for _, data, _ in _alerts(files):
        typer.echo(warning_line(data.decode("utf-8-sig"), arrival_ms))


def _alerts(files: list[str]) -> Iterator[tuple[str, bytes, "Alert"]]:
    """Each warning that can be read: file, content, alert; the others are told of, and end the command at last."""
    from city_brain.formats.cap.hostile import MOST_BYTES
    from city_brain.formats.cap.reading import read_alert

    refused = 0
    for name in files:
        data = sys.stdin.buffer.read(MOST_BYTES + 1) if name == _STANDARD else read_file(Path(name), "a file of CAP")
        try:
            alert = read_alert(data, name)
        except CapError as wrong:
            typer.echo(printable(f"city-brain: {wrong}"), err=True)
            refused += 1
            continue
        yield name, data, alert
    if refused:
        raise typer.Exit(FAILED)


def _tell(name: str, alert: "Alert", zone: str, as_json: bool) -> None:
    import msgspec

    from city_brain.formats.cap.readiness import readiness_of

    readiness = readiness_of(alert)
    if as_json:
        told = {
            "file": name,
            "sender": alert.sender,
            "identifier": alert.identifier,
            "sent": alert.sent,
            "status": alert.status,
            "message_type": alert.message_type,
            "scope": alert.scope,
            "references": alert.references,
            "readiness": readiness,
        }
        typer.echo(msgspec.json.encode(told))
        return
    lines = [f"{name}: {alert.status} {alert.message_type} {alert.identifier} of {alert.sender}, sent {alert.sent}"]
    lines += [f"  refers to {reference.identifier} of {reference.sender}" for reference in alert.references]
    for item in readiness:
        lines += _lines(item, zone)
    if not readiness:
        lines.append("  says nothing about an area")
    for line in lines:
        typer.echo(printable(line))


def _lines(item: "Readiness", zone: str) -> list[str]:
    instant = instants(zone)
    codes = f" ({', '.join(item.event_codes)})" if item.event_codes else ""
    shapes = [plural(len(item.polygons), "polygon")] if item.polygons else []
    shapes += [plural(len(item.circles), "circle")] if item.circles else []
    areas = ", ".join([*item.area_codes, *shapes]) or "no code or shape"
    return [
        f"  {item.event}{codes}: {f'level {item.level}' if item.level else 'no level'}, severity {item.severity}"
        + (", over" if item.over else ""),
        *([f"    {item.headline}"] if item.headline else []),
        f"    from {instant(item.from_ms)} until {instant(item.until_ms)}",
        f"    {'; '.join(item.places)}: {areas}",
    ]
