"""`city-brain convert FORMAT FILE`: recordings of the field as observations, and a map of the sources they are of."""

import typer

from city_brain.cli.converting.air_quality import air_quality
from city_brain.cli.converting.signal_events import signal_events


def register(app: typer.Typer) -> None:
    """Adds the command, with one subcommand for each format."""
    formats = typer.Typer(no_args_is_help=True, help="Convert a recording of the field into observations.")
    formats.command("air-quality")(air_quality)
    formats.command("signal-events")(signal_events)
    app.add_typer(formats, name="convert")
