"""Images of a folder as frames, in the order of their names, numbers in them counted as numbers."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from city_brain.errors import RecordingError
from city_brain.vision.frames.limits import MOST_PIXELS, Footage, TimedFrame, load_opencv, size_text

MOST_BYTES: Final = 160_000_000
"""Of a file: noise of `MOST_PIXELS` takes about 120 MB as a PNG."""
APART_MS: Final = 1000
"""Between images, where nothing else is said."""
MOST_SCANS: Final = 100
"""Of a JPEG: ten are usual; those of pictures within it count, too. Each goes over all pixels, for a dozen bytes."""
_SCAN: Final = b"\xff\xda"
_KINDS: Final = (".png", ".jpg", ".jpeg")


def open_images(folder: Path, place: str, every_ms: int | None) -> Footage:
    """The PNG and JPEG files of a folder, `every_ms` apart; others are no frames. Raises RecordingError."""
    load_opencv(place)  # where it is not installed, that is told first
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in _KINDS]
    except OSError as wrong:
        raise RecordingError(f"{place}: wanted a folder of images, got: {wrong.strerror}") from wrong
    if not names:
        raise RecordingError(f"{place}: wanted a folder with images ({', '.join(_KINDS)}), got none in it")
    apart_ms = every_ms or APART_MS
    paths = [folder / name for name in sorted(names, key=_counted)]
    return Footage(place, 1000.0 / apart_ms, len(paths), _frames(paths, place, apart_ms))


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG or JPEG says it has, None for what is neither; nothing is unpacked."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _counted(name: str) -> tuple[list[tuple[str, int]], str]:
    """What names are sorted by: frame9 stands before frame10."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return [(word, int(number or 0)) for word, number in parts], name


def _frames(paths: list[Path], place: str, apart_ms: int) -> Iterator[TimedFrame]:
    first: tuple[int, ...] | None = None
    for number, path in enumerate(paths):
        frame = read_image(_bytes(path, f"{place}: {path.name}"), f"{place}: {path.name}")
        first = first or frame.shape
        if frame.shape != first:
            wanted = f"{first[1]} × {first[0]} pixels as in the first image"
            raise RecordingError(f"{place}: {path.name}: wanted {wanted}, got {size_text(frame)}")
        yield TimedFrame(number * apart_ms, frame)


def read_image(data: bytes, place: str) -> Any:
    """A picture (height, width, 3) in PNG or JPEG; RecordingError where it is none, too large or damaged."""
    cv2 = load_opencv(place)
    size = picture_size(data)
    if size is None:
        raise RecordingError(f"{place}: wanted an image in PNG or JPEG, got none in {len(data)} bytes")
    if not 0 < size[0] * size[1] <= MOST_PIXELS:
        raise RecordingError(f"{place}: wanted an image of 1 to {MOST_PIXELS} pixels, got {size[0]} × {size[1]}")
    scans = data.count(_SCAN) if data[:2] == b"\xff\xd8" else 1
    if scans > MOST_SCANS:
        raise RecordingError(f"{place}: wanted a JPEG of at most {MOST_SCANS} scans, got {scans}")
    try:
        frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as wrong:
        raise RecordingError(f"{place}: wanted a whole image, got {wrong.err}") from wrong
    if frame is None:
        raise RecordingError(f"{place}: wanted a whole image, got one that cannot be unpacked")
    return frame


def _bytes(path: Path, place: str) -> bytes:
    """All of a regular file; a pipe that somebody named like an image is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as wrong:
        raise RecordingError(f"{place}: wanted an image, got: {wrong.strerror}") from wrong
    with os.fdopen(descriptor, "rb") as file:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode) or known.st_size > MOST_BYTES:
            raise RecordingError(f"{place}: wanted a file of at most {MOST_BYTES} bytes, got another kind or more")
        return file.read(MOST_BYTES)
