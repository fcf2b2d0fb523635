"""The one table of topics: what each is for, what its records are keyed by, and what the broker must know of it."""

from dataclasses import dataclass
from typing import Final, Literal

from city_brain.distributed import RAW_TOPICS
from city_brain.kafka.settings import KafkaSettings
from city_brain.observations.vocabulary import Kind

OBSERVATIONS: Final = "observations"
FUSION_TICKS: Final = "fusion.ticks"
INCIDENTS: Final = "incidents"
FUSION_STATE: Final = "fusion.state"
DESK_STATE: Final = "desk.state"
CONTROL: Final = "control"
DEAD_LETTERS: Final = "dead.letters"
PRODUCTION: Final = "cb.production"
"""That it is there, under any prefix, says that the brokers serve a real city; it holds nothing."""
DEPARTMENTS: Final = "departments."
"""Before the name of a department."""

RECORD_BYTES_MAX: Final = 17 << 20
"""The largest envelope and the batch around it: what topics take and producers may ask."""

STATE_BYTES_MAX: Final = 96 << 20
"""The largest snapshot, packed: about 3 kB for each source of a partition. Brokers take no request beyond 100 MiB."""

Stamp = Literal["LogAppendTime", "CreateTime"]
"""Whether records bear the broker's time or bring their own."""

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_FOR_EVER: Final = -1
_ANY_TIME_MS: Final = (1 << 63) - 1
"""How far ahead of the broker's clock a record may be: log time is that of the raw logs, a recording's of any day."""
_SEGMENT_BYTES: Final = 256 << 20
_STATE_SEGMENT_BYTES: Final = 128 << 20
"""Only closed segments are compacted: small ones keep the topic small; but each must hold the largest snapshot."""
_STATE_SEGMENT_MS: Final = 10 * 60_000
"""Likewise where snapshots are so small that a segment would take days to fill."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A row of the table; `name` is without the prefix."""

    name: str
    purpose: str
    key: str
    partitions: int
    timestamp: Stamp
    retention_ms: int
    max_message_bytes: int
    cleanup: Literal["delete", "compact"] = "delete"
    segment_bytes: int = _SEGMENT_BYTES

    def configs(self, replication_factor: int) -> dict[str, str]:
        """What the broker is told, by its own names."""
        configs = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": self.timestamp,
            "min.insync.replicas": "2" if replication_factor > 2 else "1",
            "retention.ms": str(self.retention_ms),
            "segment.bytes": str(self.segment_bytes),
        }
        if self.timestamp == "CreateTime":
            configs["message.timestamp.after.max.ms"] = str(_ANY_TIME_MS)
        if self.cleanup == "compact":
            configs |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": str(_STATE_SEGMENT_MS)}
        return configs


def raw_partitions(settings: KafkaSettings) -> dict[str, int]:
    """How many partitions each raw topic has, in the order of `RAW_TOPICS`."""
    counts = settings.raw_partitions
    widths = (counts.detections, counts.signals, counts.sensors, counts.reports, 1)
    return dict(zip(RAW_TOPICS, widths, strict=True))


def raw_topic(kind: Kind) -> str:
    """The raw topic that holds the rows of a kind: they stand in the same order."""
    return RAW_TOPICS[kind]


def topics(settings: KafkaSettings, partitions: int) -> tuple[Topic, ...]:
    """The table for a site with so many fusion partitions, raw topics first."""
    # A recording bears the times of its day: by any other retention the broker would drop it as long past.
    kept_ms, year_ms, fortnight_ms = (
        _FOR_EVER if settings.replayed else lasts_ms
        for lasts_ms in (round(settings.retention_h * _HOUR_MS), 365 * _DAY_MS, 14 * _DAY_MS)
    )
    stamp: Stamp = "CreateTime" if settings.replayed else "LogAppendTime"
    said = ("what cameras saw", "what signal controllers show", "what sensors read", "what people told")
    raw = [
        Topic(
            name=name, purpose=f"raw: {what}, and marks", key="source, of single rows; envelopes have none",
            partitions=count, timestamp=stamp, retention_ms=kept_ms, max_message_bytes=RECORD_BYTES_MAX,
        )
        for (name, count), what in zip(raw_partitions(settings).items(), said, strict=False)
    ]  # fmt: skip
    return (
        *raw,
        Topic(
            name=OBSERVATIONS, purpose="admitted rows and marks, for each fusion partition", key="raw partition",
            partitions=partitions, timestamp="CreateTime", retention_ms=kept_ms, max_message_bytes=RECORD_BYTES_MAX,
        ),
        Topic(
            name=FUSION_TICKS, purpose="a record for each closed tick of each fusion partition", key="fusion partition",
            partitions=1, timestamp="CreateTime", retention_ms=kept_ms, max_message_bytes=RECORD_BYTES_MAX,
        ),
        Topic(
            name=INCIDENTS, purpose="the tick records of the city", key="city",
            partitions=1, timestamp="CreateTime", retention_ms=year_ms, max_message_bytes=RECORD_BYTES_MAX,
        ),
        Topic(
            name=FUSION_STATE, purpose="snapshots of fusion", key="fusion partition",
            partitions=partitions, timestamp="CreateTime", retention_ms=_FOR_EVER, max_message_bytes=STATE_BYTES_MAX,
            cleanup="compact", segment_bytes=_STATE_SEGMENT_BYTES,
        ),
        Topic(
            name=DESK_STATE, purpose="snapshots of the desk", key="city",
            partitions=1, timestamp="CreateTime", retention_ms=_FOR_EVER, max_message_bytes=STATE_BYTES_MAX,
            cleanup="compact", segment_bytes=_STATE_SEGMENT_BYTES,
        ),
        Topic(
            name=CONTROL, purpose="raw: map, types and settings by version, and marks", key="version, or mark",
            partitions=1, timestamp=stamp, retention_ms=_FOR_EVER, max_message_bytes=RECORD_BYTES_MAX,
            cleanup="compact", segment_bytes=_STATE_SEGMENT_BYTES,
        ),
        Topic(
            name=DEAD_LETTERS, purpose="what could not be read, with where and why", key="raw partition",
            partitions=1, timestamp="CreateTime", retention_ms=fortnight_ms, max_message_bytes=RECORD_BYTES_MAX,
        ),
        *_tag(settings),
        *(
            Topic(
                name=DEPARTMENTS + name, purpose=f"incidents for {name}, as CloudEvents", key="incident",
                partitions=1, timestamp="CreateTime", retention_ms=year_ms, max_message_bytes=RECORD_BYTES_MAX,
            )
            for name in settings.departments
        ),
    )  # fmt: skip


def _tag(settings: KafkaSettings) -> tuple[Topic, ...]:
    tag = Topic(
        name=PRODUCTION, purpose="nothing: that it is there keeps recordings away from these brokers", key="none",
        partitions=1, timestamp="CreateTime", retention_ms=_FOR_EVER, max_message_bytes=RECORD_BYTES_MAX,
    )  # fmt: skip
    return (tag,) if settings.production else ()
