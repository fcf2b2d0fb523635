"""`city-brain statement`: what became of a subscription, and what its reader holds otherwise than it ought to."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from city_brain.cli.common import OUTPUTS_DIFFER, JsonOption, plural, read_file
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
from city_brain.errors import RecordingError

if TYPE_CHECKING:
    from city_brain.wire.feed.v1 import feed_pb2

_HOLDING: Final = re.compile(rb"([!-.0-~]{1,200})/([0-9]{1,9})")
_SHOWN_DIGITS: Final = 12
"""Of a digest, for people."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(statement)


def statement(
    address: Annotated[str, typer.Argument(help="host:port of the feed.")],
    name: Annotated[str, typer.Argument(help="Name of the subscription.")],
    held: Annotated[
        str,
        typer.Option(
            "--held",
            metavar="FILE",
            help="What the reader holds, to be compared: lines INCIDENT_ID/REVISION, or what `watch --json` printed; "
            "- is standard input.",
        ),
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
    as_json: JsonOption = False,
) -> None:
    """Print what of a subscription was sent, acknowledged and is held; say the filter with which it is watched.

    With --held also what the reader lacks or has in an older revision (missing), and what it should not hold (surplus);
    exit code 4 where there is any.
    """
    from city_brain.servers.client.feed_reader import Endpoint
    from city_brain.servers.client.stating import statement_of

    holdings = _holdings(held) if held else {}
    there = Endpoint(address, tls, tls_ca, tls_certificate, tls_key)
    told = statement_of(there, name, wanted_of(kinds, states, level, confidence, areas), holdings, wait_s)
    said = _row(told)
    lines = [msgspec.json.encode(said).decode()] if as_json else _text(said)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    # A server compares nothing with nothing.
    if said["missing"] or said["surplus"] or (held and not holdings and told.held):
        raise typer.Exit(OUTPUTS_DIFFER)


def _row(told: "feed_pb2.Statement") -> dict[str, Any]:
    """A statement as JSON has it."""
    return {
        "subscription": told.subscription,
        "feed_id": told.feed_id,
        "sent": told.sent_change_number,
        "acknowledged": told.acknowledged_change_number,
        "last": told.last_change_number,
        "lag": told.last_change_number - told.acknowledged_change_number,
        "waiting": told.waiting,
        "held": told.held,
        "held_digest": told.held_digest.hex(),
        "missing": [f"{one.incident_id}/{one.revision}" for one in told.missing],
        "surplus": [f"{one.incident_id}/{one.revision}" for one in told.surplus],
    }


def _text(said: dict[str, Any]) -> list[str]:
    """The same for people."""
    behind = f"{said['lag']} behind the last one" if said["lag"] else "the last one"
    return [
        f"subscription  {said['subscription']}, of feed {said['feed_id']}",
        f"sent          change {said['sent']}",
        f"acknowledged  change {said['acknowledged']}, {behind}",
        f"waiting       {plural(said['waiting'], 'change')}",
        f"held          {plural(said['held'], 'incident')}, digest {said['held_digest'][:_SHOWN_DIGITS]}",
        *(f"missing       {one}" for one in said["missing"]),
        *(f"surplus       {one}" for one in said["surplus"]),
    ]


class _Named(msgspec.Struct, frozen=True):
    incident_id: str
    revision: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]


class _Printed(msgspec.Struct, frozen=True):
    """What is wanted of a line of `watch --json`."""

    incident: _Named
    no_longer_matches: bool = False


def _holdings(file: str) -> dict[str, int]:
    """Revisions by id, as the lines of a file leave them; raises RecordingError for a line that is of neither kind."""
    said = sys.stdin.buffer.read() if file == "-" else read_file(Path(file), "what a reader holds")
    return _held_after(said.splitlines(), "standard input" if file == "-" else file)


def _held_after(lines: Iterable[bytes], where: str) -> dict[str, int]:
    held: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        one, is_held = _read(line, f"{where} line {number}")
        if is_held:
            held[one.incident_id] = one.revision
        else:
            held.pop(one.incident_id, None)
    return held


def _read(line: bytes, where: str) -> tuple[_Named, bool]:
    """What a line names, and whether the reader holds it from there on."""
    if found := _HOLDING.fullmatch(line.strip()):
        return _Named(incident_id=found[1].decode("ascii"), revision=int(found[2])), True
    try:
        printed = msgspec.json.decode(line, type=_Printed)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        wanted = "wanted INCIDENT_ID/REVISION, or what `watch --json` printed"
        raise RecordingError(f"{where}: {wanted}, got {line[:100].decode(errors='replace')!r}") from wrong
    return printed.incident, not printed.no_longer_matches
