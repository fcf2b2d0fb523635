"""`city-brain convert signal-events`: high-resolution controller logs (Parquet) as signal rows."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.cli.common import keep_apart
from city_brain.cli.converting.writing import (
    ClockOption,
    DatumOption,
    FileArgument,
    MapOutOption,
    OutOption,
    read_datum,
    write_map,
    write_observations,
)
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.sources.phase_plan import PlannedJunction

_SERVES = "as 2=W:through,right (from the western arm); may be repeated"


def signal_events(
    file: FileArgument,
    out: OutOption = "-",
    map_out: MapOutOption = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Sources, places and phases of the controllers (TOML).")
    ] = None,
    phase: Annotated[
        list[str] | None, typer.Option("--phase", help=f"What a phase serves, {_SERVES}. Default: NEMA's eight.")
    ] = None,
    overlap: Annotated[list[str] | None, typer.Option("--overlap", help=f"What an overlap serves, {_SERVES}.")] = None,
    source: Annotated[str, typer.Option("--source", help="Sources are NAME-DeviceId.")] = "signal",
    lon: Annotated[float | None, typer.Option("--lon", help="Longitude of the only controller.")] = None,
    lat: Annotated[float | None, typer.Option("--lat", help="Latitude of the only controller.")] = None,
    repeat_s: Annotated[
        float, typer.Option("--repeat", min=0, help="Seconds after which a standing state is said again; 0: never.")
    ] = 5.0,
    datum: DatumOption = "WGS-84",
    utc_offset: ClockOption = 0.0,
) -> None:
    """Convert events of traffic signal controllers (Indiana enumerations) into what their lamps show.

    All controllers of the log are converted, or those of the --plan.
    """
    from city_brain.sources.phase_plan import junctions_map, read_place
    from city_brain.sources.signal_events import read_signal_events

    keep_apart((file, *filter(None, (plan,))), (out, map_out))
    if plan is None:
        planned = _unplanned(file, source, phase or [], overlap or [], read_place("--lon, --lat", lon, lat))
    elif phase or overlap or lon is not None or lat is not None:
        raise SettingsError("convert: wanted phases and places by --plan or by other options, got both")
    else:
        planned = _planned(file, plan)
    if map_out is not None:
        write_map(map_out, junctions_map(planned.values(), read_datum(datum)))
    junctions = {device: entry.junction for device, entry in planned.items()}
    write_observations(out, read_signal_events(file, junctions, utc_offset, round(1000 * repeat_s) or None))


def _planned(file: Path, plan: Path) -> "dict[int, PlannedJunction]":
    """The controllers of a plan; says which are only in the plan or only in the log."""
    from city_brain.sources.phase_plan import read_plan
    from city_brain.sources.signal_events import devices

    planned, found = read_plan(plan), devices(file)
    for where, numbers in (
        ("log", [device for device in planned if device not in found]),
        ("plan", [device for device in found if device not in planned]),
    ):
        if numbers:
            typer.echo(f"not in the {where}: {', '.join(map(str, numbers))}", err=True)
    return planned


def _unplanned(
    file: Path, source: str, phase: list[str], overlap: list[str], position: tuple[float, float] | None
) -> "dict[int, PlannedJunction]":
    """The controllers of a log, all with the same phases."""
    from city_brain.sources.phase_plan import PlannedJunction, read_movements
    from city_brain.sources.signal_events import Junction, devices

    found = devices(file)
    if position is not None and len(found) > 1:
        raise SettingsError(f"--lon, --lat: wanted a --plan with the places of {len(found)} controllers, got one place")
    served = Junction("", overlaps=read_movements("--overlap", map(_pair, overlap)))
    if phase:
        served = replace(served, phases=read_movements("--phase", map(_pair, phase)))
    return {device: PlannedJunction(replace(served, source_id=f"{source}-{device}"), position) for device in found}


def _pair(text: str) -> tuple[str, str]:
    number, _, serves = text.partition("=")
    return number, serves
