"""The small city of the tests of the distributed street as a recording."""

from pathlib import Path

import numpy as np

from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.distributed import MARK_HEADER, RAW_TOPICS
from city_brain.playback.recorded_city import RecordedCity
from city_brain.ticks.tick import TickSettings
from tests.distributed import kit

PREFIX = "town."


def record(path: Path, partitions: int, seed: int, leave_out: tuple[int, int] | None = None) -> Path:
    """Writes the raw logs in a random interleaving of partitions; `leave_out`: the record that is lost."""
    city = RecordedCity(
        city="city", partitions=partitions, ticks=TickSettings(), topic_prefix=PREFIX,
        raw_partitions=dict.fromkeys(RAW_TOPICS, 1),
    )  # fmt: skip
    chance = np.random.Generator(np.random.PCG64(seed))
    with RecordingWriter(path, WriterSettings(chunk_bytes=1 << 14)) as writer:
        writer.attach(city.attachment())
        for number, raw in enumerate(kit.interleaved(chance, kit.raw_logs())):
            if (raw.partition, raw.offset) == leave_out:
                continue
            channel = writer.channel(PREFIX + RAW_TOPICS[raw.partition], 0)
            headers = ((MARK_HEADER, b""),) if raw.mark else ()
            writer.write(
                channel, raw.offset, raw.value, headers=headers, timestamp_ms=raw.stamp_ms, log_ns=1_000_000 * number
            )
    return path
