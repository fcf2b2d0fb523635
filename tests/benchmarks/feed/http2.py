"""Many watches over one HTTP/2 connection (RFC 9113), read at next to no cost, so that reading hides nothing.

It opens calls of gRPC, takes their messages as bytes, and knows nothing else: its windows are so wide that it never has
to widen them, its headers are literal, and the headers of answers are not looked at.
"""

import socket
import struct
from collections.abc import Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_WIDEST = (1 << 31) - 1
_INITIAL_WINDOW_SIZE = 4
_FIRST_WINDOW = 65_535
_CHUNK = 1 << 18


class Connection:
    """A connection to `host:port`."""

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self._authority = address
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._halves: dict[int, bytes] = {}
        self._next = 1
        self.ended: list[int] = []
        """Streams that the server has ended."""
        widened = _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WIDEST - _FIRST_WINDOW))
        self.socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WIDEST)) + widened
        )

    def call(self, path: str, request: bytes) -> int:
        """Opens a call with one request and nothing behind it; the number of its stream."""
        stream, self._next = self._next, self._next + 2
        headers = b"\x83\x86\x04" + _text(path) + b"\x01" + _text(self._authority)
        headers += b"\x0f\x10" + _text("application/grpc") + b"\x00" + _text("te") + _text("trailers")
        message = b"\x00" + struct.pack(">I", len(request)) + request
        self.socket.sendall(
            _frame(_HEADERS, _END_HEADERS, stream, headers) + _frame(_DATA, _END_STREAM, stream, message)
        )
        return stream

    def read(self) -> Iterator[tuple[int, bytes]]:
        """What has come: a stream and a message of it, each; blocks where nothing has."""
        chunk = self.socket.recv(_CHUNK)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        data = self._rest + chunk
        at = 0
        while len(data) - at >= 9 and len(data) - at - 9 >= (size := int.from_bytes(data[at : at + 3])):
            kind, flags, stream = data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9])
            payload = data[at + 9 : at + 9 + size]
            at += 9 + size
            if kind == _DATA:
                yield from self._messages(stream, payload)
            elif kind in (_SETTINGS, _PING) and not flags & _ACK:
                self.socket.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind == _GOAWAY:
                raise ConnectionError("the server sent the connection away")
            if kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                self.ended.append(stream)
        self._rest = data[at:]

    def _messages(self, stream: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        data = self._halves.pop(stream, b"") + payload
        at = 0
        while len(data) - at >= 5 and len(data) - at - 5 >= (size := int.from_bytes(data[at + 1 : at + 5])):
            yield stream, data[at + 5 : at + 5 + size]
            at += 5 + size
        if at < len(data):
            self._halves[stream] = data[at:]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    """A literal of HPACK (RFC 7541) without Huffman coding, of fewer than 127 bytes."""
    return bytes((len(text),)) + text.encode()
