"""What `city-brain watch` prints, and how it ends."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from city_brain.errors import ServiceError, SettingsError
from city_brain.feeds.heartbeat import BlindArea
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.explain import Language
from city_brain.incidents.incident import Place, read_incident
from city_brain.incidents.incident_type import load_incident_types
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Interrupted, SignOfLife, Snapshot
from city_brain.servers.client.printing import (
    Watch,
    back_line,
    instants_in,
    json_lines,
    life_line,
    lost_line,
    plain_cause,
)
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.http.server import HttpServer
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings
from tests.certificates import DAY, authority, issue
from tests.feeds.builders import TYPES, a_heartbeat, a_log, an_incident
from tests.servers.doors.guarded import FIRE, Town, guarded
from tests.servers.serving import run, serving

CHINA = timezone(timedelta(hours=8))


def _refused(endpoint: Endpoint, wait_s: float = 2.0) -> str:
    """What it says where nobody answers at first; nothing is printed of the attempts."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(ServiceError) as refused:
        Watch(FeedReader(endpoint), out, err, wait_s=wait_s).run()
    assert (out.getvalue(), err.getvalue()) == ("", "")
    return str(refused.value)


def _watch(zone: tzinfo = CHINA, languages: tuple[Language, ...] = ("en",)) -> Watch:
    return Watch(FeedReader(Endpoint("127.0.0.1:1")), io.StringIO(), io.StringIO(), zone=zone, languages=languages)


def test_an_incident_is_one_line() -> None:
    """When, number, state, probability, level, what and where, sources; an exercise shouts."""
    incident = an_incident(place=Place(names={"en": "Jing 7 Rd", "zh": "经七路"}), sources=("a", "b", "c", "d", "e"))
    delivery = Delivery(number=7, incident=incident, no_longer_matches=False)
    assert _watch().lines(delivery) == [
        "  2026-05-29T04:26:43+08:00  0611-001  active      90%  III  Crash at Jing 7 Rd (36.65000, 117.00000)"
        "  seen by a, b, c and 2 more"
    ]
    gone = an_incident(state="withdrawn", status="exercise", reason="faded", level=None, sources=(), confidence=0.999)
    assert _watch(UTC).lines(Delivery(number=8, incident=gone, no_longer_matches=True)) == [
        "- 2026-05-28T20:26:43+00:00  0611-001  withdrawn (EXERCISE)  >99%  -    "
        "Crash at int-5 (36.65000, 117.00000)  faded"
    ]
    opening = Snapshot(incidents=(incident, gone), number=8, feed_id="jinan-1")
    assert [line[:2] for line in _watch().lines(opening)] == ["= ", "= "]


def test_a_line_speaks_the_languages_asked_for_and_calls_a_report_a_report() -> None:
    """What came from no device on the map came from a person."""
    incident = an_incident(sources=("cam-1", "source:00000000000000aa", "source:00000000000000bb"))
    (line,) = _watch(languages=("zh", "en")).lines(Delivery(number=7, incident=incident, no_longer_matches=False))
    assert "int-5发生交通事故 | Crash at int-5" in line
    assert line.endswith("seen by cam-1, report")


def test_a_type_that_only_the_city_knows_is_named() -> None:
    """Whoever watches need not have the city's own types."""
    (line,) = _watch().lines(Delivery(number=7, incident=an_incident(type="landslide"), no_longer_matches=False))
    assert "landslide (36.65000, 117.00000)" in line


def test_json_carries_the_canonical_line() -> None:
    """One object per revision, and within it the incident exactly as elsewhere."""
    incident = an_incident(place=Place(names={"zh": "经七路"}))
    (line,) = json_lines(Delivery(number=7, incident=incident, no_longer_matches=True))
    told = json.loads(line)
    assert (told["change_number"], told["no_longer_matches"]) == (7, True)
    assert read_incident(json.dumps(told["incident"])) == incident
    opening = Snapshot(incidents=(incident, incident), number=9, feed_id="jinan-1")
    assert [json.loads(line)["change_number"] for line in json_lines(opening)] == [9, 9]


def test_signs_of_life_and_interruptions_are_lines() -> None:
    """Log time, sources live and silent, blind areas; why the link broke and when it is tried again."""
    blind = BlindArea(source_id="cam-9", name="Jing 7 Rd", lon=117.0, lat=36.6, radius_m=80.0)
    nameless = BlindArea(source_id="cam-8", name="", lon=117.0, lat=36.6, radius_m=80.0)
    alive = SignOfLife(number=7, feed_id="jinan-1", heartbeat=a_heartbeat(blind_areas=(blind, nameless)))
    instant = instants_in(UTC)
    assert life_line(alive, instant) == (
        "~ 2026-05-28T20:26:40+00:00  change 7, 60 sources live, 2 silent, blind: Jing 7 Rd, cam-8"
    )
    assert life_line(SignOfLife(number=0, feed_id="", heartbeat=None), instant) == "~ change 0, nothing judged yet"
    broken = Interrupted(why="UNAVAILABLE: tcp handshaker: Connection refused (111)", pause_s=0.26, anew=False)
    assert lost_line(broken, "now") == "! now  lost the feed: connection refused; trying again"
    assert back_line(12.3, False, "now") == "! now  back after 12 s; nothing was missed"
    assert back_line(1.0, True, "now") == "! now  back after 1 s; begins anew with a snapshot"
    assert plain_cause("HISTORY_GONE: change 3 is no longer known") == "HISTORY_GONE: change 3 is no longer known"


@pytest.mark.parametrize(
    ("address", "got"), [("127.0.0.1:1", "connection refused"), ("no-such-host.invalid:50550", "an unknown host")]
)
def test_where_nobody_answers_at_first_it_says_so_and_ends(address: str, got: str) -> None:
    """One line that says what to do, and nothing of the attempts."""
    said = f"{address}: wanted an incident feed, got {got}; start one with: city-brain run SITE"
    assert _refused(Endpoint(address), 1.0) == said


def test_where_tls_may_be_the_cause_it_says_so(tmp_path: Path) -> None:
    """A certificate that has expired, of another authority, or none; no TLS where the server speaks it; and TLS where
    it does not. A key of another certificate is told before anybody is called.
    """
    town = Town(tmp_path)
    good, other = town.client(FIRE).write(tmp_path / "good"), town.client(FIRE).write(tmp_path / "other")
    expired = issue(town.ca, "client", dns=[FIRE], begins=-3 * DAY, ends=-DAY).write(tmp_path / "expired")
    alien = issue(authority("City clients"), "client", dns=[FIRE]).write(tmp_path / "alien")
    not_taken = "got a closed connection; it may not take this client's TLS certificate: expired, of another authority"

    async def test() -> None:
        async with guarded(town, a_log()) as city, serving() as plain:
            address = city.server.address

            async def said(*pair: str, at: str = address, tls: bool = True) -> str:
                endpoint = Endpoint(at, tls, town.authorities if tls else "", *pair)
                return await asyncio.to_thread(_refused, endpoint)

            for pair in (expired, alien, ("", "")):
                assert not_taken in await said(*pair), pair
            assert "got a closed connection; it may speak TLS (--tls, --tls-ca)" in await said(tls=False)
            assert "got no TLS handshake; it may speak no TLS" in await said(*good, at=plain.server.address)

    run(test)
    with pytest.raises(SettingsError, match=r"wanted a certificate and the key that belongs to it, got .*good.*other"):
        Watch(FeedReader(Endpoint("127.0.0.1:1", True, "", good[0], other[1])), io.StringIO(), io.StringIO()).run()


HANDSHAKES = """
import asyncio, pathlib, sys, tempfile
from contextlib import suppress
import city_brain.servers
import grpc.aio
from city_brain.wire.feed.v1 import feed_pb2
from tests.servers.doors.guarded import FIRE, Town, guarded

async def main():
    town = Town(pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1])))
    async with guarded(town) as city:
        host, _, port = city.server.address.rpartition(":")
        for _ in range(20):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"no handshake at all")
            await reader.read()
            writer.close()
        async with city.client(None) as stranger:
            with suppress(grpc.aio.AioRpcError):
                await stranger.stub.GetIncident(feed_pb2.GetIncidentRequest())

asyncio.run(main())
"""


def test_handshakes_that_fail_leave_nothing_on_the_terminal(tmp_path: Path) -> None:
    """Neither at the server nor at the client: the core of gRPC would write a raw line for each."""
    without = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    words = [sys.executable, "-c", HANDSHAKES, str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], env=without, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_certificate_of_another_name_and_a_port_of_http_are_told_as_what_they_are(tmp_path: Path) -> None:
    """Neither is mended by starting a server."""
    town = Town(tmp_path)
    pair = town.client(FIRE).write(tmp_path / "fire")
    usages = (ExtendedKeyUsageOID.SERVER_AUTH,)
    issue(town.server_ca, "feed", dns=["feed.city.example"], usages=usages).write(tmp_path / "server")

    async def test() -> None:
        async with guarded(town, a_log()) as city, serving() as plain:
            here = Endpoint(f"localhost:{city.server.address.rpartition(':')[2]}", True, town.authorities, *pair)
            said = await asyncio.to_thread(_refused, here)
            assert said == (
                f"the certificate of {here.address} does not name localhost; call it by a name that is in it"
            )
        town.renew()
        async with (
            HttpServer(plain.feed, HttpSettings(address="127.0.0.1:0"), ListenSettings()) as http,
            HttpServer(city.feed, HttpSettings(address="127.0.0.1:0"), town.listen) as guarded_http,
        ):
            for endpoint in (Endpoint(http.address), Endpoint(guarded_http.address, True, town.authorities, *pair)):
                said = await asyncio.to_thread(_refused, endpoint)
                assert said == (
                    f"{endpoint.address}: wanted an incident feed, got a server of HTTP/1.1; "
                    "this is not a gRPC feed; `run` listens for that on another port (--listen)"
                )

    run(test)


@pytest.mark.parametrize(
    ("number", "feed_id", "why"),
    [
        (99_999, "", "NUMBER_NOT_REACHED: feed jinan-1: wanted the changes after 99999, but the last one is 1"),
        (1, "xyz", "OTHER_FEED: feed jinan-1: wanted the changes after 1 of feed xyz, which is another one"),
    ],
)
def test_a_place_where_the_feed_cannot_go_on_is_told_before_it_begins_anew(number: int, feed_id: str, why: str) -> None:
    """One line, with the server's reason, before the snapshot that nobody asked for."""

    async def test() -> None:
        out, err = io.StringIO(), io.StringIO()
        async with serving(a_log([an_incident("a")])) as served:
            reader = FeedReader(Endpoint(served.server.address), None, number, feed_id, jitter=lambda: 0.01)
            printing = asyncio.create_task(Watch(reader, out, err).print_all())
            while not out.getvalue():
                await asyncio.sleep(0.01)
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        marked = [line for line in err.getvalue().splitlines() if line.startswith("!")]
        assert marked == [f"! cannot go on behind change {number}: {why}; beginning anew"]
        assert out.getvalue().startswith("= ")

    run(test)


def test_a_type_that_only_the_city_knows_has_the_headline_that_the_city_says() -> None:
    """In the snapshot and after it; one that the city does not explain is named."""

    async def test() -> None:
        out, only_fires = io.StringIO(), load_incident_types(only=("fire",))
        async with serving(a_log([an_incident("a"), an_incident("b", type="landslide")])) as served:
            reader = FeedReader(Endpoint(served.server.address))
            watch = Watch(reader, out, io.StringIO(), types=only_fires, languages=("zh", "en"))
            printing = asyncio.create_task(watch.print_all())
            while out.getvalue().count("\n") < 2:
                await asyncio.sleep(0.01)
            served.append(an_incident("c"))
            while out.getvalue().count("\n") < 3:
                await asyncio.sleep(0.01)
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        told = sorted(line[2:].split("  III  ")[1].split(" (")[0] for line in out.getvalue().splitlines())
        assert told == ["landslide", *["事故：int-5 | crash at int-5"] * 2]

    run(test)


def test_a_feed_that_goes_and_comes_back_is_told_once_each_way() -> None:
    """However often it was tried in between."""

    async def test() -> None:
        err = io.StringIO()
        feed = LiveFeed(a_log(), TYPES)
        quick = Limits(stop_wait_s=0.1)
        async with GrpcServer(feed, ListenSettings(address="127.0.0.1:0"), quick) as server:
            address = server.address
            reader = FeedReader(Endpoint(address), jitter=lambda: 0.05)
            printing = asyncio.create_task(Watch(reader, io.StringIO(), err, wait_s=2.0).print_all())
            while "~" not in err.getvalue():
                await asyncio.sleep(0.01)
        await asyncio.sleep(2.5)
        async with GrpcServer(feed, ListenSettings(address=address), quick):
            while "back after" not in err.getvalue():
                await asyncio.sleep(0.01)
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        marked = [line.split("  ")[1] for line in err.getvalue().splitlines() if line.startswith("!")]
        assert len(marked) == 2, err.getvalue()
        assert marked[0].startswith("lost the feed: ")
        assert marked[1].endswith("s; nothing was missed")

    run(test)


class Screen(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("err", "shown"), [(io.StringIO(), ["~ "]), (Screen(), ["\r\x1b[K~ ", "\r\x1b[K~ ", "\r\x1b[K"])]
)
def test_incidents_and_signs_of_life_go_to_two_streams(err: io.StringIO, shown: list[str]) -> None:
    """A file gets a sign of life now and then, a terminal one line that changes and makes way for incidents."""

    async def test() -> None:
        out = io.StringIO()
        async with serving() as served:
            watch = Watch(FeedReader(Endpoint(served.server.address)), out, err)
            served.append()
            printing = asyncio.create_task(watch.print_all())
            while "~" not in err.getvalue():
                await asyncio.sleep(0.01)
            served.append()
            await asyncio.sleep(0.1)
            served.append(an_incident("a"))
            while not out.getvalue():
                await asyncio.sleep(0.01)
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        assert out.getvalue().count("\n") == 1
        told = err.getvalue()
        for mark in shown:
            assert mark in told
            told = told[told.index(mark) + len(mark) :]

    run(test)


PROGRAM = """
import sys
from city_brain.servers.client.feed_reader import Endpoint, FeedReader
from city_brain.servers.client.printing import Watch
sys.exit(Watch(FeedReader(Endpoint(sys.argv[1])), sys.stdout, sys.stderr).run())
"""


def test_ctrl_c_ends_it_cleanly() -> None:
    """Exit code 130, where to go on, and no traceback."""

    async def test() -> None:
        async with serving(a_log([an_incident("a")])) as served:
            watching = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                served.server.address,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert watching.stdout is not None
            assert b"0611-001" in await watching.stdout.readline()
            await asyncio.sleep(0.3)
            watching.send_signal(signal.SIGINT)
            _, told = await watching.communicate()
            assert watching.returncode == 130
            assert told.decode().splitlines()[-1] == "! stopped; go on with --after 1 --feed jinan-1"
            assert b"Traceback" not in told

    run(test)
