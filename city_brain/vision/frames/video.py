"""Frames of a video file through OpenCV's FFmpeg, with the file's own clock where it has one that can be used.

FFmpeg takes playlists and scripts for videos, too, and follows what they name. So it is told to open nothing but files,
and of these only containers that hold their frames themselves.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from city_brain.errors import RecordingError
from city_brain.vision.frames.limits import MOST_PIXELS, Footage, TimedFrame, load_opencv, size_text

CONTAINERS: Final = ("mov", "matroska", "avi", "mpegts", "mpeg", "mjpeg", "jpeg_pipe", "h264", "hevc")
"""As FFmpeg names them: MP4 and QuickTime, Matroska and WebM, AVI, MPEG, and streams without a container."""
USUAL_FPS: Final = 25.0
"""Of a file that does not say how many frames a second it has."""
LONGEST_STEP_MS: Final = 3_600_000.0
"""A clock that leaps farther from one frame to the next is broken."""
_FASTEST_FPS: Final = 1000.0
_MISSING: Final = 0.02
"""Share of the promised frames that may be missing at the end, as counts made from a duration are off a little."""
_MISSING_LEAST: Final = 2
_NONE: Final = "a file that is none, is cut short, or of an unknown codec"
_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def open_video(path: Path, place: str, every_ms: int | None) -> Footage:
    """The frames of a video file at an absolute path; raises RecordingError where it cannot be opened."""
    cv2 = load_opencv(place)
    with _only_files():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        got = "an image: images are read by their folder" if path.suffix.lower() == ".png" else _NONE
        raise RecordingError(f"{place}: wanted a video, got {got}")
    width, height = (round(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if not 0 < width * height <= MOST_PIXELS:
        capture.release()
        raise RecordingError(f"{place}: wanted frames of 1 to {MOST_PIXELS} pixels, got {width} × {height}")
    said = capture.get(cv2.CAP_PROP_FPS)
    fps = said if 0.0 < said <= _FASTEST_FPS else USUAL_FPS
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    most = round(count) if math.isfinite(count) and 0.0 < count < 2**31 else None
    frames = _frames(cv2, capture, place, fps, most, every_ms or 0)
    if not every_ms or fps <= 1000.0 / every_ms:
        return Footage(place, fps, most, frames)
    thinned = 1000.0 / every_ms
    return Footage(place, thinned, None if most is None else math.ceil(most * thinned / fps), frames)


@contextmanager
def _only_files() -> Iterator[None]:
    """While it lasts, FFmpeg opens nothing but files of known containers."""
    before = os.environ.get(_OPTIONS)
    os.environ[_OPTIONS] = f"protocol_whitelist;file|format_whitelist;{','.join(CONTAINERS)}"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPTIONS]
        else:
            os.environ[_OPTIONS] = before


def _frames(cv2: Any, capture: Any, place: str, fps: float, most: int | None, every_ms: int) -> Iterator[TimedFrame]:
    """The frames that are due; the others are not unpacked into pixels of ours."""
    clock, read, due_ms, last_ms = Clock(fps), 0, 0, -1
    first: tuple[int, ...] | None = None
    try:
        while capture.grab():
            read += 1
            time_ms = max(round(clock.read(capture.get(cv2.CAP_PROP_POS_MSEC))), last_ms + 1)
            if time_ms < due_ms:
                continue
            got, frame = capture.retrieve()
            if not got:
                raise RecordingError(f"{place}: frame {read}: wanted a picture, got one that cannot be unpacked")
            first = first or frame.shape
            if frame.shape != first:
                wanted = f"{first[1]} × {first[0]} pixels as in the first frame"
                raise RecordingError(f"{place}: frame {read}: wanted {wanted}, got {size_text(frame)}")
            last_ms = time_ms
            if every_ms:
                due_ms += every_ms * (1 + (time_ms - due_ms) // every_ms)
            yield TimedFrame(time_ms, frame)
    except cv2.error as wrong:
        raise RecordingError(f"{place}: frame {read}: wanted a picture, got {wrong.err}") from wrong
    finally:
        capture.release()
    if read == 0 or (most is not None and most - read > max(_MISSING_LEAST, _MISSING * most)):
        raise RecordingError(
            f"{place}: wanted {most or 'at least 1'} frames as the file says, got {read}: it breaks off"
        )


class Clock:
    """Media time in ms from what a file says of each frame; where that does not go on, from the frames a second."""

    __slots__ = ("_apart_ms", "_last_ms", "_offset_ms")

    def __init__(self, fps: float) -> None:
        self._apart_ms = 1000.0 / fps
        self._last_ms: float | None = None
        self._offset_ms = 0.0

    def read(self, said_ms: float) -> float:
        """The time of the next frame, 0 for the first; it rises from frame to frame."""
        if self._last_ms is None:
            self._offset_ms = said_ms if math.isfinite(said_ms) else 0.0
            self._last_ms = 0.0
            return 0.0
        time_ms = said_ms - self._offset_ms
        if not self._last_ms < time_ms <= self._last_ms + LONGEST_STEP_MS:
            time_ms = self._last_ms + self._apart_ms
        self._last_ms = time_ms
        return time_ms
