"""Which rows a door has taken before: identities in sorted runs that double in length, in two generations."""

from typing import Final

import numpy as np

from city_brain.types import Bools

_ALIKE: Final = 2
"""A run that is not so many times as long as the one behind it is merged with it: some log2 of all rows remain."""


class Recent:
    """Remembers for `horizon_ms`, and up to twice as long; at most `most` rows of 8 bytes, then the older half goes."""

    def __init__(self, horizon_ms: int, most: int) -> None:
        self._horizon_ms, self._most_young = horizon_ms, most // 2
        self._young: list[np.ndarray] = []
        self._old: list[np.ndarray] = []
        self._held = 0
        self._since_ms: int | None = None

    def first_seen(self, identity: np.ndarray, now_ms: int) -> Bools:
        """Marks (n,) of the identities (n,) those that are new, and remembers them; of equal ones the first is new."""
        self._grow_old(now_ms)
        order = identity.argsort(kind="stable")
        ordered = identity[order]
        new = np.ones(len(ordered), dtype=np.bool_)
        new[1:] = ordered[1:] != ordered[:-1]
        for run in (*self._old, *self._young):
            new &= run.take(run.searchsorted(ordered), mode="clip") != ordered
        first = np.empty(len(ordered), dtype=np.bool_)
        first[order] = new
        self._remember(ordered[new])
        return first

    def _grow_old(self, now_ms: int) -> None:
        since_ms = now_ms if self._since_ms is None else self._since_ms
        if self._held >= self._most_young or now_ms - since_ms >= self._horizon_ms:
            self._old, self._young, self._held, since_ms = self._young, [], 0, now_ms
        self._since_ms = since_ms

    def _remember(self, ordered: np.ndarray) -> None:
        if len(ordered) == 0:
            return
        self._held += len(ordered)
        runs = self._young
        runs.append(ordered)
        while len(runs) > 1 and len(runs[-2]) < _ALIKE * len(runs[-1]):
            longer = np.concatenate((runs[-2], runs[-1]))
            longer.sort(kind="stable")  # two sorted runs: one merge
            runs[-2:] = [longer]
