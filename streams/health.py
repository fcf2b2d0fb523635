"""Metrics and health over HTTP, in a thread: `/metrics`, `/healthz` (it lives), `/readyz` (it does its work).

Whoever supervises a program asks here. The answers are 200, or 503 with what is wrong.
"""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest

from city_brain.errors import SettingsError
from city_brain.kafka.settings import WorkerSettings, host_and_port
from streams.command import logger

LOOP_STANDS_S: Final = 10.0
"""A loop that has not turned for so long computes one step without end, or waits for what never comes."""
BEAT_S: Final = 1.0
"""How often a program says that its loop turns."""
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Whether a program lives and works; told in its loop, asked in another thread."""

    def __init__(self, stalled_after_s: float) -> None:
        self._stalled_after_s = stalled_after_s
        self._beat_s = self._progress_s = time.monotonic()
        self._waits_for = "the brokers to give it partitions"
        self._idle = False

    def beat(self) -> None:
        """The loop turns."""
        self._beat_s = time.monotonic()

    def progressed(self) -> None:
        """Something was taken."""
        self._progress_s = time.monotonic()

    def ready(self, idle: bool = False) -> None:
        """It has what it needs; `idle`: it stands by without a partition, so nothing is to be expected of it."""
        self._waits_for, self._idle = "", idle
        self.progressed()

    def alive(self) -> str:
        """Why it does not live; empty where it does."""
        stands_s = time.monotonic() - self._beat_s
        return f"wanted a loop that turns, got none for {stands_s:.0f} s" if stands_s > LOOP_STANDS_S else ""

    def works(self) -> str:
        """Why it is not ready; empty where it is."""
        if self._waits_for:
            return f"waits for {self._waits_for}"
        still_s = time.monotonic() - self._progress_s
        if not self._idle and still_s > self._stalled_after_s:
            return f"wanted records within {self._stalled_after_s:g} s, got none for {still_s:.0f} s"
        return self.alive()

    def waits_for(self, what: str) -> None:
        """It cannot work before that is there."""
        self._waits_for = what


def serve_health(workers: WorkerSettings, registry: CollectorRegistry, health: Health) -> str:
    """Answers over HTTP where settings say so; the address with the port it got, empty where it is off.

    Raises SettingsError where the address is not to be had.
    """
    if not workers.metrics_address:
        return ""
    host, port = host_and_port(workers.metrics_address)
    answers: dict[str, Callable[[], tuple[int, bytes]]] = {
        "/metrics": lambda: (200, generate_latest(registry)),
        "/healthz": lambda: _verdict(health.alive()),
        "/readyz": lambda: _verdict(health.works()),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            code, text = answer() if answer else (404, b"wanted /metrics, /healthz or /readyz\n")
            self.send_response(code)
            self.send_header("Content-Type", _TEXT)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Who asks is not told."""

    try:
        server = _Server((host, port), Handler)
    except OSError as wrong:
        raise SettingsError(
            f"metrics address {workers.metrics_address}: wanted a free port of this machine, got: {wrong}"
        ) from wrong
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    address = f"{workers.metrics_address.rpartition(':')[0]}:{server.server_address[1]}"
    logger.info("metrics and health on http://%s", address)
    return address


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, handler)


def _verdict(wrong: str) -> tuple[int, bytes]:
    return (503, f"{wrong}\n".encode()) if wrong else (200, b"ok\n")
