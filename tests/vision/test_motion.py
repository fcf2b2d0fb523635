"""The gate opens for what moves and for nothing else, and never stays shut for long."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import ObservationError, SettingsError
from city_brain.types import Floats
from city_brain.vision.detector import Detector
from city_brain.vision.letterbox import Frame
from city_brain.vision.motion import MotionGate, MotionSettings
from tests.vision import samples
from tests.vision.moving import FRAME_MS, Grain, missed, shade, street

SECONDS = 10


def seen(grey: Floats, chance: np.random.Generator, grain: float = 4.0) -> Frame:
    """A picture as a camera gives it, with grain."""
    noisy = grey + chance.normal(0.0, grain, grey.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def test_an_empty_street_is_looked_at_once_a_second() -> None:
    """Grain does not open the gate: after the first half second, one look a second is all."""
    gate, chance, still = MotionGate(MotionSettings()), np.random.default_rng(2), street()
    looks = [number for number in range(25 * SECONDS) if gate.opens(seen(still, chance), FRAME_MS * number)]
    assert looks[:13] == list(range(13))
    assert np.diff(looks[12:]).tolist() == [25] * 9


@pytest.mark.parametrize("contrast", [25, -25, 120])
def test_a_small_car_is_seen_at_once_and_as_long_as_it_drives(contrast: int) -> None:
    """A block of 20 x 15 pixels, not much brighter than the street, opens the gate in its first frame and in all."""
    gate, chance, still = MotionGate(MotionSettings(after_ms=1, every_ms=10_000)), np.random.default_rng(3), street()
    opened = []
    for number in range(200):
        picture = still.copy()
        if number >= 100:
            left = 100 + 3 * (number - 100)
            picture[180:195, left : left + 20] += contrast
        opened.append(gate.opens(seen(picture, chance), FRAME_MS * number))
    assert not any(opened[1:100])
    assert all(opened[100:])


def test_the_gate_stays_open_for_a_while() -> None:
    """Half a second after the last motion the network still looks: a car that brakes is seen standing."""
    gate, chance, still = MotionGate(MotionSettings(every_ms=10_000)), np.random.default_rng(4), street()
    for number in range(50):
        gate.opens(seen(still, chance), FRAME_MS * number)
    flash = still.copy()
    flash[100:200, 100:200] += 80
    assert gate.opens(seen(flash, chance), 2000)
    opened = [gate.opens(seen(still, chance), 2000 + FRAME_MS * number) for number in range(1, 30)]
    assert opened == [True] * 12 + [False] * 17


@pytest.mark.parametrize(
    "change", [shade(16, 0, 0), shade(-16, 0, 0), shade(0, 16, 0), shade(0, -16, 0), shade(0, 0, 16), shade(0, 0, -16)]
)
def test_what_is_unlike_the_street_by_a_little_is_hardly_ever_missed(change: Floats) -> None:
    """Sixteen levels of brightness, or of one colour alone in the very brightness of the street, amid grain of four:
    a thing of 20 x 15 pixels is missed in less than one of a hundred frames.
    """
    assert np.mean([missed(change, seed) for seed in (1, 2)]) < 0.01


def test_a_car_as_bright_as_the_street_is_seen_by_its_colour() -> None:
    """A red car on a grey street whose brightness, pixel by pixel, is that of the street."""
    gate, noise, grey = MotionGate(MotionSettings(after_ms=1, every_ms=10_000)), Grain(3), 120.0
    still, red = np.full((352, 640, 3), grey), grey + shade(0.0, 60.0, -30.0)
    assert cv2.cvtColor(np.full((1, 1, 3), red).round().astype(np.uint8), cv2.COLOR_BGR2GRAY)[0, 0] == grey
    opened = []
    for number in range(120):
        picture = still.copy()
        if number >= 60:
            picture[180:195, 3 * number : 3 * number + 20] = red
        opened.append(gate.opens(noise.on(picture), FRAME_MS * number))
    assert not any(opened[1:60])
    assert all(opened[60:])


def test_while_it_is_open_the_gate_looks_for_motion_now_and_then() -> None:
    """After a car has left it stays open for as long as promised, or up to a fifth less."""
    gate, noise = MotionGate(MotionSettings(every_ms=10_000)), Grain(4)
    still = np.repeat(street()[:, :, None], 3, axis=2)
    opened = []
    for number in range(150):
        picture = still.copy()
        if 60 <= number < 100:
            picture[180:220, 4 * number : 4 * number + 60] += 60
        opened.append(gate.opens(noise.on(picture), FRAME_MS * number))
    assert not any(opened[13:60])
    assert all(opened[60:100])
    assert 400 - FRAME_MS <= FRAME_MS * sum(opened[100:]) <= 500
    assert not any(opened[115:])


@pytest.mark.parametrize("levels", [25.0, -25.0])
def test_a_cloud_does_not_open_the_gate(levels: float) -> None:
    """What all cells have in common is no motion, even when it comes at once."""
    gate, chance, still = MotionGate(MotionSettings(after_ms=1, every_ms=10_000)), np.random.default_rng(5), street()
    opened = [
        gate.opens(seen(still + (levels if number >= 50 else 0.0), chance), FRAME_MS * number) for number in range(100)
    ]
    assert not any(opened[1:])


def test_leaves_in_the_wind_are_learned() -> None:
    """What swings all the time becomes noise of its cells, and a car elsewhere is still seen."""
    gate, chance, still = MotionGate(MotionSettings(after_ms=1, every_ms=100_000)), np.random.default_rng(6), street()
    opened = []
    for number in range(500):
        picture = still.copy()
        picture[:80] += 12.0 * math.sin(2.0 * math.pi * number / 25)
        if number >= 450:
            picture[200:215, 4 * (number - 400) : 4 * (number - 400) + 20] += 40
        opened.append(gate.opens(seen(picture, chance), FRAME_MS * number))
    assert any(opened[1:100])
    assert not any(opened[200:450])
    assert all(opened[450:])


@given(st.lists(st.integers(0, 900), max_size=30), st.integers(1, 2000), st.integers(1, 2000))
def test_no_longer_shut_than_promised(gaps: list[int], after_ms: int, every_ms: int) -> None:
    """Whenever frames come, one that comes `every_ms` after the last look, or later, is looked at."""
    gate, still = MotionGate(MotionSettings(after_ms=after_ms, every_ms=every_ms)), np.full((20, 30, 3), 99, np.uint8)
    assert gate.opens(still, 0)
    now_ms = last_ms = 0
    for gap_ms in gaps:
        now_ms += gap_ms
        opens = gate.opens(still, now_ms)
        assert opens == (now_ms < after_ms or now_ms - last_ms >= every_ms)
        last_ms = now_ms if opens else last_ms


def test_a_camera_that_begins_anew_is_looked_at() -> None:
    """Another size of frames, or a time before the last look, opens the gate."""
    gate, still = MotionGate(MotionSettings(after_ms=1, every_ms=100_000)), np.full((20, 30, 3), 99, np.uint8)
    assert [gate.opens(still, time_ms) for time_ms in (9000, 9040, 9080)] == [True, False, False]
    assert gate.opens(np.full((30, 20, 3), 99, np.uint8), 9120)
    assert [gate.opens(np.full((30, 20, 3), 99, np.uint8), time_ms) for time_ms in (9160, 40, 80)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (4000, 1, 3), (2, 2000, 3), (3, 319, 3)])
def test_frames_of_any_size_have_a_gate(shape: tuple[int, ...]) -> None:
    """The first is looked at, the same again is not."""
    gate, still = MotionGate(MotionSettings(after_ms=1)), np.full(shape, 99, np.uint8)
    assert [gate.opens(still, time_ms) for time_ms in (0, 40, 80)] == [True, False, False]


def test_what_makes_no_sense_is_refused() -> None:
    """Settings below one, and arrays that are no frames."""
    for wrong in (MotionSettings(after_ms=0), MotionSettings(every_ms=0), MotionSettings(cells=0)):
        with pytest.raises(SettingsError, match="motion: wanted after_ms, every_ms and cells of at least 1, got"):
            MotionGate(wrong)
    with pytest.raises(ObservationError, match="frame: wanted"):
        MotionGate(MotionSettings()).opens(np.empty((0, 9, 3), dtype=np.uint8), 0)


def test_what_is_skipped_on_the_junction_was_seen_before(shared: Path) -> None:
    """In frames that the gate skips, every sure box lies where the last look had a box: nothing new is missed."""
    video = cv2.VideoCapture(str(shared / "data/traffic-video/suburban_junction.mp4"))
    detector = Detector(samples.yolox_nano(), (shared / "data/onnx-detector/yolox_nano.onnx").read_bytes())
    gate, number, skipped, last = MotionGate(MotionSettings()), 0, 0, np.empty((0, 0, 3), dtype=np.uint8)
    while True:
        read, frame = video.read()
        if not read:
            break
        if gate.opens(frame, round(1000 * number / 24)):
            last = frame
        else:
            skipped += 1
            before, now = detector.detect([last])[0], detector.detect([frame])[0]
            for box in now.box[now.score >= 0.4]:
                assert any(_iou(box.tolist(), other.tolist()) > 0.5 for other in before.box)
        number += 1
    assert number == 905
    assert skipped >= 10


def _iou(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
