"""The log of configurations: what was ever announced to a city, and how another one is."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from city_brain.distributed import MARK_HEADER
from city_brain.errors import StateError
from city_brain.kafka.connecting import consumer, last_stamp_ms, producer, records
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import CONTROL, RECORD_BYTES_MAX
from city_brain.pipeline.configuration import Change


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of `control` that is a configuration; `stamp_ms` is the log's own, epoch ms."""

    offset: int
    stamp_ms: int
    record: bytes
    change: Change

    @property
    def version(self) -> str:
        """That of the configuration."""
        return self.change.configuration.version

    @property
    def since_ms(self) -> int:
        """From when on (epoch ms of log time) it is to hold; 0: from the beginning."""
        return self.change.holds_from_ms(self.stamp_ms)


def read_control(settings: KafkaSettings) -> list[Entry]:
    """All configurations that were announced, in their order, behind that with which the city began, if it has begun.

    Of several programs that start a city at once the first one's word counts. What cannot be read is left
    out: ingest makes it a dead letter. Raises BrokerError where the topic is not there.
    """
    with consumer(settings) as client:
        entries = list(_entries(records(client, settings.topic(CONTROL))))
    begun = [entry for entry in entries if not entry.change.since_ms][:1]
    return begun + [entry for entry in entries if entry.change.since_ms]


def _entries(found: Iterable[Any]) -> Iterator[Entry]:
    for record in found:
        if MARK_HEADER in dict(record.headers or ()):
            continue
        value = record.value or b""
        with suppress(StateError):
            yield Entry(record.offset, record.timestamp, value, Change.from_bytes(value))


def announce(settings: KafkaSettings, change: Change) -> None:
    """Writes a configuration into the log; returns when it is stored. A recording gets it as of its last record."""
    stamp_ms = None
    if settings.replayed:
        with consumer(settings) as reader:
            stamp_ms = last_stamp_ms(reader, settings.topic(CONTROL), 0)
    # A key of its own, so that the topic keeps all of them when it is compacted.
    key = f"{change.configuration.version}-{change.since_ms}".encode()
    with producer(settings, max_request_size=RECORD_BYTES_MAX) as client:
        sent = client.send(settings.topic(CONTROL), change.to_bytes(), key=key, partition=0, timestamp_ms=stamp_ms)
        sent.get(timeout=2 * settings.request_wait_s)
