"""A recording is played no faster than a consumer group commits: it is never far behind, and nothing is skipped."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from city_brain.errors import BrokerError, SettingsError
from city_brain.kafka.connecting import AdminClient, admin
from city_brain.kafka.settings import KafkaSettings

LOOK_S: Final = 0.05
PATIENCE_S: Final = 120.0
"""A group that commits nothing for so long has stopped."""


class Lockstep:
    """Counts what was sent to each partition, and waits while the group is too far behind in all together."""

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        targets: Collection[tuple[str, int]],
        lag: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`targets`: topics and partitions that are played to, empty before. `lag`: records it may be behind."""
        if lag < 1:
            raise SettingsError(f"lockstep: wanted a lag of 1 record or more, got {lag}")
        self._settings, self._group, self._lag, self._patience_s = settings, group, lag, patience_s
        self._targets = frozenset(targets)
        self._sent: Counter[tuple[str, int]] = Counter()
        self._open = 0
        """How many may be sent before somebody must look."""

    def wait(self, target: tuple[str, int], settle: Callable[[], None]) -> None:
        """Returns once one record more may be sent to a target; `settle` waits for those that are on their way.

        Raises BrokerError where the group makes no progress.
        """
        if not self._open:
            settle()
            self._open = self._await_room()
        self._open -= 1
        self._sent[target] += 1

    def _await_room(self) -> int:
        last, moved_s = -1, time.monotonic()
        with admin(self._settings) as client:
            while True:
                committed = self._committed(client)
                behind = sum(self._sent[place] - offset for place, offset in committed.items())
                if behind < self._lag:
                    return self._lag - behind
                if sum(committed.values()) > last:
                    last, moved_s = sum(committed.values()), time.monotonic()
                elif time.monotonic() - moved_s > self._patience_s:
                    told = (
                        f"wanted it to read on, got nothing for {self._patience_s:g} s; it is {behind} records behind"
                    )
                    raise BrokerError(f"group {self._group}: {told}")
                time.sleep(LOOK_S)

    def _committed(self, client: AdminClient) -> dict[tuple[str, int], int]:
        """How many records of each target the group has committed; once it has committed any, those that it has not
        committed at all are taken for none of its own.
        """
        from kafka.errors import KafkaError

        try:
            told = client.list_group_offsets({self._group: None}).get(self._group, {})
        except KafkaError as wrong:
            if not wrong.retriable:
                raise
            told = {}  # its coordinator moves; the next look finds it
        found = {(place.topic, place.partition): max(said.offset, 0) for place, said in told.items()}
        mine = {place: offset for place, offset in found.items() if place in self._targets and offset}
        return mine or dict.fromkeys(self._targets, 0)
