"""`city-brain bench`: how fast this machine fuses a recording, by part, and how much more a core could take."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    INTERRUPTED,
    JsonOption,
    MapOrNoneOption,
    Progress,
    SiteOption,
    TypesOption,
    check_input,
    plural,
    read_site,
    types_folder,
)
from city_brain.cli.recordings.commands import end_if_lacking
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.measuring.measured import Measured
    from city_brain.measuring.reading import Reading
    from city_brain.replay.stream import Batch
    from city_brain.runner import Runner

_BLOCK_ROWS: Final = 1024


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)


def bench(
    recording: Annotated[
        str, typer.Argument(help="JSON lines, plain or Zstandard, - for standard input; or a recording (*.mcap).")
    ],
    map_path: MapOrNoneOption = None,
    site: SiteOption = None,
    types: TypesOption = None,
    envelope: Annotated[int, typer.Option("--envelope", min=1, help="Lines decoded at a time.")] = _BLOCK_ROWS,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Only the first so many of the city's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what fusing a recording takes of one core, part by part, and how often as fast it would go as it came.

    A recording of topics or of a run knows its map and types; lines want --map or --site. Times are of the processor,
    so other programs disturb little; `by the clock` says which is not. Nothing is served, stored or written.
    """
    import msgspec

    from city_brain.replay.stream import StreamReader
    from city_brain.sources.recording import read_blocks

    if minutes is not None and not minutes > 0.0:
        raise SettingsError(f"--minutes: wanted more than 0, got {minutes}")
    reader, is_recording = None, _is_recording(recording)
    if is_recording:
        runner, batches = _of_recording(recording, map_path, site, types)
    else:
        reader = StreamReader(read_site(map_path, site, types).runner())
        runner, batches = reader.runner, reader.batches(read_blocks(recording, envelope))
    reading, whole = _read(runner, batches, minutes)
    if runner.counters.used:
        measured = reading.measured()
        typer.echo(msgspec.json.encode(measured) if as_json else _text(recording, measured))
    broken = None if reader is None else reader.broken
    check_input(broken, runner.counters.used, recording, map_path or site or Path(recording))
    if is_recording and whole:
        end_if_lacking(Path(recording))


def _is_recording(name: str) -> bool:
    from city_brain.playback.comparing.answers import is_recording

    return name != "-" and Path(name).is_file() and is_recording(Path(name))


def _of_recording(
    name: str, map_path: Path | None, site: Path | None, types: Path | None
) -> "tuple[Runner, Iterator[Batch]]":
    from city_brain.incidents.incident_type import type_files
    from city_brain.playback.opening import open_played

    if map_path is not None or site is not None:
        raise SettingsError(f"{name}: wanted no --map and no --site with a recording that has its map in it, got one")
    folder = types_folder(types)
    return open_played(Path(name), None if folder is None else type_files(folder)).in_a_runner()


def _read(runner: "Runner", batches: "Iterator[Batch]", minutes: float | None) -> "tuple[Reading, bool]":
    """Reads to the end, or so far as is wanted; answers whether that was the end."""
    from city_brain.measuring.reading import Reading

    reading, progress, ticks = Reading(runner), Progress("bench"), 0
    most = None if minutes is None else 60_000.0 * minutes / runner.settings.tick_ms
    try:
        for _ in reading.take(batches):
            ticks += 1
            if most is not None and ticks >= most:
                return reading, False
            if ticks % 16 == 0:
                progress.show(f"{plural(ticks, 'tick')}, {runner.counters.read} rows")
    except KeyboardInterrupt:
        progress.done()
        typer.echo(f"stopped after {plural(ticks, 'tick')}; --minutes measures only the first of them", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        progress.done()
    return reading, True


def _text(name: str, measured: "Measured") -> str:
    """The figures for people."""
    from city_brain.measuring.measured import describe

    median, high, most = measured.tick_ms
    period_ms = 1000.0 * measured.seconds / measured.ticks
    lines = [
        f"{name}: {measured.observations:,} observations in {measured.seconds:,.0f} s, "
        f"{_figure(measured.came_per_second)} a second; {plural(measured.sources, 'source')} on the map",
        f"one core takes {measured.per_second:,} a second ({measured.per_wall_second:,} by the clock): "
        f"head-room {_figure(measured.headroom)} ×",
        "",
        f"{'part':10} {'µs an observation':>18} {'share':>6}   {'ms a tick: median':>17} {'95 %':>8} {'most':>8}",
    ]
    for part, of in measured.parts.items():
        ticks = "" if of.tick_ms is None else f"   {of.tick_ms[0]:>17.2f} {of.tick_ms[1]:>8.2f} {of.tick_ms[2]:>8.2f}"
        lines.append(f"{part:10} {of.us:>18.2f} {100.0 * of.us / measured.us:>4.0f} %{ticks}")
    lines += [
        f"{'in all':10} {measured.us:>18.2f} {'':>6}   {median:>17.2f} {high:>8.2f} {most:>8.2f}",
        "",
        f"a tick is {period_ms:,.0f} ms of the city; its record follows {median:.0f} ms of work after it is due, "
        f"{most:.0f} ms at most",
        f"memory: {measured.ground_mb} MB with the map ready, {measured.peak_mb} MB at most",
        f"{describe(measured.machine)}; load {measured.load:.1f} a core",
    ]
    return "\n".join(map(printable, lines))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:,.1f}"
