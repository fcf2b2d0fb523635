"""Orders of rows that mostly come in order: only where they do not is the whole key sorted."""

import numpy as np

from city_brain.numerics import first_of_run, stable_order
from city_brain.types import Bools, Ints

_FEW = 2048


def by_sequence(group: Ints, seq: Ints, event_ms: Ints) -> Ints:
    """Row numbers (n,) in order of (`group`, `seq`, `event_ms`); equal rows keep their order."""
    if len(group) < _FEW:
        return np.lexsort((event_ms, seq, group))
    order = stable_order(group)
    groups, seqs, events = group[order], seq[order], event_ms[order]
    behind = (seqs[1:] < seqs[:-1]) | ((seqs[1:] == seqs[:-1]) & (events[1:] < events[:-1]))
    wrong = (behind & (groups[1:] == groups[:-1])).nonzero()[0]
    if len(wrong):
        run = first_of_run(groups).cumsum()
        mark = np.zeros(int(run[-1]) + 1, dtype=np.bool_)
        mark[run[wrong]] = True
        at = mark[run].nonzero()[0]
        rows = order[at]
        order[at] = rows[np.lexsort((event_ms[rows], seq[rows], group[rows]))]
    return order


def repeats(order: Ints, *columns: Ints) -> Bools:
    """Marks (n - 1,) where, in an order of n rows, a row equals the one before it in all columns."""
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    return same
