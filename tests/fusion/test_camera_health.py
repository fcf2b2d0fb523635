"""What is told of a camera itself: no sign that it sees, and reason enough to hold it for blind."""

import numpy as np
import pytest

from city_brain.fusion.sensors import SensorBook
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import CAMERA_BLIND, CAMERA_HEALTH, Kind, ObjectClass, Quantity, Status
from city_brain.testing import make_rows
from tests.incidents.detectors.surroundings import START_MS, ground, sights, tick_of

Said = dict[int, list[tuple[Quantity, float]]]
"""Words about camera `one`, by second."""


def blind_after(seconds: int, said: Said, sees: range = range(0), status: Status = Status.ACTUAL) -> list[int]:
    """The seconds at whose end camera `one` is blind; it sees a car in the seconds of `sees`."""
    book, found = SensorBook.empty(ground()), []
    for second in range(seconds):
        cars = [("one", 1, ObjectClass.CAR, 375.0 + second % 5, 375.0, 0.9)] if second in sees else []
        words = said.get(second, [])
        told = [
            make_rows(
                source=[hash63("one")] * len(words), kind=int(Kind.SENSOR), status=int(status),
                seq=1000 * second + np.arange(len(words)), event_ms=START_MS + 1000 * second + 900,
                code=np.array([int(word) for word, _ in words]), value=np.array([value for _, value in words]),
            )
        ] if words else []  # fmt: skip
        book.step(tick_of(second, Rows.concat([*told, *sights(second, cars)])), ground())
        if book.silent.is_blind(np.array([hash63("one")]))[0]:
            found.append(second)
    return found


@pytest.mark.parametrize("word", CAMERA_HEALTH)
def test_a_camera_that_shows_nothing_to_be_believed_is_blind_until_that_is_over(word: Quantity) -> None:
    """Down, frozen, black or moved; a blurred one still sees."""
    blind = blind_after(40, {10: [(word, 1.0)], 30: [(word, 0.0)]}, range(5))
    assert blind == (list(range(10, 30)) if word in CAMERA_BLIND else [])


def test_of_several_words_any_that_blinds_counts() -> None:
    """Told in one second, in whatever order; of a word told twice the newest."""
    both = [(Quantity.CAMERA_DOWN, 0.0), (Quantity.PICTURE_BLACK, 1.0), (Quantity.PICTURE_FROZEN, 0.0)]
    assert blind_after(8, {3: both}) == blind_after(8, {3: both[::-1]}) == list(range(3, 8))
    twice = [(Quantity.CAMERA_DOWN, 1.0), (Quantity.CAMERA_DOWN, 0.0)]
    assert blind_after(8, {3: twice}) == []


def test_a_camera_that_is_heard_sees() -> None:
    """Whatever was told before: what it saw was believed by whoever watched it."""
    assert blind_after(20, {5: [(Quantity.CAMERA_DOWN, 1.0)]}, range(12, 14)) == list(range(5, 12))


def test_words_of_an_exercise_blind_nobody() -> None:
    assert blind_after(8, {3: [(Quantity.CAMERA_DOWN, 1.0)]}, status=Status.EXERCISE) == []


def test_words_do_not_make_a_camera_live() -> None:
    """One that was never heard, and whose words are told, has not been heard."""
    book = SensorBook.empty(ground())
    rows = make_rows(
        source=[hash63("one")], kind=int(Kind.SENSOR), code=int(Quantity.CAMERA_DOWN), value=0.0, event_ms=START_MS
    )
    book.step(tick_of(0, rows), ground())
    assert not book.silent.presence().is_live(len(ground().city.source_ids)).any()
