"""`city-brain explain`: the incidents of a file as a list, or one of them taken apart."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    ZONE,
    JsonOption,
    LanguageOption,
    TypesOption,
    ZoneOption,
    instants,
    read_file,
    types_folder,
)
from city_brain.errors import RecordingError

if TYPE_CHECKING:
    from city_brain.incidents.incident import Incident
    from city_brain.incidents.incident_type import IncidentTypes


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


def explain(
    incidents: Annotated[Path, typer.Argument(help="Incident revisions, as `fuse` writes them.")],
    which: Annotated[str, typer.Argument(help="Id or number of the incident; without it they are listed.")] = "",
    announced: Annotated[
        bool, typer.Option("--announced", help="As it was when it was announced, in place of the last revision.")
    ] = False,
    types: TypesOption = None,
    language: LanguageOption = "en",
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Explain an incident: what speaks for and against it, from whom, since when, by which rule.

    Without a number all are listed, those that were announced first, in the order of their announcement: number,
    state, confidence, level, when it was announced, type, what and where.
    """
    from city_brain.incidents.incident_type import load_incident_types

    revisions = _revisions(incidents)
    known_types = load_incident_types(types_folder(types))
    if not which:
        _list([told[-1] for told in revisions.values()], known_types, language, zone, as_json)
        return
    chosen = [told for told in revisions.values() if which in (told[-1].incident_id, told[-1].number)]
    if not chosen:
        known = ", ".join(told[-1].number for told in revisions.values()) or "none"
        raise RecordingError(f"{incidents}: wanted an incident {which}, got only {known}")
    for told in chosen:
        said = _at_announcement(told, incidents) if announced else told[-1]
        _tell(said, len(told), known_types, language, zone, as_json)


def _list(told: "list[Incident]", types: "IncidentTypes", language: str, zone: str, as_json: bool) -> None:
    """A line for each incident, those that were announced first."""
    import msgspec

    from city_brain.incidents.explain import headline
    from city_brain.servers.client.printing import sureness

    instant = instants(zone)
    told = sorted(told, key=lambda incident: (incident.detected_ms is None, incident.detected_ms or 0))
    rows = []
    for incident in told:
        title: str = getattr(headline(incident, types[incident.type]), language)
        at = None if incident.detected_ms is None else instant(incident.detected_ms)
        if as_json:
            line = {
                "number": incident.number, "incident_id": incident.incident_id, "state": incident.state,
                "confidence": incident.confidence, "level": incident.level, "announced": at,
                "type": incident.type, "headline": title,
            }  # fmt: skip
            typer.echo(msgspec.json.encode(line))
        sure, level = sureness(incident.confidence).rjust(4), incident.level or "-"
        rows.append([incident.number, incident.state, sure, level, at or "never announced", incident.type, title])
    if not as_json and rows:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            shown = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            typer.echo(printable(shown.rstrip()))


def _tell(
    incident: "Incident", revisions: int, types: "IncidentTypes", language: str, zone: str, as_json: bool
) -> None:
    """One revision, taken apart."""
    import msgspec

    from city_brain.incidents.explain import explain as explain_incident
    from city_brain.incidents.explain import explanation_text

    if as_json:
        typer.echo(msgspec.json.encode(explain_incident(incident, types)))
        return
    text = explanation_text(incident, types, "zh" if language == "zh" else "en", instants(zone), revisions)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = "".join(f"{part}\n" for line in text.splitlines() for part in wrapped(line, width))
    typer.echo(text, nl=False)


def wrapped(line: str, width: int) -> list[str]:
    """A line broken at spaces where it is too wide for a terminal, with what follows further in.

    Chinese letters take two columns.
    """
    from rich.cells import cell_len

    indent = len(line) - len(line.lstrip())
    first, *words = line.lstrip().split(" ")
    parts, current = [], " " * indent + first
    for word in words:
        if cell_len(f"{current} {word}") > width:
            parts.append(current)
            current = " " * (indent + 4) + word
        else:
            current = f"{current} {word}"
    return [*parts, current]


def _at_announcement(told: "list[Incident]", path: Path) -> "Incident":
    """The first revision in which it was announced."""
    for incident in told:
        if incident.detected_ms is not None:
            return incident
    raise RecordingError(f"{path}: wanted an announcement of {told[-1].number}, got none: it was never announced")


def _revisions(path: Path) -> "dict[str, list[Incident]]":
    """All revisions of each incident, in the order of the file."""
    from city_brain.incidents.incident import read_incident

    revisions: dict[str, list[Incident]] = {}
    for number, line in enumerate(read_file(path, "a file of incidents").splitlines(), 1):
        if not line.strip():
            continue
        try:
            incident = read_incident(line)
        except RecordingError as wrong:
            raise RecordingError(f"{path} line {number}: {str(wrong).partition(': ')[2]}") from wrong
        revisions.setdefault(incident.incident_id, []).append(incident)
    return revisions
