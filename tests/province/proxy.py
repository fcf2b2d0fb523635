"""A link that can be cut: passes bytes between a city and its province, until it is told not to."""

import asyncio
import contextlib


class Proxy:
    """Listens on a free port of this machine and passes on to `target`; belongs to one event loop."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.cut_after: int | None = None
        """Bytes upwards, over all connections from now on, after which it cuts."""
        self.connections = 0
        self._up = 0
        self._cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.address = ""

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
        for writer in list(self._open):
            writer.transport.abort()

    def reset(self) -> None:
        """Resets what is open; what comes is let through."""
        self.cut()
        self.mend()

    def mend(self) -> None:
        """Lets connections through again."""
        self._cut = False
        self.cut_after, self._up = None, 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        host, port = self.target.rsplit(":", 1)
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
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                self._up += len(data) if upwards else 0
                if self.cut_after is not None and self._up > self.cut_after:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
