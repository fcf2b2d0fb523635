"""`city-brain watch`: the incident feed of a running city, printed as it comes."""

import sys
from typing import Annotated, Final

import typer

from city_brain.cli.common import ZONE, JsonOption, LanguageOption, TypesOption, ZoneOption, types_folder
from city_brain.cli.following.options import (
    AreaOption,
    CaOption,
    CertificateOption,
    ConfidenceOption,
    KeyOption,
    LevelOption,
    StateOption,
    TlsOption,
    TypeOption,
    WaitOption,
    wanted_of,
)

FEED: Final = "127.0.0.1:50550"
"""Where `run` listens unless it is told otherwise."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(watch)


def watch(
    address: Annotated[str, typer.Argument(help="host:port of the feed.")] = FEED,
    after: Annotated[int | None, typer.Option("--after", help="Go on behind this change number.")] = None,
    feed: Annotated[str, typer.Option("--feed", help="The feed that the number belongs to.")] = "",
    subscription: Annotated[
        str, typer.Option("--subscription", metavar="NAME", help="Let the server keep the place under this name.")
    ] = "",
    kinds: TypeOption = None,
    states: StateOption = None,
    level: LevelOption = None,
    confidence: ConfidenceOption = 0.0,
    areas: AreaOption = None,
    tls: TlsOption = False,
    tls_ca: CaOption = "",
    tls_certificate: CertificateOption = "",
    tls_key: KeyOption = "",
    wait_s: WaitOption = 5.0,
    types: TypesOption = None,
    language: LanguageOption = "en",
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Print incidents as they come, and signs of life; Ctrl-C says where to go on.

    A line has the time of the decision, number, state, confidence, level, what and where, and who saw it.

    Marks: = an incident of the state at the beginning; none: a change;
    - no longer what was asked for, as an alarm that was withdrawn;
    ~ a sign of life; ! the link broke or came back.
    """
    from city_brain.incidents.incident_type import load_incident_types
    from city_brain.servers.client.feed_reader import Endpoint, FeedReader
    from city_brain.servers.client.printing import Watch
    from city_brain.site import time_zone

    there = Endpoint(address, tls, tls_ca, tls_certificate, tls_key)
    wanted = wanted_of(kinds, states, level, confidence, areas)
    shown = Watch(
        FeedReader(there, wanted, after, feed, subscription=subscription),
        sys.stdout,
        sys.stderr,
        as_json=as_json,
        zone=time_zone(zone),
        wait_s=wait_s,
        types=load_incident_types(types_folder(types)),
        languages=(language,),
    )
    raise typer.Exit(shown.run())
