"""Opens a recording by its path: a video file, or a folder of images. Addresses, devices and pipes are refused.

A path goes to the library that reads it in absolute form, so that no part of it can be taken for a protocol.
"""

import re
import stat
from pathlib import Path
from typing import Final

from city_brain.errors import RecordingError, SettingsError
from city_brain.vision.frames.images import open_images
from city_brain.vision.frames.limits import Footage
from city_brain.vision.frames.video import open_video

MOST_EVERY_MS: Final = 3_600_000
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.,-]*:")
"""How an address begins (RFC 3986), and a protocol of FFmpeg such as `concat:`."""


def open_frames(source: str, every_ms: int | None = None) -> Footage:
    """The frames of a video file or of a folder of images, at most one in `every_ms` of media time.

    Images have no clock: they are `every_ms` apart, else a second. Raises SettingsError where `source` is an address, a
    device or a pipe, RecordingError where it cannot be opened.
    """
    if every_ms is not None and not 1 <= every_ms <= MOST_EVERY_MS:
        raise SettingsError(f"every_ms: wanted 1 to {MOST_EVERY_MS}, got {every_ms}")
    if is_address(source):
        raise SettingsError(f"{source}: wanted a file or folder of this machine (./{source} if it is), got an address")
    path = Path(source)
    try:
        mode = path.stat().st_mode
        path = path.resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as wrong:
        why = getattr(wrong, "strerror", None) or str(wrong)
        raise RecordingError(f"{source}: wanted a video file or a folder of images, got: {why}") from wrong
    if stat.S_ISDIR(mode):
        return open_images(path, source, every_ms)
    if not stat.S_ISREG(mode):
        raise SettingsError(f"{source}: wanted a video file or a folder of images, got a device, a pipe or a socket")
    return open_video(path, source, every_ms)


def is_address(source: str) -> bool:
    """Whether a text would be taken for an address somewhere, rather than for a file or folder of this machine."""
    return _ADDRESS.match(source) is not None
