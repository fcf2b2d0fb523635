"""`city-brain bag run`: a recording through the street in one process, at any rate, from and to any place."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    FAILED,
    INTERRUPTED,
    ZONE,
    JsonOption,
    Progress,
    TypesOption,
    ZoneOption,
    epoch_ms,
    instants,
    keep_apart,
    plural,
    types_folder,
)
from city_brain.cli.recordings.commands import end_if_lacking

if TYPE_CHECKING:
    from city_brain.incidents.incident import Incident
    from city_brain.incidents.tick_record import TickRecord
    from city_brain.playback.played import Played

RateOption = Annotated[float, typer.Option("--rate", min=0, help="Log seconds per second; 0 as fast as it goes.")]
FromOption = Annotated[
    Path | None, typer.Option("--from-state", help="Go on from a state that --state wrote; with --types: branch.")
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="Where to write the state, every 5 s and where it ends; Ctrl-C leaves the last."),
]
STATE_EVERY_S: Final = 5.0
"""How often a state is written on the way: what a kill costs."""


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording of a city.")],
    types: TypesOption = None,
    rate: RateOption = 0.0,
    from_state: FromOption = None,
    until: Annotated[str, typer.Option("--until", help="Stop at the first tick that is due then or later.")] = "",
    until_incident: Annotated[
        str, typer.Option("--until-incident", metavar="TYPE", help="Stop where one of this type is announced, or: any.")
    ] = "",
    state: StateOption = None,
    incidents: Annotated[
        str | None, typer.Option("--incidents", help="Where to write incident revisions (- is standard output).")
    ] = None,
    ticks: Annotated[str | None, typer.Option("--ticks", help="Where to write the tick log, a line per tick.")] = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Fuse what was recorded, with the map, types and settings that the recording holds, and print what was announced.

    With --types, built-in types hold and those in the folder, not the recorded ones. The digest is that of the recorded
    city, unless types were changed, also of a run that went on from a state. Exit code 3: the recording was cut, or its
    recorder lost records; 1: it ended before it came to --until.
    """
    from city_brain.cli.outputs import Outputs
    from city_brain.incidents.incident import Incident
    from city_brain.incidents.incident_type import type_files
    from city_brain.playback.control.pacing import Pace
    from city_brain.playback.opening import open_played
    from city_brain.playback.state import read_state

    keep_apart([file], [incidents, ticks, state])
    folder, pace, progress = types_folder(types), Pace(rate), Progress("bag run")
    last = _last(epoch_ms(until, "--until") if until else None, until_incident)
    progress.show("reads what the city began with and was told")
    played, said = open_played(file, None if folder is None else type_files(folder)), dict[str, Incident]()
    begin = None if from_state is None else read_state(from_state)
    outputs, keeping, stop = Outputs(incidents, None, ticks, played.site.source_names), _Keeping(played, state), False
    try:
        with outputs:
            for tick in pace.keep(played.ticks(begin)):
                outputs.take_record(tick.said.record)
                said |= {one.incident_id: one for one in tick.said.record.incidents if one.detected_ms is not None}
                keeping.look()
                progress.show(f"{plural(played.head.size, 'tick')}, {plural(len(said), 'incident')} announced")
                stop = stop or last(tick.said.record)
                if stop and (state is None or played.at_rest):
                    break
        keeping.write()
    except KeyboardInterrupt:
        progress.done()
        typer.echo(f"stopped after {plural(played.head.size, 'tick')}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        progress.done()
    _tell(played, said, zone, as_json, err=incidents == "-" or ticks == "-")
    if pace.text():
        typer.echo(pace.text(), err=True)
    if not stop:
        _end(file, " or ".join(filter(None, (until, until_incident))))


def _end(file: Path, wanted: str) -> None:
    """Behind the last tick: exits with 3 where records are lacking, with 1 where it was to stop before at `wanted`."""
    if wanted:
        told = f"wanted to stop at {wanted}, got the end of the recording before it came to that"
        typer.echo(printable(told), err=True)
    end_if_lacking(file)
    if wanted:
        raise typer.Exit(FAILED)


def _last(until_ms: int | None, kind: str) -> "Callable[[TickRecord], bool]":
    """Whether a tick is the last one that is asked for."""
    from city_brain.playback.control.stepping import announces

    announced = announces(frozenset() if kind == "any" else frozenset({kind})) if kind else None
    return lambda record: bool(announced and announced(record)) or (until_ms is not None and record.due_ms >= until_ms)


class _Keeping:
    """Writes the state of what is played into a file: every few seconds, and at the end."""

    def __init__(self, played: "Played", path: Path | None) -> None:
        self._played, self._path, self._written_s = played, path, time.monotonic()

    def look(self) -> None:
        """Called behind a tick that was taken."""
        if time.monotonic() - self._written_s >= STATE_EVERY_S and self._played.at_rest:
            self.write()

    def write(self) -> None:
        """Writes the state of now."""
        from city_brain.playback.state import write_state

        if self._path is not None:
            write_state(self._path, self._played.state())
            self._written_s = time.monotonic()


def _tell(played: "Played", said: "dict[str, Incident]", zone: str, as_json: bool, *, err: bool) -> None:
    """Prints the incidents that were announced, and the digest."""
    found = sorted(said.values(), key=lambda one: (one.detected_ms or 0, one.incident_id))
    digest = played.head.digest().hex()
    if as_json:
        typer.echo(msgspec.json.encode({"digest": digest, "ticks": played.head.size, "announced": found}))
        return
    instant = instants(zone)
    for one in found:
        text = f"{one.number}  {one.type} at {one.lon:.5f},{one.lat:.5f}, {one.state}, announced"
        typer.echo(printable(f"{text} {instant(one.detected_ms or 0)}"), err=err)
    told = f"{plural(played.head.size, 'tick')}, {plural(len(found), 'incident')} announced"
    typer.echo(f"{told}, digest {digest}", err=err)
