"""Where connections come in: so many at a time, counted from the first, and none that is silent for longer than it may.

The event loop's own servers count nothing before the end of a TLS handshake, let one take a minute, and log each accept
that finds no open file left with a traceback, hundreds of times a second.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from city_brain.servers.repeats import Repeats

BACKLOG = 128
"""Connections that the system holds until they are accepted."""
ACCEPT_PAUSE_S = 0.1
"""Until the next attempt where the system has no file left for a connection."""


class Porch:
    """Accepts for an HTTP server; belongs to one event loop.

    `make` makes the handler of a connection, `held` says how many connections the server has beside those that are
    still shaking hands, `most` how many there may be. One beyond them is closed at once; one that has not asked for
    anything `opening_s` after it came, handshake included, then.
    """

    def __init__(
        self,
        make: Callable[[], web.RequestHandler],
        held: Callable[[], int],
        most: int,
        tls: ssl.SSLContext | None,
        opening_s: float,
        repeats: Repeats,
    ) -> None:
        self._make, self._held, self._most = make, held, most
        self._tls, self._opening_s, self._repeats = tls, opening_s, repeats
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._greeting: set[asyncio.Task[None]] = set()
        self._silent: set[web.RequestHandler] = set()

    async def open(self, host: str, port: int) -> int:
        """Binds to all addresses of a host and returns the port of the first; raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                listening = socket.socket(family, kind, protocol)
                self._sockets.append(listening)
                listening.setblocking(False)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind(address)
                listening.listen(BACKLOG)
        except OSError:
            self._close_sockets()
            raise
        self._accepting = [loop.create_task(self._accept(listening)) for listening in self._sockets]
        return int(self._sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accepts nothing more, and lets go those that have not shaken hands; what is served goes on."""
        ending = [*self._accepting, *self._greeting]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._close_sockets()

    def heard(self, handler: web.RequestHandler) -> None:
        """A connection has asked for something."""
        self._silent.discard(handler)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue  # it went while it waited
            except OSError as wrong:
                said = f"http: wanted to accept a connection, could not ({wrong.strerror}); trying again"
                self._repeats.add("accept", said)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if len(self._greeting) + self._held() >= self._most:
                accepted.close()
                said = f"refused (connections): wanted at most {self._most}, got one more, from {address[0]}"
                self._repeats.add("connections", said)
                continue
            greeting = loop.create_task(self._greet(accepted))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, accepted: socket.socket) -> None:
        """Shakes hands where there is TLS; a connection that will not, or takes too long, is closed."""
        loop, handler = asyncio.get_running_loop(), self._make()
        until_s = loop.time() + self._opening_s
        limits = {"ssl_handshake_timeout": self._opening_s, "ssl_shutdown_timeout": self._opening_s}
        self._silent.add(handler)
        greeted = False
        with suppress(OSError):
            await loop.connect_accepted_socket(
                lambda: handler, accepted, ssl=self._tls, **(limits if self._tls else {})
            )
            greeted = True
        if greeted:
            loop.call_at(until_s, self._close_silent, handler)
        else:
            self._silent.discard(handler)

    def _close_silent(self, handler: web.RequestHandler) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            if handler.transport is not None:
                handler.transport.abort()

    def _close_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets = []
