"""What was refused at the door: counted by reason, told at a limited rate, without secrets."""

import time
from collections import Counter
from collections.abc import Callable

from city_brain.canonical import printable
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.peers import Peer
from city_brain.servers.repeats import Repeats


class Denials:
    """Counts refusals; `by_reason` and `by_call` are for metrics to read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.by_reason: Counter[Reason] = Counter()
        self.by_call: Counter[str] = Counter()
        self._repeats = Repeats(clock)

    def add(self, refusal: RefusedError, call: str, peer: Peer | None, address: str) -> None:
        """Counts one, and tells it where its reason has been quiet for a while."""
        reason = refusal.reason
        self.by_reason[reason] += 1
        self.by_call[call] += 1
        who = f"certificate sha256:{peer.fingerprint}" if peer else "no certificate"
        self._repeats.add(reason, f"refused ({reason}): {call} from {printable(address)}, {who}")
