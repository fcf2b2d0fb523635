"""`city-brain control apply|show|rollback`: map, incident types and settings of a running city, by version."""

import getpass
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from city_brain.cli.common import JsonOption, epoch_ms, instants, plural
from city_brain.cli.kafka.common import SiteArgument, site_settings
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.kafka.control import Entry
    from city_brain.pipeline.configuration import Configuration
    from city_brain.site import SiteSettings

SOON_MS = 1
"""A time long past: a change then holds as soon as it may."""

ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for those who read it later.")]
AtOption = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help="When it is to hold, RFC 3339 with its offset; else in a few seconds."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    control = typer.Typer(no_args_is_help=True, help="Change what a running city goes by, everywhere at one tick.")
    control.command("apply")(apply_folder)
    control.command("show")(show)
    control.command("rollback")(roll_back)
    app.add_typer(control, name="control")


def apply_folder(
    site: SiteArgument, at: AtOption = "", reason: ReasonOption = "", dry_run: DryRunOption = False
) -> None:
    """Announce the map, types and desk settings of a folder; files that cannot be used never get into the log."""
    from city_brain.kafka.control import read_control
    from city_brain.site import written

    settings = site_settings(site)
    entries = read_control(settings.kafka)
    if not entries:
        typer.echo("the city begins with it")
        if not dry_run:
            _announce(settings, written(site), 0, reason or "the city's first")
        return
    configuration = written(site, entries[0].change.configuration.origin)
    _change(settings, entries, configuration, _since_ms(at, settings), reason, dry_run)


def roll_back(
    site: SiteArgument,
    version: Annotated[str, typer.Argument(help="How a version begins; else the one before the last.")] = "",
    at: AtOption = "",
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
) -> None:
    """Announce an earlier version again; whatever else was planned is off."""
    from city_brain.kafka.control import read_control

    settings = site_settings(site)
    entries = read_control(settings.kafka)
    found = _earlier(entries, version)
    reason = reason or f"back to {found.version[:8]}"
    _change(settings, entries, found.change.configuration, _since_ms(at, settings), reason, dry_run)


def show(
    site: SiteArgument,
    version: Annotated[str, typer.Argument(help="How a version begins; else all are listed.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="A new folder for the files of that version.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what was announced, the last word at the end; or write the files of one version into a folder."""
    from city_brain.kafka.control import read_control

    settings = site_settings(site)
    entries = read_control(settings.kafka)
    if not version and out is not None:
        raise SettingsError("--out: wanted a version whose files to write, got none")
    if version:
        entries = [_found(entries, version)]
    if out is not None:
        _write(entries[0].change.configuration, out)
        return
    instant = instants(settings.time_zone)
    for entry in entries:
        if as_json:
            typer.echo(msgspec.json.encode(_row(entry), order="sorted"))
            continue
        when = instant(entry.since_ms) if entry.since_ms else "the beginning"
        said = "  ".join(part for part in (entry.change.author, entry.change.reason) if part)
        typer.echo(f"{entry.version[:8]}  from {when}  {said}")
    if not entries:
        typer.echo("nothing was announced yet; city-brain control apply", err=True)


def _change(
    settings: "SiteSettings",
    entries: list["Entry"],
    configuration: "Configuration",
    since_ms: int,
    reason: str,
    dry_run: bool,
) -> None:
    """Says what changes against the last word, and announces it."""
    from city_brain.kafka.control.difference import differences

    last = entries[-1]
    if configuration.version == last.version:
        typer.echo(f"nothing to do: {last.version[:8]} is the last word already", err=True)
        return
    for line in differences(last.change.configuration, configuration):
        typer.echo(line)
    instant, now_ms = instants(settings.time_zone), time.time() * 1000.0
    for entry in entries:
        if entry.since_ms > max(now_ms, since_ms):
            typer.echo(f"{entry.version[:8]}, planned for {instant(entry.since_ms)}, is off", err=True)
    if dry_run:
        return
    said = _announce(settings, configuration, since_ms, reason)
    typer.echo(f"{said.version[:8]} holds from {instant(said.since_ms)} on", err=True)


def _announce(settings: "SiteSettings", configuration: "Configuration", since_ms: int, reason: str) -> "Entry":
    from city_brain.kafka.control import announce, read_control
    from city_brain.pipeline.configuration import Change

    author = f"{getpass.getuser()}@{socket.gethostname()}"
    announce(settings.kafka, Change(since_ms=since_ms, configuration=configuration, author=author, reason=reason))
    return next(entry for entry in reversed(read_control(settings.kafka)) if entry.version == configuration.version)


def _since_ms(at: str, settings: "SiteSettings") -> int:
    if not at:
        return SOON_MS
    since_ms = epoch_ms(at, "--at")
    if since_ms <= time.time() * 1000.0 and not settings.kafka.replayed:
        raise SettingsError(f"--at: wanted a time to come, got {at!r}")
    return since_ms


def _found(entries: list["Entry"], version: str) -> "Entry":
    """The last record of the version that begins so."""
    found = {entry.version: entry for entry in entries if entry.version.startswith(version)}
    if len(found) != 1:
        known = ", ".join(dict.fromkeys(entry.version[:8] for entry in entries)) or "none yet"
        raise SettingsError(
            f"version: wanted one of {known}, got {version!r}, which {plural(len(found), 'version')} begin with"
        )
    return next(iter(found.values()))


def _earlier(entries: list["Entry"], version: str) -> "Entry":
    if version:
        return _found(entries, version)
    for entry in reversed(entries):
        if entry.version != entries[-1].version:
            return entry
    raise SettingsError("rollback: wanted an earlier version, got none in the log")


def _row(entry: "Entry") -> dict[str, Any]:
    change = entry.change
    return {
        "version": entry.version,
        "since_ms": entry.since_ms,
        "offset": entry.offset,
        "announced_ms": entry.stamp_ms,
        "author": change.author,
        "reason": change.reason,
        "types": sorted(change.configuration.types),
        "map_bytes": len(change.configuration.city_map),
    }


def _write(configuration: "Configuration", folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
        (folder / "city.geojson").write_bytes(configuration.city_map)
        if configuration.types:
            (folder / "incident-types").mkdir()
        for name, data in configuration.types.items():
            (folder / "incident-types" / Path(name).name).write_bytes(data)
    except OSError as wrong:
        raise SettingsError(f"--out {folder}: wanted a folder that can be made, got {wrong}") from wrong
