"""HTTP behind the doors of gRPC: one policy, certificates good and forged, scopes, and rights that change."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.x509 import DNSName

from city_brain.errors import SettingsError
from city_brain.servers.settings import HttpSettings, ListenSettings
from tests.certificates import DAY, Pair, authority, issue
from tests.feeds.builders import a_log, an_incident
from tests.servers.doors.guarded import FIRE, POLICE, POLICY, Town
from tests.servers.http.talking import FREE_PORT, Talk, some, talking
from tests.servers.serving import run

WATCH = "/v1/incidents:watch"
LOG = [[an_incident("c"), an_incident("f", type="fire")]]


def context(town: Town, pair: Pair | None) -> ssl.SSLContext:
    """Of a client with this certificate; None: without one."""
    made = ssl.create_default_context(cafile=town.authorities)
    if pair is not None:
        certificate, key = pair.write(town.folder / f"client-{pair.certificate.serial_number}")
        made.load_cert_chain(certificate, key)
    return made


@asynccontextmanager
async def guarded(town: Town, pair: Pair | None, log: Any = None) -> AsyncIterator[Talk]:
    """A server behind the doors of a town, and a client that shows a certificate."""
    async with talking(log or a_log(*LOG), beside=town.listen, client=context(town, pair)) as talk:
        yield talk


async def fate(town: Town, pair: Pair | None) -> str:
    """What becomes of a client: no connection, or what a question is answered with."""
    async with guarded(town, pair) as talk:
        try:
            status, said = await talk.get("/v1/incidents")
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError):
            return "no connection"
        return "let in" if status == 200 else f"{status} {said['reason']}"


def test_certificates_are_judged_as_over_grpc(tmp_path: Path) -> None:
    """Those of a foreign authority, self-signed, expired or missing get no connection; one that the policy does not
    name is nobody, and so is one whose name merely begins like a known one.
    """
    town = Town(tmp_path)
    stranger = authority("City clients")
    cases: list[tuple[Pair | None, str]] = [
        (town.client(FIRE), "let in"),
        (None, "no connection"),
        (issue(stranger, "client", dns=[FIRE]), "no connection"),
        (stranger, "no connection"),
        (issue(town.ca, "client", dns=[FIRE], begins=-3 * DAY, ends=-DAY), "no connection"),
        (town.client("water.city.example"), "401 NOT_KNOWN"),
        (issue(town.ca, FIRE, others=[]), "401 NOT_KNOWN"),
        (issue(town.ca, "client", others=[DNSName(f"{FIRE}\0.evil.example")]), "401 NOT_KNOWN"),
    ]

    async def test() -> None:
        assert [await fate(town, pair) for pair, _ in cases] == [wanted for _, wanted in cases]

    run(test)


def test_departments_may_and_see_what_the_policy_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call without its permission is refused, counted and told, as is a page of another origin.

    What lies outside of a scope looks absent.
    """
    town = Town(tmp_path)

    async def test() -> None:
        roads = issue(town.ca, "client", uris=["spiffe://city.example/roads"])
        async with guarded(town, roads) as talk:
            assert (await talk.get("/v1/incidents"))[0] == 200
            for path, page in (
                (WATCH, {}),
                ("/v1/incidents/c:explain", {}),
                (WATCH, {"Origin": "https://evil.example"}),
            ):
                status, said = await talk.get(path, **page)
                assert (status, said["reason"]) == (403, "NOT_ALLOWED")
            assert talk.server.doors is not None
            assert talk.server.doors.denials.by_reason == {"NOT_ALLOWED": 3}
            by_call = {f"GET {WATCH}": 1, "GET /v1/incidents/{id}:explain": 1, "HTTP": 1}
            assert talk.server.doors.denials.by_call == by_call
            assert (await talk.get("/v1/incidents", Authorization="Bearer x"))[0] == 401
        async with guarded(town, town.client(POLICE)) as talk:
            _, hidden = await talk.get("/v1/incidents/f")
            _, absent = await talk.get("/v1/incidents/x")
            assert hidden == {**absent, "message": hidden["message"], "facts": {"incident_id": "f"}}
            async with talk.watch() as events:
                (opening,) = await some(events, 1, "snapshot")
                assert [one["incident_id"] for one in opening.data["incidents"]] == ["c"]

    with caplog.at_level(logging.WARNING, "city_brain"):
        run(test)
    told = [line for line in (record.getMessage() for record in caplog.records) if line.startswith("refused (NOT_ALL")]
    assert [line.partition(", certificate sha256:")[0] for line in told] == [
        f"refused (NOT_ALLOWED): GET {WATCH} from 127.0.0.1"
    ]


def test_a_token_is_good_for_its_reader_alone(tmp_path: Path) -> None:
    """Another department that shows it is refused as if it were forged."""
    town = Town(tmp_path)

    async def test() -> None:
        async with guarded(town, town.client(FIRE)) as talk:
            async with talk.watch() as events:
                token = (await some(events, 1, "snapshot"))[0].id or ""
            connector = aiohttp.TCPConnector(ssl=context(town, town.client(POLICE)))
            async with (
                aiohttp.ClientSession(connector=connector) as police,
                police.get(talk.url(WATCH), headers={"Last-Event-ID": token}) as answer,
            ):
                assert (answer.status, (await answer.json(content_type=None))["reason"]) == (400, "BAD_TOKEN")
            assert (await talk.get(WATCH, **{"Last-Event-ID": token}))[0] == 200

    run(test)


def test_a_watch_ends_when_its_rights_change(tmp_path: Path) -> None:
    """With the reason in the stream, and nothing after it."""
    town = Town(tmp_path)

    async def test() -> None:
        async with guarded(town, town.client(FIRE)) as talk, talk.watch() as events:
            await some(events, 1, "heartbeat")
            town.decide(POLICY.replace(f"dns:{FIRE}", "dns:other.city.example"))
            assert talk.server.doors is not None
            await talk.server.doors.refresh()
            talk.append(an_incident("g"))
            (refused,) = [event async for event in events]
            assert (refused.name, refused.data["status"], refused.data["reason"]) == ("refused", 410, "SCOPE_CHANGED")
            assert (await talk.get("/v1/incidents"))[0] == 401

    run(test)


def test_new_certificates_serve_new_connections(tmp_path: Path) -> None:
    """The server's own, and the authorities of its clients; what does not fit together changes nothing."""
    town = Town(tmp_path)

    async def shown(talk: Talk, pair: Pair) -> int:
        host, _, port = talk.server.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=context(town, pair), server_hostname="localhost")
        serial = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.close()
        return int(serial, 16)

    async def test() -> None:
        fire = town.client(FIRE)
        async with guarded(town, fire) as talk:
            assert talk.server.doors is not None
            for _ in range(2):
                renewed = town.renew()
                await talk.server.doors.refresh()
                assert await shown(talk, fire) == renewed.certificate.serial_number
            (tmp_path / "server.key").write_bytes(fire.key_pem)
            await talk.server.doors.refresh()
            assert await shown(talk, fire) == renewed.certificate.serial_number

    run(test)


def test_a_policy_of_departments_is_never_served_without_certificates(tmp_path: Path) -> None:
    """HTTP without authorities of clients does not start beside a policy; nor on another address without TLS."""
    town = Town(tmp_path)
    open_door = ListenSettings(address="127.0.0.1:0", policy=town.listen.policy)

    async def test() -> None:
        with pytest.raises(SettingsError, match="wanted client authorities"):
            async with talking(beside=open_door):
                pass
        with pytest.raises(SettingsError, match="wanted TLS and client certificates"):
            async with talking(settings=HttpSettings(address="0.0.0.0:0"), beside=ListenSettings()):
                pass
        assert FREE_PORT.listening(town.listen).tls_client_ca == town.listen.tls_client_ca

    run(test)
