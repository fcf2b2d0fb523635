"""What a frame may be, and OpenCV loaded with that limit set."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from city_brain.errors import SettingsError
from city_brain.vision.letterbox import Frame

MOST_PIXELS: Final = 40_000_000
"""Of a frame: 120 MB in memory. The largest cameras on masts have 32 million pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class TimedFrame:
    """A frame and its media time in ms, 0 for the first of a recording; times rise from frame to frame."""

    time_ms: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Footage:
    """A recording that is open: its frames, to be gone through once, and how many come a second and in all.

    `most` is what the recording promises, None where it promises nothing. `frames` raises RecordingError, after what
    was read before it, where the recording breaks off.
    """

    place: str
    fps: float
    most: int | None
    frames: Iterator[TimedFrame]


def load_opencv(place: str) -> Any:
    """OpenCV, quiet and with limits; SettingsError where it is not installed."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as absent:
        raise SettingsError(
            f"{place}: wanted the package cv2, got none ({absent}): install city-brain[vision]"
        ) from absent
    return cv2


def size_text(frame: Frame) -> str:
    """Width and height, for messages."""
    return f"{frame.shape[1]} × {frame.shape[0]}"
