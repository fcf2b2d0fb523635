"""Recordings as cameras: files and folders play at their own pace, once, and what cannot be read is told."""

import time
from pathlib import Path

import numpy as np
import pytest

from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.live.camera import LiveCamera, LiveFrame
from city_brain.vision.live.settings import CameraSource
from tests.vision.eyes.drives import HEIGHT, WIDTH, images, video
from tests.vision.live.serving import camera, wait_for

SHOWN = [TimedFrame(100 * number, np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)) for number in range(15)]
"""A second and a half, each frame lighter than the one before."""


def played(one: LiveCamera, seconds: float) -> list[LiveFrame]:
    """All frames that can be taken until the recording is over."""
    taken: list[LiveFrame] = []

    def over() -> bool:
        frame = one.take()
        if frame is not None:
            taken.append(frame)
        return frame is None and one.state().ended

    wait_for(over, seconds, "the end of a recording")
    return taken


def shown_ms(frames: list[LiveFrame]) -> list[int]:
    """Times as the pictures show them; they are those of the frames."""
    times_ms = [round(frame.frame.mean() / 10) * 100 for frame in frames]
    assert times_ms == [frame.media_ms for frame in frames]
    return times_ms


@pytest.mark.parametrize(("every_ms", "times_ms"), [(100, range(0, 1500, 100)), (300, range(0, 1500, 300))])
def test_a_file_plays_once_at_its_own_pace(tmp_path: Path, every_ms: int, times_ms: range) -> None:
    """Its times are put on the wall clock; at the end it has ended, without a failure, and says nothing more."""
    video(tmp_path / "cam.avi", SHOWN)
    with camera("cam", CameraSource(address="cam.avi"), tmp_path, every_ms=every_ms) as one:
        began_ms = time.time_ns() // 1_000_000
        frames = played(one, 20.0)
        state = one.state()
        assert one.take() is None
    assert len(frames) >= 0.7 * len(times_ms)  # a machine that is too busy passes some over, and counts them
    assert set(shown_ms(frames)) <= set(times_ms)
    for frame in frames:
        assert abs((frame.event_ms - frames[0].event_ms) - (frame.media_ms - frames[0].media_ms)) <= 50
        assert began_ms <= frame.event_ms <= frame.arrived_ms
    assert (state.ended, state.connected, state.failure) == (True, False, "")
    assert (state.frames, state.skipped, state.connections) == (len(times_ms), len(times_ms) - len(frames), 1)


def test_images_of_a_folder_are_a_second_apart(tmp_path: Path) -> None:
    """However often the camera is looked at."""
    images(tmp_path / "cam", SHOWN[:3])
    with camera("cam", CameraSource(address="cam"), tmp_path) as one:
        frames = played(one, 20.0)
    assert [frame.media_ms for frame in frames] == [0, 1000, 2000]


@pytest.mark.parametrize("address", ["absent.mp4", "no-video.mp4", "empty", "../absent"])
def test_a_recording_that_cannot_be_read_has_ended(tmp_path: Path, address: str) -> None:
    """At once, with a failure."""
    (tmp_path / "no-video.mp4").write_text("hello")
    (tmp_path / "empty").mkdir()
    with camera("cam", CameraSource(address=address), tmp_path) as one:
        assert played(one, 15.0) == []
        state = one.state()
    assert "wanted " in state.failure
    assert (state.frames, state.connections) == (0, 0)


def test_a_frame_is_ones_own(tmp_path: Path) -> None:
    """What was taken stays as it was, whatever comes after it."""
    video(tmp_path / "cam.avi", SHOWN)
    with camera("cam", CameraSource(address="cam.avi"), tmp_path) as one:
        frames = played(one, 20.0)
    assert len(shown_ms(frames)) >= 10
    assert all(frame.frame.flags.writeable and frame.frame.flags.owndata for frame in frames)
