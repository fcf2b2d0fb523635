"""A link that breaks: a TCP relay which cuts, stalls and resets the connections that go through it."""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from threading import Event, Thread
from typing import Final

_PIECE: Final = 16 << 10
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends a reset."""


class Proxy:
    """Listens on a free port of this machine and passes on to `target`; belongs to one event loop."""

    def __init__(self, target: str, seed: int = 1) -> None:
        self.target = target
        self.cut_after: int | None = None
        """Bytes upwards, over all connections from now on, after which it cuts."""
        self.connections = self.resets = 0
        self.address = ""
        self._chance = random.Random(seed)
        self._up = 0
        self._cut = False
        self._goes = asyncio.Event()
        self._goes.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """Resets what is open, and turns away what comes."""
        self._cut = True
        self.reset()

    def mend(self) -> None:
        """Lets connections through again."""
        self._cut = False
        self.cut_after, self._up = None, 0

    def reset(self, share: float = 1.0) -> None:
        """Resets a share of what is open now; what comes is as before."""
        for writer in sorted(self._open, key=id):
            if self._chance.random() < share:
                self.resets += 1
                with suppress(OSError, AttributeError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

    def stall(self) -> None:
        """Holds back all that goes through."""
        self._goes.clear()

    def go_on(self) -> None:
        """Lets what was held back go on."""
        self._goes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        host, _, port = self.target.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back, upwards=True), self._pass(there, writer, upwards=False))
        finally:
            self._open -= {writer, back}
            for one in (writer, back):
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._goes.wait()
                self._up += len(data) if upwards else 0
                if self.cut_after is not None and self._up > self.cut_after:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class ThreadedProxy:
    """The same in a thread of its own, for programs without a loop."""

    def __init__(self, target: str, seed: int = 1) -> None:
        self._target, self._seed = target, seed
        self._ready, self._loop = Event(), asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)

    def __enter__(self) -> "ThreadedProxy":
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("proxy: wanted it to listen within 10 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._proxy.address

    @property
    def resets(self) -> int:
        """Connections that were reset so far."""
        return self._proxy.resets

    def reset(self, share: float = 1.0) -> None:
        """See Proxy."""
        self._loop.call_soon_threadsafe(self._proxy.reset, share)

    def cut(self, cut: bool) -> None:
        """Lets nobody through, or everybody again."""
        self._loop.call_soon_threadsafe(self._proxy.cut if cut else self._proxy.mend)

    def stall(self, stalled: bool) -> None:
        """Holds back all that goes through, or lets it go on."""
        self._loop.call_soon_threadsafe(self._proxy.stall if stalled else self._proxy.go_on)

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        async with Proxy(self._target, self._seed) as self._proxy:
            self._ready.set()
            await self._stop.wait()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
