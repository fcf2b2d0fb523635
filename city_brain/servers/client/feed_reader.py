"""A reader of the feed that reconnects and loses nothing: the client behind `city-brain watch`, and for programs.

In use, with a database that keeps the token beside what was made of it:

    async for event in FeedReader(Endpoint("127.0.0.1:50550"), Wanted(types=("crash",)), token=kept).events():
        match event:
            case Snapshot(): ...     # replaces everything held; keep event.token with it
            case Delivery(): ...     # one revision to take in, or to drop where it no longer matches; keep event.token
            case SignOfLife(): ...   # everything up to its number has been told; keep event.token
            case Interrupted(): ...  # the link broke; the reader goes on by itself
"""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
import msgspec
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from city_brain.errors import ServiceError, SettingsError
from city_brain.feeds.filters import Wanted, check_states_and_level
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Incident
from city_brain.servers.codec.feeds import heartbeat_from_proto, wanted_to_proto
from city_brain.servers.codec.incidents import incident_from_proto, incident_name
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc

SILENCE_S = 15.0
"""Without any message for so long, three heartbeats of a quiet city, the link is taken for dead."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
HEADLINE_S = 2.0
"""So long a reader waits for a headline."""
CREDIT = 500
"""Changes that the server may send before the reader asks for more, which it does at half of them."""
RECEIVE_BYTES = 16 << 20
"""Largest message taken from a server; our servers send at most 4 MiB."""

_ADDRESS = re.compile(r"(?:unix|ipv4|ipv6|dns):.+|(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):[0-9]{1,5}")
"""Without a port gRPC would take that of HTTPS."""
_ANEW = (grpc.StatusCode.OUT_OF_RANGE,)
_FINAL = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.FAILED_PRECONDITION,
)
"""Trying again would not help: the request itself is at fault."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where a feed is served."""

    address: str
    """`host:port`, `[ipv6]:port` or `unix:path`."""
    tls: bool = False
    """Whether to speak TLS; then the server must show a certificate for its name. Any file below says so, too."""
    tls_ca: str = ""
    """File with the certificates to trust, PEM; "" trusts those that gRPC brings along."""
    tls_certificate: str = ""
    """File with the certificate and chain that the client shows, PEM; "" shows none."""
    tls_key: str = ""
    """File with that certificate's private key, PEM, without a password."""

    @property
    def speaks_tls(self) -> bool:
        """Whether it is called with TLS: whoever gives certificates wants them used."""
        return self.tls or bool(self.tls_ca or self.tls_certificate or self.tls_key)

    def channel(self) -> grpc.aio.Channel:
        """A channel of its own connection; raises SettingsError where the certificates cannot be read."""
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", RECEIVE_BYTES),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]
        if not self.speaks_tls:
            return grpc.aio.insecure_channel(self.address, options)
        if bool(self.tls_certificate) != bool(self.tls_key):
            missing = "key" if self.tls_certificate else "certificate"
            raise SettingsError(f"TLS of the client: wanted a certificate and its key, got no {missing}")
        credentials = grpc.ssl_channel_credentials(
            _pem("TLS authorities", self.tls_ca),
            _pem("TLS key of the client", self.tls_key),
            _pem("TLS certificate of the client", self.tls_certificate),
        )
        return grpc.aio.secure_channel(self.address, credentials, options)

    def check(self) -> None:
        """Raises SettingsError where the address is none, or the certificates are as `check_pair` says."""
        if _ADDRESS.fullmatch(self.address) is None:
            raise SettingsError(f"address: wanted host:port, [ipv6]:port or unix:path, got {self.address!r}")
        self.check_pair()

    def check_pair(self) -> None:
        """Raises SettingsError where the certificate to show and the key do not fit together.

        For the start: later one file may just have been renewed before the other, and the next attempt finds both.
        """
        if not self.tls_certificate or not self.tls_key:
            return
        try:
            # gRPC takes any bytes here and fails at each handshake; OpenSSL says now what is wrong.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.tls_certificate, self.tls_key, lambda: "")
        except (ssl.SSLError, ValueError) as wrong:
            raise SettingsError(
                "TLS of the client: wanted a certificate and the key that belongs to it, got "
                f"{self.tls_certificate} and {self.tls_key} ({wrong})"
            ) from wrong
        except OSError:
            return  # whoever reads the files says which


def _pem(what: str, path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as wrong:
        raise SettingsError(f"{what}: wanted a file that can be read, got {path} ({wrong.strerror})") from wrong


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that matches, as of `number`: it replaces what the reader held."""

    incidents: tuple[Incident, ...]
    number: int
    feed_id: str
    token: str = ""
    """Where a reader goes on behind it."""


class SignOfLife(msgspec.Struct, frozen=True, kw_only=True):
    """The reader has been told everything up to `number`."""

    number: int
    feed_id: str
    heartbeat: Heartbeat | None
    """None before the first tick of the city."""
    token: str = ""
    """Where a reader goes on behind it."""


class Interrupted(msgspec.Struct, frozen=True, kw_only=True):
    """The watch broke; the reader resumes by itself after `pause_s` seconds."""

    why: str
    pause_s: float
    anew: bool
    """Whether it begins anew with a snapshot, because the feed cannot resume where the reader was."""
    given_up: int | None = None
    """The number behind which it wanted to go on, and the feed now says that it cannot."""


_chance = random.SystemRandom().random

Event: TypeAlias = Snapshot | Delivery | SignOfLife | Interrupted


class FeedReader:
    """Follows a feed for ever, from a token or a number (neither: from a snapshot).

    `token`, `number` and `feed_id` move on once the caller asks for the next event, so what they say has been worked
    with. A caller that keeps an event's token with its own work, and starts from it, sees every change exactly once.

    With the name of a `subscription` the server keeps the position, which the reader acknowledges as it moves on.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        wanted: Wanted | None = None,
        number: int | None = None,
        feed_id: str = "",
        jitter: Callable[[], float] = _chance,
        *,
        token: str = "",
        subscription: str = "",
        credit: int = CREDIT,
    ) -> None:
        self.number = number
        self.feed_id = feed_id
        self.token = token
        self.subscription = subscription
        self._endpoint = endpoint
        self._wanted = wanted or Wanted()
        self._jitter = jitter
        self._credit = credit
        self._failures = 0
        check_states_and_level(self._wanted)

    @property
    def address(self) -> str:
        """Where the feed is looked for."""
        return self._endpoint.address

    @property
    def speaks_tls(self) -> bool:
        """Whether it speaks TLS there."""
        return self._endpoint.speaks_tls

    async def events(self) -> AsyncGenerator[Event]:
        """The events, without end; raises ServiceError where the server refuses the request for good, and SettingsError
        where certificates cannot be used.
        """
        self._endpoint.check()
        while True:
            given_up: int | None = None
            try:
                async for event in self._watch_once():
                    self._failures = 0
                    yield event
                    self._pass(event)
                why = "the server ended the watch"
            except TimeoutError:
                why = f"no sign of life for {SILENCE_S:g} s"
            except grpc.aio.AioRpcError as error:
                if self.token and reason_of(error) == Reason.BAD_TOKEN:
                    self.token = ""  # the server has another key than before; a number may still do
                elif error.code() in _FINAL:
                    raise ServiceError(f"{self._endpoint.address}: {error.details()}") from error
                if error.code() in _ANEW:
                    given_up = self.number
                    self.number, self.feed_id, self.token = None, "", ""
                why = f"{reason_of(error) or error.code().name}: {error.details()}"
            pause_s = self._next_pause()
            anew = self.number is None and not self.token
            yield Interrupted(why=why, pause_s=pause_s, anew=anew, given_up=given_up)
            await asyncio.sleep(pause_s)

    async def headlines(self, incident: Incident) -> Mapping[str, str]:
        """What the city calls an incident, by language; nothing where it does not say."""
        request = feed_pb2.ExplainIncidentRequest(name=incident_name(incident.incident_id))
        with suppress(grpc.aio.AioRpcError):
            async with self._endpoint.channel() as channel:
                stub = feed_pb2_grpc.FeedServiceStub(channel)  # type: ignore[no-untyped-call]
                return dict((await stub.ExplainIncident(request, timeout=HEADLINE_S)).headlines)
        return {}

    async def _watch_once(self) -> AsyncIterator[Event]:
        async with self._endpoint.channel() as channel:
            call = feed_pb2_grpc.FeedServiceStub(channel).WatchIncidents()  # type: ignore[no-untyped-call]
            await _say(call, self._opening())
            pieces: list[Incident] = []
            left = self._credit
            while True:
                async with asyncio.timeout(SILENCE_S):
                    message = await call.read()
                if message is grpc.aio.EOF:
                    await _raise_for_status(call)
                    return
                event = _event(message, pieces)
                if event is None:
                    continue
                yield event
                left -= isinstance(event, Delivery)
                if left <= self._credit // 2:
                    await _say(call, feed_pb2.WatchIncidentsRequest(credit=self._credit - left))
                    left = self._credit
                if self.subscription and not isinstance(event, Delivery):
                    await _say(call, feed_pb2.WatchIncidentsRequest(acknowledge_change_number=self.number))

    def _opening(self) -> feed_pb2.WatchIncidentsRequest:
        return feed_pb2.WatchIncidentsRequest(
            filter=wanted_to_proto(self._wanted),
            after_change_number=None if self.token else self.number,
            feed_id=self.feed_id,
            resume_token=self.token,
            subscription=self.subscription,
            credit=self._credit,
        )

    def _pass(self, event: Event) -> None:
        if isinstance(event, Interrupted):
            return
        self.number, self.token = event.number, event.token
        if isinstance(event, Snapshot | SignOfLife):
            self.feed_id = event.feed_id

    def _next_pause(self) -> float:
        """Full jitter: up to 0.5 s after the first failure, doubling up to 15 s, so readers do not come in step."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return longest * self._jitter()


def _event(message: feed_pb2.WatchIncidentsResponse, pieces: list[Incident]) -> Event | None:
    """The event in a message; None for a piece of a snapshot that goes on, whose incidents are put to `pieces`."""
    match message.WhichOneof("event"):
        case "snapshot":
            piece = message.snapshot
            pieces.extend(incident_from_proto(incident) for incident in piece.incidents)
            if not piece.complete:
                return None
            return Snapshot(
                incidents=tuple(pieces),
                number=piece.change_number,
                feed_id=piece.feed_id,
                token=message.resume_token,
            )
        case "change":
            return Delivery(
                number=message.change.change_number,
                incident=incident_from_proto(message.change.incident),
                no_longer_matches=message.change.no_longer_matches,
                token=message.resume_token,
            )
        case "heartbeat":
            number, feed_id, heartbeat = heartbeat_from_proto(message.heartbeat)
            return SignOfLife(number=number, feed_id=feed_id, heartbeat=heartbeat, token=message.resume_token)
    return None


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in the ErrorInfo of a failed call, such as READER_TOO_SLOW; "" where there is none."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


async def _say(call: Any, request: feed_pb2.WatchIncidentsRequest) -> None:
    """Sends a request; where the watch has ended meanwhile, the next read says why."""
    with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
        await call.write(request)


async def _raise_for_status(call: Any) -> None:
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise grpc.aio.AioRpcError(
            code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
        )
