"""One-to-one assignment of candidates by cost, with an ambiguity margin.

Greedy by mutual best: a pair is taken when it is the cheapest of both its sides; then its sides leave and the rest is
looked at again. On gated candidates this equals the optimal assignment nearly always, costs no matrix, and ties are
settled by index.
"""

import numpy as np

from city_brain.types import Bools, Floats, Ints

AMBIGUITY_MARGIN = 0.7
"""The second best must cost this much more, or the pair is left undecided."""

_ROUNDS = 6


def assign(left: Ints, right: Ints, cost: Floats, margin: float = AMBIGUITY_MARGIN) -> Ints:
    """Indices into the candidates (k,) of the pairs taken, each `left` and each `right` at most once.

    A `left` whose two cheapest candidates lie within `margin` of each other takes none.
    """
    alive = np.isfinite(cost) & ~_ambiguous(left, cost, margin)
    taken: list[Ints] = []
    for _ in range(_ROUNDS):
        at = np.flatnonzero(alive)
        if len(at) == 0:
            break
        best = at[_cheapest(left[at], cost[at], right[at]) & _cheapest(right[at], cost[at], left[at])]
        if len(best) == 0:
            break
        taken.append(best)
        alive[at] = ~(np.isin(left[at], left[best]) | np.isin(right[at], right[best]))
    return np.sort(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.int64)


def _cheapest(side: Ints, cost: Floats, other: Ints) -> Bools:
    """Marks (k,) the cheapest candidate of each value of `side`, ties by `other`."""
    order = np.lexsort((other, cost, side))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = side[order][1:] != side[order][:-1]
    answer = np.zeros(len(order), dtype=np.bool_)
    answer[order[first]] = True
    return answer


def _ambiguous(side: Ints, cost: Floats, margin: float) -> Bools:
    """Marks (k,) the candidates of a `side` whose two cheapest lie within `margin`."""
    order = np.lexsort((cost, side))
    ordered, costs = side[order], cost[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    close = np.zeros(len(order), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        close[:-1] = first[:-1] & ~first[1:] & (costs[1:] - costs[:-1] < margin)
    answer: Bools = np.isin(side, ordered[close])
    return answer
