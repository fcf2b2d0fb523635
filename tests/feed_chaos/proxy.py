"""A link that breaks: a TCP relay which stalls, cuts and resets the connections that go through it."""

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
    """Relays to `target` from a port of its own, in a thread of its own; faults are asked for from outside."""

    def __init__(self, target: str, seed: int, port: int = 0) -> None:
        host, _, target_port = target.rpartition(":")
        self._target = host, int(target_port)
        self._chance = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._stalled = asyncio.Event()
        self._cut = False
        self._port = port
        self._ready, self._stop = Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self.resets = 0
        self.address = ""

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def reset(self, share: float = 1.0) -> None:
        """Resets a share of the connections that are open now."""
        self._loop.call_soon_threadsafe(self._reset, share)

    def cut(self, cut: bool) -> None:
        """Lets nobody through, or everybody again."""
        self._loop.call_soon_threadsafe(self._set_cut, cut)

    def stall(self, stalled: bool) -> None:
        """Holds back all that goes through, or lets it go on."""
        self._loop.call_soon_threadsafe(self._stalled.clear if stalled else self._stalled.set)

    def _set_cut(self, cut: bool) -> None:
        self._cut = cut
        if cut:
            self._reset(1.0)

    def _reset(self, share: float) -> None:
        for writer in sorted(self._open, key=id):
            if self._chance.random() < share:
                self.resets += 1
                with suppress(OSError, AttributeError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

    async def _run(self) -> None:
        self._stalled.set()
        server = await asyncio.start_server(self._relay, "127.0.0.1", self._port)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        async with server:
            await self._stop.wait()
            self._reset(1.0)
            for relay in asyncio.all_tasks() - {asyncio.current_task()}:
                relay.cancel()
            await asyncio.sleep(0)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            for end in (writer, back):
                self._open.discard(end)
                end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                await self._stalled.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
