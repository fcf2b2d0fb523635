"""`city-brain bag info|ls|doctor|recover|fault`: looks into recordings, mends them, and puts faults in."""

import typer

from city_brain.cli.recordings.commands import doctor, info, list_records, recover
from city_brain.cli.recordings.faults import fault


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    bag = typer.Typer(no_args_is_help=True, help="Look into recordings of topics, and mend them.")
    bag.command("info")(info)
    bag.command("ls")(list_records)
    bag.command("doctor")(doctor)
    bag.command("recover")(recover)
    bag.command("fault")(fault)
    app.add_typer(bag, name="bag")
