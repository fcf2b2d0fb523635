"""What a recording holds: records, their channels, notes beside them, losses, and the limits of each."""

from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from city_brain.errors import RecordingError

PROFILE: Final = "citybrain"
VERSION: Final = 1

RECORD_BYTES_MAX: Final = 24 << 20
HEADERS_MAX: Final = 4096
HEADER_BYTES_MAX: Final = 1 << 20
NAME_BYTES_MAX: Final = 255
CHUNK_BYTES: Final = 1 << 18
CHUNK_BYTES_MAX: Final = 32 << 20
MESSAGES_PER_CHUNK_MAX: Final = 1 << 19
HEADERS_PER_CHUNK_MAX: Final = 1 << 16
CODES_MAX: Final = 0xFFFF
CHANNELS_MAX: Final = 4096
SCHEMA_BYTES_MAX: Final = 1 << 20
DEFINITION_BYTES_MAX: Final = 8 << 20
ATTACHMENT_BYTES_MAX: Final = 64 << 20
METADATA_BYTES_MAX: Final = 1 << 20
OFFSET_ENTRIES_MAX: Final = 1 << 19
SUMMARY_BYTES_MAX: Final = 32 << 20
LOG_NS_MAX: Final = (1 << 63) - 1

NO_TIMESTAMP: Final = -1
CREATE_TIME: Final = 0
LOG_APPEND_TIME: Final = 1
"""Types of timestamps, as kafka-python and aiokafka number them; -1 in records of before timestamps."""

CONTROL: Final = "_cb/control"
MARKS: Final = "_cb/marks"
GAPS: Final = "_cb/gaps"
BLOCK_SUFFIX: Final = "/_kafka"
BLOCK_ENCODING: Final = "citybrain.block.v1"
NOTE_ENCODING: Final = "json"

RECORDING: Final = "cb.recording"
SEGMENT: Final = "cb.segment"
OFFSETS: Final = "cb.offsets"
OFFSETS_TYPE: Final = "application/x-citybrain-offsets"

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""In order, repeats kept; a name whose bytes are not UTF-8 holds them as surrogates (`surrogateescape`)."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it lay in Kafka, and when it reached the recorder."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    timestamp_type: int
    leader_epoch: int
    """-1: not known."""
    log_ns: int


class Note(msgspec.Struct, frozen=True):
    """A JSON object beside the records: `topic` is CONTROL, MARKS or GAPS."""

    topic: str
    log_ns: int
    said: dict[str, Any]


class Lost(StrEnum):
    """Why records are missing."""

    EXPIRED = "expired"
    SKIPPED = "skipped"
    REFUSED = "refused"
    TORN = "torn"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the ledger of losses: the offsets `first` to `last` of a partition, or bytes of a torn file."""

    topic: str = ""
    partition: int = -1
    first: int = -1
    last: int = -1
    reason: Lost
    detail: str = ""


class Schema(msgspec.Struct, frozen=True):
    """What values are made of: `encoding` says how `data` says it, such as `protobuf` or `jsonschema`."""

    name: str
    encoding: str
    data: bytes


class Channel(msgspec.Struct, frozen=True):
    """A channel of MCAP."""

    number: int
    schema: int
    topic: str
    encoding: str
    metadata: dict[str, str]

    @property
    def partition(self) -> int:
        """The partition whose records it holds; -1 where it is no channel for records of ours."""
        said = self.metadata.get("partition", "")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= 10 else -1


def check_attachment_name(name: str, place: str) -> str:
    """The name, if it is a plain relative path; raises RecordingError where it could lead a writer of files astray."""
    parts = name.split("/")
    plain = (
        len(name.encode(errors="replace")) <= 1024
        and all(part not in ("", ".", "..") and len(part.encode(errors="replace")) <= NAME_BYTES_MAX for part in parts)
        and not any(char in "\\:" or not char.isprintable() for char in name)
    )
    if not plain:
        raise RecordingError(f"{place}: wanted an attachment with a plain relative name, got {name[:100]!r}")
    return name
