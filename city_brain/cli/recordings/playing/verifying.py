"""`city-brain bag verify`: a recording says what the recorded city said, in every way in which it can be played."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import DATA_LOST, OUTPUTS_DIFFER, JsonOption, Progress, plural
from city_brain.cli.recordings.commands import end_if_cut


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording of a city.")],
    restores: Annotated[
        int, typer.Option("--restores", min=0, help="Second run: stages go to bytes and on from them so many times.")
    ] = 20,
    here: Annotated[bool, typer.Option("--here", help="Only in this process.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play a recording and hold every tick against what the city said then, byte by byte; then the same with restores,
    and in processes with other hash seeds and processor features. Exit code 4 where anything differs. A recording that
    does not hold what the city said is held against itself.
    """
    from city_brain.playback.control.verifying import verify as verify_played
    from city_brain.playback.opening import open_played
    from city_brain.replay.verifying import environments, other_processes

    progress, ways = Progress("bag verify"), list[tuple[str, str, str]]()
    progress.show("plays it")
    first = verify_played(open_played(file))
    wrong = first.differs or (f"{first.missing} of its ticks were not played" if first.missing else "")
    ways.append(("as recorded", first.digest, wrong))
    if restores:
        progress.show(f"plays it with {restores} restores")
        again = verify_played(open_played(file), restores)
        ways.append((f"{restores} restores from bytes", again.digest, again.differs))
    if not here:
        progress.show("plays it in other processes")
        for name, digest, _ in other_processes(["bag", "run", str(file), "--json"], environments(), (0, DATA_LOST)):
            ways.append((name, digest, ""))
            progress.show(f"{plural(len(ways), 'way')} played")
    progress.done()
    differ = [name for name, digest, wrong in ways if wrong or digest != first.digest]
    if as_json:
        told = [{"way": name, "digest": digest, "differs": wrong} for name, digest, wrong in ways]
        typer.echo(msgspec.json.encode({"recorded": first.recorded, "same": first.same, "ways": told}))
    else:
        for name, digest, wrong in ways:
            typer.echo(f"{'DIFFERS' if name in differ else 'same   '} {digest[:16]} {name}")
            if wrong:
                typer.echo(printable(f"        {wrong}"))
        told_ticks = "what the city said is not recorded"
        if first.recorded:
            told_ticks = f"{first.same} of {plural(first.recorded, 'recorded tick')} came again, byte by byte"
        typer.echo(f"{told_ticks}; {plural(first.ticks, 'tick')} played, digest {first.digest}")
    if differ:
        raise typer.Exit(OUTPUTS_DIFFER)
    end_if_cut(file)
