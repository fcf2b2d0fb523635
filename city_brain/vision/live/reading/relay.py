"""The one connection to an RTSP camera: dialled here, with TLS where it shall be, and handed to FFmpeg on loopback.

So FFmpeg knows no address but ours. The certificate of a camera is checked against its name, which FFmpeg cannot do,
as it is told no name.
"""

import asyncio
import ssl
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Final

from city_brain.errors import CameraError
from city_brain.vision.live.addresses import Dialled
from city_brain.vision.live.reading.grabbed import epoch_ms
from city_brain.vision.live.reading.guard import Guard

_BLOCK: Final = 65_536
_MARGIN_S: Final = 1.0


class Relay:
    """A context in which one connection may be made to `port` of 127.0.0.1; what comes from the camera is guarded.

    `quiet_s`: a camera that says nothing for so long is left. `tls_ca`: a file of those who may vouch for it, empty for
    those whom the system trusts. `failure`: why the connection was cut, empty where the
    other side closed it; `closed`: whether it is over. `first_ms`: epoch ms when its first packet came, 0 before that.
    Memory: two blocks of 64 KiB, and the buffers of the system.
    """

    def __init__(self, dialled: Dialled, quiet_s: float, tls_ca: str = "") -> None:
        self.port = 0
        self.first_ms = 0
        self.failure = ""
        self.closed = False
        self.guard = Guard(str(dialled.address))
        self._dialled, self._quiet_s, self._tls_ca = dialled, quiet_s, tls_ca
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._taken = False

    def __enter__(self) -> "Relay":
        """Dials; raises CameraError where nobody answers, or somebody whose certificate is not good."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(self._quiet_s + _MARGIN_S)
        except OSError as wrong:
            self.close()
            why = str(wrong) or f"no answer in {self._quiet_s:g} s"
            raise CameraError(f"{self._dialled.address}: wanted a connection, got: {why}") from wrong
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hangs up."""
        self.close()

    def close(self) -> None:
        """Hangs up; a second time does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(_MARGIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        address = self._dialled.address
        context = ssl.create_default_context(cafile=self._tls_ca or None) if address.scheme == "rtsps" else None
        name = address.host if context else None
        dial = asyncio.open_connection(self._dialled.ip, address.port, ssl=context, server_hostname=name)
        async with asyncio.timeout(self._quiet_s):
            self._camera_reader, self._camera = await dial
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_BLOCK)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _hang_up(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self.port:
            self._server.close()
            self._camera.transport.abort()
            await asyncio.sleep(0)  # transports end on the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways, until either side is at its end; a second caller is turned away."""
        if self._taken:
            writer.transport.abort()
            return
        self._taken = True
        ways = [asyncio.ensure_future(self._up(reader)), asyncio.ensure_future(self._down(writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.closed = True
            writer.transport.abort()
            self._camera.transport.abort()

    async def _up(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(_BLOCK):
                self._camera.write(data)
                await self._camera.drain()

    async def _heard(self) -> bytes:
        async with asyncio.timeout(self._quiet_s):
            return await self._camera_reader.read(_BLOCK)

    async def _down(self, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await self._heard():
                self.guard.read(data)
                self.first_ms = self.first_ms or (epoch_ms() if self.guard.packets else 0)
                writer.write(data)
                await writer.drain()
        except CameraError as wrong:
            self.failure = str(wrong)
        except TimeoutError:
            self.failure = f"{self._dialled.address}: wanted a frame in {self._quiet_s:g} s, got silence"
        except OSError as wrong:
            self.failure = f"{self._dialled.address}: wanted a stream that goes on, got: {wrong}"
