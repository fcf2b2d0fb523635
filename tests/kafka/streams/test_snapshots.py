"""Snapshots as large as those of a big city are stored and found again."""

import asyncio
from pathlib import Path

import aiokafka
import numpy as np

from city_brain.kafka.topics import FUSION_STATE, STATE_BYTES_MAX
from streams.snapshots import Snapshots
from tests.kafka.sites import a_site, applied, kafka_settings

STATE_BYTES = 40 << 20
"""Packed it is as large, and beyond what an envelope may be."""


def test_a_large_snapshot_is_stored_and_the_newest_is_found(kafka: str, prefix: str, tmp_path: Path) -> None:
    """One of some ten thousand sources, and a small one behind it."""
    site = a_site(tmp_path / "city", kafka, prefix)
    applied(site)
    settings = kafka_settings(site)
    snapshots = Snapshots(settings, settings.topic(FUSION_STATE))
    large = np.random.Generator(np.random.PCG64(1)).bytes(STATE_BYTES)

    async def store_and_find(state: bytes) -> bytes | None:
        async with aiokafka.AIOKafkaProducer(max_request_size=STATE_BYTES_MAX, **settings.connection()) as producer:
            await producer.send_and_wait(snapshots.topic, snapshots.pack(state), key=b"0", partition=0)
        state, begin = await snapshots.newest(0, snapshots.topic)
        assert begin == 0
        return state

    assert asyncio.run(store_and_find(large)) == large
    assert asyncio.run(store_and_find(b"small")) == b"small"
