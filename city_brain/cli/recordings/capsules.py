"""`city-brain bag capsule`: one incident of a recording in one file, which says the same bytes anywhere."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import JsonOption, Progress, keep_apart, plural

BEFORE_MAX_S: Final = 366 * 86_400.0
"""Of `--before`: no recording is longer than a year."""


def capsule(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording of a city.")],
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or its number as people say it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The capsule to write (*.mcap).")],
    before_s: Annotated[
        float, typer.Option("--before", min=0.0, max=BEFORE_MAX_S, help="Seconds of records before the first evidence.")
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Put one incident into one file: the state before its first evidence, records up to its end, map and types, and
    what was said. `bag run`, `bag verify` and `bag step` play it like any recording.
    """
    from city_brain.playback.capsules import encapsulate

    keep_apart([file], [out])
    progress = Progress("bag capsule")
    try:
        done = encapsulate(file, incident, out, before_s, progress.show)
    finally:
        progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    typer.echo(printable(
        f"{out}: {done.number} {done.type}, ticks {done.first_tick} to {done.last_tick}, "
        f"{plural(done.records, 'record')}, a state of {done.state_bytes} bytes, digest {done.digest}"
    ))  # fmt: skip
