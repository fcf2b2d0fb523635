"""`city-brain store check|proof|compact`: looks over what a store of feeds holds."""

import typer

from city_brain.cli.storing.commands import check, compact, proof


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    store = typer.Typer(no_args_is_help=True, help="Look over what a store of feeds holds.")
    store.command("check")(check)
    store.command("proof")(proof)
    store.command("compact")(compact)
    app.add_typer(store, name="store")
