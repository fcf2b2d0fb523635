"""JPEGs out of a body of kind multipart/x-mixed-replace (RFC 2046, section 5.1), as cameras send them without end."""

import re
from typing import Final

from city_brain.errors import CameraError

MOST_HEADER_BYTES: Final = 4096
"""Of a part, and of what may stand before the first one."""
MOST_PICTURE_BYTES: Final = 32 * 2**20
"""A camera of 32 million pixels sends 10 to 20 MB."""
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,72}")
_LENGTH: Final = re.compile(rb"[0-9]{1,8}")


class Parts:
    """Reads a body in order, cut anywhere; memory: one picture, and what came with its end."""

    __slots__ = ("_buffer", "_delimiter", "_length", "_place", "_searched")

    def __init__(self, boundary: str, place: str) -> None:
        self._place = place
        boundary = boundary.removeprefix("--")  # many cameras give it with the dashes that stand before it
        if not _BOUNDARY.fullmatch(boundary):
            raise self._error("a boundary between pictures", "none")
        self._delimiter = b"--" + boundary.encode()
        self._buffer = bytearray()
        self._length: int | None = None
        self._searched = -1
        """Up to where the end of a picture without a length was looked for; -1 before its header is over."""

    def read(self, data: bytes) -> list[bytes]:
        """The pictures that end in these bytes, the oldest first; raises CameraError where there can be none."""
        self._buffer += data
        found: list[bytes] = []
        while True:
            if self._length is None and self._searched < 0 and not self._header():
                return found
            picture = self._picture()
            if picture is None:
                return found
            if picture:
                found.append(picture)

    def _header(self) -> bool:
        """Goes past the delimiter and the header of a part; False where they are not here yet."""
        start = self._buffer.find(self._delimiter)
        end = self._buffer.find(b"\r\n\r\n", max(start, 0)) if start >= 0 else -1
        if end < 0 or end - start > MOST_HEADER_BYTES or start > MOST_HEADER_BYTES:
            if len(self._buffer) > 2 * MOST_HEADER_BYTES or end >= 0:
                raise self._error(f"a part that begins within {MOST_HEADER_BYTES} bytes", "none")
            return False
        first, *lines = bytes(self._buffer[start + len(self._delimiter) : end]).split(b"\r\n")
        if first.startswith(b"--"):
            raise self._error("pictures without end", "the last one")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        kind = fields.get(b"content-type", b"image/jpeg").partition(b";")[0].strip().lower()
        if kind not in (b"image/jpeg", b"image/jpg"):
            raise self._error("pictures of kind image/jpeg", "another kind")
        length = fields.get(b"content-length")
        if length is not None and (not _LENGTH.fullmatch(length) or int(length) > MOST_PICTURE_BYTES):
            raise self._error(f"pictures of at most {MOST_PICTURE_BYTES} bytes", "another length")
        del self._buffer[: end + 4]
        self._length, self._searched = (None, 0) if length is None else (int(length), -1)
        return True

    def _picture(self) -> bytes | None:
        """The picture that is over, None where it goes on; a part may be empty."""
        if self._length is not None:
            if len(self._buffer) < self._length:
                return None
            end = after = self._length
        else:
            end = self._buffer.find(b"\r\n" + self._delimiter, max(self._searched - len(self._delimiter) - 2, 0))
            if end < 0:
                self._searched = len(self._buffer)
                if self._searched > MOST_PICTURE_BYTES:
                    raise self._error(f"pictures of at most {MOST_PICTURE_BYTES} bytes", "a longer one")
                return None
            after = end + 2
        picture = bytes(self._buffer[:end])
        del self._buffer[:after]
        self._length, self._searched = None, -1
        return picture

    def _error(self, wanted: str, got: str) -> CameraError:
        return CameraError(f"{self._place}: wanted {wanted}, got {got}")
