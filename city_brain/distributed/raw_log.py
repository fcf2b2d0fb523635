"""Raw logs: what sources and gateways sent, record by record, and how their partitions are numbered.

A record is a *mark*, an envelope, or lines of the JSON twin; in `control` it is a configuration. Its stamp is the log's
own (LogAppendTime): the arrival of every row in it, and the time that a mark says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from city_brain.errors import SettingsError

RAW_TOPICS: Final = ("video.detections", "signal.states", "sensor.readings", "reports", "control")
"""What comes into a city: observations of each kind, and configurations. In the order in which their partitions are
numbered: a new topic comes at the end.
"""

MARK_HEADER: Final = "mark"
"""A record with this header is a mark, whatever its value; programs write it with none."""

MARK_KEY: Final = b"mark"
"""Key of marks, so that of those in `control`, which is compacted, only the last ones stay."""

_MOST_PARTITIONS: Final = 1 << 15
"""As many as a row's column `raw_partition` can tell apart."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of a raw log. `partition` is the number by `RawPartitions`, `stamp_ms` the log's stamp, epoch ms."""

    partition: int
    offset: int
    stamp_ms: int
    value: bytes | None
    mark: bool = False


class RawPartitions:
    """Numbers 0 … total - 1 of the partitions of all raw topics: topic by topic, partition by partition."""

    def __init__(self, counts: Sequence[int]) -> None:
        """`counts`: partitions of each of `RAW_TOPICS`."""
        if len(counts) != len(RAW_TOPICS) or min(counts) < 1 or sum(counts) > _MOST_PARTITIONS:
            raise SettingsError(
                f"raw partitions: wanted {len(RAW_TOPICS)} counts of 1 or more and at most {_MOST_PARTITIONS} in all, "
                f"got {list(counts)}"
            )
        self._places = [(topic, at) for topic, count in zip(RAW_TOPICS, counts, strict=True) for at in range(count)]
        self._numbers = {place: number for number, place in enumerate(self._places)}

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self._places)

    def number(self, topic: str, partition: int) -> int:
        """The number of a topic's partition; raises SettingsError for one that is not known."""
        found = self._numbers.get((topic, partition))
        if found is None:
            raise SettingsError(f"{topic} partition {partition}: wanted a partition of the raw topics, got another one")
        return found

    def place(self, number: int) -> tuple[str, int]:
        """Topic and partition of a number."""
        return self._places[number]
