"""What would be told again and again: warnings of what comes without end, and complaints of what stays wrong."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

TOLD_EVERY_S = 10.0
"""Time between two lines of one kind: a caller that tries all day must not fill the disk."""
logger = logging.getLogger("city_brain")


class Repeats:
    """Warns at a limited rate: a line for each kind, then silence for a while, then how many there were. Kinds are few,
    and ours.
    """

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


class Complaints:
    """Tells once what is wrong, and again only after it was well: one for all servers of a program that read the same
    files. From any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing: dict[object, str] = {}

    def wrong(self, who: object, line: str) -> None:
        """`who` finds this wrong; tells it where nobody does yet."""
        with self._lock:
            known = line in self._standing.values()
            self._standing[who] = line
        if not known:
            logger.error("%s", line)

    def well(self, who: object) -> None:
        """`who` finds nothing wrong any more."""
        with self._lock:
            self._standing.pop(who, None)
