"""Cameras that go wrong in the middle of a stream: left where no picture comes, dialled again, and never told late."""

import itertools
import os
import struct
from pathlib import Path

import pytest

from city_brain.vision.live.child import MOST_LATE_MS
from city_brain.vision.live.settings import CameraSource
from tests.vision.live.serving import RtspServer, camera, frames_of, wait_for
from tests.vision.live.tampering import Change, tampered

AFTER_S = 2.0
"""From the first packet on a stream is as it should be for so long."""
LEFT_S = 4.0
"""From the last picture on, where a second without one is too long."""
HOUR = 3600 * 90_000
"""In ticks of a video's clock (RFC 6184)."""


def moved(ticks: int) -> Change:
    """The camera's clock is set, forwards or back."""

    def change(packet: bytes, age_s: float) -> bytes:
        (said,) = struct.unpack_from(">I", packet, 4)
        return packet[:4] + struct.pack(">I", (said + ticks * (age_s > AFTER_S)) % 2**32) + packet[8:]

    return change


def noise(packet: bytes, age_s: float) -> bytes:
    """Whole packets of the stream, with the kind of unit that they had and anything in it."""
    return packet if age_s < AFTER_S else packet[:13] + os.urandom(len(packet) - 13)


def other_codec(packet: bytes, age_s: float) -> bytes:
    """Units of a kind that H.264 does not have."""
    return packet if age_s < AFTER_S else packet[:12] + b"\x1f" + packet[13:]


def silence(packet: bytes, age_s: float) -> bytes | None:
    """Its reports go on, its pictures do not."""
    return packet if age_s < AFTER_S else None


@pytest.mark.parametrize("change", [noise, other_codec, silence])
def test_a_stream_without_pictures_is_left(server: RtspServer, tmp_path: Path, change: Change) -> None:
    """However much it sends that is none: it is dialled again, and gives frames again until it goes wrong again."""
    with tampered(server.port, change) as port:
        source = CameraSource(address=f"rtsp://127.0.0.1:{port}/0")
        with camera("cam", source, tmp_path, read_timeout_s=1.0, down_after_s=2.0) as one:
            wait_for(lambda: one.state().connected, 15.0, "a frame")
            left_s = wait_for(lambda: bool(one.state().failure), AFTER_S + LEFT_S, "a stream that is left")
            wait_for(lambda: one.state().connections == 2, 10.0, "another connection")
            print(f"left {left_s - AFTER_S:.1f} s after it went wrong: {one.state().failure}")
            assert one.state().failure.startswith(f"rtsp://127.0.0.1:{port}: wanted ")


@pytest.mark.parametrize("ticks", [-HOUR, -5 * 90_000, HOUR // 2, 2 * HOUR])
def test_a_camera_whose_clock_is_set_goes_on(server: RtspServer, tmp_path: Path, ticks: int) -> None:
    """Without another connection, with times that rise, and with no frame that is told late."""
    with (
        tampered(server.port, moved(ticks)) as port,
        camera("cam", CameraSource(address=f"rtsp://127.0.0.1:{port}/0"), tmp_path) as one,
    ):
        wait_for(lambda: one.state().connected, 15.0, "a frame")
        frames = frames_of([one], AFTER_S + 3.0)["cam"]
        assert len(frames) >= 35
        assert one.state().connections == 1
        assert all(frame.arrived_ms - frame.event_ms <= MOST_LATE_MS for frame in frames)
        assert all(after.event_ms > before.event_ms for before, after in itertools.pairwise(frames))
