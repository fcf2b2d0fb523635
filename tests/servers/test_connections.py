"""Connections that say nothing: counted from the first, closed in time, and told of in a line, over HTTP and gRPC."""

import asyncio
import logging
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest

from city_brain.servers.files import OTHER_FILES, PORTS
from city_brain.servers.repeats import TOLD_EVERY_S, Repeats
from city_brain.servers.settings import Limits, ListenSettings
from city_brain.wire.feed.v1 import feed_pb2
from tests.certificates import make_certificate
from tests.feeds.builders import a_log, an_incident
from tests.servers.http.talking import talking
from tests.servers.serving import run, serving

OPENING_S = 1.5
LIMITS = Limits(watchers=2, calls=2, opening_s=OPENING_S, stop_wait_s=0.5)
LOG = [[an_incident("a")]]
ASKED = feed_pb2.GetIncidentRequest(name="incidents/a")
Streams = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files with a certificate for localhost and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "one")


def behind(certificate: tuple[str, str]) -> ListenSettings:
    """Listens with TLS."""
    return ListenSettings(address="127.0.0.1:0", tls_certificate=certificate[0], tls_key=certificate[1])


@asynccontextmanager
async def silent(address: str, count: int) -> AsyncIterator[Streams]:
    """Connections that say nothing."""
    host, _, port = address.rpartition(":")
    found = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    try:
        yield found
    finally:
        for _, writer in found:
            writer.close()


async def closed(streams: Streams, within_s: float) -> None:
    """Each is closed by the other end within so long."""
    async with asyncio.timeout(within_s):
        for reader, _ in streams:
            try:
                assert await reader.read(1) == b""
            except ConnectionError:
                continue


def test_silent_tls_connections_are_counted_and_closed_over_http(
    certificate: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Those within the limit are closed after the opening time, those beyond at once; then a request is answered."""
    client = ssl.create_default_context(cafile=certificate[0])

    async def test() -> None:
        async with talking(a_log(*LOG), LIMITS, beside=behind(certificate), client=client) as talk:
            async with silent(talk.server.address, 40) as streams:
                await closed(streams[4:], OPENING_S / 2)
                with pytest.raises((aiohttp.ClientError, ConnectionError)):
                    await talk.get("/v1/incidents/a")
                await closed(streams[:4], 3 * OPENING_S)
            assert (await talk.get("/v1/incidents/a"))[0] == 200

    with caplog.at_level(logging.DEBUG):
        run(test)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["refused (connections): wanted at most 4, got one more, from 127.0.0.1"]


def test_silent_tls_connections_are_counted_and_closed_over_grpc(certificate: tuple[str, str]) -> None:
    """The same of gRPC."""
    trusted = grpc.ssl_channel_credentials(Path(certificate[0]).read_bytes())

    async def test() -> None:
        listen = behind(certificate)
        async with serving(a_log(*LOG), LIMITS, listen, trusted) as served:
            async with silent(served.server.address, 40) as streams:
                done, waiting = await asyncio.wait(
                    [asyncio.create_task(closed([one], 4 * OPENING_S)) for one in streams], timeout=OPENING_S / 2
                )
                assert (len(done), len(waiting)) == (36, 4)
                await asyncio.gather(*waiting)
            answer = await served.stub.GetIncident(ASKED, wait_for_ready=True)
            assert answer.name == "incidents/a"

    run(test)


CROWDED = """
import asyncio, os, resource, sys
from city_brain.servers.settings import Limits
from tests.feeds.builders import a_log, an_incident
from tests.servers.http.talking import talking

async def main():
    async with talking(a_log([an_incident("a")]), Limits(opening_s=1.0, stop_wait_s=0.5)) as talk:
        host, _, port = talk.server.address.rpartition(":")
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, 4096))
        crowd = await asyncio.create_subprocess_exec(
            sys.executable, "-c",
            "import resource, socket, time; resource.setrlimit(resource.RLIMIT_NOFILE, (512, 4096)); "
            "held = [socket.create_connection(('%s', %s)) for _ in range(60)]; "
            "print('here', flush=True); time.sleep(60)" % (host, port), stdout=asyncio.subprocess.PIPE)
        await crowd.stdout.readline()
        await asyncio.sleep(1.5)
        crowd.kill()
        await crowd.wait()
        print((await talk.get("/v1/incidents/a"))[0])

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_server_without_files_says_so_in_a_line_and_comes_back() -> None:
    """Where the system opens no more files for connections: a line, no traceback, and answers as soon as it does."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", CROWDED], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("200", 0), done.stderr
    assert done.stderr.splitlines() == [
        "http: wanted to accept a connection, could not (Too many open files); trying again"
    ]


LIMITED = """
import resource, sys
from city_brain.servers.files import connections_allowed
from city_brain.servers.repeats import Complaints

hard = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
allowed = [connections_allowed(500, complaints) for complaints in (Complaints(),) * 2]
print(*allowed, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_of_open_files_is_raised_as_far_as_needed() -> None:
    """Up to the hard limit; below what is wanted it is told once for both ports, each of which holds fewer."""
    for hard, printed, told in (
        (4_000, f"500 500 {500 * PORTS + OTHER_FILES} 4000", ""),
        (300, "22 22 300 300", "open files: wanted 1256 for watchers and calls of [limits], got 300: a port holds 22 "),
    ):
        words = [sys.executable, "-c", LIMITED, str(hard)]
        done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == printed, done.stderr
        assert done.stderr[: len(told) or None] == told
        assert done.stderr.count("\n") == bool(told)


def test_repeats_are_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """A line, then silence, then one with the count."""
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    for _ in range(100):
        repeats.add("x", "it happened")
    now[0] = TOLD_EVERY_S
    repeats.add("x", "it happened")
    assert [record.getMessage() for record in caplog.records] == ["it happened", "it happened; 99 more before it"]
