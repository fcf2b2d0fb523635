"""Observations into the raw topics: each source always into the same partition of its topic, in its own order."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np

from city_brain.errors import BrokerError, ObservationError
from city_brain.kafka.connecting import Producer, Underway, admin, producer
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import RECORD_BYTES_MAX, raw_partitions, raw_topic
from city_brain.numerics import hash63
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import to_envelope
from city_brain.observations.json_twin import Parsed, Rejected, to_lines
from city_brain.observations.vocabulary import Kind
from city_brain.types import Ints

_BATCH_BYTES: Final = 1 << 18
_LINGER_MS: Final = 5
_ENVELOPE_BYTES: Final = 4 << 20
"""Rows that weigh more, by long texts, are split: many clients take no larger records unasked."""


@lru_cache(maxsize=1 << 16)
def partition_of(source_id: str, partitions: int) -> int:
    """The partition of its raw topic in which a source stays, by content hash: the same for every sender."""
    return hash63(source_id) % partitions


@dataclass
class Sent:
    """What became of the lines so far; `rows` and `records` count what the brokers have acknowledged."""

    rows: int = 0
    records: int = 0
    marks: int = 0
    """Marks of a recording, left out: the clock of the raw topics makes its own."""
    warnings: int = 0
    """Warnings of others; all of them go into one partition, since one may end another."""
    unknown_keys: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class RawOut:
    """A record for a raw topic, whose name is with the prefix, and how many rows are in it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    rows: int


class Sender:
    """Sends blocks of lines; a context manager that waits, at its end, for what is underway."""

    def __init__(self, settings: KafkaSettings, rows_per_record: int) -> None:
        self.sent = Sent()
        self._settings, self._rows_per_record = settings, rows_per_record
        self._underway = Underway(settings, self._stored)
        self._opened = producer(
            settings, batch_size=_BATCH_BYTES, linger_ms=_LINGER_MS, max_request_size=RECORD_BYTES_MAX
        )

    def __enter__(self) -> "Sender":
        check_topics(self._settings)
        self._producer: Producer = self._opened.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            if exception[0] is None or exception[0] is KeyboardInterrupt:
                self._underway.settle()
        except BaseException as wrong:
            self._opened.__exit__(type(wrong), wrong, wrong.__traceback__)
            raise
        self._opened.__exit__(*exception)

    def send(self, parsed: Parsed) -> tuple[Rejected, ...]:
        """Sends the rows of a block and answers the lines that are none; waits where too much is underway."""
        for record in raw_records(self._settings, parsed.observations, self._rows_per_record):
            self._put(record)
        reports = self._settings.topic(raw_topic(Kind.REPORT))
        for warning in parsed.warnings:
            self._put(RawOut(reports, 0, None, warning.data, 0))
        self.sent.warnings += len(parsed.warnings)
        self.sent.marks += len(parsed.marks)
        self.sent.unknown_keys += parsed.unknown_keys
        self.sent.rejected.update(line.reason.value for line in parsed.rejected)
        return parsed.rejected

    def _put(self, record: RawOut) -> None:
        future = self._producer.send(record.topic, value=record.value, key=record.key, partition=record.partition)
        self._underway.add(future, len(record.value), record.rows)

    def _stored(self, rows: int) -> None:
        self.sent.rows += rows
        self.sent.records += 1


def check_topics(settings: KafkaSettings) -> None:
    """Raises BrokerError where a raw topic is not as wide as settings say: a source would not stay in its partition."""
    wanted = {settings.topic(name): count for name, count in raw_partitions(settings).items()}
    with admin(settings) as client:
        widths = {said["name"]: len(said["partitions"]) for said in client.describe_topics(list(wanted))}
    for name, count in wanted.items():
        if widths[name] != count:
            told = f"wanted {count} partitions, got {widths[name]}; city-brain topics apply"
            raise BrokerError(f"topic {name}: {told}")


def raw_records(settings: KafkaSettings, rows: Observations, rows_per_record: int) -> Iterator[RawOut]:
    """Rows of any kinds and sources as records, by kind and partition, in their order."""
    if rows_per_record == 1:
        yield from single_records(settings, rows)
        return
    kinds = rows.common.kind
    for kind, (name, count) in zip(Kind, raw_partitions(settings).items(), strict=False):
        of_kind = kinds == kind
        if of_kind.any():
            places = _places(rows, count)
            for partition in np.unique(places[of_kind]).tolist():
                mine = rows.take(of_kind & (places == partition))
                for start in range(0, mine.n, rows_per_record):
                    for how_many, value in _envelopes(
                        mine.take(np.arange(start, min(start + rows_per_record, mine.n)))
                    ):
                        yield RawOut(settings.topic(name), partition, None, value, how_many)


def single_records(settings: KafkaSettings, rows: Observations) -> Iterator[RawOut]:
    """Each row as a record of its own, a line of the JSON twin keyed by its source, in their order."""
    topics = [(settings.topic(name), count) for name, count in raw_partitions(settings).items()]
    columns = (rows.common.kind.tolist(), rows.common.source.tolist())
    for kind, source, line in zip(*columns, to_lines(rows), strict=True):
        topic, count = topics[kind]
        name = rows.strings[source]
        yield RawOut(topic, partition_of(name, count), name.encode(), line, 1)


def _places(rows: Observations, partitions: int) -> Ints:
    """The partition (n,) of each row, where its topic has so many."""
    # The dictionary holds other texts too; a hash is cheaper than finding out which are sources.
    found = [partition_of(text, partitions) for text in rows.strings]
    return np.array(found, dtype=np.int64)[rows.common.source]


def _envelopes(rows: Observations) -> Iterator[tuple[int, bytes]]:
    """The rows as one envelope, or as several where one would be too large."""
    try:
        record = to_envelope(rows)
    except ObservationError:
        record = b""
    if record and (len(record) <= _ENVELOPE_BYTES or rows.n == 1):
        yield rows.n, record
        return
    half = rows.n // 2
    yield from _envelopes(rows.take(np.arange(half)))
    yield from _envelopes(rows.take(np.arange(half, rows.n)))
