"""Pictures of what was seen, as evidence: a JPEG of each track when it is first told of, and again from time to time.

A file is named CAMERA_TIME_TRACK.jpg, with the time in UTC, so that names sort by camera, time and track. It is there
as a whole or not at all. A folder is bounded by the number of its pictures and by their bytes, those of earlier runs
included: at the bound no more is written, none is deleted, and what was left out is counted.
"""

import hashlib
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from city_brain.errors import RecordingError, SettingsError
from city_brain.vision.eyes import Seen
from city_brain.vision.frames.annotating import draw
from city_brain.vision.frames.limits import load_opencv
from city_brain.vision.letterbox import Frame

QUALITY: Final = 90
"""Of the JPEGs, of 100."""
UNFINISHED: Final = ".part"
ENDING: Final = ".jpg"
_FORGOTTEN_MS: Final = 60_000
"""A track that was told of no more for so long does not come back: it is the longest gap that a tracker may have."""
_LONGEST_NAME: Final = 120
"""Of a camera in the name of a file, of which the longest that there are have 255."""


class SnapshotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`every_s`: a track is shown again after so long; `most`, `most_bytes`: pictures of a folder. SettingsError."""

    every_s: float = 10.0
    most: int = 10_000
    most_bytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        for name, low, high in (("every_s", 0.1, 86_400.0), ("most", 1, 10_000_000), ("most_bytes", 1, 10**15)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SettingsError(f"snapshots: {name}: wanted {low:g} to {high:g}, got {value}")


class Snapshots:
    """The snapshots of one camera whose media times count from `start_ms`, epoch ms.

    `written` counts pictures, `left_out` those that the bounds of the folder forbade. Raises RecordingError where the
    folder cannot be made or a picture cannot be written.
    """

    def __init__(self, folder: Path, camera_id: str, start_ms: int, settings: SnapshotSettings | None = None) -> None:
        self.written = self.left_out = 0
        self._folder, self._camera, self._start_ms = folder, _plain(camera_id), start_ms
        self._settings = settings or SnapshotSettings()
        self._cv2 = load_opencv(str(folder))
        self._shown_ms: dict[int, int] = {}
        self._told_ms: dict[int, int] = {}
        try:
            folder.mkdir(exist_ok=True)
            sizes = [path.stat().st_size for path in folder.glob(f"*{ENDING}")]
        except OSError as wrong:
            raise RecordingError(f"{folder}: wanted a folder for snapshots, got: {wrong.strerror}") from wrong
        self._held, self._bytes = len(sizes), sum(sizes)

    def add(self, frame: Frame, seen: Seen) -> None:
        """Writes the pictures that are due; `frame` is what may be shown of it."""
        now_ms, every_ms = seen.time_ms, 1000.0 * self._settings.every_s
        for track in seen.tracks.track.tolist():
            before_ms = self._shown_ms.get(track)
            if before_ms is None or now_ms - before_ms >= every_ms:
                self._shown_ms[track] = now_ms
                self._write(frame, seen, track)
            self._told_ms[track] = now_ms
        gone = [track for track, last_ms in self._told_ms.items() if now_ms - last_ms > _FORGOTTEN_MS]
        for track in gone:
            del self._told_ms[track], self._shown_ms[track]

    def _write(self, frame: Frame, seen: Seen, track: int) -> None:
        canvas = frame.copy()
        draw(self._cv2, canvas, seen, track)
        done, data = self._cv2.imencode(ENDING, canvas, [self._cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        path = self._folder / self._name(seen.time_ms, track)
        if not done:
            raise RecordingError(f"{path}: wanted a JPEG, got a refusal of OpenCV")
        try:
            replaced = path.stat().st_size if path.is_file() else None
            more, size = 0 if replaced is not None else 1, data.nbytes - (replaced or 0)
            if self._held + more > self._settings.most or self._bytes + size > self._settings.most_bytes:
                self.left_out += 1
                return
            _write_whole(path, data)
        except OSError as wrong:
            raise RecordingError(f"{path}: wanted to write a snapshot, got: {wrong.strerror}") from wrong
        self._held, self._bytes, self.written = self._held + more, self._bytes + size, self.written + 1

    def _name(self, time_ms: int, track: int) -> str:
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self._start_ms + time_ms)
        except OverflowError as wrong:
            wanted = "a time before the year 10000"
            raise RecordingError(f"{self._folder}: wanted {wanted}, got {self._start_ms + time_ms} ms") from wrong
        return f"{self._camera}_{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z_{track:06d}{ENDING}"


def _write_whole(path: Path, data: Any) -> None:
    part = path.with_name(path.name + UNFINISHED)
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _plain(camera_id: str) -> str:
    """A camera's id as a part of a file's name: letters, digits and .-_~ stay, all else is escaped as in an address."""
    name = quote(camera_id, safe="")
    if len(name) > _LONGEST_NAME:
        digest = hashlib.blake2b(camera_id.encode(), digest_size=8).hexdigest()
        name = f"{name[: _LONGEST_NAME - len(digest) - 1]}~{digest}"
    return name
