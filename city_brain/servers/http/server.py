"""The HTTP server of a city: the feed as server-sent events and JSON, beside gRPC and behind the same policy."""

import asyncio
import socket
from types import TracebackType

from aiohttp import web

from city_brain.errors import SettingsError
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.feed.refusing import status_of
from city_brain.servers.files import connections_allowed
from city_brain.servers.http.handler import handlers
from city_brain.servers.http.porch import Porch
from city_brain.servers.http.service import HttpService
from city_brain.servers.publishing.intake import Intake
from city_brain.servers.publishing.over_http import Posting
from city_brain.servers.repeats import Complaints, Repeats
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings, bracketed, is_loopback, split

URL_BYTES = 16 << 10
"""Of the line of a request, and of each of its headers; a longer one is answered with 400."""
KEEPALIVE_S = 60.0
"""How long a connection may ask for nothing between two requests."""


class HttpServer:
    """Serves one live feed from `async with` to its end; an empty address serves nothing.

        async with HttpServer(feed, HttpSettings(address="127.0.0.1:0"), ListenSettings(), Limits()) as server:
            print(server.address)

    `beside`: how gRPC listens, whose policy holds here too. Starting raises SettingsError where the address, the
    certificate, the policy or the port will not do. A connection beyond `watchers` and `calls` of the limits is closed
    at once; one that asks for nothing, after `opening_s` of them, its handshake included; and one whose other end takes
    nothing, after `keepalive_s` and `keepalive_wait_s`.
    """

    def __init__(
        self,
        feed: LiveFeed,
        settings: HttpSettings,
        beside: ListenSettings,
        limits: Limits | None = None,
        complaints: Complaints | None = None,
        intake: Intake | None = None,
    ) -> None:
        """`complaints`: those of another server of the program, which reads the same files. `intake`: takes
        observations, too.
        """
        self._intake = intake
        self._feed, self._settings, self._limits = feed, settings, limits or Limits()
        self._listen = settings.listening(beside)
        self._complaints = complaints or Complaints()
        self._runner: web.AppRunner | None = None
        self._porch: Porch | None = None
        self.doors: Doors | None = None
        """Who may ask, and what was refused; good once it has started."""
        self.address = ""
        """Where it listens, with the port it got; "" where it does not."""

    async def start(self) -> None:
        """Binds and serves."""
        if not self._settings.address:
            return
        limits = self._limits
        host, port = split(self._listen.address)
        if host.startswith("unix:"):
            raise SettingsError(f"http address: wanted host:port or [ipv6]:port, got {self._listen.address!r}")
        names, wait_s = lambda: self._feed.names, limits.cut_wait_s
        doors = Doors(self._listen, names, status_of, cut_wait_s=wait_s, complaints=self._complaints)
        posting = None if self._intake is None else Posting(self._intake, doors)
        service = HttpService(self._feed, limits, doors, local=is_loopback(host), posting=posting)
        repeats = Repeats()
        runner = web.AppRunner(
            service.application(self._seen), handler_cancellation=True, shutdown_timeout=limits.stop_wait_s
        )
        await runner.setup()
        make = handlers(
            runner,
            repeats,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=URL_BYTES,
            max_field_size=URL_BYTES,
        )
        porch = Porch(
            make,
            lambda: len(runner.server.connections) if runner.server else 0,
            connections_allowed(limits.watchers + limits.calls, self._complaints),
            doors.ssl_context(),
            limits.opening_s,
            repeats,
        )
        try:
            bound = await porch.open(host, port)
        except OSError as wrong:
            await runner.cleanup()
            raise SettingsError(
                f"http address {self._listen.address}: wanted a free port of this machine, got {wrong}"
            ) from wrong
        self.address = f"{bracketed(host)}:{bound}"
        self._runner, self._porch = runner, porch
        self.doors = doors
        self._feed.open()
        doors.open()

    async def stop(self) -> None:
        """Turns away the readers, lets other calls end, and closes the port."""
        if self._runner is None or self._porch is None:
            return
        await self._porch.close()
        self._feed.stop()
        await self._runner.cleanup()
        if self.doors is not None:
            await self.doors.close()
        self._runner = None

    def _seen(self, request: web.Request) -> None:
        """It speaks. From now on the system gives up a connection whose other end takes nothing for so long (RFC 5482):
        one that has vanished would else hold its place for a quarter of an hour.
        """
        if self._porch is not None:
            self._porch.heard(request.protocol)
        held = request.transport.get_extra_info("socket") if request.transport else None
        if held is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            wait_ms = round(1000 * (self._limits.keepalive_s + self._limits.keepalive_wait_s))
            held.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait_ms)

    async def __aenter__(self) -> "HttpServer":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
