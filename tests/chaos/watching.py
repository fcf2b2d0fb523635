"""The log of incidents watched while it grows: when each tick was first said."""

import threading
import time
from contextlib import closing

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import INCIDENTS
from tests.chaos.checker import tick_of


class Watcher(threading.Thread):
    """Follows `incidents`; a broker that is away only holds it up."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(name="watcher", daemon=True)
        self._settings = settings
        self.seen_s: dict[int, float] = {}
        """When (monotonic s) each tick was there."""
        self._asked = threading.Event()

    def stop(self) -> None:
        """Ends."""
        self._asked.set()
        self.join()

    def run(self) -> None:
        """Watches."""
        place = TopicPartition(self._settings.topic(INCIDENTS), 0)
        with closing(KafkaConsumer(enable_auto_commit=False, **self._settings.connection())) as consumer:
            consumer.assign([place])
            consumer.seek(place, 0)
            while not self._asked.is_set():
                try:
                    records = consumer.poll(timeout_ms=200).get(place, ())
                except KafkaError:
                    time.sleep(0.2)
                    continue
                now_s = time.monotonic()
                for record in records:
                    self.seen_s.setdefault(tick_of(record.value), now_s)
