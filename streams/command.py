"""The command line of the programs: a site, a slot, and errors that say what to do."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from city_brain.errors import CityBrainError
from city_brain.site import Site

logger = logging.getLogger("city_brain")


def run_program(make: Callable[..., Any]) -> None:
    """Runs a program as its arguments ask; 1 where the site or the brokers are not as they must be."""

    def command(
        site: Annotated[Path, typer.Argument(metavar="SITE", help="A folder with city.geojson and site.toml.")],
        slot: Annotated[
            str, typer.Option("--slot", help="This worker's name; a restart under it takes its place at once.")
        ] = "",
        accept_gap: Annotated[
            bool, typer.Option("--accept-gap", help="Begin with what the log still holds; what is gone stays unread.")
        ] = False,
    ) -> None:
        prepare()
        make(Site.open(site), slot, accept_gap).run()

    command.__doc__ = sys.modules["__main__"].__doc__
    told(lambda: typer.run(command))


def prepare() -> None:
    """Logs to standard error; uvloop, which must be chosen before any loop exists."""
    import uvloop

    uvloop.install()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.WARNING)
    logger.setLevel(logging.INFO)


def told(run: Callable[[], object]) -> None:
    """Runs; an error of ours becomes one line and exit code 1."""
    try:
        run()
    except CityBrainError as wrong:
        print(f"city-brain: {wrong}", file=sys.stderr)
        raise SystemExit(1) from None
