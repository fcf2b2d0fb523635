"""`city-brain watch`: the incident feed of a running city, printed as it comes."""

import sys
from typing import Annotated

import typer

from city_brain.cli.common import JsonOption, ZoneOption
from city_brain.feeds.filters import Wanted
from city_brain.servers.feed_reader import Endpoint, FeedReader
from city_brain.servers.settings import ListenSettings
from city_brain.servers.watch import Watch
from city_brain.site import time_zone


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(watch)


def watch(
    address: Annotated[str, typer.Argument(help="host:port of the feed.")] = ListenSettings().address,
    after: Annotated[int | None, typer.Option("--after", help="Go on behind this change number.")] = None,
    feed: Annotated[str, typer.Option("--feed", help="The feed that the number belongs to.")] = "",
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this incident type; may be repeated.")] = None,
    states: Annotated[list[str] | None, typer.Option("--state", help="Only this state; may be repeated.")] = None,
    level: Annotated[str, typer.Option("--level", help="Only this level (I to IV) and graver ones.")] = "",
    confidence: Annotated[float, typer.Option("--confidence", min=0, max=1, help="Only from this confidence.")] = 0.0,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS.")] = False,
    tls_ca: Annotated[str, typer.Option("--tls-ca", help="Certificates to trust (PEM).")] = "",
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Print incidents as they are announced, and a heartbeat; Ctrl-C says where to go on."""
    wanted = Wanted(
        types=tuple(types or ()), states=tuple(states or ()), minimum_level=level, minimum_confidence=confidence
    )
    reader = FeedReader(Endpoint(address, tls or bool(tls_ca), tls_ca), wanted, after, feed)
    raise typer.Exit(Watch(reader, sys.stdout, sys.stderr, as_json=as_json, zone=time_zone(zone)).run())
