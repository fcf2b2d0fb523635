"""Suppression keeps the best box of each thing, and keeps the same ones as loops that do it one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from city_brain.types import Floats, Ints
from city_brain.vision.nms import MOST_CANDIDATES, best, suppress

SIDE = st.integers(0, 12)
THINGS = st.lists(
    st.tuples(SIDE, SIDE, SIDE, SIDE, st.sampled_from([0.1, 0.5, 0.5000001, 0.9]), st.integers(0, 2)), max_size=40
)


def naive(box: Floats, score: Floats, group: Ints, iou: float, most: int) -> list[int]:
    """Group by group: the best that is left stays and removes what overlaps it."""
    stay = []
    for number in sorted(set(group.tolist())):
        left = sorted((row for row in range(len(score)) if group[row] == number), key=lambda row: (-score[row], row))
        while left:
            first = left.pop(0)
            stay.append(first)
            left = [row for row in left if not _one_thing(box[first].tolist(), box[row].tolist(), iou)]
    return sorted(stay, key=lambda row: (-score[row], row))[:most]


def _one_thing(a: list[float], b: list[float], iou: float) -> bool:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared > iou * union


@given(THINGS, st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]), st.integers(0, 50))
def test_the_same_stay_as_one_by_one(
    things: list[tuple[int, int, int, int, float, int]], iou: float, most: int
) -> None:
    """Also with equal scores, boxes without area and boxes that touch."""
    box = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d, _, _ in things], dtype=np.float64)
    score, group = np.array([thing[4] for thing in things]), np.array([thing[5] for thing in things], dtype=np.int64)
    stay = suppress(box.reshape(-1, 4), score, group, iou, most)
    assert stay.tolist() == naive(box.reshape(-1, 4), score, group, iou, most)


def test_the_same_stay_in_a_crowd() -> None:
    """Boxes that are looked at in several blocks are suppressed across their borders."""
    chance = np.random.default_rng(4)
    low, size = chance.random((900, 2)) * 100, 5 + chance.random((900, 2)) * 20
    box, score = np.concatenate([low, low + size], axis=1), chance.random(900).round(2)
    group = chance.integers(0, 3, 900)
    stay = suppress(box, score, group, 0.2, 900)
    assert stay.tolist() == naive(box, score, group, 0.2, 900)
    assert 100 < len(stay) < 500
    assert suppress(box, score, group, 0.2, 90).tolist() == stay[:90].tolist()


def test_boxes_of_other_groups_stay() -> None:
    """A person before a bus is not suppressed, however much they overlap."""
    box, score = np.array([[0.0, 0.0, 9.0, 9.0]] * 3), np.array([0.5, 0.9, 0.8])
    assert suppress(box, score, np.array([0, 1, 1]), 0.45, 300).tolist() == [1, 0]


def test_the_number_of_boxes_is_bounded() -> None:
    """Of more boxes than anyone can look at, the best are looked at; of those that stay, the best are given."""
    n = MOST_CANDIDATES + 1000
    low = np.arange(n, dtype=np.float64)[:, None] * [2.0, 0.0]
    box, group = np.concatenate([low, low + 1.0], axis=1), np.zeros(n, dtype=np.int64)
    score = np.linspace(0.1, 0.9, n)
    assert suppress(box, score, group, 0.45, n).tolist() == list(range(n - 1, 999, -1))
    assert suppress(box, score, group, 0.45, 7).tolist() == list(range(n - 1, n - 8, -1))
    assert suppress(box, score, group, 0.45, 0).tolist() == []


def test_boxes_beyond_all_numbers_do_no_harm() -> None:
    """Boxes whose area overflows stay, and suppress nothing."""
    box = np.array([[-1e200, -1e200, 1e200, 1e200]] * 2 + [[0.0, 0.0, 1.0, 1.0]])
    assert suppress(box, np.array([0.9, 0.8, 0.7]), np.zeros(3, dtype=np.int64), 0.45, 9).tolist() == [0, 1, 2]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), max_size=20), st.integers(0, 30))
def test_the_best_are_first_and_equal_ones_in_their_order(scores: list[float], most: int) -> None:
    """Sorted by score, then by row."""
    wanted = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:most]
    assert best(np.array(scores, dtype=np.float64), most).tolist() == wanted
