"""What was refused at the door: counted by reason, told at a limited rate, without secrets."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from city_brain.canonical import printable
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.peers import Peer

TOLD_EVERY_S = 10.0
"""Time between two lines of one reason: a caller that tries all day must not fill the disk."""
logger = logging.getLogger("city_brain")


class Denials:
    """Counts refusals; `by_reason` and `by_call` are for metrics to read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.by_reason: Counter[Reason] = Counter()
        self.by_call: Counter[str] = Counter()
        self._clock = clock
        self._told_at: dict[Reason, float] = {}
        self._untold: Counter[Reason] = Counter()

    def add(self, refusal: RefusedError, call: str, peer: Peer | None, address: str) -> None:
        """Counts one, and tells it where its reason has been quiet for a while."""
        reason = refusal.reason
        self.by_reason[reason] += 1
        self.by_call[call] += 1
        if self._clock() - self._told_at.get(reason, -TOLD_EVERY_S) < TOLD_EVERY_S:
            self._untold[reason] += 1
            return
        self._told_at[reason] = self._clock()
        who = f"certificate sha256:{peer.fingerprint}" if peer else "no certificate"
        more = f"; {self._untold[reason]} more before it" if self._untold[reason] else ""
        self._untold[reason] = 0
        logger.warning("refused (%s): %s from %s, %s%s", reason, call, printable(address), who, more)
