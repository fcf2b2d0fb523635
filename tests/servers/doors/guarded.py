"""A guarded server and the certificates around it, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import grpc
import grpc.aio
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.oid import ExtendedKeyUsageOID

from city_brain.feeds.change_log import ChangeLog
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from city_brain.wire.feed.v1 import feed_pb2_grpc
from tests.certificates import Pair, authority, issue
from tests.feeds.builders import AREAS, TYPES, a_log
from tests.servers.serving import Served

FIRE, POLICE, ROADS, DESK = "fire.city.example", "police.city.example", "spiffe://city.example/roads", "duty desk"
EVERYTHING = '["feed.read", "feed.watch", "feed.explain"]'
POLICY = f"""
[departments.fire]
certificates = ["dns:{FIRE}"]
permissions = {EVERYTHING}

[departments.police]
certificates = ["dns:{POLICE}"]
permissions = {EVERYTHING}
types = ["crash"]

[departments.roads]
certificates = ["uri:{ROADS}"]
permissions = ["feed.read"]

[departments.desk]
certificates = ["cn:{DESK}"]
permissions = ["feed.read"]
"""


@dataclass
class Town:
    """A folder with the files of a guarded server, and the authorities of its clients."""

    folder: Path
    ca: Pair = field(default_factory=lambda: authority("City clients"))
    server_ca: Pair = field(default_factory=lambda: authority("City servers"))

    def __post_init__(self) -> None:
        self.renew()
        (self.folder / "clients.pem").write_bytes(self.ca.certificate.public_bytes(Encoding.PEM))
        self.decide(POLICY)

    @property
    def authorities(self) -> str:
        """File with the authority of the server, for clients to trust."""
        path = self.folder / "servers.pem"
        path.write_bytes(self.server_ca.certificate.public_bytes(Encoding.PEM))
        return str(path)

    def renew(self) -> Pair:
        """A new certificate of the server, in its files; returns it."""
        names = [DNSName("localhost"), IPAddress(ip_address("127.0.0.1"))]
        pair = issue(self.server_ca, "feed", others=names, usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
        pair.write(self.folder / "server")
        return pair

    def decide(self, policy: str) -> None:
        """Writes the policy."""
        (self.folder / "policy.toml").write_text(policy, encoding="utf-8")

    @property
    def listen(self) -> ListenSettings:
        """Where and to whom it listens."""
        return ListenSettings(
            address="127.0.0.1:0",
            tls_certificate=str(self.folder / "server.crt"),
            tls_key=str(self.folder / "server.key"),
            tls_client_ca=str(self.folder / "clients.pem"),
            policy=str(self.folder / "policy.toml"),
        )

    def credentials(self, pair: Pair | None) -> grpc.ChannelCredentials:
        """Those of a client with this certificate; None: without one."""
        trusted = self.server_ca.certificate.public_bytes(Encoding.PEM)
        if pair is None:
            return grpc.ssl_channel_credentials(trusted)
        return grpc.ssl_channel_credentials(trusted, pair.key_pem, pair.certificate_pem)

    def client(self, dns: str) -> Pair:
        """An honest client of this name."""
        return issue(self.ca, "client", dns=[dns])


@dataclass
class Guarded:
    """A running server of a town, and clients of it."""

    town: Town
    feed: LiveFeed
    server: GrpcServer

    @asynccontextmanager
    async def client(self, pair: Pair | None) -> AsyncIterator[Served]:
        """A client on a connection of its own that shows a certificate."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(self.server.address, self.town.credentials(pair), options) as channel:
            yield Served(self.feed, self.server, channel, feed_pb2_grpc.FeedServiceStub(channel))


@asynccontextmanager
async def guarded(
    town: Town, log: ChangeLog | None = None, limits: Limits | None = None, listen: ListenSettings | None = None
) -> AsyncIterator[Guarded]:
    """Serves a log behind the doors of a town."""
    feed = LiveFeed(log or a_log(), TYPES, AREAS)
    async with GrpcServer(feed, listen or town.listen, limits or Limits(stop_wait_s=1.0, cut_wait_s=1.0)) as server:
        yield Guarded(town, feed, server)
