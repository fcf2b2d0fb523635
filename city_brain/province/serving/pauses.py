"""How long a city waits before it calls its province again: longer each time, until a link has lasted."""

import random
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 15.0
"""After a link that was cut, or a province that is not there."""
LONGEST_REFUSED_S: Final = 60.0
"""After a refusal that somebody must see to: another city under the same code, a clock that is wrong."""
LASTED_S: Final = 5.0
"""A link that was cut after so long was a good one."""
LASTED_REFUSED_S: Final = 2 * LONGEST_REFUSED_S
"""And one that was refused after so long: two that take each other's place bear each other for less."""
_chance = random.SystemRandom().random


class Pauses:
    """Pauses drawn at random below a bound that doubles with each failure in a row; `jitter` draws from 0 to 1."""

    def __init__(self, jitter: Callable[[], float] = _chance) -> None:
        self._jitter = jitter
        self._failures = 0

    def after(self, lasted_s: float, *, refused: bool) -> float:
        """Seconds to wait after a link that lasted so long (0 for none) was cut, or refused."""
        if lasted_s >= (LASTED_REFUSED_S if refused else LASTED_S):
            self._failures = 0
        longest_s = LONGEST_REFUSED_S if refused else LONGEST_S
        pause_s = min(longest_s, FIRST_S * 2.0 ** min(self._failures, 10)) * self._jitter()
        self._failures += 1
        return pause_s
