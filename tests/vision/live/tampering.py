"""An RTSP camera that goes wrong in the middle: what it streams is changed on its way, packet by packet."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

Change = Callable[[bytes, float], bytes | None]
"""A packet of RTP, and how many seconds of the stream there were before it; None drops the packet."""
_PICTURES: Final = 0
"""The channel of the first stream's packets; the next one is that of its reports."""


@contextmanager
def tampered(port: int, change: Change) -> Iterator[int]:
    """A port of this machine behind which the server of another one streams what `change` makes of it."""
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.ensure_future(_up(reader, inner)), asyncio.ensure_future(_down(inner_reader, writer, change))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (inner, writer):
                one.transport.abort()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change) -> None:
    began_s = 0.0
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(1)
            if head != b"$":
                writer.write(head + await _answer(reader))
                continue
            head = await reader.readexactly(3)
            packet: bytes | None = await reader.readexactly(int.from_bytes(head[1:], "big"))
            began_s = began_s or time.monotonic()
            if head[0] == _PICTURES and packet is not None:
                packet = change(packet, time.monotonic() - began_s)
            if packet is not None:
                writer.write(b"$" + head[:1] + len(packet).to_bytes(2, "big") + packet)
            await writer.drain()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """What is left of an answer, with its body."""
    header = await reader.readuntil(b"\r\n\r\n")
    fields = (line.partition(b":") for line in header.split(b"\r\n"))
    size = next((int(value) for name, _, value in fields if name.lower() == b"content-length"), 0)
    return header + await reader.readexactly(size)


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
