"""One-to-one assignment of candidates by cost, with an ambiguity margin.

Greedy by mutual best: a pair is taken when it is the cheapest of both its sides; then its sides leave and the rest is
looked at again. On gated candidates this equals the optimal assignment nearly always, costs no matrix, and ties are
settled by index.
"""

import numpy as np

from city_brain.numerics import first_of_run, stable_order
from city_brain.types import Bools, Floats, Ints

AMBIGUITY_MARGIN = 0.7
"""The second best must cost this much more, or the pair is left undecided."""

_ROUNDS = 6


def assign(left: Ints, right: Ints, cost: Floats, margin: float = AMBIGUITY_MARGIN) -> Ints:
    """Indices into the candidates (k,) of the pairs taken, each `left` and each `right` (small numbers) at most once.

    A `left` whose two cheapest candidates lie within `margin` of each other takes none.
    """
    if len(cost) == 0:
        return np.zeros(0, dtype=np.int64)
    # In one order by cost the first candidate of a side is its cheapest, whichever the side.
    order = stable_order(cost, stable_order(left, stable_order(right)))
    left, right, cost = left[order], right[order], cost[order]
    alive = (np.isfinite(cost) & ~_ambiguous(left, cost, margin)).nonzero()[0]
    taken: list[Ints] = []
    for _ in range(_ROUNDS):
        if len(alive) == 0:
            break
        mine, yours = left[alive], right[alive]
        best = alive[_first(mine) & _first(yours)]
        if len(best) == 0:
            break
        taken.append(best)
        alive = alive[~(_among(mine, left[best]) | _among(yours, right[best]))]
    return np.sort(order[np.concatenate(taken)]) if taken else np.zeros(0, dtype=np.int64)


def _first(side: Ints) -> Bools:
    """Marks (k,) the first candidate of each value of `side`, small numbers."""
    row = np.arange(len(side) - 1, -1, -1)
    first = np.empty(int(side.max()) + 1, dtype=np.int64)
    first[side[row]] = row  # of equal ones the last that is written stays
    answer: Bools = first[side] == np.arange(len(side))
    return answer


def _ambiguous(side: Ints, cost: Floats, margin: float) -> Bools:
    """Marks (k,) the candidates, in order of cost, of a `side` whose two cheapest lie within `margin`."""
    order = stable_order(side)
    ordered, costs = side[order], cost[order]
    first = first_of_run(ordered)
    with np.errstate(invalid="ignore"):
        close = first[:-1] & ~first[1:] & (costs[1:] - costs[:-1] < margin)
    return _among(side, ordered[:-1][close])


def _among(side: Ints, chosen: Ints) -> Bools:
    """Whether each value of `side` (k,), small numbers, is one of those `chosen`."""
    mark = np.zeros(int(side.max()) + 1, dtype=np.bool_)
    mark[chosen] = True
    found: Bools = mark[side]
    return found
