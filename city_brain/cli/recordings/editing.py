"""`city-brain bag cut`, `bag filter` and `bag merge`: new recordings made of others, which stay as they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import JsonOption, Progress, epoch_ms, keep_apart, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from city_brain.playback.editing import Edited

NS_PER_MS = 1_000_000

InArgument = Annotated[Path, typer.Argument(metavar="IN", help="A recording (*.mcap), its first segment.")]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="The new one.")]


def cut(
    file: InArgument,
    out: OutArgument,
    since: Annotated[
        str, typer.Option("--from", help="Begin with what arrived then, as 2026-03-01T08:00:00+08:00.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="End before what arrived then.")] = "",
    around: Annotated[str, typer.Option("--around", help="An incident, by its id or number, in place of times.")] = "",
    margin_s: Annotated[
        float, typer.Option("--margin", min=0.0, max=86_400.0, help="Seconds before and after it.")
    ] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Write what arrived in a stretch of time as a recording of its own.

    Configurations that the city had been told before stay. --around takes the time from the first sign of an incident
    to its announcement. It says whether `bag run` can run what was written; what the city remembered is not in it.
    """
    from city_brain.bag.records import LOG_NS_MAX
    from city_brain.playback.editing import cut as cut_recording
    from city_brain.playback.editing import window_around

    keep_apart([file], [out])
    if bool(around) == bool(since or until):
        raise SettingsError("bag cut: wanted either --around or --from and --to, got both or neither")
    if around:
        since_ns, until_ns = window_around(file, around, round(1000 * margin_s))
    else:
        since_ns = epoch_ms(since, "--from") * NS_PER_MS if since else 0
        until_ns = epoch_ms(until, "--to") * NS_PER_MS if until else LOG_NS_MAX
    if since_ns >= until_ns:
        raise SettingsError(f"--to {until}: wanted a time after --from {since}, got an earlier one")
    _edit("bag cut", out, as_json, lambda progress: cut_recording(file, out, since_ns, until_ns, progress))


def filter_records(
    file: InArgument,
    out: OutArgument,
    topics: Annotated[
        list[str] | None, typer.Option("--topic", help="Only records of this topic; may be repeated.")
    ] = None,
    keys: Annotated[list[str] | None, typer.Option("--key", help="Only records of this key; may be repeated.")] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help="Only rows of this source; may be repeated.")
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="Of marks and configurations, too, only what fits.")] = False,
    renumber: Annotated[
        bool, typer.Option("--renumber", help="Close the holes: offsets of a partition count on from its first one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the records of some topics, keys or sources as a recording of its own.

    Marks and configurations stay: they are the clock and the city. With --renumber what is left can be run; without it
    offsets are those of the log, and evidence leads to the same records.
    """
    from city_brain.playback.editing import Wanted, sift

    keep_apart([file], [out])
    wanted = Wanted(
        topics=tuple(topics or ()), keys=tuple(keys or ()), sources=tuple(sources or ()), bare=bare, renumber=renumber
    )
    if not (wanted.topics or wanted.keys or wanted.sources or bare):
        raise SettingsError("bag filter: wanted --topic, --key, --source or --bare, got none")
    _edit("bag filter", out, as_json, lambda progress: sift(file, out, wanted, progress))


def merge(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new recording.")],
    files: Annotated[list[Path], typer.Argument(metavar="IN...", help="Recordings of one city, their first segments.")],
    as_json: JsonOption = False,
) -> None:
    """Write several recordings of one city as one, in the order of arrival.

    A record that several hold is written once; of records that arrived in the same nanosecond that of the recording
    named first goes first, and how many there were is told.
    """
    from city_brain.playback.editing import merge as merge_recordings

    if len(files) < 2:
        raise SettingsError(f"bag merge: wanted two recordings or more, got {len(files)}")
    keep_apart(files, [out])
    _edit("bag merge", out, as_json, lambda progress: merge_recordings(files, out, progress))


def _edit(what: str, out: Path, as_json: bool, do: "Callable[[Callable[[Edited], None]], Edited]") -> None:
    """Does it with progress on standard error, and says what came of it."""
    progress = Progress(what)
    try:
        told = do(lambda now: progress.show(f"{plural(now.written, 'record')} of {now.read}"))
    finally:
        progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(msgspec.to_builtins(told) | {"out": str(out)}))
        return
    parts = [f"{plural(told.written, 'record')} of {told.read}"]
    parts += [f"{told.repeated} came again"] if told.repeated else []
    parts += [f"{told.ties} at the same time as others"] if told.ties else []
    typer.echo(printable(f"{out}: {', '.join(parts)}"))
    if told.why_not:
        typer.echo(printable(f"  bag run cannot run it: {told.why_not}"))
    else:
        typer.echo("  bag run runs it from its first row on")
