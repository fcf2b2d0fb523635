"""Dead letters: what of a raw record went no further, with where it stood and why, so that it can be sent again.

A letter's value is what was refused and nothing else: lines of the JSON twin, or the bytes of a record that is none.
Its headers say the rest. A crash of ingest may write a letter twice: the place in the raw log tells them apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from city_brain.distributed import DeadRecord
from city_brain.errors import RecordingError

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What went no further. `topic` is the raw topic with its prefix; `reasons` are rows by counter and reason."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    reasons: Mapping[str, int]
    value: bytes

    @classmethod
    def of(cls, topic: str, partition: int, dead: DeadRecord) -> "DeadLetter":
        """The letter about a record of a partition of a raw topic."""
        record = dead.record
        return cls(topic, partition, record.offset, record.stamp_ms, dead.reasons, b"\n".join(dead.lines))

    @property
    def headers(self) -> Headers:
        """Where and why, for the record."""
        return (
            ("topic", self.topic.encode()),
            ("partition", str(self.partition).encode()),
            ("offset", str(self.offset).encode()),
            ("stamp_ms", str(self.stamp_ms).encode()),
            ("reasons", msgspec.json.encode(self.reasons)),
        )

    @classmethod
    def read(cls, headers: Iterable[tuple[str, bytes]], value: bytes) -> "DeadLetter":
        """Reads a record; raises RecordingError where it is no letter."""
        said = dict(headers)
        try:
            return cls(
                said["topic"].decode(),
                int(said["partition"]),
                int(said["offset"]),
                int(said["stamp_ms"]),
                msgspec.json.decode(said["reasons"], type=dict[str, int]),
                value,
            )
        except (KeyError, ValueError, msgspec.MsgspecError) as wrong:
            raise RecordingError(
                f"dead letter: wanted headers topic, partition, offset, stamp_ms, reasons, got {sorted(said)} ({wrong})"
            ) from wrong
