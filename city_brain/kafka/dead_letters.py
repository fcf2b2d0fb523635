"""Dead letters: what of a raw record went no further, with where it stood and why, so that it can be sent again.

A letter's value is what was refused and nothing else: lines of the JSON twin, or the bytes of a record that is none.
Its headers say the rest. A crash of ingest may write a letter twice: the place in the raw log tells them apart. Beside
the letters stands which of them were sent again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from city_brain.distributed import DeadRecord
from city_brain.errors import RecordingError

Headers = tuple[tuple[str, bytes], ...]
Place = tuple[str, int, int]
"""Topic with its prefix, partition, offset."""

REDRIVEN_HEADER: Final = "redriven-from"
"""Of a raw record that was sent again: the place of the record that its letter was about, `topic/partition/offset`."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What went no further. `topic` is the raw topic with its prefix; `reasons` are rows by counter and reason."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    reasons: Mapping[str, int]
    value: bytes
    redriven_from: str = ""
    """Where the record was sent again from, if it was."""

    @classmethod
    def of(cls, topic: str, partition: int, dead: DeadRecord, redriven_from: str = "") -> "DeadLetter":
        """The letter about a record of a partition of a raw topic."""
        record, value = dead.record, b"\n".join(dead.lines)
        return cls(topic, partition, record.offset, record.stamp_ms, dead.reasons, value, redriven_from)

    @property
    def place(self) -> Place:
        """Where the record stood."""
        return self.topic, self.partition, self.offset

    @property
    def name(self) -> str:
        """The same as one word."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def headers(self) -> Headers:
        """Where and why, for the record."""
        return (
            ("topic", self.topic.encode()),
            ("partition", str(self.partition).encode()),
            ("offset", str(self.offset).encode()),
            ("stamp_ms", str(self.stamp_ms).encode()),
            ("reasons", msgspec.json.encode(self.reasons)),
            *(((REDRIVEN_HEADER, self.redriven_from.encode()),) if self.redriven_from else ()),
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
                said.get(REDRIVEN_HEADER, b"").decode(),
            )
        except (KeyError, ValueError, msgspec.MsgspecError) as wrong:
            raise RecordingError(
                f"dead letter: wanted headers topic, partition, offset, stamp_ms, reasons, got {sorted(said)} ({wrong})"
            ) from wrong


@dataclass(frozen=True, slots=True)
class Redriven:
    """Which records were sent again: a record of its own among the letters, which lasts as long as they do."""

    KEY: ClassVar = b"redriven"
    places: tuple[Place, ...]

    @property
    def headers(self) -> Headers:
        """What tells it from a letter."""
        return ((self.KEY.decode(), b""),)

    @property
    def value(self) -> bytes:
        """The record."""
        return msgspec.json.encode(self.places)

    @classmethod
    def is_one(cls, headers: Iterable[tuple[str, bytes]]) -> bool:
        """Whether a record is one of these, and no letter."""
        return any(name == cls.KEY.decode() for name, _ in headers)

    @classmethod
    def read(cls, value: bytes) -> "Redriven":
        """Reads a record; raises RecordingError."""
        try:
            return cls(msgspec.json.decode(value, type=tuple[Place, ...]))
        except msgspec.MsgspecError as wrong:
            raise RecordingError(f"dead letters: wanted places that were redriven, got {value[:80]!r}") from wrong
