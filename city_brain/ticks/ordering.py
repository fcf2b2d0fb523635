"""Orders of rows by source and sequence, and which rows of one are the same again."""

import numpy as np

from city_brain.numerics import stable_order
from city_brain.types import Bools, Ints


def by_sequence(group: Ints, seq: Ints, event_ms: Ints) -> Ints:
    """Row numbers (n,) in order of (`group`, `seq`, `event_ms`); equal rows keep their order."""
    return stable_order(group, stable_order(seq, stable_order(event_ms)))


def repeats(order: Ints, *columns: Ints) -> Bools:
    """Marks (n - 1,) where, in an order of n rows, a row equals the one before it in all columns."""
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    return same
