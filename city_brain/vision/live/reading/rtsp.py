"""Frames of an RTSP camera, through OpenCV's FFmpeg over one TCP connection: our own, by the relay.

FFmpeg is told to open nothing but TCP, to take pictures and no sound, and to unpack only what cameras pack with.
"""

import os
import time
from typing import Any, Final
from urllib.parse import quote

from city_brain.errors import AddressError, CameraError
from city_brain.vision.frames.limits import MOST_PIXELS, load_opencv
from city_brain.vision.frames.video import USUAL_FPS, Clock
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.addresses import Dialled
from city_brain.vision.live.reading.grabbed import Grabbed, Stream, epoch_ms
from city_brain.vision.live.reading.guard import refusal
from city_brain.vision.live.reading.relay import Relay

MOST_LOGIN_BYTES: Final = 127
"""FFmpeg keeps user and password, with their escapes, in so many."""
OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "protocol_whitelist": "tcp",
    "format_whitelist": "rtsp",
    "codec_whitelist": "h264,hevc,mjpeg",
    "allowed_media_types": "video",
    "max_delay": "0",
    "fpsprobesize": "0",
    "analyzeduration": "2000000",
}
_WANTED: Final = "wanted a stream of H.264, H.265 or JPEG"
_VARIABLE: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_FASTEST_FPS: Final = 1000.0
_FIRST_S: Final = 10.0
"""For the first picture that can be unpacked: some cameras send a whole one so seldom, and not when they are asked."""
_WHOLE: Final = ord("I")
_START_S: Final = 5.0
"""A stream that has sent no whole picture for so long refreshes them piece by piece, and is taken as it is."""
_BEHIND_MS: Final = 300
"""Frames that came while FFmpeg looked at what it has before it come at once then: they are passed over."""


def read_rtsp(dialled: Dialled, user: str, password: str, timeout_s: float, tls_ca: str = "") -> Stream:
    """Frames until the connection breaks, which is a CameraError, as is that nothing can be read of it."""
    place = str(dialled.address)
    cv2 = load_opencv(place)
    login = _login(user, password, place)
    os.environ[_VARIABLE] = "|".join(f"{key};{value}" for key, value in OPTIONS.items())
    with Relay(dialled, timeout_s, tls_ca) as relay:
        capture = _open(cv2, f"rtsp://{login}127.0.0.1:{relay.port}{dialled.address.path}", timeout_s)
        try:
            if not capture.isOpened():
                raise CameraError(relay.failure or f"{place}: {_unopened(relay, user)}")
            width, height = (round(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            if width * height <= 0:
                raise CameraError(f"{place}: {_WANTED}, got another one, or one without a picture in it")
            if width * height > MOST_PIXELS:
                raise CameraError(f"{place}: wanted frames of 1 to {MOST_PIXELS} pixels, got {width} × {height}")
            yield from _frames(cv2, capture, relay, place, timeout_s)
            ended = f"{place}: wanted a frame in {timeout_s:g} s, got none, or the end of the stream"
            raise CameraError(relay.failure or ended)
        finally:
            capture.release()


def _open(cv2: Any, url: str, timeout_s: float) -> Any:
    """One thread: each further one would hold a frame back."""
    wait_ms = round(1000.0 * timeout_s)
    return cv2.VideoCapture(
        url,
        cv2.CAP_FFMPEG,
        [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_N_THREADS, 1],
    )


def _frames(cv2: Any, capture: Any, relay: Relay, place: str, timeout_s: float) -> Stream:
    """The frames from the first whole picture on that is not behind: what came before it would be grey with some
    changes in it.
    """
    said = capture.get(cv2.CAP_PROP_FPS)
    clock = Clock(said if 0.0 < said <= _FASTEST_FPS else USUAL_FPS)

    def unpack() -> Frame:
        try:
            got, frame = capture.retrieve()
        except cv2.error as wrong:
            raise CameraError(f"{place}: wanted a picture, got {wrong.err}") from wrong
        if not got:
            raise CameraError(f"{place}: wanted a picture, got one that cannot be unpacked")
        unpacked: Frame = frame
        return unpacked

    whole, got_s, wait_s = False, time.monotonic(), max(timeout_s, _FIRST_S)
    started_s = got_s + _START_S
    try:
        while True:
            asked_s = time.monotonic()
            if not capture.grab():
                now_s = time.monotonic()
                if relay.closed or now_s - asked_s > 0.9 * timeout_s or now_s - got_s > wait_s:
                    return
                yield None
                continue
            got_s, wait_s, said_ms = time.monotonic(), timeout_s, capture.get(cv2.CAP_PROP_POS_MSEC)
            behind_ms = epoch_ms() - relay.first_ms - said_ms
            whole = whole or capture.get(cv2.CAP_PROP_FRAME_TYPE) == _WHOLE
            if asked_s < started_s and (not whole or behind_ms > _BEHIND_MS):
                yield None
                continue
            started_s = 0.0
            yield Grabbed(round(clock.read(said_ms)), unpack)
    except cv2.error as wrong:
        raise CameraError(f"{place}: wanted a picture, got {wrong.err}") from wrong


def _login(user: str, password: str, place: str) -> str:
    if not user:
        return ""
    if ":" in user:
        raise AddressError(f"{place}: wanted a user without a colon, which ends its name, got one with it")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if len(login) > MOST_LOGIN_BYTES:
        wanted = f"a user and password of at most {MOST_LOGIN_BYTES} bytes as an address has them"
        raise AddressError(f"{place}: wanted {wanted}, got {len(login)}")
    return f"{login}@"


def _unopened(relay: Relay, user: str) -> str:
    if relay.guard.refused:
        return refusal(relay.guard.refused, user)
    return f"{_WANTED}, got none that can be read"
