"""`city-brain bag info|ls|doctor|recover|record|play`: recordings of topics, made, looked into, mended and played."""

import typer

from city_brain.cli.recordings.commands import doctor, info, list_records, recover
from city_brain.cli.recordings.taping import play, record


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    bag = typer.Typer(no_args_is_help=True, help="Record topics, play recordings, look into them, and mend them.")
    bag.command("info")(info)
    bag.command("ls")(list_records)
    bag.command("doctor")(doctor)
    bag.command("recover")(recover)
    bag.command("record")(record)
    bag.command("play")(play)
    app.add_typer(bag, name="bag")
