"""The watchdog: a thread outside of Faust and its consumer that ends a worker which has input and takes none.

Clients of Kafka have been seen to fall silent for good after an outage, alive by every other sign. So while nothing is
taken, the brokers are asked, by a client of its own, whether there is more. A record must have waited for the whole
limit: one that comes after a silence is no sign of a worker that hangs.
"""

import os
import threading
import time
from collections.abc import Mapping

from city_brain.errors import BrokerError
from city_brain.kafka.connecting import consumer
from city_brain.kafka.settings import KafkaSettings
from streams.command import logger

STALLED = 75
"""Exit code of a worker that stood still (EX_TEMPFAIL)."""


class Watchdog:
    """Watches the progress that `saw` tells of."""

    def __init__(self, kafka: KafkaSettings, stalled_after_s: float) -> None:
        self._kafka, self._stalled_after_s, self._look_s = kafka, stalled_after_s, stalled_after_s / 5.0
        self._seen: dict[tuple[str, int], int] = {}
        self._last_s = time.monotonic()

    def saw(self, topic: str, partition: int, offset: int) -> None:
        """A record was taken."""
        self._seen[topic, partition] = offset
        self._last_s = time.monotonic()

    def begin(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Partitions have moved: each assigned one is to be read from its offset, empty until that is known."""
        self._seen = {place: offset - 1 for place, offset in offsets.items()}
        self._last_s = time.monotonic()

    def start(self) -> None:
        """Begins to watch."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        waits, since_s = None, 0.0
        while True:
            time.sleep(self._look_s)
            now_s = time.monotonic()
            due = self._due() if now_s - self._last_s >= self._look_s else None
            if due is None or due != waits or self._last_s > since_s:
                waits, since_s = due, now_s
            elif now_s - since_s >= self._stalled_after_s:
                topic, partition, offset = due
                logger.critical(
                    "wanted records to be taken, got none for %.0f s while there are more",
                    self._stalled_after_s,
                    extra={"topic": topic, "partition": partition, "offset": offset},
                )
                os._exit(STALLED)

    def _due(self) -> tuple[str, int, int] | None:
        """The offset that is due of a partition which has more than was taken of it; None where none has, or no broker
        can be asked.
        """
        from kafka import TopicPartition

        seen = dict(self._seen)
        if not seen:
            return None
        try:
            with consumer(self._kafka) as client:
                ends = client.end_offsets([TopicPartition(topic, partition) for topic, partition in seen])
        except BrokerError:
            return None
        for place, end in ends.items():
            if end > seen[place.topic, place.partition] + 1:
                return place.topic, place.partition, seen[place.topic, place.partition] + 1
        return None
