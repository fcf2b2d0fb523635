"""Writes frames as a video with what was seen drawn upon them: boxes, classes, tracks, speeds."""

import math
from pathlib import Path
from typing import Any, Final

from city_brain.errors import RecordingError
from city_brain.observations.vocabulary import ObjectClass
from city_brain.vision.eyes import Seen
from city_brain.vision.frames.limits import load_opencv
from city_brain.vision.letterbox import Frame

CODEC: Final = "mp4v"
"""MPEG-4 part 2: every build of OpenCV with FFmpeg can write it."""
_COLOURS: Final = ((80, 220, 80), (0, 200, 255), (255, 160, 60), (220, 100, 255), (255, 255, 80), (120, 160, 255))
"""Of boxes, by track, as blue, green, red."""
_TEXT: Final = (255, 255, 255)


class AnnotatedVideo:
    """An MP4 that grows frame by frame as *.part.mp4, since its ending tells OpenCV what to write, and takes its name
    when it is `complete`. Raises RecordingError where OpenCV cannot write it.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.complete = False
        self.part = path.with_name(f"{path.stem}.part{path.suffix}")
        self._path, self._fps = path, fps
        self._cv2 = load_opencv(str(path))
        self._writer: Any = None
        self._written = 0

    def __enter__(self) -> "AnnotatedVideo":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
            if self.complete:
                self._check()
                self.part.replace(self._path)

    def add(self, frame: Frame, seen: Seen) -> None:
        """Draws upon a copy of a frame, and writes it."""
        if self._writer is None:
            self._writer = self._opened(frame)
        canvas = frame.copy()
        draw(self._cv2, canvas, seen)
        self._writer.write(canvas)
        self._written += 1

    def _check(self) -> None:
        """Looks whether all frames are there: OpenCV says nothing of a disk that is full."""
        capture = self._cv2.VideoCapture(str(self.part.resolve()), self._cv2.CAP_FFMPEG)
        held = round(capture.get(self._cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if held != self._written:
            wanted = f"to write {self._written} frames"
            raise RecordingError(f"{self._path}: wanted {wanted}, got a file that holds {held}: is there room for it?")

    def _opened(self, frame: Frame) -> Any:
        cv2, size = self._cv2, (frame.shape[1], frame.shape[0])
        path = str(self.part.resolve())
        writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*CODEC), self._fps, size)
        if not writer.isOpened():
            wanted = f"to write an MP4 ({CODEC}) of {size[0]} × {size[1]} pixels"
            raise RecordingError(f"{self._path}: wanted {wanted}, got a refusal: no such folder, or no encoder here")
        return writer


def draw(cv2: Any, canvas: Frame, seen: Seen, shown: int | None = None) -> None:
    """Draws boxes with class, track, score and speed, and the media time, upon a frame itself.

    The box of the track `shown` has a thicker line.
    """
    thick = max(1, round(canvas.shape[1] / 960))
    tracks = seen.tracks
    columns = (tracks.track, tracks.box, tracks.label, tracks.score, seen.speed_mps)
    for track, box, label, score, speed in zip(*(column.tolist() for column in columns), strict=True):
        colour = _COLOURS[track % len(_COLOURS)]
        x0, y0, x1, y1 = (round(side) for side in box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, (3 if track == shown else 1) * thick, cv2.LINE_AA)
        fast = "" if math.isnan(speed) else f" {3.6 * speed:.0f} km/h"
        said = f"{ObjectClass(label).name.lower()} {track} {score:.2f}{fast}"
        _write(cv2, canvas, said, (x0, max(y0 - 4, 12 * thick)), colour, thick)
    look = "" if seen.looked else "  gate shut"
    _write(cv2, canvas, f"{seen.time_ms / 1000:.2f} s  {len(tracks.track)} seen{look}", (8, 18 * thick), _TEXT, thick)


def _write(cv2: Any, canvas: Frame, text: str, at: tuple[int, int], colour: tuple[int, int, int], thick: int) -> None:
    """Text on a dark rim, so that it can be read on any ground, and within the frame as far as it fits."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick, thick)
    at = (max(0, min(at[0], canvas.shape[1] - width)), at[1])
    for rim, shade in ((3 * thick, (0, 0, 0)), (thick, colour)):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick, shade, rim, cv2.LINE_AA)
