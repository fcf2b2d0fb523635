"""`city-brain fuse`: a recording of observations in, incidents out."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.cli.common import (
    INTERRUPTED,
    ZONE,
    JsonOption,
    MapOption,
    PartitionsOption,
    Progress,
    TickOption,
    TypesOption,
    ZoneOption,
    check_input,
    counters_text,
    instants,
    keep_apart,
    open_map,
    plural,
)

if TYPE_CHECKING:
    from city_brain.cli.outputs import Outputs
    from city_brain.errors import RecordingError
    from city_brain.page.report import Report
    from city_brain.runner import Runner

_BLOCK_ROWS = 4096


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(fuse)


def fuse(
    observations: Annotated[str, typer.Argument(help="JSON lines, plain or Zstandard; - reads standard input.")],
    map_path: MapOption,
    incidents: Annotated[
        str, typer.Option("--incidents", help="Where to write incident revisions (- is standard output).")
    ],
    tracks: Annotated[str | None, typer.Option("--tracks", help="Where to write which track was which object.")] = None,
    ticks: Annotated[str | None, typer.Option("--ticks", help="Where to write the tick log, a line per tick.")] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE.html", help="Where to write a page that shows all of it.")
    ] = None,
    types: TypesOption = None,
    partitions: PartitionsOption = 1,
    envelope: Annotated[
        int, typer.Option("--envelope", min=1, help="Lines read at a time; changes nothing in the result.")
    ] = _BLOCK_ROWS,
    tick_s: TickOption = 1.0,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Fuse a recording into incidents.

    --report leaves one file that any browser shows: map, incidents and why they are believed; it loads nothing.
    Files are complete or not there: they grow as *.part and are renamed at the end.
    Ctrl-C and SIGTERM stop it and print how far it got; exit code 130 and 143.
    """
    from city_brain.cli.outputs import Outputs, write_report

    keep_apart((observations, map_path), (incidents, tracks, ticks, report))
    site = open_map(map_path, types, tick_s, partitions)
    runner = site.runner()
    page = _page(runner, zone, report) if report else None
    outputs = Outputs(incidents, tracks, ticks, site.source_names)
    try:
        with outputs:
            broken = _run(runner, observations, envelope, outputs, page)
            if tracks:
                outputs.remaining_tracks(runner)
        if page is not None and report is not None:
            write_report(page, report)
    except KeyboardInterrupt:
        _tell_stopped(runner, outputs)
        raise typer.Exit(INTERRUPTED) from None
    _report(runner, outputs, as_json)
    check_input(broken, runner.counters.used, observations, map_path)


def _page(runner: "Runner", zone: str, path: str) -> "Report":
    """What gathers the page; raises SettingsError before anything is read where there is no place for it."""
    from city_brain.errors import SettingsError
    from city_brain.page.report import Report

    if not Path(path).resolve().parent.is_dir():
        raise SettingsError(f"{path}: wanted a file to write, got: no such folder")
    return Report(runner, zone, instants(zone))


def _run(
    runner: "Runner", observations: str, envelope: int, outputs: "Outputs", page: "Report | None"
) -> "RecordingError | None":
    """Runs to the end of the recording, or as far as it can be read; answers why not."""
    from city_brain.replay.stream import StreamReader
    from city_brain.sources.recording import read_blocks

    progress = Progress("fuse")
    reader = StreamReader(runner)
    try:
        for closed in reader.read(read_blocks(observations, envelope)):
            outputs.take(closed)
            if page is not None:
                page.take(closed)
            progress.show(f"{outputs.head.size} ticks, {runner.counters.read} rows, {len(outputs.states)} incidents")
    finally:
        progress.done()
    return reader.broken


def _tell_stopped(runner: "Runner", outputs: "Outputs") -> None:
    """Says how far it got, and that what is there is not all."""
    where = "before the first tick" if outputs.due_ms is None else f"at {instants(ZONE)(outputs.due_ms)} of log time"
    parts = ", ".join(outputs.unfinished()) or "what was written"
    typer.echo(f"stopped {where}; incomplete: {parts}", err=True)
    counters = runner.counters
    typer.echo(f"read {counters.read} so far, used {counters.used}; {plural(outputs.head.size, 'tick')}", err=True)


def _report(runner: "Runner", outputs: "Outputs", as_json: bool) -> None:
    import msgspec

    announced = Counter(kind for kind, _, said in outputs.states.values() if said)
    counters = runner.counters
    if as_json:
        result = {
            "digest": outputs.head.digest().hex(), "ticks": outputs.head.size, "revisions": outputs.revisions,
            "announced": dict(sorted(announced.items())), "counters": counters, "held": runner.held,
            "failures": runner.failures,
        }  # fmt: skip
        typer.echo(msgspec.json.encode(result, order="sorted"))
        return
    typer.echo(counters_text(counters, runner.held), err=True)
    for name, times in runner.failures.items():
        typer.echo(f"incident type {name}: its detector raised in {plural(times, 'tick')}, and was skipped", err=True)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(announced.items())) or "none"
    typer.echo(f"announced {plural(sum(announced.values()), 'incident')}: {kinds}", err=True)
    typer.echo(f"{plural(outputs.head.size, 'tick')}, digest {outputs.head.digest().hex()}", err=True)
