"""`city-brain synth`: a seeded city of our own as a folder, from ten sources to a million."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from city_brain.cli.common import JsonOption, Progress, plural
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.synth import Block, SynthCity
    from city_brain.synth.senses.tracking import Scene

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPTIONS = {
    "start_ms": "--start",
    "incident_types": "--incident-type",
    "distractor_kinds": "--distractor-kind",
    "scenes": "--scene",
    "incidents_per_hour_per_100_cameras": "--incidents",
    "distractors_per_hour_per_100_cameras": "--distractors",
    "reports_per_incident": "--reports",
    "garbage_fraction": "--garbage",
    "warm_up_s": "--warm-up",
}
"""Options of settings that are not named as their option is."""


def _option(name: str, default: str | bool, says: str) -> Any:
    """An option that leaves the setting's own default where it is not given; `default` is what is shown of it."""
    return typer.Option(name, show_default=default, help=says)


_SEED = Annotated[int | None, _option("--seed", "1", "Another seed is another city.")]
_CAMERAS = Annotated[int | None, _option("--cameras", "60", "Cameras; signals and sensors follow.")]
_SOURCES = Annotated[int | None, _option("--sources", False, "All sources together, in place of --cameras.")]
_MINUTES = Annotated[float | None, _option("--minutes", "20", "Length of the recording.")]
_START = Annotated[
    str | None,
    _option("--start", "2026-09-24T08:00:00+08:00", "Its beginning: RFC 3339 with an offset, or ms since 1970."),
]
_QUIET = Annotated[bool, typer.Option("--quiet", help="No incidents, hard negatives only.")]
_INCIDENTS = Annotated[float | None, _option("--incidents", "60", "Incidents per hour and 100 cameras.")]
_TYPES = Annotated[list[str] | None, typer.Option("--incident-type", help="Only this type; may be repeated.")]
_DISTRACTORS = Annotated[float | None, _option("--distractors", "90", "Hard negatives per hour and 100 cameras.")]
_KINDS = Annotated[list[str] | None, typer.Option("--distractor-kind", help="Only this kind; may be repeated.")]
_SCENES = Annotated[
    list[str] | None,
    typer.Option("--scene", metavar="NAME@SECOND", help="Stage this, such as crash_at_signal@30; may be repeated."),
]
_REPORTS = Annotated[float | None, _option("--reports", "0.8", "Reports of people per incident.")]
_GARBAGE = Annotated[float | None, _option("--garbage", "0.0006", "Share of garbage lines.")]
_WARM_UP = Annotated[int | None, _option("--warm-up", "150", "Seconds of traffic before the recording begins.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(synth)


def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write city.geojson, observations, truth and identity.")],
    seed: _SEED = None,
    cameras: _CAMERAS = None,
    sources: _SOURCES = None,
    minutes: _MINUTES = None,
    start: _START = None,
    quiet: _QUIET = False,
    incidents: _INCIDENTS = None,
    incident_types: _TYPES = None,
    distractors: _DISTRACTORS = None,
    distractor_kinds: _KINDS = None,
    scenes: _SCENES = None,
    reports: _REPORTS = None,
    garbage: _GARBAGE = None,
    warm_up_s: _WARM_UP = None,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic city: its map, what its devices send, and what really happened in it."""
    import msgspec

    from city_brain.synth import SynthCity, SynthSettings

    given = {
        "seed": seed,
        "cameras": cameras,
        "sources": sources,
        "minutes": minutes,
        "start_ms": None if start is None else _epoch_ms(start),
        "quiet": quiet,
        "incident_types": tuple(incident_types or ()),
        "distractor_kinds": tuple(distractor_kinds or ()),
        "scenes": tuple(map(_scene, scenes or ())),
        "incidents_per_hour_per_100_cameras": incidents,
        "distractors_per_hour_per_100_cameras": distractors,
        "reports_per_incident": reports,
        "garbage_fraction": garbage,
        "warm_up_s": warm_up_s,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    with _options():
        city = SynthCity(msgspec.convert(settings, SynthSettings))
    lines = write(city, folder)
    truth = city.truth()
    counted = {name: truth[f"{name}s"] for name in ("camera", "signal", "sensor")}
    counted |= {name: len(truth[f"{name}s"]) for name in ("incident", "distractor")}
    if as_json:
        counts = {f"{name}s": count for name, count in counted.items()}
        typer.echo(msgspec.json.encode({"folder": str(folder), "lines": lines, **counts}))
    else:
        told = ", ".join(plural(count, name) for name, count in counted.items())
        typer.echo(f"{folder}: {plural(lines, 'line')}; {told}")


def write(city: "SynthCity", folder: Path, watch: "Callable[[Scene], None]" = lambda scene: None) -> int:
    """Writes a world with progress on standard error; gives its lines. Raises RecordingError where it cannot.

    `watch` is given what there is in each second.
    """
    from city_brain.synth import write_world

    progress, seconds = Progress("synth"), city.settings.seconds

    def written(block: "Block") -> None:
        progress.show(f"{min(block.second + 1, seconds)} of {seconds} s")

    try:
        return write_world(city, folder, written, watch)
    except OSError as wrong:
        raise RecordingError(f"{folder}: wanted a folder to write into, got: {wrong.strerror}") from wrong
    finally:
        progress.done()


@contextmanager
def _options() -> Iterator[None]:
    """Puts the option in the place of the setting, in errors about what was given."""
    try:
        yield
    except SettingsError as wrong:
        name, _, rest = str(wrong).removeprefix("synth settings, ").partition(": ")
        raise SettingsError(f"{_OPTIONS.get(name, '--' + name)}: {rest}") from wrong


def _scene(text: str) -> dict[str, str | int]:
    name, _, second = text.partition("@")
    if not name or not second.isdecimal():
        raise SettingsError(f"--scene: wanted NAME@SECOND, as in crash_at_signal@30, got {text!r}")
    return {"name": name, "from_s": int(second)}


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
