"""One camera as it watches: its newest frame whenever somebody asks, and how it fares.

A thread listens to the child that reads the camera, and starts another one where it died or hangs. Whoever takes frames
is never kept waiting, and never given an old one: what was not taken in time is counted.
"""

import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from city_brain.errors import CameraError, SettingsError
from city_brain.vision.frames.opening import is_address
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.addresses import read_address
from city_brain.vision.live.messages import Connected, Ended, Errand, Lost, Message, Picture
from city_brain.vision.live.reader import Reader
from city_brain.vision.live.reading.grabbed import epoch_ms
from city_brain.vision.live.reading.pacing import Backoff
from city_brain.vision.live.settings import CameraSource, VideoSettings

MOST_AGE_MS: Final = 1000
"""An older frame is not given; with what it may be late on its way, a frame is at most twice as old."""
HANGS_AFTER_S: Final = 3.0
"""Beyond twice the time in which a camera must answer: it is dialled, and then described."""
_JOIN_S: Final = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """A frame of one's own. `number` counts the frames of the camera that came; `media_ms`: by the camera's clock, from
    the first frame of its connection; `arrived_ms`: epoch ms when it was read; `event_ms`: epoch ms when it was seen,
    by the least delayed frame of late. `number` and `event_ms` rise, whatever becomes of connections.
    """

    number: int
    media_ms: int
    arrived_ms: int
    event_ms: int
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraState:
    """How a camera fares.

    `connected`: frames come; `last_arrived_ms`: epoch ms of the newest that was told; `frames`: that came; `skipped`:
    of these, that were not taken; `connections`: that gave a frame; `failure`: the last one, without secrets, empty
    where there was none; `ended`: a recording is over.
    """

    connected: bool
    last_arrived_ms: int | None
    frames: int
    skipped: int
    connections: int
    failure: str
    ended: bool


class LiveCamera:
    """A camera, read from `start` to `stop`; both may be left to a `with`. One thread takes its frames.

    Raises AddressError or SettingsError where the source cannot be one, before anything is dialled. Memory: three
    frames, and `MEMORY_BYTES` at most in its child. Linux only.
    """

    def __init__(self, camera_id: str, source: CameraSource, settings: VideoSettings, folder: Path) -> None:
        self.camera_id = camera_id
        self._settings = settings
        self._errand = _errand(camera_id, source, settings, folder)
        self._hangs_after_s = 2.0 * settings.read_timeout_s + HANGS_AFTER_S
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {camera_id}", daemon=True)
        self._reader: Reader | None = None
        self._newest: Picture | None = None
        self._connected = self._ended = False
        self._arrived_ms: int | None = None
        self._before = self._frames = self._taken = self._connections = 0
        self._event_ms = 0
        self._failure = ""

    def __enter__(self) -> "LiveCamera":
        """Starts."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        self.stop()

    @property
    def process(self) -> int | None:
        """Id of the child that reads the camera, None where none runs."""
        with self._lock:
            return None if self._reader is None else self._reader.pid

    def start(self) -> None:
        """Begins to read, once; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the child, and returns when it is gone; frames that were not taken are lost."""
        self._stopped.set()
        with self._lock:
            if self._reader is not None:
                self._reader.kill()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def take(self) -> LiveFrame | None:
        """The newest frame that was not taken yet, None where there is none of the last second; never waits."""
        with self._lock:
            picture, reader = self._newest, self._reader
            if picture is None or reader is None:
                return None
            self._newest = None
            try:
                if not self._is_timely(picture):
                    return None
                frame = reader.frame(picture)
            except CameraError as wrong:
                self._failure = str(wrong)
                reader.kill()
                return None
            finally:
                reader.give_back(picture)
            self._taken += 1
            self._event_ms = max(picture.event_ms, self._event_ms + 1)
            number = self._before + picture.read
            return LiveFrame(number, picture.media_ms, picture.arrived_ms, self._event_ms, frame)

    def state(self) -> CameraState:
        """How it fares now."""
        with self._lock:
            arrived_ms, now_ms = self._arrived_ms, epoch_ms()
            recent = arrived_ms is not None and now_ms - arrived_ms <= 1000.0 * self._settings.down_after_s
            return CameraState(
                connected=self._connected and recent,
                last_arrived_ms=arrived_ms,
                frames=self._frames,
                skipped=self._frames - self._taken - (self._newest is not None),
                connections=self._connections,
                failure=self._failure,
                ended=self._ended,
            )

    def _is_timely(self, picture: Picture) -> bool:
        """Whether a frame is young enough, and not before what was taken, as after this machine's clock was set back;
        a little before it is what a new connection has learnt of its delays.
        """
        young = 0 <= epoch_ms() - picture.arrived_ms <= MOST_AGE_MS
        return young and picture.event_ms > self._event_ms - MOST_AGE_MS

    def _run(self) -> None:
        """One child after the other, until the camera is stopped or its recording is over."""
        backoff = Backoff()
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                with Reader(self._errand) as reader:
                    try:
                        self._listen(reader)
                    finally:
                        self._leave()
            except CameraError as wrong:
                self._fail(str(wrong))
            if self._ended:
                return
            self._stopped.wait(backoff.wait_s(time.monotonic() - began))

    def _listen(self, reader: Reader) -> None:
        """What a child says, until it has no more to say; raises CameraError where it dies or hangs."""
        with self._lock:
            self._reader = reader
        while not self._stopped.is_set():
            message = reader.hear(self._hangs_after_s)
            with self._lock:
                self._heard(reader, message)
            if isinstance(message, Ended):
                self._stopped.wait(MOST_AGE_MS / 1000.0)  # the last frame may still be taken
                return

    def _heard(self, reader: Reader, message: Message) -> None:
        if isinstance(message, Connected):
            self._connections += 1
            return
        self._frames = self._before + max(message.read, self._frames - self._before)
        if isinstance(message, Picture):
            if self._newest is not None:
                reader.give_back(self._newest)
            self._newest, self._connected, self._arrived_ms = message, True, message.arrived_ms
        elif isinstance(message, Lost | Ended):
            self._connected = False
            self._failure = message.failure or self._failure
            self._ended = isinstance(message, Ended)

    def _leave(self) -> None:
        """A child is over, and its frames with it."""
        with self._lock:
            self._reader = self._newest = None
            self._before = self._frames
            self._connected = False

    def _fail(self, failure: str) -> None:
        with self._lock:
            if not self._stopped.is_set():
                self._failure = failure


def _errand(camera_id: str, source: CameraSource, settings: VideoSettings, folder: Path) -> Errand:
    """What a child is told; raises where it could only fail."""
    place = f"video.cameras.{camera_id}"
    dialled = is_address(source.address)
    if dialled:
        try:
            read_address(source.address, settings.schemes, settings.networks)
        except SettingsError as wrong:
            raise type(wrong)(f"{place}: {wrong}") from wrong
    return Errand(
        place=camera_id,
        address=source.address if dialled else "",
        path="" if dialled else _path(folder / source.address, place),
        user=source.user,
        password=_password(folder / source.password_file, place) if source.password_file else "",
        schemes=settings.schemes,
        networks=settings.networks,
        tls_ca=_authorities(folder / settings.tls_ca) if settings.tls_ca else "",
        every_ms=settings.every_ms,
        read_timeout_s=settings.read_timeout_s,
        memory=-1,
    )


def _path(path: Path, place: str) -> str:
    """In absolute form, as text that can be told."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as wrong:
        raise SettingsError(f"{place}: wanted a path in UTF-8, got {str(path)!a}") from wrong
    return str(path.absolute())


def _authorities(path: Path) -> str:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as wrong:
        got = f"{path} ({wrong.strerror or wrong})"
        raise SettingsError(f"video.tls_ca: wanted a file of certificates (PEM), got {got}") from wrong
    return _path(path, "video.tls_ca")


def _password(path: Path, place: str) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{place}.password_file: wanted a file that can be read, got {path} ({wrong})") from wrong
    if not lines or not lines[0]:
        raise SettingsError(f"{place}.password_file: wanted a password on the first line, got none in {path}")
    return lines[0]
