"""What a camera says over RTSP, read along before FFmpeg reads it: it may tell frames, and lead nowhere else.

FFmpeg follows a camera that sends it to another machine, and nothing can forbid that. So every answer is read here
first, as strictly as can be: what two programs could read as two things is refused (RFC 2326, sections 4, 10.12).
"""

import re
from http import HTTPStatus
from typing import Final

from city_brain.errors import CameraError

MOST_HEADER_BYTES: Final = 16_384
MOST_BODY_BYTES: Final = 65_536
"""Of an answer; a description of a stream takes one or two thousand."""
LEAST_PACKET_BYTES: Final = 8
"""Shorter ones are no RTP and no RTCP, and FFmpeg does not skip them."""
_ANSWER: Final = re.compile(r"RTSP/1\.[0-9] (?P<status>[1-5][0-9]{2})(?: [\x20-\x7e\x80-\xff]*)?")
_ASKED: Final = re.compile(r"(?:OPTIONS|GET_PARAMETER|SET_PARAMETER) [\x21-\x7e]+ RTSP/1\.[0-9]")
"""What a camera asks of us to see whether we are there."""
_FIELD: Final = re.compile(r"(?P<name>[A-Za-z0-9!#%&'*+.^_`|~-]+):(?P<value>[\x20-\x7e\t\x80-\xff]*)")
_LENGTH: Final = re.compile(r"[0-9]{1,6}")
_DOLLAR, _RETURN, _NEWLINE = b"$\r\n"


class Guard:
    """Reads the bytes of one connection in order, cut anywhere; memory: a header.

    `refused`: the status of the last answer that said no, 0 where there was none; `packets`: how many came.
    """

    __slots__ = ("_head", "_place", "_skip", "packets", "refused")

    def __init__(self, place: str) -> None:
        self._place = place
        self._head = bytearray()
        self._skip = 0
        self.refused = 0
        self.packets = 0

    def read(self, data: bytes) -> None:
        """Reads on; raises CameraError at the first byte after which FFmpeg must hear no more."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            elif (self._head or data[at : at + 1])[0] == _DOLLAR:
                at = self._packet(data, at)
            else:
                at = self._text(data, at)

    def _packet(self, data: bytes, at: int) -> int:
        """The four bytes before a packet: `$`, its channel, its length."""
        end = at + 4 - len(self._head)
        self._head += data[at:end]
        if len(self._head) == 4:
            self._skip = int.from_bytes(self._head[2:], "big")
            self.packets += 1
            self._head.clear()
            if self._skip < LEAST_PACKET_BYTES:
                raise self._error("packets of a stream", f"one of {self._skip} bytes")
        return min(end, len(data))

    def _text(self, data: bytes, at: int) -> int:
        """The header of an answer, up to its empty line; some cameras have empty lines before it, too."""
        if self._head == b"\r" or (not self._head and data[at] == _RETURN):
            return self._empty_line(data, at)
        known = len(self._head)
        self._head += data[at : at + MOST_HEADER_BYTES]
        end = self._head.find(b"\r\n\r\n", max(known - 3, 0))
        if end < 0:
            if len(self._head) >= MOST_HEADER_BYTES:
                raise self._error(f"an answer of at most {MOST_HEADER_BYTES} bytes before its body", "a longer one")
            return min(at + MOST_HEADER_BYTES, len(data))
        header = self._head[:end].decode("latin-1")
        self._head.clear()
        self._skip = self._header(header)
        return at + end + 4 - known

    def _empty_line(self, data: bytes, at: int) -> int:
        if self._head and data[at] != _NEWLINE:
            raise self._error("an answer in RTSP", "something else")
        self._head = self._head[1:] if self._head else bytearray(b"\r")
        return at + 1

    def _header(self, header: str) -> int:
        """How many bytes of body follow a header."""
        first, *lines = header.split("\r\n")
        answer = _ANSWER.fullmatch(first)
        if answer is None and not _ASKED.fullmatch(first):
            raise self._error("an answer in RTSP", "something else")
        lengths = []
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise self._error("an answer in RTSP", "a line that is no field")
            if field["name"].lower() == "content-length":
                lengths.append(field["value"].strip(" "))
        if answer is not None:
            self._status(int(answer["status"]))
        if not lengths:
            return 0
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > MOST_BODY_BYTES:
            raise self._error(f"one length of at most {MOST_BODY_BYTES} bytes", "another one")
        return int(lengths[0])

    def _status(self, status: int) -> None:
        if 300 <= status < 400:
            raise self._error("the stream itself", f"a redirect ({status}), which is not followed")
        self.refused = status if status >= 400 else 0

    def _error(self, wanted: str, got: str) -> CameraError:
        return CameraError(f"{self._place}: wanted {wanted}, got {got}")


def refusal(status: int, user: str) -> str:
    """What to say of an answer that says no; none of its own words, in which a password might stand."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        told = "a user and password that the camera takes" if user else "a camera that asks for no password"
        return f"wanted {told}, got {_worded(status)}"
    return f"wanted a stream at this path, got {_worded(status)}"


def _worded(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answer {status}"
