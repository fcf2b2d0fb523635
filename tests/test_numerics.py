"""Columns are sorted and searched as numpy does it in the plain way, whatever way is taken because they are long."""

import numpy as np
import pytest

from city_brain.numerics import stable_order

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
