"""Where a server listens, and all its limits, each with what happens there."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated

import grpc
import grpc.aio
import msgspec

from city_brain.errors import SettingsError
from city_brain.feeds.subscription import QUEUE_LIMIT
from city_brain.servers.paths import FORMAT

FilePath = Annotated[str, msgspec.Meta(extra_json_schema=FORMAT)]
"""In a file of settings it begins at the folder of that file."""
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0.0)]
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:]+)):(?P<port>[0-9]{1,9})")
_LAST_PORT = (1 << 16) - 1


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to listen, and behind which certificate. The default is reached from this machine only."""

    address: str = "127.0.0.1:50550"
    """`host:port`, `[ipv6]:port` or `unix:path`; port 0 takes a free one."""
    tls_certificate: FilePath = ""
    """File with the server's certificate and its chain, PEM; "" serves without TLS."""
    tls_key: FilePath = ""
    """File with the certificate's private key, PEM, without a password."""
    tls_client_ca: FilePath = ""
    """File with the authorities, PEM, whose certificates clients must show; "" asks for none."""
    policy: FilePath = ""
    """File that says who may do what, TOML. "" on an address of this machine: whoever reaches it may do everything;
    "" with client authorities: nobody may do anything."""
    insecure_listen: bool = False
    """Serves other machines without asking for their certificates, or without TLS at all: whoever reaches the port may
    do what the policy's table [anonymous] says, and without TLS nothing hides it."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the feed is served over plain HTTP, beside gRPC and behind the same policy; what is left out is as in
    `[feed]`.
    """

    address: str = ""
    """`host:port` or `[ipv6]:port`; port 0 takes a free one, "" serves no HTTP."""
    tls_certificate: FilePath = ""
    """File with the server's certificate and its chain, PEM."""
    tls_key: FilePath = ""
    """File with the certificate's private key, PEM, without a password."""
    tls_client_ca: FilePath = ""
    """File with the authorities, PEM, whose certificates clients must show."""
    insecure_listen: bool = False
    """Serves other machines without asking for their certificates, as far as `[anonymous]` of the policy allows."""

    def listening(self, feed: ListenSettings) -> ListenSettings:
        """Where and to whom it listens, beside a feed that listens so."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value}
        return msgspec.structs.replace(feed, **own)


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the changes of the feed are kept, and for how long."""

    url: str = ""
    """`sqlite:///FILE` (relative to the site) or `postgresql+psycopg://…`; "" keeps them in feed.sqlite of the site,
    but those of a recording in memory alone. `memory` keeps nothing."""
    history_days: Annotated[float, msgspec.Meta(gt=0.0)] = 7.0
    """Age at which changes are forgotten, by log time; later where a subscription has not acknowledged them yet."""

    @property
    def history_ms(self) -> int:
        """The same in ms."""
        return round(self.history_days * 86_400_000)

    def url_in(self, site: Path, live: bool = True) -> str:
        """Where a site keeps its feed; "" for nowhere."""
        if self.url == "memory" or (not self.url and not live):
            return ""
        url = self.url or "sqlite:///feed.sqlite"
        file = url.removeprefix("sqlite:///")
        return f"sqlite:///{site.resolve() / file}" if url.startswith("sqlite:///") else url


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one server grants. Memory beside the change log: `watchers` × 0.1 MB of HTTP/2 windows at the worst."""

    watchers: Count = 2_000
    """Readers that watch at a time; one more is refused with TOO_MANY_STREAMS."""
    calls: Count = 200
    """Other calls at a time; one more is refused by gRPC with RESOURCE_EXHAUSTED."""
    streams_per_connection: Count = 100
    """Calls at a time on one connection; HTTP/2 makes further ones wait at the client."""
    queue_limit: Count = QUEUE_LIMIT
    """Changes that may wait for a reader; beyond, it is cut with READER_TOO_SLOW."""
    opening_s: Seconds = 10.0
    """Time for the first request of a watch to come; then it is refused. Also for a handshake, and over HTTP for the
    first request after it came: then a connection is closed."""
    cut_wait_s: Seconds = 10.0
    """How long a cut reader that reads nothing holds its place; then the reason waits for it at gRPC."""
    receive_bytes: Count = 1 << 20
    """Size of a request; a larger one is refused by gRPC with RESOURCE_EXHAUSTED."""
    send_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 4 << 20
    """Size of a message to a client, the default limit of gRPC clients. Pages and snapshots are split at a quarter of
    it; an incident above a quarter leaves out rows of its evidence, then its evidence, and is marked `trimmed`."""
    heartbeat_s: Seconds = 1.0
    """Log time between heartbeats."""
    idle_s: Seconds = 5.0
    """Wall time without any message after which a heartbeat is sent all the same."""
    keepalive_s: Seconds = 30.0
    """Time between the pings that find dead connections."""
    keepalive_wait_s: Seconds = 10.0
    """Time for the answer to a ping; then the connection is closed."""
    client_ping_s: Seconds = 10.0
    """Least time between pings of a client; one that pings more often is sent away (ENHANCE_YOUR_CALM)."""
    connection_age_s: Seconds = 3_600.0
    """Age of a connection (± 10 %) at which its clients are asked for a new one, so that load and certificates move."""
    connection_age_wait_s: Seconds = 30.0
    """Time for the calls on it to end; then watches break with UNAVAILABLE and resume by number."""
    stop_wait_s: Seconds = 5.0
    """Time for calls to end when the server stops; watches are told SERVER_STOPPING at once."""

    @property
    def piece_bytes(self) -> int:
        """Size at which pages and snapshots are split and incidents trimmed."""
        return self.send_bytes // 4

    def channel_options(self, connections: int) -> list[tuple[str, int]]:
        """The limits that gRPC itself keeps, with so many connections at a time, counted from the first.

        Two servers never share a port: the second one fails to start.
        """
        return [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", self.receive_bytes),
            ("grpc.max_send_message_length", self.send_bytes),
            ("grpc.max_concurrent_streams", self.streams_per_connection),
            ("grpc.keepalive_time_ms", _ms(self.keepalive_s)),
            ("grpc.keepalive_timeout_ms", _ms(self.keepalive_wait_s)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", _ms(self.client_ping_s)),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(self.client_ping_s)),
            ("grpc.max_allowed_incoming_connections", connections),
            ("grpc.server_handshake_timeout_ms", _ms(self.opening_s)),
            ("grpc.max_connection_age_ms", _ms(self.connection_age_s)),
            ("grpc.max_connection_age_grace_ms", _ms(self.connection_age_wait_s)),
        ]


def bind(server: grpc.aio.Server, settings: ListenSettings, credentials: grpc.ServerCredentials | None) -> str:
    """Binds the server and returns its address, with the port it got; raises SettingsError where it cannot have it."""
    host, port = split(settings.address)
    try:
        if credentials is None:
            bound = server.add_insecure_port(settings.address)
        else:
            bound = server.add_secure_port(settings.address, credentials)
    except RuntimeError as wrong:
        raise SettingsError(
            f"listen address {settings.address}: wanted a free port of this machine, got {wrong}"
        ) from wrong
    return settings.address if host.startswith("unix:") else f"{bracketed(host)}:{bound or port}"


def host_of(address: str) -> str:
    """The host of an address to listen on; a Unix socket is its own. Raises SettingsError where it is no address."""
    return split(address)[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it: 127.0.0.0/8, ::1, localhost, a Unix socket. No name is looked up."""
    if host == "localhost" or host.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split(address: str) -> tuple[str, int]:
    """Host and port of an address to listen on; a Unix socket is its own host. Raises SettingsError for no address."""
    if address.startswith("unix:"):
        return address, 0
    found = _HOST_AND_PORT.fullmatch(address)
    if found is not None and int(found["port"]) > _LAST_PORT:
        raise SettingsError(f"listen address: wanted a port from 0 to {_LAST_PORT}, got {found['port']} in {address!r}")
    if found is None:
        raise SettingsError(f"listen address: wanted host:port, [ipv6]:port or unix:path, got {address!r}")
    return found["ipv6"] or found["host"], int(found["port"])


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
