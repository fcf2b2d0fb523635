"""`city-brain watch`: the incident feed of a running city, printed as it comes."""

import sys
from enum import StrEnum
from typing import Annotated, Final, Literal

import typer

from city_brain.cli.common import ZONE, JsonOption, LanguageOption, TypesOption, ZoneOption, types_folder

FEED: Final = "127.0.0.1:50550"
"""Where `run` listens unless it is told otherwise."""


class _State(StrEnum):
    """States of an incident, and all of them."""

    SUSPECTED = "suspected"
    ACTIVE = "active"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    ALL = "all"


_ALARMS: Final = (_State.ACTIVE, _State.ENDED)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(watch)


def watch(
    address: Annotated[str, typer.Argument(help="host:port of the feed.")] = FEED,
    after: Annotated[int | None, typer.Option("--after", help="Go on behind this change number.")] = None,
    feed: Annotated[str, typer.Option("--feed", help="The feed that the number belongs to.")] = "",
    kinds: Annotated[list[str] | None, typer.Option("--type", help="Only this incident type; may be repeated.")] = None,
    states: Annotated[
        list[_State] | None,
        typer.Option("--state", help="Only this state; may be repeated. Default: alarms (active, ended)."),
    ] = None,
    level: Annotated[
        Literal["I", "II", "III", "IV"] | None, typer.Option("--level", help="Only this level and graver ones.")
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", min=0, max=1, help="Only from this confidence.")] = 0.0,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS.")] = False,
    tls_ca: Annotated[str, typer.Option("--tls-ca", help="Certificates to trust (PEM).")] = "",
    tls_certificate: Annotated[
        str, typer.Option("--tls-certificate", help="Certificate chain to show (PEM); speaks TLS.")
    ] = "",
    tls_key: Annotated[str, typer.Option("--tls-key", help="Its private key (PEM).")] = "",
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.1, help="Seconds to wait for the first answer; then exit 1.")
    ] = 5.0,
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
    from city_brain.feeds.filters import Wanted
    from city_brain.incidents.incident_type import load_incident_types
    from city_brain.servers.client.feed_reader import Endpoint, FeedReader
    from city_brain.servers.client.printing import Watch
    from city_brain.site import time_zone

    wanted = Wanted(
        types=tuple(kinds or ()),
        states=() if _State.ALL in (states or ()) else tuple(str(state) for state in states or _ALARMS),
        minimum_level=level or "",
        minimum_confidence=confidence,
    )
    reader = FeedReader(Endpoint(address, tls, tls_ca, tls_certificate, tls_key), wanted, after, feed)
    shown = Watch(
        reader,
        sys.stdout,
        sys.stderr,
        as_json=as_json,
        zone=time_zone(zone),
        wait_s=wait_s,
        types=load_incident_types(types_folder(types)),
        languages=(language,),
    )
    raise typer.Exit(shown.run())
