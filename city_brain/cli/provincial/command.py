"""`city-brain province`: runs a province, or prints how its cities are linked and whether both ends hold the same."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from city_brain.cli.common import FAILED, OUTPUTS_DIFFER, ZONE, JsonOption, ZoneOption, instants, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.servers.client.feed_reader import Endpoint
    from city_brain.wire.province.v1 import province_pb2

CLAIMED_TWICE = 2
"""Links replaced by another feed within an hour; a city that begins anew beside its lost link does so once."""
CaOption = Annotated[str, typer.Option("--tls-ca", help="Certificates to trust (PEM).")]
CertificateOption = Annotated[str, typer.Option("--tls-certificate", help="Certificate to show (PEM).")]
KeyOption = Annotated[str, typer.Option("--tls-key", help="Its private key (PEM).")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(province)


def province(
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help="A folder with province.toml.")] = None,
    listen: Annotated[str, typer.Option("--listen", help="host:port to listen on; port 0 takes a free one.")] = "",
    status: Annotated[str, typer.Option("--status", metavar="ADDRESS", help="Print the cities of a province.")] = "",
    tls_ca: CaOption = "",
    tls_certificate: CertificateOption = "",
    tls_key: KeyOption = "",
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Run a province until Ctrl-C; or, with --status, print how its cities are linked.

    Ctrl-C and SIGTERM tell cities and watchers that it stops; exit code 130 and 0. With --status:
    exit code 4 where a city and its mirror hold different lines, else 1 where two feeds claim the code of a city.
    """
    if (folder is None) == (not status):
        raise SettingsError("province: wanted FOLDER or --status ADDRESS, got both or neither")
    if folder is not None:
        _run(folder, listen)
    else:
        _tell(endpoint(status, tls_ca, tls_certificate, tls_key), zone, as_json)


def endpoint(address: str, tls_ca: str, tls_certificate: str, tls_key: str) -> "Endpoint":
    """Where and how to call a province."""
    from city_brain.servers.client.feed_reader import Endpoint

    return Endpoint(address, False, tls_ca, tls_certificate, tls_key)


def _run(folder: Path, listen: str) -> None:
    import asyncio

    import msgspec

    from city_brain.incidents.incident_type import types_of
    from city_brain.province.serving.program import ProvinceProgram
    from city_brain.province.settings import read_province
    from city_brain.site import own_types

    settings = read_province(folder)
    if listen:
        feed = msgspec.structs.replace(settings.feed, address=listen)
        settings = msgspec.structs.replace(settings, feed=feed)
    program = ProvinceProgram(folder, settings, types_of(own_types(folder)))

    def started(address: str) -> None:
        name = settings.name or settings.code
        typer.echo(f"serving province {name} on {address}; city-brain watch {address}", err=True)

    asyncio.run(program.run(started))


def _tell(there: "Endpoint", zone: str, as_json: bool) -> None:
    from city_brain.province.serving.client import list_cities

    cities = list_cities(there)
    instant = instants(zone)
    rows = [_row(city) for city in cities]
    if as_json:
        import json

        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_table(rows, instant)) + "\n")
    if any(row["agrees"] is False for row in rows):
        raise typer.Exit(OUTPUTS_DIFFER)
    if any(row["replaced_by_other_feed"] >= CLAIMED_TWICE for row in rows):
        raise typer.Exit(FAILED)


def _row(city: "province_pb2.City") -> dict[str, Any]:
    """A city as JSON has it: times in epoch ms, digests in hexadecimal digits."""

    def moment(field: str) -> int | None:
        return getattr(city, field).ToMilliseconds() if city.HasField(field) else None

    return {
        "city": city.city_code,
        "name": city.name,
        "linked": city.linked,
        "since_ms": moment("link_change_time"),
        "reason": city.link_reason,
        "feed_id": city.feed_id,
        "changes": city.change_number,
        "lag": city.city_change_number - city.change_number,
        "last_change_ms": moment("last_change_time"),
        "log_time_ms": moment("log_time"),
        "digest": city.digest.hex(),
        "compared": city.compared_change_number if city.HasField("compared_change_number") else None,
        "city_digest": city.city_digest.hex() or None,
        "agrees": city.agrees if city.HasField("agrees") else None,
        "replaced_by_other_feed": city.replaced_by_other_feed,
    }


def _table(rows: list[dict[str, Any]], instant: Any) -> list[str]:
    """One line a city."""
    from city_brain.canonical import printable

    lines = [f"{'city':10}  {'name':12}  {'link':4}  {'changes':>8}  {'lag':>6}  {'log time':25}  both ends"]
    for row in rows:
        log_time = instant(row["log_time_ms"]) if row["log_time_ms"] is not None else "-"
        same = {True: f"equal to {row['compared']}: {row['digest'][:12]}", False: "DIFFER", None: "not compared"}
        link = "up" if row["linked"] else "down"
        why = f"  ({row['reason']})" if row["reason"] else ""
        if times := row["replaced_by_other_feed"]:
            why += f"  replaced {plural(times, 'time')} in the last hour by another feed"
        said = f"{row['city']:10}  {row['name']:12}  {link:4}  {row['changes']:8}  {row['lag']:6}  {log_time:25}  "
        lines.append(printable(f"{said}{same[row['agrees']]}{why}"))
    return lines
