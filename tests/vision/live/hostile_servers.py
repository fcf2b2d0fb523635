"""Servers that mean harm, on loopback: they say one thing each to whoever dials, and count who does."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

Say = Callable[[socket.socket], None]
DROPPED_S: Final = 0.2


class Listening:
    """A port and how many have dialled it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.dialled = 0
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.dialled += 1
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10.0)
            self._say(connection)

    def close(self) -> None:
        """Listens no more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def listening(say: Say) -> Iterator[Listening]:
    """A server that says something to each who dials, as long as the block lasts."""
    server = Listening(say)
    try:
        yield server
    finally:
        server.close()


def silent(connection: socket.socket) -> None:
    """Says nothing at all."""
    time.sleep(10.0)


def once(answer: bytes) -> Say:
    """The same answer whatever was asked, once; then it hangs up."""

    def say(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)
        time.sleep(DROPPED_S)

    return say


def rtsp(*answers: str) -> Say:
    """The next answer to each request, with its number; the last one to all that follow."""

    def say(connection: socket.socket) -> None:
        asked = 0
        while request := connection.recv(65_536).decode():
            number = next((line.split()[1] for line in request.splitlines() if line.lower().startswith("cseq:")), "0")
            answer = answers[min(asked, len(answers) - 1)].replace("\n", "\r\n").replace("NUMBER", number)
            connection.sendall(answer.encode("latin-1"))
            asked += 1

    return say
