"""Recordings as if they were cameras: each frame comes when its time has come, once."""

import time
from functools import partial
from pathlib import Path
from typing import Final

from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.frames.opening import open_frames
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.reading.grabbed import Grabbed, Stream

_ALIVE_S: Final = 0.5


def play(path: str, every_ms: int) -> Stream:
    """The frames of a video file, at most one in `every_ms`, or of a folder of images, a second apart.

    Raises RecordingError where it cannot be read, SettingsError where it is no file or folder.
    """
    footage = open_frames(path, None if Path(path).is_dir() else every_ms)
    began = time.monotonic()
    for timed in footage.frames:
        while (early_s := began + timed.time_ms / 1000.0 - time.monotonic()) > 0.0:
            time.sleep(min(early_s, _ALIVE_S))
            yield None
        yield Grabbed(timed.time_ms, partial(_unpacked, timed))


def _unpacked(timed: TimedFrame) -> Frame:
    return timed.frame
