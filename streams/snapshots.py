"""Snapshots in a compacted topic: the newest of each partition, packed, with the position to read on from inside."""

import asyncio
from typing import Final

import aiokafka
import zstandard

from city_brain.errors import BrokerError, StateError
from city_brain.kafka.settings import KafkaSettings
from city_brain.snapshot import unpacked
from streams.command import logger

UNPACKED_BYTES_MAX: Final = 1 << 30
WAIT_S: Final = 10.0
"""For a snapshot to be read; the largest take a second."""
ATTEMPTS: Final = 3


class Snapshots:
    """The state topic of a program (`topic` with its prefix); one key per partition, no transactions."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.topic = topic
        self._connection = settings.connection()

    def pack(self, state: bytes) -> bytes:
        """A state as it is stored."""
        return zstandard.ZstdCompressor(level=1).compress(state)

    async def newest(self, partition: int, read: str) -> tuple[bytes | None, int]:
        """The last state stored of a partition, None before the first, and the first offset that topic `read` (with
        its prefix) still holds of it.

        A client has been seen to wait for an answer that never came; then another one asks.
        """
        place = f"{self.topic} partition {partition}"
        for _ in range(ATTEMPTS):
            try:
                return await asyncio.wait_for(self._newest(partition, read), WAIT_S)
            except TimeoutError:
                logger.warning("%s: wanted the newest snapshot within %g s, got no answer", place, WAIT_S)
        raise BrokerError(f"{place}: wanted the newest snapshot, got no answer {ATTEMPTS} times")

    async def _newest(self, partition: int, read: str) -> tuple[bytes | None, int]:
        consumer = aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **self._connection)
        state, inputs = (aiokafka.TopicPartition(topic, partition) for topic in (self.topic, read))
        try:
            await consumer.start()
            consumer.assign([state])
            begin: int = (await consumer.beginning_offsets([inputs]))[inputs]
            end = (await consumer.end_offsets([state]))[state]
            if end == 0:
                return None, begin
            consumer.seek(state, end - 1)  # only what is old is compacted
            record = await consumer.getone(state)
            return _unpack(record.value, f"{self.topic} partition {partition}"), begin
        finally:
            # Whoever waits for an answer that does not come would also wait for the end.
            self._closing = asyncio.ensure_future(consumer.stop())


def _unpack(record: bytes, place: str) -> bytes:
    try:
        return unpacked(record, UNPACKED_BYTES_MAX)
    except StateError as wrong:
        raise StateError(f"{place}: wanted a packed snapshot, got {wrong}") from wrong
