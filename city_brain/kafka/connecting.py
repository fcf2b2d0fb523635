"""Clients of kafka-python for tools and checks, opened and closed, with errors that say which brokers were meant.

The stages have clients of their own. This one is synchronous and takes half a second to import, hence imported in use.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from city_brain.errors import BrokerError, SettingsError
from city_brain.kafka.settings import KafkaSettings

AdminClient = Any
Producer = Any
Consumer = Any
"""kafka-python has no types."""

UNDERWAY_RECORDS: Final = 10_000
UNDERWAY_BYTES: Final = 32 << 20
"""So much may wait for acknowledgement; beyond, sending waits: a fast file must not fill the memory."""


class Underway:
    """Records that were sent and are not yet acknowledged, in their order."""

    def __init__(self, settings: KafkaSettings, stored: Callable[[int], None]) -> None:
        """`stored` is told of each record that was acknowledged how many rows are in it."""
        self._wait_s, self._stored = 2 * settings.request_wait_s + 1, stored
        self._waiting: deque[tuple[Any, int, int]] = deque()
        self._bytes = 0

    def add(self, future: Any, size: int, rows: int = 1) -> None:
        """Takes a record of so many bytes that was sent; waits where too much is underway."""
        self._waiting.append((future, size, rows))
        self._bytes += size
        self.settle(UNDERWAY_RECORDS, UNDERWAY_BYTES)

    def settle(self, records: int = 0, most_bytes: int = 0) -> None:
        """Waits until at most so much is underway; raises KafkaError where a record was not stored."""
        waiting = self._waiting
        while waiting and (len(waiting) > records or self._bytes > most_bytes or waiting[0][0].is_done):
            future, size, rows = waiting[0]
            future.get(self._wait_s)
            waiting.popleft()
            self._bytes -= size
            self._stored(rows)


@contextmanager
def admin(settings: KafkaSettings) -> Iterator[AdminClient]:
    """An admin client; raises BrokerError where no broker answers or one refuses."""
    with _client(settings, "KafkaAdminClient", request_timeout_ms=_ms(settings.request_wait_s)) as client:
        yield client


@contextmanager
def producer(settings: KafkaSettings, **more: Any) -> Iterator[Producer]:
    """A producer whose records are written once, in order, by all brokers that must have them."""
    sure = {"acks": "all", "enable_idempotence": True, "delivery_timeout_ms": _ms(2 * settings.request_wait_s)}
    with _client(settings, "KafkaProducer", request_timeout_ms=_ms(settings.request_wait_s), **sure, **more) as client:
        yield client


@contextmanager
def consumer(settings: KafkaSettings, **more: Any) -> Iterator[Consumer]:
    """A consumer without a group, for partitions that it is assigned by hand."""
    with _client(settings, "KafkaConsumer", enable_auto_commit=False, **more) as client:
        yield client


def records(client: Consumer, topic: str) -> Iterator[Any]:
    """The records of a topic's only partition up to its present end, from the first; raises BrokerError where the topic
    is not there.
    """
    from kafka import TopicPartition

    place = TopicPartition(topic, 0)
    if not client.partitions_for_topic(topic):
        raise BrokerError(f"topic {topic}: wanted the site's topics, got none; city-brain topics apply")
    client.assign([place])
    client.seek_to_beginning(place)
    end = client.end_offsets([place])[place]
    while client.position(place) < end:
        for record in client.poll(timeout_ms=1000).get(place, ()):
            if record.offset < end:
                yield record


def last_stamp_ms(client: Consumer, topic: str, partition: int) -> int:
    """The stamp (epoch ms) of the last record of a partition; 0 where it holds none."""
    from kafka import TopicPartition

    place = TopicPartition(topic, partition)
    client.assign([place])
    end, stamp_ms = client.end_offsets([place])[place], 0
    if end > client.beginning_offsets([place])[place]:
        client.seek(place, end - 1)
        while client.position(place) < end:
            for record in client.poll(timeout_ms=1000).get(place, ()):
                stamp_ms = record.timestamp
    return stamp_ms


@contextmanager
def _client(settings: KafkaSettings, name: str, **keywords: Any) -> Iterator[Any]:
    try:
        import kafka
        from kafka.errors import KafkaConnectionError, KafkaError
    except ImportError as absent:
        raise SettingsError(
            f"kafka: wanted the packages of the extra city-brain[kafka], got none ({absent})"
        ) from absent
    place = f"kafka {','.join(settings.bootstrap_servers)}"
    connection = settings.connection()
    try:
        with _reasons() as reasons:
            client = getattr(kafka, name)(**connection, bootstrap_timeout_ms=_ms(settings.connect_wait_s), **keywords)
    except (KafkaError, OSError) as wrong:
        got = "; ".join([_said(wrong), *reasons])
        raise BrokerError(f"{place}: wanted a broker that answers, got: {got}") from wrong
    try:
        yield client
    except KafkaError as wrong:
        if name == "KafkaProducer":
            client.close(timeout=0)  # what was refused once need not be waited for
        wanted = "a broker that answers" if isinstance(wrong, KafkaConnectionError) else "what was asked for"
        raise BrokerError(f"{place}: wanted {wanted}, got: {_said(wrong)}") from wrong
    finally:
        client.close()


@contextmanager
def _reasons() -> Iterator[list[str]]:
    """Why connections were lost meanwhile.

    kafka-python raises only that time is up; whether it was a password, a certificate or a closed port, it logs.
    """
    reasons: list[str] = []

    def listen(record: logging.LogRecord) -> bool:
        _, lost, reason = record.getMessage().partition("Connection lost: ")
        if lost and reason not in reasons:
            reasons.append(reason)
        return False  # listened to, and not told on

    logger, listener = logging.getLogger("kafka"), logging.StreamHandler()
    listener.addFilter(listen)
    logger.addHandler(listener)
    # Without a handler that stays, all that is logged would be told on standard error too, many times over.
    logger.addHandler(_SILENCE)
    try:
        yield reasons
    finally:
        logger.removeHandler(listener)


_SILENCE: Final = logging.NullHandler()


def _said(wrong: Exception) -> str:
    return str(wrong) or type(wrong).__name__


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
