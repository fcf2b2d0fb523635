"""Columns are sorted and searched as numpy does it in the plain way, whatever way is taken because they are long."""

import numpy as np
import pytest

from city_brain.numerics import KeyIndex, stable_order

SHORT, LONG = 100, 5_000
LEAST, MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@pytest.mark.parametrize("n", [0, 1, SHORT, LONG])
@pytest.mark.parametrize(("low", "high"), [(7, 8), (-9, 9), (-70_000, 70_000), (0, 1 << 40), (LEAST, MOST)])
def test_integers_of_any_range_are_put_in_order_and_equal_ones_stay(n: int, low: int, high: int) -> None:
    keys = np.random.default_rng(n).integers(low, high, n, endpoint=True)
    assert stable_order(keys).tolist() == keys.argsort(kind="stable").tolist()


@pytest.mark.parametrize("n", [SHORT, LONG])
def test_floats_are_put_in_order_and_zero_equals_its_negative(n: int) -> None:
    keys = np.round(np.random.default_rng(n).normal(0.0, 1.0, n), 2)
    keys[::7], keys[1::7], keys[5], keys[6] = 0.0, -0.0, np.inf, -np.inf
    assert stable_order(keys).tolist() == keys.argsort(kind="stable").tolist()


@pytest.mark.parametrize("n", [SHORT, LONG])
def test_an_order_is_refined_by_a_key_that_comes_first(n: int) -> None:
    rng = np.random.default_rng(n)
    first, second, third = rng.integers(0, 4, n), rng.normal(0.0, 1.0, n).round(1), rng.integers(-3, 3, n)
    order = stable_order(first, stable_order(second, stable_order(third)))
    assert order.tolist() == np.lexsort((third, second, first)).tolist()


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("keys", [0, 1, SHORT, LONG])
@pytest.mark.parametrize("wanted", [0, SHORT, LONG])
def test_keys_are_found_however_many_there_are_and_however_many_are_wanted(
    keys: int, wanted: int, ascending: bool
) -> None:
    rng = np.random.default_rng(keys + wanted)
    column = rng.choice(3 * LONG, keys, replace=False) - LONG
    if ascending:
        column.sort()
    sought = rng.integers(-2 * LONG, 3 * LONG, wanted)
    place = {key: at for at, key in enumerate(column.tolist())}
    index = KeyIndex(column, ascending)
    for _ in range(2):
        assert index.find(sought).tolist() == [place.get(key, -1) for key in sought.tolist()]
