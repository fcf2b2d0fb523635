"""Snapshots in a compacted topic: the newest of each partition, packed, with the position to read on from inside."""

import asyncio

import aiokafka
import zstandard

from city_brain.errors import StateError
from city_brain.kafka.settings import KafkaSettings

UNPACKED_BYTES_MAX = 1 << 30


class Snapshots:
    """The state topic of a program (`topic` with its prefix); one key per partition, no transactions."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.topic = topic
        self._connection = settings.connection()

    def pack(self, state: bytes) -> bytes:
        """A state as it is stored."""
        return zstandard.ZstdCompressor(level=1).compress(state)

    async def newest(self, partition: int) -> bytes | None:
        """The last state stored of a partition, None before the first. It is read from the end: only what is old is
        compacted.
        """
        async with aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **self._connection) as consumer:
            place = aiokafka.TopicPartition(self.topic, partition)
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            if end == 0:
                return None
            consumer.seek(place, end - 1)
            record = await asyncio.wait_for(consumer.getone(place), 30.0)
        return _unpack(record.value, f"{self.topic} partition {partition}")

    async def begin(self, topic: str, partition: int) -> int:
        """The first offset that a partition of a topic still holds."""
        async with aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **self._connection) as consumer:
            place = aiokafka.TopicPartition(topic, partition)
            offset: int = (await consumer.beginning_offsets([place]))[place]
            return offset


def _unpack(record: bytes, place: str) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(record, max_output_size=UNPACKED_BYTES_MAX)
    except zstandard.ZstdError as wrong:
        raise StateError(f"{place}: wanted a packed snapshot, got {wrong}") from wrong
