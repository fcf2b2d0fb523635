"""The small city of the tests of the distributed street as a recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.distributed import MARK_HEADER, MARK_KEY, RAW_TOPICS, RawRecord
from city_brain.kafka.settings import KafkaSettings, RawPartitionCounts
from city_brain.playback.recorded_city import CITY, SETTINGS, decisive
from city_brain.site import SiteSettings
from tests.distributed import kit

PREFIX = "town."


def record(
    path: Path,
    partitions: int,
    seed: int,
    leave_out: tuple[int, int] | None = None,
    said: Sequence[bytes] = (),
    logs: Sequence[Sequence[RawRecord]] = (),
    by_time: bool = False,
) -> Path:
    """Writes the raw logs in a random interleaving of partitions; `leave_out`: the record that is lost. `said`: what
    the city said of its ticks. `logs`: others than those of the kit. `by_time`: records
    arrive at their stamps, or else as fast as can be.
    """
    counts = RawPartitionCounts(detections=1, signals=1, sensors=1, reports=1)
    settings = SiteSettings(city="city", partitions=partitions, kafka=KafkaSettings(raw_partitions=counts))
    path.parent.mkdir(exist_ok=True)
    attached = Attachment(
        log_ns=0, created_ns=0, name=SETTINGS, media_type="application/toml", data=decisive(settings).encode()
    )
    chance = np.random.Generator(np.random.PCG64(seed))
    metadata = {CITY: {"city": "city", "topic_prefix": PREFIX}}
    with RecordingWriter(path, WriterSettings(chunk_bytes=1 << 14), metadata=metadata) as writer:
        writer.attach(attached)
        for number, raw in enumerate(kit.interleaved(chance, logs or kit.raw_logs())):
            if (raw.partition, raw.offset) == leave_out:
                continue
            channel = writer.channel(PREFIX + RAW_TOPICS[raw.partition], 0)
            log_ns = 1_000_000 * (raw.stamp_ms if by_time else number)
            headers = ((MARK_HEADER, b""),) if raw.mark else ()
            writer.write(
                channel, raw.offset, raw.value, key=MARK_KEY if raw.mark else b"key", headers=headers,
                timestamp_ms=raw.stamp_ms, log_ns=log_ns,
            )  # fmt: skip
        incidents = writer.channel(f"{PREFIX}incidents", 0)
        for offset, line in enumerate(said):
            writer.write(incidents, offset, line, timestamp_ms=0, log_ns=1)
    return path
