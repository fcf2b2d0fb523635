"""The order of ticks in a log that may repeat itself: the next is taken, older ones are dropped, a jump is wrong."""

import hashlib
from typing import Final

import msgspec

from city_brain.errors import StateError

REMEMBERED: Final = 600
"""Records whose digests are kept, so that a repetition with other bytes is found out."""


class TickSequence(msgspec.Struct):
    """What a reader knows of the ticks it took. `next_tick` is None before the first, which may be any."""

    next_tick: int | None = None
    digests: dict[int, bytes] = {}

    def accepts(self, tick: int, record: bytes, place: str) -> bool:
        """Whether a record is the next one; a jump, or a tick that comes again in other bytes, is a StateError."""
        digest = hashlib.blake2b(record, digest_size=8).digest()
        if self.next_tick is None or tick == self.next_tick:
            self.next_tick = tick + 1
            self.digests[tick] = digest
            if len(self.digests) > REMEMBERED:
                del self.digests[next(iter(self.digests))]
            return True
        if tick > self.next_tick:
            raise StateError(f"{place}: wanted tick {self.next_tick}, got {tick}: ticks are lost")
        known = self.digests.get(tick, digest)
        if known != digest:
            raise StateError(
                f"{place}, tick {tick}: wanted the bytes of digest {known.hex()} again, got {digest.hex()}"
            )
        return False

    def before(self, tick: int | None) -> "TickSequence":
        """The same as it was when `tick` was the next one."""
        if tick is None:
            return TickSequence()
        return TickSequence(tick, {known: digest for known, digest in self.digests.items() if known < tick})
