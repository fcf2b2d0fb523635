"""The `demo` command: its options; `story` is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from city_brain.cli.common import FAILED, ZONE, ZoneOption


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to leave the world and the answers.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another city.")] = 5,
    cameras: Annotated[int, typer.Option("--cameras", help="Cameras of the city.")] = 24,
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes that it lives.")] = 6,
    zone: ZoneOption = ZONE,
) -> None:
    """Make a small city, fuse what its devices send, and show what came of it; exit 1 if it is not repeatable."""
    from city_brain.cli.demo.story import tell

    if not tell(out, seed, cameras, minutes, zone):
        raise typer.Exit(FAILED)
