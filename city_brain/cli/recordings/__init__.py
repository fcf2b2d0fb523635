"""`city-brain bag info|ls|run|doctor|recover`: looks into recordings of topics, runs them, and saves what is whole of
damaged ones.
"""

import typer

from city_brain.cli.recordings.commands import doctor, info, list_records, recover
from city_brain.cli.recordings.running import run


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    bag = typer.Typer(no_args_is_help=True, help="Look into recordings of topics, run them, and mend them.")
    bag.command("info")(info)
    bag.command("ls")(list_records)
    bag.command("run")(run)
    bag.command("doctor")(doctor)
    bag.command("recover")(recover)
    app.add_typer(bag, name="bag")
