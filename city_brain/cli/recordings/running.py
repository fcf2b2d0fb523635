"""`city-brain bag run`: a recording of a city's topics through the street in one process."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    INTERRUPTED,
    ZONE,
    JsonOption,
    Progress,
    TypesOption,
    ZoneOption,
    instants,
    keep_apart,
    plural,
    types_folder,
)


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording of raw topics.")],
    types: TypesOption = None,
    incidents: Annotated[
        str | None, typer.Option("--incidents", help="Where to write incident revisions (- is standard output).")
    ] = None,
    ticks: Annotated[str | None, typer.Option("--ticks", help="Where to write the tick log, a line per tick.")] = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Fuse what was recorded, with the map, types and settings that the recording holds, and print what was announced.

    With --types, built-in types hold and those in the folder, in place of the recorded ones. The digest is that of the
    city that was recorded from its first row on, unless types were changed.
    """
    from city_brain.cli.outputs import Outputs
    from city_brain.incidents.incident import Incident
    from city_brain.incidents.incident_type import type_files
    from city_brain.playback.street import Street

    keep_apart([file], [incidents, ticks])
    folder = types_folder(types)
    progress, said = Progress("bag run"), dict[str, Incident]()
    progress.show("reads what the city began with and was told")
    street = Street(file, None if folder is None else type_files(folder))
    outputs = Outputs(incidents, None, ticks, street.site.source_names)
    try:
        with outputs:
            for tick in street.ticks():
                outputs.take_record(tick.said.record)
                said |= {one.incident_id: one for one in tick.said.record.incidents if one.detected_ms is not None}
                progress.show(f"{plural(outputs.head.size, 'tick')}, {plural(len(said), 'incident')} announced")
    except KeyboardInterrupt:
        progress.done()
        typer.echo(f"stopped after {plural(outputs.head.size, 'tick')}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        progress.done()
    found = sorted(said.values(), key=lambda one: (one.detected_ms or 0, one.incident_id))
    digest = outputs.head.digest().hex()
    if as_json:
        typer.echo(msgspec.json.encode({"digest": digest, "ticks": outputs.head.size, "announced": found}))
        return
    instant = instants(zone)
    for one in found:
        text = f"{one.number}  {one.type} at {one.lon:.5f},{one.lat:.5f}, {one.state}, announced"
        typer.echo(printable(f"{text} {instant(one.detected_ms or 0)}"), err=incidents == "-" or ticks == "-")
    told = f"{plural(outputs.head.size, 'tick')}, {plural(len(found), 'incident')} announced, digest {digest}"
    typer.echo(told, err=incidents == "-" or ticks == "-")
