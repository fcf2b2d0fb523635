"""When frames were seen, by the wall clock, and when a connection that was lost is dialled again."""

import random
from collections.abc import Callable
from typing import Final

WINDOW_MS: Final = 60_000
"""Clocks of cameras drift by up to 10 ms in so long; and so long no queue stays as it was."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 5.0
"""From the beginning of one attempt to that of the next."""
SHORTEST_WAIT_S: Final = 0.25
"""From the end of one, even where it took long."""
STEADY_S: Final = 10.0
"""A connection that lasted so long was a good one."""

_chance = random.SystemRandom().random


class EventClock:
    """Media time of one connection on the wall clock: frames are delayed, and the least delayed of late tells by how
    little. So waits on the way and in queues are no part of event time, and drifting clocks are followed.
    """

    __slots__ = ("_before", "_least", "_since_ms")

    def __init__(self) -> None:
        self._before: int | None = None
        self._least: int | None = None
        self._since_ms = 0

    def place(self, media_ms: int, arrived_ms: int) -> int:
        """Epoch ms of a frame that arrived at `arrived_ms`, which it never exceeds."""
        delay = arrived_ms - media_ms
        if self._least is None or not 0 <= arrived_ms - self._since_ms < WINDOW_MS:
            self._before, self._least, self._since_ms = self._least, delay, arrived_ms
        self._least = min(self._least, delay)
        return media_ms + (self._least if self._before is None else min(self._least, self._before))


class Backoff:
    """How long to wait before an attempt: twice as long after each failure, less a share by chance, so that many
    cameras behind one switch do not come back in step.
    """

    __slots__ = ("_jitter", "_next_s")

    def __init__(self, jitter: Callable[[], float] = _chance) -> None:
        self._next_s, self._jitter = FIRST_WAIT_S, jitter

    def wait_s(self, lasted_s: float) -> float:
        """Seconds to wait after an attempt, or a connection, that lasted so long."""
        if lasted_s >= STEADY_S:
            self._next_s = FIRST_WAIT_S
            lasted_s = 0.0
        wait_s = self._next_s * (0.5 + 0.5 * self._jitter())
        self._next_s = min(2.0 * self._next_s, LONGEST_WAIT_S)
        return max(wait_s - lasted_s, SHORTEST_WAIT_S)
