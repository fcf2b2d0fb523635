"""`city-brain synth`: a seeded city of our own as a folder, from ten sources to a million."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.cli.common import JsonOption, Progress
from city_brain.errors import RecordingError, SettingsError
from city_brain.synth import Block, SynthCity, SynthSettings, write_world

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT = SynthSettings()

_SEED = Annotated[int, typer.Option("--seed", help="Another seed is another city.")]
_CAMERAS = Annotated[int, typer.Option("--cameras", help="Cameras; signals and sensors follow.")]
_SOURCES = Annotated[int | None, typer.Option("--sources", help="All sources together, in place of --cameras.")]
_MINUTES = Annotated[float, typer.Option("--minutes", help="Length of the recording.")]
_START = Annotated[str, typer.Option("--start", help="Its beginning: RFC 3339 with an offset, or ms since 1970.")]
_QUIET = Annotated[bool, typer.Option("--quiet", help="No incidents, hard negatives only.")]
_INCIDENTS = Annotated[float, typer.Option("--incidents", help="Incidents per hour and 100 cameras.")]
_TYPES = Annotated[list[str] | None, typer.Option("--incident-type", help="Only this type; may be repeated.")]
_DISTRACTORS = Annotated[float, typer.Option("--distractors", help="Hard negatives per hour and 100 cameras.")]
_KINDS = Annotated[list[str] | None, typer.Option("--distractor-kind", help="Only this kind; may be repeated.")]
_REPORTS = Annotated[float, typer.Option("--reports", help="Reports of people per incident.")]
_GARBAGE = Annotated[float, typer.Option("--garbage", help="Share of garbage lines.")]
_WARM_UP = Annotated[int, typer.Option("--warm-up", help="Seconds of traffic before the recording begins.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(synth)


def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write city.geojson, observations, truth and identity.")],
    seed: _SEED = _DEFAULT.seed,
    cameras: _CAMERAS = _DEFAULT.cameras,
    sources: _SOURCES = None,
    minutes: _MINUTES = _DEFAULT.minutes,
    start: _START = str(_DEFAULT.start_ms),
    quiet: _QUIET = False,
    incidents: _INCIDENTS = _DEFAULT.incidents_per_hour_per_100_cameras,
    incident_types: _TYPES = None,
    distractors: _DISTRACTORS = _DEFAULT.distractors_per_hour_per_100_cameras,
    distractor_kinds: _KINDS = None,
    reports: _REPORTS = _DEFAULT.reports_per_incident,
    garbage: _GARBAGE = _DEFAULT.garbage_fraction,
    warm_up_s: _WARM_UP = _DEFAULT.warm_up_s,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic city: its map, what its devices send, and what really happened in it."""
    settings = SynthSettings(
        seed=seed,
        cameras=cameras,
        sources=sources,
        minutes=minutes,
        start_ms=_epoch_ms(start),
        quiet=quiet,
        incident_types=tuple(incident_types or ()),
        distractor_kinds=tuple(distractor_kinds or ()),
        incidents_per_hour_per_100_cameras=incidents,
        distractors_per_hour_per_100_cameras=distractors,
        reports_per_incident=reports,
        garbage_fraction=garbage,
        warm_up_s=warm_up_s,
    )
    city = SynthCity(settings)
    lines = write(city, folder)
    truth = city.truth()
    counted = {name: truth[name] for name in ("cameras", "signals", "sensors")}
    counted |= {name: len(truth[name]) for name in ("incidents", "distractors")}
    if as_json:
        typer.echo(msgspec.json.encode({"folder": str(folder), "lines": lines, **counted}))
    else:
        typer.echo(f"{folder}: {lines} lines; " + ", ".join(f"{count} {name}" for name, count in counted.items()))


def write(city: SynthCity, folder: Path) -> int:
    """Writes a world with progress on standard error; gives its lines. Raises RecordingError where it cannot."""
    progress, seconds = Progress("synth"), city.settings.seconds

    def written(block: Block) -> None:
        progress.show(f"{min(block.second + 1, seconds)} of {seconds} s")

    try:
        return write_world(city, folder, written)
    except OSError as wrong:
        raise RecordingError(f"{folder}: wanted a folder to write into, got: {wrong.strerror}") from wrong
    finally:
        progress.done()


def _epoch_ms(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise SettingsError(f"--start: wanted RFC 3339 or milliseconds since 1970, got {text!r}") from wrong
    if moment.tzinfo is None:
        raise SettingsError(f"--start: wanted an offset, as in {text}+08:00, got none")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
