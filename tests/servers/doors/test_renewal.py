"""Files that change under a running server: new certificates, new rights, and mistakes in either."""

import asyncio
import logging
import ssl
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc.experimental.session_cache import ssl_session_cache_lru
from grpc_health.v1 import health_pb2, health_pb2_grpc

from city_brain.feeds.filters import Wanted
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Interrupted, SignOfLife, Snapshot
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.certificates import issue
from tests.feeds.builders import a_log, an_incident
from tests.servers.doors.guarded import EVERYTHING, FIRE, POLICE, Guarded, Town, guarded
from tests.servers.serving import Served, changes, refusal, run

WATCH = feed_pb2.WatchIncidentsRequest()
ASKED = feed_pb2.GetIncidentRequest(name="incidents/a")
WITHIN_S = 5.0
"""How long rights that were withdrawn may still be used."""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Files that a test may change."""
    return Town(tmp_path)


def shown_by(address: str) -> str:
    """Fingerprint of the certificate that the server shows at a new handshake."""
    import hashlib

    host, _, port = address.rpartition(":")
    shown = ssl.get_server_certificate((host, int(port)))
    return f"sha256:{hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()}"


async def shows(city: Guarded, fingerprint: str) -> None:
    """Waits until new handshakes show this certificate."""
    async with asyncio.timeout(WITHIN_S):
        while await asyncio.to_thread(shown_by, city.server.address) != fingerprint:
            await asyncio.sleep(0.1)


def test_a_new_certificate_is_used_by_new_handshakes_while_streams_go_on(town: Town) -> None:
    """Five renewals under load: nobody who watches or asks notices, and each new client sees the newest."""

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client(FIRE)) as client:
            watch = client.stub.WatchIncidents(iter([WATCH]))
            assert (await watch.read()).snapshot.complete
            asking = asyncio.create_task(_ask_on(client))
            for revision in range(2, 7):
                await shows(city, town.renew().fingerprint)
                async with city.client(town.client(POLICE)) as new:
                    assert (await new.stub.GetIncident(ASKED)).incident_id == "a"
                client.append(an_incident("a", revision))
                assert [change.incident.revision for change in await changes(watch, 1)] == [revision]
            asking.cancel()
            assert await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled()

    run(test)


async def _ask_on(client: Served) -> None:
    """Asks without end; fails where one call does."""
    while True:
        assert (await client.stub.GetIncident(ASKED)).incident_id == "a"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "clients.pem"])
@pytest.mark.parametrize("how", ["other", "garbage", "gone"])
def test_files_that_do_not_fit_leave_the_old_certificate_in_use(
    town: Town, broken: str, how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And are told once; the next good pair is taken."""
    before = town.renew().fingerprint
    path = tmp_path / broken

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            kept = path.read_bytes()
            if how == "gone":
                path.unlink()
            else:
                other = Town(_folder(tmp_path / "other"))
                path.write_bytes((other.folder / "server.key").read_bytes() if how == "other" else b"garbage")
            with caplog.at_level(logging.ERROR, "city_brain"):
                for _ in range(3):
                    await city.server.doors.refresh()
            assert await asyncio.to_thread(shown_by, city.server.address) == before
            async with city.client(town.client(FIRE)) as client:
                assert (await client.stub.GetIncident(ASKED)).incident_id == "a"
            path.write_bytes(kept)
            after = town.renew().fingerprint
            await city.server.doors.refresh()
            assert await asyncio.to_thread(shown_by, city.server.address) == after
        assert len([one for one in caplog.records if "stays in use" in one.getMessage()]) == 1

    run(test)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_new_authorities_of_clients_are_taken(town: Town, tmp_path: Path) -> None:
    """Clients of the authority that went get no new connection, those of the new one do."""
    other = Town(_folder(tmp_path / "other"))

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            (tmp_path / "clients.pem").write_bytes((other.folder / "clients.pem").read_bytes())
            await city.server.doors.refresh()
            async with city.client(other.client(FIRE)) as client:
                assert (await client.stub.GetIncident(ASKED)).incident_id == "a"
            async with city.client(town.client(FIRE)) as client:
                assert await client.stub.GetIncident(ASKED).code() is grpc.StatusCode.UNAVAILABLE

    run(test)


def rights(permissions: str = EVERYTHING, more: str = "") -> str:
    """A policy in which the fire brigade has these rights, and the police always has all."""
    return (
        f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = {permissions}\n{more}\n'
        f'[departments.police]\ncertificates = ["dns:{POLICE}"]\npermissions = {EVERYTHING}\n'
    )


@pytest.mark.parametrize(
    ("after", "resumed"),
    [
        (rights(more='types = ["crash"]'), "OK"),
        (rights(more='minimum_level = "I"'), "OK"),
        (rights('["feed.read"]'), "PERMISSION_DENIED"),
        (rights("[]"), "PERMISSION_DENIED"),
        (rights().replace(FIRE, "somebody.example"), "UNAUTHENTICATED"),
        (rights()[rights().index("[departments.police]") :], "UNAUTHENTICATED"),
    ],
)
def test_rights_withdrawn_end_a_watch_within_five_seconds(town: Town, after: str, resumed: str) -> None:
    """Narrower scope, permission gone, department gone: told why, and who comes back has the rights of now.

    The police, whose rights are the same, watches on, and health stays well.
    """
    town.decide(rights())

    async def test() -> None:
        async with (
            guarded(town, a_log([an_incident("a")])) as city,
            city.client(town.client(FIRE)) as fire,
            city.client(town.client(POLICE)) as police,
        ):
            watch, other = fire.stub.WatchIncidents(iter([WATCH])), police.stub.WatchIncidents(iter([WATCH]))
            assert (await watch.read()).snapshot.complete
            assert (await other.read()).snapshot.complete
            town.decide(after)
            began = asyncio.get_running_loop().time()
            code, info, _ = await refusal(_to_its_end(watch))
            assert asyncio.get_running_loop().time() - began < WITHIN_S
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SCOPE_CHANGED")
            assert await _opened(fire) == resumed
            fire.append(an_incident("f", type="fire"))
            assert [change.incident.incident_id for change in await changes(other, 1)] == ["f"]
            health = await health_pb2_grpc.HealthStub(fire.channel).Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            assert fire.feed.watchers == 1

    run(test)


async def _to_its_end(watch: Any) -> None:
    """Reads a watch until it ends, as clients do that read all the time."""
    while await watch.read() is not grpc.aio.EOF:
        pass


async def _opened(client: Served) -> str:
    watch = client.stub.WatchIncidents(iter([WATCH]))
    try:
        opening = await watch.read()
    except grpc.aio.AioRpcError as error:
        return error.code().name
    watch.cancel()
    return "OK" if opening.HasField("snapshot") else str(opening)


def test_a_certificate_that_expires_ends_its_watch(town: Town) -> None:
    """A connection that stands outlives it; neither watch nor call does."""
    town.decide(rights())

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            soon = issue(town.ca, "client", dns=[FIRE], ends=timedelta(seconds=4))
            async with city.client(soon) as fire:
                watch = fire.stub.WatchIncidents(iter([WATCH]))
                assert (await watch.read()).snapshot.complete
                code, info, _ = await refusal(_to_its_end(watch))
                assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SCOPE_CHANGED")
                code, info, _ = await refusal(fire.stub.GetIncident(ASKED))
                assert (code, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_KNOWN")

    run(test)


def test_a_resumed_session_outlives_neither_its_certificate_nor_its_authority(town: Town, tmp_path: Path) -> None:
    """TLS lets a session go on without looking at the certificate again; the doors look."""
    cache = ssl_session_cache_lru(1)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_session_cache", cache)]

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            pair = issue(town.ca, "client", dns=[FIRE], ends=timedelta(seconds=5))
            soon = town.credentials(pair)

            async def ask() -> str:
                # Sessions are kept by the name of a host, not by number.
                address = f"localhost:{city.server.address.rpartition(':')[2]}"
                async with grpc.aio.secure_channel(address, soon, options) as channel:
                    call = feed_pb2_grpc.FeedServiceStub(channel).GetIncident(ASKED)
                    return f"{(await call.code()).name} {await call.details()}".strip()

            assert [await ask(), await ask()] == ["OK", "OK"]
            await asyncio.sleep(pair.certificate.not_valid_after_utc.timestamp() + 1.0 - time.time())
            assert await ask() == "UNAUTHENTICATED caller: wanted a certificate that is valid, got one that has expired"
            other = Town(_folder(tmp_path / "other"))
            (tmp_path / "clients.pem").write_bytes((other.folder / "clients.pem").read_bytes())
            await city.server.doors.refresh()
            assert (await ask()).startswith("UNAVAILABLE")

    run(test)


def test_rights_are_withdrawn_a_hundred_times(town: Town) -> None:
    """100 of 100 watches end, none is resumed, and nothing is told any more that the new scope hides."""
    town.decide(rights())

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client(FIRE)) as fire:
            for attempt in range(100):
                town.decide(rights())
                await city.server.doors.refresh()
                watch = fire.stub.WatchIncidents(iter([WATCH]))
                opening = await watch.read()
                assert opening.snapshot.complete
                town.decide(rights(more='types = ["crash"]'))
                await city.server.doors.refresh()
                fire.append(an_incident(f"f{attempt}", type="fire"))
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    while (message := await watch.read()) is not grpc.aio.EOF:
                        assert message.change.incident.type != "fire"
                assert ended.value.code() is grpc.StatusCode.OUT_OF_RANGE
                resumed = feed_pb2.WatchIncidentsRequest(resume_token=opening.resume_token)
                code, info, _ = await refusal(fire.stub.WatchIncidents(iter([resumed])).read())
                assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SCOPE_CHANGED")

    run(test)


def test_a_stuck_reader_loses_its_place_too(town: Town) -> None:
    """One that reads nothing hears of it late, yet the server is done with it in time."""
    town.decide(rights())
    limits = Limits(queue_limit=1_000_000, stop_wait_s=1.0, cut_wait_s=0.5)

    async def test() -> None:
        async with guarded(town, a_log(), limits) as city, city.client(town.client(FIRE)) as fire:
            watch = fire.stub.WatchIncidents(iter([WATCH]))
            assert (await watch.read()).snapshot.complete
            for number in range(3_000):
                fire.append(an_incident(f"i{number}", number="x" * 1_000))
            await asyncio.sleep(0.5)
            assert fire.feed.watchers == 1
            town.decide(rights("[]"))
            async with asyncio.timeout(WITHIN_S):
                while fire.feed.watchers:
                    await asyncio.sleep(0.05)

    run(test)


def test_the_reader_of_ours_begins_anew_with_what_it_may_see_now(town: Town, tmp_path: Path) -> None:
    """With its certificate from files; after a change of scope it takes a snapshot, not the number it had."""
    town.decide(rights())
    files = town.client(FIRE).write(tmp_path / "fire")

    async def test() -> None:
        log = a_log([an_incident("a"), an_incident("f", type="fire")])
        async with guarded(town, log) as city:
            endpoint = Endpoint(city.server.address, True, town.authorities, *files)
            events = FeedReader(endpoint, Wanted(), jitter=lambda: 0.0).events()
            seen = []
            async for event in events:
                seen.append(event)
                if isinstance(event, SignOfLife) and len(seen) == 2:
                    town.decide(rights(more='types = ["crash"]'))
                if len([one for one in seen if isinstance(one, Snapshot)]) == 2:
                    break
            await events.aclose()
            snapshots = [one for one in seen if isinstance(one, Snapshot)]
            assert [[i.incident_id for i in one.incidents] for one in snapshots] == [["a", "f"], ["a"]]
            (broken,) = [one for one in seen if isinstance(one, Interrupted)]
            assert (broken.anew, broken.why.split(":")[0]) == (True, "SCOPE_CHANGED")

    run(test)


@pytest.mark.parametrize("broken", ["[departments", "", '[departments.fire]\npermissions = ["feed.raed"]', None])
def test_a_broken_policy_leaves_the_old_one_in_force(
    town: Town, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Loudly, once; watches go on, health stays well, and the next good policy is taken."""
    town.decide(rights())

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client(FIRE)) as fire:
            watch = fire.stub.WatchIncidents(iter([WATCH]))
            assert (await watch.read()).snapshot.complete
            with caplog.at_level(logging.ERROR, "city_brain"):
                if broken is None:
                    (town.folder / "policy.toml").unlink()
                else:
                    town.decide(broken)
                for _ in range(3):
                    await city.server.doors.refresh()
            fire.append(an_incident("a", 2))
            assert len(await changes(watch, 1)) == 1
            health = await health_pb2_grpc.HealthStub(fire.channel).Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            assert len([one for one in caplog.records if "stays in force" in one.getMessage()]) == 1
            town.decide(rights("[]"))
            assert (await refusal(_to_its_end(watch)))[1].reason == "SCOPE_CHANGED"

    run(test)
