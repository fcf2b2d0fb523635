"""RTSP servers for tests: a real one that dies, hangs and comes back, and pictures that say when they were made."""

import asyncio
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final

import numpy as np

from city_brain.vision.letterbox import Frame
from city_brain.vision.live.camera import LiveCamera, LiveFrame
from city_brain.vision.live.settings import CameraSource, VideoSettings

PYTHON: Final = "/usr/bin/python3"
"""The system's, which has the bindings of GStreamer."""
PROGRAM: Final = Path(__file__).with_name("rtsp_server.py")
ABSENT: Final = 3
_PORTS: Final = range(20_000, 30_000)
"""Below those that the system hands to outgoing connections: a port is still free when a server comes back to it."""
_CELL, _BAND, _BITS = 8, 32, 40


class RtspServer:
    """A server of some mounts; raises FileNotFoundError where its packages are not installed."""

    def __init__(self, mounts: int, *login: str) -> None:
        self.port = free_port()
        self._arguments = [str(self.port), str(mounts), *login]
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def url(self, mount: int | str) -> str:
        """The address of a mount, or of `h265`, `jpeg` or `vp8`."""
        return f"rtsp://127.0.0.1:{self.port}/{mount}"

    def start(self) -> None:
        """Starts it, on the same port every time, and waits until it answers."""
        # Where whoever started it is killed, the server goes too.
        leash = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        command = [*leash, PYTHON, str(PROGRAM), *self._arguments]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError as absent:
            raise FileNotFoundError(f"RTSP server: wanted {PYTHON}, got none") from absent
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != "ready":
            self.kill()
            if self._process.returncode == ABSENT:
                raise FileNotFoundError(f"RTSP server: wanted GStreamer's packages as .ci/run has them, got: {said}")
            raise RuntimeError(f"RTSP server: wanted it ready, got {said!r}")

    def kill(self) -> None:
        """Ends it as a power cut would."""
        assert self._process is not None
        if self._process.poll() is None and self._process.stdout is not None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def freeze(self) -> None:
        """It hangs, with its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def behind_tls(port: int, certificate: str, key: str) -> Iterator[int]:
    """A port of this machine that speaks TLS for another one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pump(reader, inner), pump(inner_reader, writer))
        finally:
            for one in (inner, writer):
                one.transport.abort()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def made_ms(frame: Frame) -> tuple[int, int]:
    """Epoch ms when a picture of the server was made, and which mount it is of."""
    cells = frame[_BAND // 4 : 3 * _BAND // 4, :, 1].reshape(_BAND // 2, _BITS, _CELL)[:, :, 2:6]
    bits = (cells.mean(axis=(0, 2)) > 128).astype(np.uint64)
    value = int("".join(str(bit) for bit in bits), 2)
    now_ms = time.time_ns() // 1_000_000
    return now_ms - (now_ms - value) % 2**32, value >> 32


def camera(camera_id: str, source: CameraSource, folder: Path, **changed: object) -> LiveCamera:
    """A camera on this machine."""
    said: dict[str, object] = {"networks": ("127.0.0.0/8",), "schemes": ("rtsp", "rtsps", "http", "https")}
    return LiveCamera(camera_id, source, VideoSettings(**(said | changed)), folder)  # type: ignore[arg-type]


def wait_for(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """Waits until something holds, and returns how long that took; an AssertionError after `seconds`."""
    began = time.monotonic()
    while not holds():
        lasted = time.monotonic() - began
        assert lasted < seconds, f"wanted {what} within {seconds:g} s"
        time.sleep(0.01)
    return time.monotonic() - began


def frames_of(cameras: Iterable[LiveCamera], seconds: float) -> dict[str, list[LiveFrame]]:
    """What each camera gives in some seconds, taken as soon as it can be."""
    taken: dict[str, list[LiveFrame]] = {watched.camera_id: [] for watched in cameras}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for watched in cameras:
            frame = watched.take()
            if frame is not None:
                taken[watched.camera_id].append(frame)
        time.sleep(0.005)
    return taken


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    for port in random.sample(_PORTS, 50):
        with socket.socket() as trying:
            try:
                trying.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("wanted a free port, got none in 50 tries")
