"""`city-brain sources`: the sources of a recording, and how each of them is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    JsonOption,
    MapOrNoneOption,
    Progress,
    SiteOption,
    TypesOption,
    ZoneOrNoneOption,
    blocks_of,
    check_input,
    counters_text,
    instants,
    read_site,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from city_brain.errors import RecordingError
    from city_brain.inquiry.health.sources import SourceState
    from city_brain.inquiry.health.tallies import Tallies
    from city_brain.inquiry.spells import Spells


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(sources)


def sources(
    observations: Annotated[
        str, typer.Argument(help="JSON lines, plain or Zstandard (-: standard input), or a recording (*.mcap).")
    ],
    map_path: MapOrNoneOption = None,
    site: SiteOption = None,
    worst: Annotated[bool, typer.Option("--worst", help="Those in most trouble first.")] = False,
    types: TypesOption = None,
    zone: ZoneOrNoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the sources of a recording: kind, last row, rate, how far clock and places are off, rows, silences.

    Fuses the recording. Rows add up to the counters of `fuse`; lines that name no source stand under -.
    """
    import msgspec

    from city_brain.inquiry.health.sources import source_states, worst_first
    from city_brain.inquiry.health.tallies import Tallies
    from city_brain.inquiry.spells import Spells

    city = read_site(map_path, site, types)
    tallies, spells = Tallies(city.runner()), Spells()
    broken = _run(tallies, spells, observations)
    tallies.end()
    tallies.check()
    states = source_states(tallies, spells)
    states = worst_first(states) if worst else states
    if as_json:
        for state in states:
            typer.echo(msgspec.json.encode(state, order="sorted"))
    else:
        for line in _table(states, instants(zone or city.settings.time_zone)):
            typer.echo(printable(line))
    typer.echo(counters_text(tallies.runner.counters, tallies.runner.held), err=True)
    check_input(broken, tallies.runner.counters.used, observations, map_path or site or Path())


def _run(tallies: "Tallies", spells: "Spells", observations: str) -> "RecordingError | None":
    """Fuses to the end; answers why it could not be read to there."""
    from city_brain.replay.stream import StreamReader

    progress, reader = Progress("sources"), StreamReader(tallies.runner)
    try:
        for closed in reader.read(tallies.heard(blocks_of(observations))):
            spells.take(tallies.runner, closed.record.due_ms)
            progress.show(f"{tallies.runner.counters.read} rows")
    finally:
        progress.done()
    return reader.broken


_HEAD = (
    "source", "kind", "last row", "rows/min", "clock", "places", "used", "late", "twice", "lost", "silent or blind",
)  # fmt: skip


def _table(states: "Sequence[SourceState]", instant: "Callable[[float], str]") -> list[str]:
    """A line for each source in columns, and one of sums."""
    rows = [list(_HEAD), *(_cells(state, instant) for state in states)]
    total = [sum(getattr(state.rows, name) for state in states) for name in ("used", "late", "duplicate", "lost")]
    rows.append([f"{len(states)} in all", "", "", "", "", "", *map(str, total), ""])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {_HEAD.index(name) for name in ("rows/min", "clock", "places", "used", "late", "twice")}
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(state: "SourceState", instant: "Callable[[float], str]") -> list[str]:
    tally = state.rows
    lost = ", ".join(f"{why} {count}" for why, count in sorted((tally.quarantined + tally.dead_lettered).items()))
    clock = "" if state.skew_ms is None else f"{state.skew_ms / 1000:+.1f} s"
    east_m, north_m = state.bias_east_m, state.bias_north_m
    places = "" if east_m is None or north_m is None else f"{east_m:+.1f} E {north_m:+.1f} N m"
    last = instant(state.last_ms) if state.last_ms is not None else ("never" if state.on_map else "")
    rate = f"{state.rows_per_min:.1f}" if state.rows_per_min else ""
    kind = state.quantity or state.kind
    return [
        state.source_id, kind, last, rate, clock, places, str(tally.used), str(tally.late), str(tally.duplicate),
        f"{tally.lost}" + (f" ({lost})" if lost else ""), _silences(state, instant),
    ]  # fmt: skip


def _silences(state: "SourceState", instant: "Callable[[float], str]") -> str:
    """When it did not speak, the latest two; and whether a sensor is stuck."""
    spans = [
        f"{instant(since)[11:19]}-{instant(until)[11:19] if until is not None else 'now'}"
        for since, until in state.blind
    ]
    more = [f"{len(spans) - 2} before"] if len(spans) > 2 else []
    stuck = ["value stuck"] if state.stuck else []
    return ", ".join([*stuck, *more, *spans[-2:]])
