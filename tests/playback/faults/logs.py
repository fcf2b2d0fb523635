"""What tests of faults share: the raw logs of a small city as the records of a recording, and back."""

from collections.abc import Iterable, Sequence

from city_brain.bag.records import LOG_APPEND_TIME, Record
from city_brain.distributed import RawRecord
from city_brain.distributed.raw_log import MARK_HEADER, MARK_KEY, RAW_TOPICS
from tests.distributed.kit import raw_logs

PREFIX = "city."


def recorded() -> list[Record]:
    """The records of all raw partitions in order of their stamps, each topic with one partition and a prefix."""
    every = sorted(
        (raw for log in raw_logs() for raw in log), key=lambda raw: (raw.stamp_ms, raw.partition, raw.offset)
    )
    return [
        Record(
            PREFIX + RAW_TOPICS[raw.partition], 0, raw.offset, MARK_KEY if raw.mark else None, raw.value,
            ((MARK_HEADER, b""),) if raw.mark else (), raw.stamp_ms, LOG_APPEND_TIME, 0, 1_000_000 * raw.stamp_ms + at,
        )
        for at, raw in enumerate(every)
    ]  # fmt: skip


def logs_of(records: Iterable[Record]) -> Sequence[Sequence[RawRecord]]:
    """The raw logs that the records are."""
    logs: list[list[RawRecord]] = [[] for _ in RAW_TOPICS]
    for record in records:
        number = RAW_TOPICS.index(record.topic.removeprefix(PREFIX))
        mark = any(name == MARK_HEADER for name, _ in record.headers)
        logs[number].append(RawRecord(number, record.offset, record.timestamp_ms, record.value, mark))
    return logs
