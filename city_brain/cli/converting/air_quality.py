"""`city-brain convert air-quality`: hourly measurements of one station (CSV) as sensor rows."""

from typing import Annotated

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


def air_quality(
    file: FileArgument,
    lon: Annotated[float, typer.Option("--lon", min=-180, max=180, help="Longitude of the station.")],
    lat: Annotated[float, typer.Option("--lat", min=-85, max=85, help="Latitude of the station.")],
    out: OutOption = "-",
    map_out: MapOutOption = None,
    source: Annotated[
        str, typer.Option("--source", help="Name of the station; each quantity is a source NAME-quantity.")
    ] = "station",
    datum: DatumOption = "WGS-84",
    utc_offset: ClockOption = 8.0,
) -> None:
    """Convert hourly air quality and weather (the CSV of UCI's “Beijing PM2.5”); fuse it with --tick 3600."""
    from city_brain.sources.air_quality import Station, read_air_quality, station_map

    keep_apart((file,), (out, map_out))
    station = Station(source, lon, lat, read_datum(datum), utc_offset)
    write_map(map_out, station_map(station))
    write_observations(out, read_air_quality(file, station))
