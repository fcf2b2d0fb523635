"""`city-brain schema DOCUMENT`: what a file holds, as JSON Schema, for editors and for whoever writes such files."""

from typing import Annotated

import typer

_DOCUMENTS = "observation, city, incident, incident-type, site or province"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("schema")(schema)


def schema(
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help=f"One of {_DOCUMENTS}.")],
) -> None:
    """Print the JSON Schema (2020-12) of a document.

    What no schema can say, such as that ids are unique or a ring is closed, `city-brain check` says.
    """
    import json

    from city_brain.schemas import schema_of

    typer.echo(json.dumps(schema_of(document), ensure_ascii=False, indent=1))
