"""Warnings of what may come without end: a line for each kind, then silence for a while, then how many there were."""

import logging
import time
from collections import Counter
from collections.abc import Callable

TOLD_EVERY_S = 10.0
"""Time between two lines of one kind: a caller that tries all day must not fill the disk."""
logger = logging.getLogger("city_brain")


class Repeats:
    """Warns at a limited rate; kinds are few, and ours."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def add(self, kind: str, line: str) -> None:
        """Tells `line` where its kind has been quiet for a while, else counts it."""
        now_s = self._clock()
        if now_s - self._told_at.get(kind, -TOLD_EVERY_S) < TOLD_EVERY_S:
            self._untold[kind] += 1
            return
        self._told_at[kind] = now_s
        untold = self._untold.pop(kind, 0)
        logger.warning("%s%s", line, f"; {untold} more before it" if untold else "")
