"""Forged, expired and foreign certificates over real handshakes: all are refused, the honest ones are served."""

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.certificates import DAY, Pair, altered, authority, issue, new_key, usage
from tests.feeds.builders import a_log, an_incident
from tests.servers.doors.guarded import DESK, FIRE, POLICE, ROADS, Town, guarded
from tests.servers.serving import refusal, run

ASKED = feed_pb2.GetIncidentRequest(name="incidents/a")
SECOND = timedelta(seconds=1)
Made = Callable[[Town], Pair | None]


def _twin(ca: Pair) -> Pair:
    """An authority of the same name with a key of its own."""
    return authority("", subject=ca.certificate.subject)


def _claims_key_of(ca: Pair) -> Pair:
    """A certificate of such a twin that says that the key of the real authority signed it."""
    real = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return issue(_twin(ca), "client", dns=[FIRE], extensions={real: False})


def _under(ca: Pair, /, **said: object) -> Pair:
    """An honest name under an intermediate authority of which something is wrong."""
    return issue(authority("Between", ca, **said), "client", dns=[FIRE])


def _only(domain: str) -> dict[x509.ExtensionType, bool]:
    return {x509.NameConstraints(permitted_subtrees=[x509.DNSName(domain)], excluded_subtrees=None): True}


def _of_strange_extension(ca: Pair) -> Pair:
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    return issue(ca, "client", dns=[FIRE], extensions={strange: True})


def _named(ca: Pair, oid: x509.ObjectIdentifier, name: str) -> Pair:
    return issue(ca, subject=x509.Name([x509.NameAttribute(oid, name)]))


def _flipped(pair: Pair) -> Pair:
    end = pair.certificate.signature[-8:]
    return altered(pair, end, bytes(byte ^ 1 for byte in end))


NO_CONNECTION: dict[str, Made] = {
    "no certificate": lambda town: None,
    "signed by itself": lambda town: issue(None, "client", dns=[FIRE]),
    "an authority of its own": lambda town: authority("City clients", extensions={_san(FIRE): False}),
    "foreign authority": lambda town: issue(authority("Elsewhere"), "client", dns=[FIRE]),
    "foreign authority of the same name": lambda town: issue(_twin(town.ca), "client", dns=[FIRE]),
    "foreign authority that names our key": lambda town: _claims_key_of(town.ca),
    "authority of the servers": lambda town: issue(town.server_ca, "client", dns=[FIRE]),
    "expired long ago": lambda town: issue(town.ca, "client", dns=[FIRE], begins=-30 * DAY, ends=-10 * DAY),
    "expired just now": lambda town: issue(town.ca, "client", dns=[FIRE], ends=-2 * SECOND),
    "not yet valid": lambda town: issue(town.ca, "client", dns=[FIRE], begins=DAY / 24),
    "valid from next year": lambda town: issue(town.ca, "client", dns=[FIRE], begins=365 * DAY, ends=700 * DAY),
    "for servers": lambda town: issue(town.ca, "client", dns=[FIRE], usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
    "for code": lambda town: issue(town.ca, "client", dns=[FIRE], usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
    "for mail": lambda town: issue(town.ca, "client", dns=[FIRE], usages=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "key for issuing only": lambda town: issue(
        town.ca, "client", dns=[FIRE], extensions={usage(sign=False, issue=True): True}
    ),
    "chain without the middle": lambda town: dataclasses.replace(_under(town.ca), chain=()),
    "middle that is no authority": lambda town: _under(town.ca, ca=False),
    "middle that may not issue": lambda town: _under(town.ca, issue=False),
    "middle that has expired": lambda town: _under(town.ca, begins=-9 * DAY, ends=-DAY),
    "middle that has not begun": lambda town: _under(town.ca, begins=DAY, ends=9 * DAY),
    "middle for other names": lambda town: _under(town.ca, extensions=_only("other.example")),
    "middle below the last one allowed": lambda town: issue(
        authority("Lower", authority("Between", town.ca, path_length=0)), "client", dns=[FIRE]
    ),
    "middle of foreigners": lambda town: issue(authority("Between", _twin(town.ca)), "client", dns=[FIRE]),
    "issued by a client": lambda town: issue(town.client(POLICE), "client", dns=[FIRE]),
    "signature altered": lambda town: _flipped(town.client(FIRE)),
    "name altered": lambda town: altered(town.client("wire.city.example"), b"wire.city", b"fire.city"),
    "life prolonged": lambda town: _prolonged(town),
    "critical extension that nobody knows": lambda town: _of_strange_extension(town.ca),
    "the authority itself": lambda town: town.ca,
    "key of somebody else": lambda town: dataclasses.replace(town.client(FIRE), key=new_key()),
}
"""What is wrong: the handshake fails."""


def _san(name: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name)])


def _prolonged(town: Town) -> Pair:
    pair = issue(town.ca, "client", dns=[FIRE], begins=-9 * DAY, ends=-DAY)
    ended = pair.certificate.not_valid_after_utc
    return altered(pair, f"{ended:%y%m%d%H%M%SZ}".encode(), f"{ended + 9 * DAY:%y%m%d%H%M%SZ}".encode())


NOT_KNOWN: dict[str, Made] = {
    "a name that nobody has": lambda town: town.client("water.city.example"),
    "no name at all": lambda town: issue(town.ca),
    "a name below": lambda town: town.client(f"a.{FIRE}"),
    "a name above": lambda town: town.client("city.example"),
    "a name behind": lambda town: town.client(f"{FIRE}.evil.example"),
    "a name in front": lambda town: town.client(f"x{FIRE}"),
    "a dot at the end": lambda town: town.client(f"{FIRE}."),
    "a pattern": lambda town: town.client("*.city.example"),
    "a letter that looks the same": lambda town: town.client("xn--fre-nma.city.example"),
    "NUL within": lambda town: town.client(f"{FIRE}\0.evil.example"),
    "the host as common name": lambda town: issue(town.ca, FIRE),
    "the host as URI": lambda town: issue(town.ca, "client", uris=[f"dns:{FIRE}"]),
    "the host as mail": lambda town: issue(town.ca, "client", others=[x509.RFC822Name(f"x@{FIRE}")]),
    "a URI with more": lambda town: issue(town.ca, "client", uris=[f"{ROADS}/more"]),
    "a URI in capitals": lambda town: issue(town.ca, "client", uris=[ROADS.upper()]),
    "a URI as host": lambda town: issue(town.ca, "client", dns=[ROADS]),
    "a common name with a space": lambda town: issue(town.ca, f"{DESK} "),
    "a common name in capitals": lambda town: issue(town.ca, DESK.upper()),
    "the desk as organisation": lambda town: _named(town.ca, NameOID.ORGANIZATION_NAME, DESK),
    "the desk as host": lambda town: issue(town.ca, "client", dns=[DESK.replace(" ", "-")]),
    "names of two departments": lambda town: issue(town.ca, "client", dns=[FIRE, POLICE]),
    "host of one and common name of another": lambda town: issue(town.ca, DESK, dns=[FIRE]),
}
"""What it says: the handshake is good, and nobody of the policy."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Certificates of an honest town."""
    return Town(tmp_path_factory.mktemp("town"))


def test_there_are_enough_forgeries() -> None:
    """At least 30 kinds."""
    assert len(NO_CONNECTION) + len(NOT_KNOWN) >= 50


def test_honest_certificates_are_served(town: Town) -> None:
    """By host, by URI, by common name; and through an intermediate authority that may issue."""
    honest = {
        "host": town.client(FIRE),
        "host in capitals": town.client(FIRE.upper()),
        "host among others": issue(town.ca, "client", dns=["water.city.example", FIRE]),
        "URI": issue(town.ca, "client", uris=[ROADS]),
        "common name": issue(town.ca, DESK),
        "through a middle": _under(town.ca),
        "through a middle for its names": _under(town.ca, extensions=_only("city.example")),
        "RSA": issue(town.ca, "client", dns=[FIRE], key=rsa.generate_private_key(65537, 2048)),
        "until soon": issue(town.ca, "client", dns=[FIRE], ends=timedelta(minutes=1)),
    }

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            for what, pair in honest.items():
                async with city.client(pair) as client:
                    assert (await client.stub.GetIncident(ASKED)).incident_id == "a", what
            assert not city.server.doors.denials.by_reason

    run(test)


def test_a_handshake_fails_for_certificates_that_are_not_good(town: Town) -> None:
    """No call reaches the server; each kind is asked on a connection of its own."""

    async def test() -> None:
        got = {}
        async with guarded(town, a_log([an_incident("a")])) as city:
            for what, make in NO_CONNECTION.items():
                async with city.client(make(town)) as client:
                    try:
                        got[what] = str(await client.stub.GetIncident(ASKED, timeout=5.0))
                    except grpc.aio.AioRpcError as error:
                        got[what] = error.code().name
            assert not city.server.doors.denials.by_reason
        assert got == dict.fromkeys(NO_CONNECTION, "UNAVAILABLE")

    run(test)


@pytest.mark.parametrize("what", NO_CONNECTION)
def test_the_server_itself_ends_such_a_handshake(town: Town, tmp_path: Path, what: str) -> None:
    """Asked with another library, which shows whatever it is told to, where that is possible at all."""

    async def test() -> None:
        async with guarded(town) as city:
            pair = NO_CONNECTION[what](town)
            answer = asyncio.to_thread(_first_bytes, city.server.address, pair, tmp_path / "client")
            assert (await answer) == ("local" if what == "key of somebody else" else "refused")

    run(test)


def test_the_server_answers_an_honest_handshake(town: Town, tmp_path: Path) -> None:
    """So the test above sees a refusal where there is one only."""

    async def test() -> None:
        async with guarded(town) as city:
            answer = asyncio.to_thread(_first_bytes, city.server.address, town.client(FIRE), tmp_path / "client")
            assert (await answer) == "served"

    run(test)


def _first_bytes(address: str, pair: Pair | None, stem: Path) -> str:
    """Whether the server begins to speak HTTP/2 to a client with this certificate, or ends the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if pair is not None:
        try:
            context.load_cert_chain(*pair.write(stem))
        except ssl.SSLError:
            return "local"
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as plain:
        try:
            with context.wrap_socket(plain) as talk:
                talk.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                return "served" if talk.recv(9) else "refused"
        except (ssl.SSLError, ConnectionError):
            return "refused"


def test_a_certificate_of_nobody_is_refused_and_counted(town: Town) -> None:
    """A good handshake is not yet a caller; every refusal says the same."""

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            said = set()
            for what, make in NOT_KNOWN.items():
                async with city.client(make(town)) as client:
                    code, info, _ = await refusal(client.stub.GetIncident(ASKED))
                    assert (code, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_KNOWN"), what
                    said.add(info.SerializeToString(deterministic=True))
            assert len(said) == 1
            assert city.server.doors.denials.by_reason == {"NOT_KNOWN": len(NOT_KNOWN)}

    run(test)


def test_a_pinned_certificate_is_that_one_only(town: Town, tmp_path: Path) -> None:
    """A second one of the same names and authority is another one; what is taken out of the policy is refused."""
    pinned, second, gone = town.client(FIRE), town.client(FIRE), town.client(POLICE)
    own = Town(tmp_path, town.ca, town.server_ca)
    own.decide(f'[departments.fire]\ncertificates = ["{pinned.fingerprint}"]\npermissions = ["feed.read"]\n')

    async def test() -> None:
        async with guarded(own, a_log([an_incident("a")])) as city:
            async with city.client(pinned) as client:
                assert (await client.stub.GetIncident(ASKED)).incident_id == "a"
            for pair in (second, gone, dataclasses.replace(second, chain=(pinned.certificate,))):
                async with city.client(pair) as client:
                    code, *_ = await refusal(client.stub.GetIncident(ASKED))
                    assert code is grpc.StatusCode.UNAUTHENTICATED

    run(test)


@pytest.mark.parametrize("token", ["Bearer eyJhbGciOiJub25lIn0.e30.", "Basic ZmlyZTpmaXJl", "", "fire"])
def test_a_token_is_refused_even_beside_a_good_certificate(town: Town, token: str) -> None:
    """Who shows a token expects it to be checked; nothing here checks one. The token is not said again."""

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client(FIRE)) as client:
            call = client.stub.GetIncident(ASKED, metadata=(("authorization", token),))
            code, info, _ = await refusal(call)
            assert (code, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_KNOWN")
            assert len(token) < 5 or token not in await call.details()

    run(test)


def test_plain_connections_get_nothing(town: Town) -> None:
    """Neither the feed nor health, on a port that speaks TLS."""

    async def test() -> None:
        async with guarded(town) as city, grpc.aio.insecure_channel(city.server.address) as channel:
            code = await feed_pb2_grpc.FeedServiceStub(channel).GetIncident(ASKED).code()
            assert code is grpc.StatusCode.UNAVAILABLE

    run(test)


def test_without_a_policy_client_certificates_open_nothing(town: Town) -> None:
    """An authority alone says who somebody is, not what they may."""
    import msgspec

    async def test() -> None:
        listen = msgspec.structs.replace(town.listen, policy="")
        async with guarded(town, listen=listen) as city, city.client(town.client(FIRE)) as client:
            code, info, _ = await refusal(client.stub.GetIncident(ASKED))
            assert (code, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_KNOWN")

    run(test)
