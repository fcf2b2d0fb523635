"""`city-brain explain` and `score`: why an incident is believed, and how good an answer is."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import JsonOption, TypesOption, ZoneOption, instants
from city_brain.errors import RecordingError
from city_brain.incidents.explain import Language, explanation_text
from city_brain.incidents.explain import explain as explain_incident
from city_brain.incidents.incident import Incident, read_incident
from city_brain.incidents.incident_type import load_incident_types
from city_brain.scoring import PairScore, read_answers, read_identity, read_truth, score_pairs, score_worlds, table


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(explain)
    app.command()(score)


def explain(
    incidents: Annotated[Path, typer.Argument(help="Incident revisions, as `fuse` writes them.")],
    which: Annotated[str, typer.Argument(help="Id or number of the incident; without it they are listed.")] = "",
    types: TypesOption = None,
    language: Annotated[Language, typer.Option("--language", help="Of headlines and words.")] = "en",
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Explain an incident: what speaks for and against it, from whom, since when, by which rule."""
    newest = {incident.incident_id: incident for incident in _incidents(incidents)}
    if not which:
        for incident in newest.values():
            head = f"{incident.number}  {incident.state:9} {incident.confidence:.3f}"
            typer.echo(printable(f"{head} {incident.type}  {incident.incident_id}"))
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
            typer.echo(explanation_text(incident, known_types, language, instants(zone)), nl=False)


def score(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="TRUTH INCIDENTS", help="What really happened, what was announced."),
    ],
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Score tracks: IDENTITY TRACKS in place of TRUTH INCIDENTS.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score an answer against the truth; several worlds are pooled, with --pairs each stands alone."""
    if len(files) % 2:
        raise typer.BadParameter(f"wanted files two by two, got {len(files)}", param_hint="files")
    worlds = list(zip(files[::2], files[1::2], strict=True))
    if pairs:
        for identity, tracks in worlds:
            known = read_identity(_read(identity, "an identity.json"))
            said = score_pairs(known, _read(tracks, "a file of tracks").splitlines())
            typer.echo(msgspec.json.encode(said) if as_json else f"{tracks}: {_pairs_text(said)}")
        return
    result = score_worlds(
        (read_truth(_read(truth, "a truth.json")), read_answers(_read(answers, "a file of incidents").splitlines()))
        for truth, answers in worlds
    )
    typer.echo(msgspec.json.encode(result) if as_json else table(result))


def _pairs_text(said: PairScore) -> str:
    figures = (said.pair_f1, said.pair_precision, said.pair_recall)
    f1, precision, recall = ("-" if figure is None else f"{figure:.3f}" for figure in figures)
    return (
        f"pair F1 {f1}, precision {precision}, recall {recall}; "
        f"{said.assigned} of {said.tracklets} tracklets assigned, {said.true_pairs} true pairs"
    )


def _incidents(path: Path) -> list[Incident]:
    return [read_incident(line) for line in _read(path, "a file of incidents").splitlines() if line.strip()]


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted {what}, got: {wrong.strerror}") from wrong
