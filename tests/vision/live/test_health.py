"""Pictures that cannot be believed are found in seconds, and a street as it is gives no alarm."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from city_brain.errors import ObservationError
from city_brain.vision.frames.opening import open_frames
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.health import NEW_VIEW_LOOKS, PictureJudge
from tests.vision.live.views import black, blurred, flipped, judged, rolled, scene, turned, watched

FOUND_S = 5
"""Looks after which a word must be told; a frozen picture by its definition one later."""
ALTERED: dict[str, tuple[str, Callable[[Frame], Frame]]] = {
    "black": ("black", black),
    "blurred": ("blurred", blurred),
    "turned by 5 %": ("moved", turned(0.05)),
    "turned by 25 %": ("moved", turned(0.25)),
    "another view": ("moved", flipped),
    "tilted": ("moved", rolled(8.0)),
}
BEFORE_S = 12


@pytest.fixture(scope="module")
def streets(shared: Path) -> list[list[Frame]]:
    """A real street of 38 s as four rows of looks, a second apart, each a quarter of a second after the one before."""
    footage = open_frames(str(shared / "data/traffic-video/suburban_junction.mp4"), 250)
    frames = [timed.frame for timed in footage.frames]
    return [frames[phase::4] for phase in range(4)]


def test_a_real_street_gives_no_alarm(streets: list[list[Frame]]) -> None:
    """Over the whole of a recording, and there and back on it, for two minutes."""
    for looks in streets[::2]:
        again = looks + looks[::-1][1:-1] + looks
        assert judged(PictureJudge(), again) == [frozenset()] * len(again)


@pytest.mark.parametrize("name", ALTERED)
def test_each_alteration_of_a_real_street_is_found(streets: list[list[Frame]], name: str) -> None:
    """In five looks, wherever it begins, under its own name and no other; and taken back as soon when it is over."""
    word, alter = ALTERED[name]
    for looks in streets[1::2]:
        for start in range(0, len(looks) - BEFORE_S - 4 * FOUND_S, 3):
            shown = looks[start : start + BEFORE_S + 4 * FOUND_S]
            for at in range(BEFORE_S, BEFORE_S + 2 * FOUND_S):
                shown[at] = alter(shown[at])
            said = judged(PictureJudge(), shown)
            assert said[:BEFORE_S] == [frozenset()] * BEFORE_S
            found = next((at for at, words in enumerate(said) if words), len(said)) - BEFORE_S
            assert found < FOUND_S, f"{name} from look {start} on was not found in {FOUND_S} looks"
            assert set().union(*said) == {word}
            assert said[BEFORE_S + 3 * FOUND_S :] == [frozenset()] * FOUND_S


def test_a_real_street_that_stands_still_is_frozen(streets: list[list[Frame]]) -> None:
    """From the fifth second of the very same picture on, and no more when it goes on."""
    for looks in streets:
        shown = looks[:10] + [looks[10]] * 10 + looks[11:15]
        said = judged(PictureJudge(), shown)
        assert said == [frozenset()] * 15 + [frozenset({"frozen"})] * 5 + [frozenset()] * 4


@pytest.mark.parametrize("name", ALTERED)
@pytest.mark.parametrize("seed", range(4))
def test_each_alteration_of_a_drawn_street_is_found(name: str, seed: int) -> None:
    """Of any street, with the grain of a camera; a camera that was black or blurred from the start is told, too."""
    word, alter = ALTERED[name]
    frames = list(watched(scene(seed), BEFORE_S))
    judge = PictureJudge()
    assert judged(judge, frames) == [frozenset()] * BEFORE_S
    said = judged(judge, map(alter, frames[: 2 * FOUND_S]), BEFORE_S)
    assert said[FOUND_S - 1 :] == [frozenset({word})] * (FOUND_S + 1)
    if word != "moved":
        assert judged(PictureJudge(), map(alter, frames))[-1] == {word}


def test_a_grain_is_not_frozen_and_a_gap_is_no_time() -> None:
    """A quiet scene with the least grain goes on; what stood before a gap does not count for what stands after it."""
    still = scene(1)
    judge = PictureJudge()
    assert judged(judge, watched(still, 20)) == [frozenset()] * 20
    assert judged(judge, [still] * 5, 20) == [frozenset()] * 5
    assert judged(judge, [still] * 5, 100) == [frozenset()] * 5
    assert judged(judge, [still] * 2, 105) == [frozenset({"frozen"})] * 2
    assert judged(judge, watched(still, 1), 107) == [frozenset()]


def test_what_passes_is_no_turn_of_the_camera() -> None:
    """A lorry that covers half of the picture for long, and one that covers all of it for two seconds."""
    frames = list(watched(scene(2), 60))
    for at in range(20, 40):
        frames[at][:, : frames[at].shape[1] // 2] = 90 + frames[at][:, : frames[at].shape[1] // 2] // 16
    for at in range(50, 52):
        frames[at][:] = scene(9)
    assert judged(PictureJudge(), frames) == [frozenset()] * 60


def test_dusk_is_followed() -> None:
    """A street that grows dark over five minutes, down to a fifth of its light, has not moved."""
    frames = (
        np.asarray(cv2.convertScaleAbs(frame, alpha=1.0 - 0.8 * at / 300), np.uint8)
        for at, frame in enumerate(watched(scene(3, 160, 90), 300))
    )
    assert set().union(*judged(PictureJudge(), frames)) == set()


def test_a_new_view_becomes_the_cameras_own() -> None:
    """Ten minutes after the camera was turned; a look back at the old view is a turn then."""
    judge = PictureJudge()
    one, other = (list(watched(scene(seed, 160, 90), 20)) for seed in (4, 5))
    assert judged(judge, one) == [frozenset()] * 20
    said = [judge.judge(other[at % 20], 1000 * (20 + at)) for at in range(NEW_VIEW_LOOKS + 20)]
    assert said[NEW_VIEW_LOOKS - 5] == {"moved"}
    assert said[-1] == frozenset()
    assert judged(judge, islice(one, 6), 20 + len(said))[-1] == {"moved"}


def test_other_sizes_of_pictures_are_another_camera_setup() -> None:
    """Nothing of what was before is held against it; a picture between looks is not judged, and none is refused."""
    judge = PictureJudge()
    judged(judge, watched(scene(6), 10))
    assert judged(judge, watched(scene(7, 400, 300), 10), 10) == [frozenset()] * 10
    assert judge.judge(np.zeros((300, 400, 3), np.uint8), 19_500) == frozenset()
    with pytest.raises(ObservationError):
        judge.judge(np.zeros((0, 0, 3), np.uint8), 30_000)
