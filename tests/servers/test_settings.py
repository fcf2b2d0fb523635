"""Where a server may listen: loopback as it is, elsewhere behind TLS or by name; mistakes are said before it starts."""

from pathlib import Path

import grpc
import pytest

from city_brain.errors import SettingsError
from city_brain.servers.settings import ListenSettings, is_loopback
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.certificates import make_certificate
from tests.feeds.builders import a_log, an_incident
from tests.servers.serving import run, serving

ASKED = feed_pb2.GetIncidentRequest(name="incidents/a")
STRANGERS = '[anonymous]\npermissions = ["feed.read"]\n'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files with a certificate for localhost, signed by itself, and its key, both made for this run."""
    folder = tmp_path_factory.mktemp("tls")
    return make_certificate(folder / "one")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("unix:feed.sock", True),
        ("0.0.0.0", False),  # noqa: S104 - asked, not listened to
        ("::", False),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("city.example", False),
        ("localhost.city.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    """By number, or by the one name that is this machine's; no other name is looked up."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "city.example:0"])
def test_other_machines_are_served_behind_tls_or_by_name_only(address: str) -> None:
    """The refusal says what to do."""

    async def test() -> None:
        with pytest.raises(SettingsError, match=r"wanted TLS .* or allow it by name: --insecure-listen"):
            async with serving(listen=ListenSettings(address=address)):
                pass

    run(test)


def test_insecure_listening_is_allowed_by_name(tmp_path: Path) -> None:
    """Whoever asks for it gets it, and says in the policy what strangers may do."""
    policy = tmp_path / "policy.toml"
    policy.write_text(STRANGERS, encoding="utf-8")

    async def test() -> None:
        listen = ListenSettings(address="0.0.0.0:0", insecure_listen=True, policy=str(policy))
        async with serving(a_log([an_incident("a")]), listen=listen) as served:
            assert (await served.stub.GetIncident(ASKED)).incident_id == "a"

    run(test)


@pytest.mark.parametrize("tls", [False, True])
def test_strangers_are_served_only_where_the_policy_says_what_they_may(certificate: tuple[str, str], tls: bool) -> None:
    """Without a policy the server does not start; the refusal shows the lines that are missing."""
    files = {"tls_certificate": certificate[0], "tls_key": certificate[1]} if tls else {}

    async def test() -> None:
        listen = ListenSettings(address="0.0.0.0:0", insecure_listen=True, **files)
        with pytest.raises(SettingsError, match=r"wanted a policy .* \[anonymous\] says what strangers may do"):
            async with serving(listen=listen):
                pass

    run(test)


def test_tls_alone_does_not_serve_other_machines(certificate: tuple[str, str]) -> None:
    """A certificate of the server says nothing of who calls."""

    async def test() -> None:
        listen = ListenSettings(address="0.0.0.0:0", tls_certificate=certificate[0], tls_key=certificate[1])
        with pytest.raises(SettingsError, match="got TLS that asks nobody for a certificate"):
            async with serving(listen=listen):
                pass

    run(test)


def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    """A socket in the file system is as local as loopback."""

    async def test() -> None:
        listen = ListenSettings(address=f"unix:{tmp_path}/feed.sock")
        async with serving(a_log([an_incident("a")]), listen=listen) as served:
            assert (await served.stub.GetIncident(ASKED)).incident_id == "a"

    run(test)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "127.0.0.1:0"])
def test_tls_serves_those_who_trust_the_certificate(certificate: tuple[str, str], address: str, tmp_path: Path) -> None:
    """A client with the certificate reads; one without TLS, or without trust, gets nothing."""
    policy = tmp_path / "policy.toml"
    policy.write_text(STRANGERS, encoding="utf-8")
    asked = {"insecure_listen": True, "policy": str(policy)} if address.startswith("0") else {}

    async def test() -> None:
        listen = ListenSettings(address=address, tls_certificate=certificate[0], tls_key=certificate[1], **asked)
        trusting = grpc.ssl_channel_credentials(Path(certificate[0]).read_bytes())
        async with serving(a_log([an_incident("a")]), listen=listen) as served:
            at = f"localhost:{served.server.address.rpartition(':')[2]}"
            async with grpc.aio.secure_channel(at, trusting) as channel:
                assert (await feed_pb2_grpc.FeedServiceStub(channel).GetIncident(ASKED)).incident_id == "a"
            for stranger in (
                grpc.aio.insecure_channel(at),
                grpc.aio.secure_channel(at, grpc.ssl_channel_credentials()),
            ):
                async with stranger as channel:
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await feed_pb2_grpc.FeedServiceStub(channel).GetIncident(ASKED)
                    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    run(test)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_certificate": "one.crt"}, "wanted a certificate and its key, got no key"),
        ({"tls_key": "one.key"}, "wanted a certificate and its key, got no certificate"),
        ({"tls_certificate": "none.crt", "tls_key": "one.key"}, "TLS certificate: wanted a file that can be read"),
        ({"tls_certificate": "one.crt", "tls_key": "two.key"}, "the key that belongs to it"),
        ({"tls_certificate": "one.key", "tls_key": "one.key"}, "wanted a certificate and the key that belongs to it"),
        ({"address": "127.0.0.1"}, "wanted host:port"),
        ({"address": ":50550"}, "wanted host:port"),
        ({"address": "127.0.0.1:70000"}, "wanted a port from 0 to 65535, got 70000"),
        ({"address": "::1:50550"}, "wanted host:port"),
    ],
)
def test_mistakes_are_said_before_the_server_starts(given: dict[str, str], said: str, tmp_path: Path) -> None:
    """Half a pair, a missing file, a key of another certificate, no certificate at all, no address."""
    for stem in ("one", "two"):
        make_certificate(tmp_path / stem)
    files = {name: str(tmp_path / file) if name != "address" else file for name, file in given.items()}

    async def test() -> None:
        with pytest.raises(SettingsError, match=said):
            async with serving(listen=ListenSettings(**{"address": "127.0.0.1:0", **files})):
                pass

    run(test)


def test_a_taken_port_is_said() -> None:
    """Two servers never share a port, each with half of the readers."""

    async def test() -> None:
        async with serving() as served:
            with pytest.raises(SettingsError, match="wanted a free port of this machine"):
                async with serving(listen=ListenSettings(address=served.server.address)):
                    pass

    run(test)
