"""What `watch` and `statement` are told alike: which incidents, and with which certificates."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from city_brain.feeds.filters import Wanted


class State(StrEnum):
    """States of an incident, and all of them."""

    SUSPECTED = "suspected"
    ACTIVE = "active"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    ALL = "all"


ALARMS: Final = (State.ACTIVE, State.ENDED)

TypeOption = Annotated[list[str] | None, typer.Option("--type", help="Only this incident type; may be repeated.")]
StateOption = Annotated[
    list[State] | None,
    typer.Option("--state", help="Only this state; may be repeated. Default: alarms (active, ended)."),
]
LevelOption = Annotated[
    Literal["I", "II", "III", "IV"] | None, typer.Option("--level", help="Only this level and graver ones.")
]
ConfidenceOption = Annotated[float, typer.Option("--confidence", min=0, max=1, help="Only from this confidence.")]
AreaOption = Annotated[
    list[str] | None, typer.Option("--area", metavar="CODE", help="Only this area of the map; may be repeated.")
]
TlsOption = Annotated[bool, typer.Option("--tls", help="Speak TLS.")]
CaOption = Annotated[str, typer.Option("--tls-ca", help="Certificates to trust (PEM); speaks TLS.")]
CertificateOption = Annotated[
    str, typer.Option("--tls-certificate", help="Certificate chain to show (PEM); speaks TLS.")
]
KeyOption = Annotated[str, typer.Option("--tls-key", help="Its private key (PEM).")]
WaitOption = Annotated[
    float, typer.Option("--wait", min=0.1, help="Seconds to wait for the first answer; then exit 1.")
]


def wanted_of(
    kinds: "Sequence[str] | None",
    states: "Sequence[State] | None",
    level: str | None,
    confidence: float,
    areas: "Sequence[str] | None",
) -> "Wanted":
    """The filter that the options say."""
    from city_brain.feeds.filters import Wanted

    return Wanted(
        types=tuple(kinds or ()),
        states=() if State.ALL in (states or ()) else tuple(str(state) for state in states or ALARMS),
        minimum_level=level or "",
        minimum_confidence=confidence,
        area_codes=tuple(areas or ()),
    )
