"""`city-brain explain` and `score`: why an incident is believed, and how good an answer is."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.cli.common import JsonOption, TypesOption, ZoneOption, instants
from city_brain.errors import RecordingError
from city_brain.incidents.explain import Language, explanation_text
from city_brain.incidents.explain import explain as explain_incident
from city_brain.incidents.incident import Incident, read_incident
from city_brain.incidents.incident_type import load_incident_types


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(explain)


def explain(
    incidents: Annotated[Path, typer.Argument(help="Incident revisions, as `fuse` writes them.")],
    which: Annotated[str, typer.Argument(help="Id or number of the incident; empty lists them all.")] = "",
    types: TypesOption = None,
    language: Annotated[str, typer.Option("--language", help="en or zh.")] = "en",
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Explain an incident: what speaks for and against it, from whom, since when, by which rule."""
    newest: dict[str, Incident] = {}
    for incident in _read(incidents):
        newest[incident.incident_id] = incident
    if not which:
        for incident in newest.values():
            typer.echo(
                f"{incident.number}  {incident.state:9} {incident.confidence:.3f} {incident.type}  {incident.incident_id}"
            )
        return
    chosen = [incident for incident in newest.values() if which in (incident.incident_id, incident.number)]
    if not chosen:
        known = ", ".join(incident.number for incident in newest.values()) or "none"
        raise RecordingError(f"{incidents}: wanted an incident {which}, got only {known}")
    known_types = load_incident_types(types)
    for incident in chosen:
        if as_json:
            typer.echo(msgspec.json.encode(explain_incident(incident, known_types)))
        else:
            spoken: Language = "zh" if language == "zh" else "en"
            typer.echo(explanation_text(incident, known_types, spoken, instants(zone)), nl=False)


def _read(path: Path) -> list[Incident]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a file of incidents, got: {wrong.strerror}") from wrong
    return [read_incident(line) for line in lines if line.strip()]
