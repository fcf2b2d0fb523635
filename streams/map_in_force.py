"""The map that holds now, for programs that do not go by ticks: heard from `control`, read by this machine's clock."""

from contextlib import suppress
from typing import Any

import aiokafka

from city_brain.city.city_map import CityMap
from city_brain.distributed import MARK_HEADER
from city_brain.errors import StateError
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import CONTROL
from city_brain.pipeline.configuration import Configurations, Configured, Schedule


class MapInForce:
    """Follows `control` from its beginning; a context manager, for an event loop."""

    def __init__(self, kafka: KafkaSettings, configurations: Configurations) -> None:
        self._configurations = configurations
        self._schedule = Schedule.of(configurations.first.version)
        self._place = aiokafka.TopicPartition(kafka.topic(CONTROL), 0)
        self._consumer = aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **kafka.connection())

    async def __aenter__(self) -> "MapInForce":
        """Hears all that was announced until now."""
        await self._consumer.start()
        self._consumer.assign([self._place])
        await self._consumer.seek_to_beginning(self._place)
        end = (await self._consumer.end_offsets([self._place]))[self._place]
        while await self._consumer.position(self._place) < end:
            await self.hear(wait_ms=500)
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._consumer.stop()

    async def hear(self, wait_ms: int = 0) -> None:
        """Takes what has been announced since."""
        for record in (await self._consumer.getmany(self._place, timeout_ms=wait_ms)).get(self._place, ()):
            if MARK_HEADER in dict(record.headers or ()):
                continue
            with suppress(StateError):  # ingest makes it a dead letter
                change = self._configurations.add(record.value or b"")
                if change.since_ms:
                    self._schedule.announce(change.holds_from_ms(record.timestamp), change.configuration.version)

    def city(self, now_ms: int) -> CityMap:
        """The map that holds at a time, epoch ms."""
        return self._at(now_ms).ground.city

    def version(self, now_ms: int) -> str:
        """A hash of it."""
        return self._at(now_ms).versions["map"]

    def _at(self, now_ms: int) -> Configured:
        return self._configurations.at(self._schedule, now_ms)
