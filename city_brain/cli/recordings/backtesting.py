"""`city-brain backtest`: the gate before other incident types, by what they would have said of past days."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    OUTPUTS_DIFFER,
    ZONE,
    JsonOption,
    Progress,
    ZoneOption,
    instants,
    keep_apart,
    open_map,
    plural,
    read_file,
    types_folder,
)
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from city_brain.incidents.tick_record import TickRecord
    from city_brain.playback.gating import Judged, Policy, Said
    from city_brain.scoring import Truth
    from city_brain.site import Site

OBSERVATIONS = ("observations.jsonl.zst", "observations.jsonl")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(backtest)


def backtest(
    types: Annotated[Path, typer.Option("--types", help="A folder of incident type files: those to be judged.")],
    on: Annotated[
        list[Path],
        typer.Option(
            "--on",
            help="A recording (*.mcap), or a folder with city.geojson and observations; perhaps a truth.json; repeat.",
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help="A folder of those that hold now; default: those recorded, or the built-in ones."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="What blocks (TOML); default: an incident that is lost.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Where to write the report in Markdown.")] = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Judge other incident types by what they would have said of past days; exit code 4 where the policy blocks them.

    The report tells incidents gained, lost and moved, alarms for each hour of an operator, and where the truth is known
    recall and false alarms, by type.
    """
    import msgspec

    from city_brain.playback.gating import Policy, judge, markdown, read_policy

    instant = instants(zone)
    rules = Policy() if policy is None else read_policy(policy)
    keep_apart([file for place in on for file in (place, *place.glob("*")) if file.is_file()], [report])
    _check_names(rules, types, against)
    before, after = _hear_all(on, against), _hear_all(on, types)
    judged = judge(before, after, rules)
    text = markdown(judged, instant)
    if report is not None:
        _write(report, text)
    if as_json:
        typer.echo(msgspec.json.encode(judged))
    else:
        typer.echo(printable(_short(judged)) if report is not None else "\n".join(map(printable, text.split("\n"))))
    for what in judged.blocked:
        typer.echo(printable(f"blocked: {what}"), err=True)
    if judged.blocked:
        raise typer.Exit(OUTPUTS_DIFFER)


def _hear_all(places: list[Path], types: Path | None) -> "list[Said]":
    return [
        _hear_recording(place, types) if place.is_file() else _hear(place, open_map(place / "city.geojson", types))
        for place in places
    ]


def _hear_recording(file: Path, types: Path | None) -> "Said":
    """What a recording says; the truth lies beside it as NAME.truth.json, where it is known."""
    from city_brain.incidents.incident_type import type_files
    from city_brain.playback.gating import hear
    from city_brain.playback.opening import open_played

    folder, progress = types_folder(types), Progress(f"backtest {file}")
    played = open_played(file, None if folder is None else type_files(folder))

    def records() -> "Iterator[TickRecord]":
        for number, tick in enumerate(played.ticks(), 1):
            progress.show(plural(number, "tick"))
            yield tick.said.record

    try:
        return hear(str(file), records(), _truth(file.with_suffix(".truth.json")))
    finally:
        progress.done()


def _check_names(rules: "Policy", *folders: Path | None) -> None:
    """Raises SettingsError where the policy names a type that is in none of the folders, nor built in."""
    from city_brain.incidents.incident_type import load_incident_types

    known = {name for folder in folders for name in load_incident_types(types_folder(folder)).by_name}
    for name in rules.types:
        if name not in known:
            raise SettingsError(f"policy: wanted incident types that there are, got {name!r}")


def _hear(folder: Path, site: "Site") -> "Said":
    from city_brain.playback.gating import hear

    return hear(str(folder), _ticks(folder, site), _truth(folder / "truth.json"))


def _truth(path: Path) -> "Truth | None":
    from city_brain.scoring import read_truth

    return read_truth(read_file(path, "a truth.json")) if path.exists() else None


def _ticks(folder: Path, site: "Site") -> "Iterator[TickRecord]":
    """The ticks of a recording; raises RecordingError where it cannot be read to its end, or no row of it is used."""
    from city_brain.replay.stream import StreamReader
    from city_brain.sources.recording import read_blocks

    observations = next((folder / name for name in OBSERVATIONS if (folder / name).exists()), folder / OBSERVATIONS[0])
    runner, progress = site.runner(), Progress(f"backtest {folder}")
    reader = StreamReader(runner)
    try:
        for number, closed in enumerate(reader.read(read_blocks(observations)), 1):
            progress.show(f"{plural(number, 'tick')}, {plural(runner.counters.read, 'row')}")
            yield closed.record
    finally:
        progress.done()
    if reader.broken:
        raise reader.broken
    if not runner.counters.used:
        raise RecordingError(f"{observations}: wanted rows of sources on the map, got none that is used")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted to write the report, got: {wrong.strerror}") from wrong


def _short(judged: "Judged") -> str:
    whole = judged.whole
    return (
        f"{'blocked' if judged.blocked else 'may pass'}: {whole.before} incidents before, {whole.after} after; "
        f"{whole.gained} gained, {whole.lost} lost, {whole.moved} moved; alarms an hour "
        f"{whole.alarms_per_hour_before:g} before, {whole.alarms_per_hour_after:g} after"
    )
