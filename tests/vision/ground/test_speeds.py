"""Speeds and headings in metres, with errors that are as large as they say."""

import numpy as np
import pytest

from city_brain.errors import SettingsError
from city_brain.types import Floats
from city_brain.vision.ground.homography import Places
from city_brain.vision.ground.speeds import Speedometer, Speeds, SpeedSettings

FRAME_S = 0.1
SIGMA_M = 0.3


def places(x: Floats, y: Floats, sigma_m: float = SIGMA_M, shared_m: float = 0.0) -> Places:
    """Places with the same error in every direction."""
    own, none = np.full(len(x), sigma_m**2), np.zeros(len(x))
    return Places(x, y, own + shared_m**2, none, own + shared_m**2, own, none, own)


def drive(vx: Floats, vy: Floats, seed: int, sway_s: float, frames: int = 25) -> Speeds:
    """Many tracks at once from 50 m away, their errors correlated over `sway_s`; the speeds at the end."""
    draw, n = np.random.default_rng(seed), len(vx)
    meter = Speedometer(0.0, 0.0, SpeedSettings(sway_s=sway_s))
    alike = np.exp(-FRAME_S / sway_s) if sway_s else 0.0
    error = draw.normal(0.0, SIGMA_M, (2, n))
    track = draw.permutation(n) + 7
    for k in range(frames):
        error = alike * error + np.sqrt(1 - alike**2) * draw.normal(0.0, SIGMA_M, (2, n))
        t = k * FRAME_S
        said = meter.step(round(1000 * t), track, places(30.0 + vx * t + error[0], 40.0 + vy * t + error[1]))
    return said


@pytest.mark.parametrize(("sway_s", "low", "high"), [(0.0, 0.66, 0.71), (0.2, 0.66, 0.80)])
def test_speed_lies_within_its_error_as_often_as_it_should(sway_s: float, low: float, high: float) -> None:
    """With independent errors 68 % lie within one sigma; with errors that sway, no fewer, and not many more."""
    draw = np.random.default_rng(8)
    heading, speed = draw.uniform(0, 2 * np.pi, 4000), draw.uniform(3.0, 20.0, 4000)
    said = drive(speed * np.sin(heading), speed * np.cos(heading), 9, sway_s)
    inside = np.abs(said.speed_mps - speed) < said.speed_error_mps
    assert low < inside.mean() < high
    off = (said.heading_deg - np.degrees(heading) + 180.0) % 360.0 - 180.0
    known = np.isfinite(off)
    assert known.mean() > 0.95
    assert low - 0.02 < (np.abs(off) < said.heading_error_deg)[known].mean() < high


@pytest.mark.parametrize(("vx", "vy", "heading"), [(5, 0, 90), (0, 5, 0), (-5, 0, 270), (0, -5, 180), (3, 3, 45)])
def test_heading_is_clockwise_from_north(vx: float, vy: float, heading: float) -> None:
    meter = Speedometer(0.0, 0.0)
    for k in range(12):
        t = np.array([0.1 * k])
        said = meter.step(100 * k, np.array([3]), places(50.0 + vx * t, 10.0 + vy * t, 0.05))
    assert said.heading_deg[0] == pytest.approx(heading, abs=1e-6)
    assert said.speed_mps[0] == pytest.approx(np.hypot(vx, vy))


def test_what_stands_has_no_heading() -> None:
    """Standing things move by their errors alone: at most one in a hundred is given a heading."""
    said = drive(np.zeros(2000), np.zeros(2000), 3, 0.2)
    assert np.isfinite(said.heading_deg).mean() < 0.01
    assert np.median(said.speed_mps) < 1.0


def test_a_track_just_seen_has_no_speed() -> None:
    """Two places, or less than the least span, are no speed; nor is a place that is not known."""
    meter, nowhere = Speedometer(0.0, 0.0), np.array([np.nan])
    for k in range(4):
        said = meter.step(100 * k, np.array([1]), places(np.array([9.0 + k]), np.array([9.0])))
        assert np.isnan(said.speed_mps).all()
    for k in range(4, 30):
        said = meter.step(100 * k, np.array([1]), places(nowhere, nowhere))
    assert np.isnan(said.speed_mps).all()


def test_frames_may_be_skipped_and_tracks_come_and_go() -> None:
    """Irregular times, tracks in any order, one that is missing now and then, none at all: each has its own speed."""
    draw, meter = np.random.default_rng(2), Speedometer(0.0, 0.0)
    speeds, time_ms = np.array([2.0, 8.0, 15.0]), 0
    for k in range(40):
        time_ms += int(draw.integers(40, 200))
        there = draw.permutation(3)[: draw.integers(1, 4)] if k % 7 else np.zeros(0, np.int64)
        east = 60.0 + speeds[there] * time_ms / 1000.0
        said = meter.step(time_ms, there + 10, places(east, np.zeros(len(there)), 0.01))
        known = np.isfinite(said.speed_mps)
        assert np.allclose(said.speed_mps[known], speeds[there][known])
    assert known.any()


def test_frames_together_say_what_they_say_one_by_one() -> None:
    """However they are cut into calls, each track has the same speed in each frame, bit for bit."""
    draw, alone, together = np.random.default_rng(4), Speedometer(0.0, 0.0), Speedometer(0.0, 0.0)
    times, tracks, x = [], [], []
    for k in range(60):
        there = np.sort(draw.permutation(5)[: draw.integers(0, 6)])
        times.append(np.full(len(there), 70 * k))
        tracks.append(there + 3)
        x.append(np.where(draw.random(len(there)) < 0.1, np.nan, 20.0 + 0.3 * k * there))
    one = [alone.step(70 * k, tracks[k], places(x[k], 2.0 * x[k])) for k in range(60)]
    at = 0
    while at < 60:
        end = at + int(draw.integers(1, 9))
        east = np.concatenate(x[at:end])
        said = together.steps(np.concatenate(times[at:end]), np.concatenate(tracks[at:end]), places(east, 2.0 * east))
        for name in Speeds.__slots__:
            wanted = np.concatenate([getattr(speeds, name) for speeds in one[at:end]])
            assert getattr(said, name).tobytes() == wanted.tobytes()
        at = end
    assert 20 < together.remembered < 5 * (1500 / 70 + 9)


def test_a_shared_error_is_one_of_scale() -> None:
    """What all places of a camera share does not shake a speed: 1 m at 50 m makes 4 % of it unsure, and of the turn."""
    meter = Speedometer(0.0, 0.0)
    for k in range(15):
        t = np.array([0.1 * k])
        said = meter.step(100 * k, np.array([1]), places(30.0 + 10.0 * t, 40.0 + 0.0 * t, 1e-4, 1.0))
    away = np.hypot(30.0 + 10.0 * 1.4, 40.0)
    assert said.speed_error_mps[0] == pytest.approx(10.0 * 2.0 / away, rel=0.01)
    assert said.heading_error_deg[0] == pytest.approx(np.degrees(2.0 / away), rel=0.01)


def test_what_is_remembered_is_bounded_by_the_window() -> None:
    """After the window a place is forgotten, also when its track never comes again."""
    meter = Speedometer(0.0, 0.0, SpeedSettings(window_s=1.0))
    for k in range(200):
        meter.step(100 * k, np.array([k]), places(np.array([1.0]), np.array([1.0])))
    assert meter.remembered <= 11


@pytest.mark.parametrize("wrong", [{"window_s": 0.0}, {"least_span_s": 9.0}, {"sway_s": float("nan")}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"speeds: \w+: wanted"):
        SpeedSettings(**wrong)
