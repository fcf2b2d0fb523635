"""`city-brain bag convert`: lines of the JSON twin as a recording of raw topics, and a recording as lines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    DATA_LOST,
    ZONE,
    JsonOption,
    PartitionsOption,
    Progress,
    TickOption,
    TypesOption,
    ZoneOption,
    keep_apart,
    open_map,
    plural,
)
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from collections import Counter


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="JSON lines, plain or Zstandard (- reads them from standard input), or the first file of a recording.",
        ),
    ],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="The recording (*.mcap); of a recording: the lines, *.zst is packed, - is standard output.",
        ),
    ],
    map_path: Annotated[Path | None, typer.Option("--map", help="Of lines: the city map (GeoJSON).")] = None,
    types: TypesOption = None,
    zone: ZoneOption = ZONE,
    tick_s: TickOption = 1.0,
    partitions: PartitionsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Turn JSON lines into a recording of raw topics, as if they had been sent to a city of that map; or back.

    Rows get to the topics and partitions that `send` puts them into, with their arrival as stamp; `control` begins with
    map and types, and marks stand in every raw partition wherever a tick falls due. `bag run OUT` announces what
    `fuse IN --map` announces. The same input gives the same bytes. Exit code 3 where not everything could be told.
    """  # fmt: skip
    keep_apart([source, *([] if map_path is None else [map_path])], [out])
    if _is_recording(source):
        if map_path is not None or types is not None:
            raise SettingsError(f"bag convert {source}: wanted --map and --types with lines only, got a recording")
        _unroll(Path(source), out, as_json)
    elif map_path is None:
        raise SettingsError(f"bag convert {source}: wanted --map with lines, got none")
    else:
        _roll(source, Path(out), (map_path, types, tick_s, partitions, zone), as_json)


def _is_recording(source: str) -> bool:
    from city_brain.playback.comparing.answers import is_recording

    return source != "-" and Path(source).is_file() and is_recording(Path(source))


def _roll(source: str, out: Path, city: tuple[Path, Path | None, float, int, str], as_json: bool) -> None:
    from city_brain.pipeline.configuration import Change, Configuration
    from city_brain.playback.converting import Rolled, roll
    from city_brain.sources.recording import read_blocks

    map_path, types, tick_s, partitions, zone = city
    site = open_map(map_path, types, tick_s, partitions)
    site.settings = msgspec.structs.replace(site.settings, time_zone=zone)
    frame = site.ground.city.frame
    first = Change(
        since_ms=0,
        configuration=Configuration(
            city_map=map_path.read_bytes(),
            origin=(frame.lon0, frame.lat0),
            types=_files(types),
            desk=site.desk_settings,
        ),
    )
    progress = Progress("bag convert")

    def show(rolled: Rolled) -> None:
        progress.show(plural(rolled.rows, "row"))

    try:
        rolled = roll(read_blocks(source), out, first, site.settings, show)
    finally:
        progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(rolled, order="sorted"))
    else:
        warnings = f", {plural(rolled.warnings, 'warning')}" if rolled.warnings else ""
        typer.echo(printable(f"{out}: {plural(rolled.rows, 'row')}{warnings}, {plural(rolled.marks, 'mark')}"))
    _tell_lost("line", "rejected", rolled.rejected)


def _files(types: Path | None) -> dict[str, bytes]:
    from city_brain.incidents.incident_type import type_files

    return {} if types is None else type_files(types)


def _unroll(source: Path, out: str, as_json: bool) -> None:
    from city_brain.cli.converting.writing import STANDARD_OUTPUT, written
    from city_brain.playback.converting import Unrolled, unroll

    unrolled, progress = Unrolled(), Progress("bag convert")
    try:
        with written(out) as file:
            for line in unroll(source, unrolled, lambda now: progress.show(plural(now.rows, "row"))):
                file.write(line + b"\n")
    finally:
        progress.done()
    err = out == STANDARD_OUTPUT
    if as_json:
        typer.echo(msgspec.json.encode(unrolled, order="sorted"), err=err)
    else:
        warnings = f", {plural(unrolled.warnings, 'warning')}" if unrolled.warnings else ""
        told = f"{out}: {plural(unrolled.rows, 'row')}{warnings}, {plural(unrolled.marks, 'mark')}"
        typer.echo(printable(f"{told}; {plural(unrolled.configurations, 'configuration')} left out"), err=err)
    if unrolled.cut:
        typer.echo(printable(f"cut: {unrolled.cut}"), err=True)
    if unrolled.missing:
        typer.echo(f"missing: wanted every offset, got none of {plural(unrolled.missing, 'record')}", err=True)
    _tell_lost("piece", "left out", unrolled.unread)
    if unrolled.missing or unrolled.cut:
        raise typer.Exit(DATA_LOST)


def _tell_lost(what: str, became: str, reasons: "Counter[str]") -> None:
    """Says what could not be converted, and ends with exit code 3 where there was any."""
    if not reasons:
        return
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    typer.echo(f"{plural(sum(reasons.values()), what)} {became}: {counts}", err=True)
    raise typer.Exit(DATA_LOST)
