"""Topics are recorded: what committed records hold goes into a recording as it lay on the brokers.

The recorder has no group and commits nothing: who records a city changes nothing in it.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.records import Gap, Lost
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.errors import BrokerError, RecordingError, RecordingFullError
from city_brain.kafka.connecting import Consumer, admin, consumer
from city_brain.kafka.settings import KafkaSettings

POLL_MS: Final = 200
FLUSH_S: Final = 1.0
"""What a crash may cost, also where no records come."""


class Taped(msgspec.Struct, kw_only=True):
    """What a recording holds so far."""

    records: int = 0
    expired: int = 0
    """Offsets that the brokers dropped before they were read."""
    refused: int = 0
    """Records beyond the limits of recordings."""
    full: str = ""
    """Why it ended early; empty where it did not."""

    @property
    def lost(self) -> bool:
        """Whether the ledger of losses has entries, or the recording ended before it should."""
        return bool(self.expired or self.refused or self.full)


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded, and what goes into the file beside it."""

    topics: tuple[str, ...]
    """Full names, as on the brokers."""
    metadata: Mapping[str, Mapping[str, str]] = {}
    attachments: Mapping[str, tuple[str, bytes]] = {}
    """Media type and bytes by name."""
    until_end: bool = False
    """Ends at the ends that the partitions had when it began."""


def record_topics(
    settings: KafkaSettings,
    path: Path,
    tape: Tape,
    taped: Taped,
    *,
    writing: WriterSettings | None = None,
    told: Callable[[Taped], None] = lambda _: None,
) -> None:
    """Records from the first record that the brokers still have, until it is interrupted or at the end; `taped` says
    meanwhile what there is.
    """
    cluster = cluster_id(settings)
    # Without a reset, what has expired is an error that names the offsets, and not a silent jump.
    reading = {"isolation_level": "read_committed", "auto_offset_reset": "none"}
    with consumer(settings, **reading) as client:
        places = _places(client, tape.topics)
        client.assign(places)
        for place, offset in client.beginning_offsets(places).items():
            client.seek(place, offset)
        ends = client.end_offsets(places) if tape.until_end else {}
        metadata = {name: dict(said) for name, said in tape.metadata.items()}
        try:
            with (
                _stopped_between_records() as stopped,
                RecordingWriter(path, writing or WriterSettings(), metadata=metadata) as writer,
            ):
                channels = {place: writer.channel(place.topic, place.partition, cluster=cluster) for place in places}
                recorder = _Recorder(client, writer, channels, ends, taped)
                writer.answer_for(recorder.unrecorded, len(places))
                for name, (media_type, data) in tape.attachments.items():
                    now_ns = time.time_ns()
                    writer.attach(
                        Attachment(log_ns=now_ns, created_ns=now_ns, name=name, media_type=media_type, data=data)
                    )
                recorder.run(told, stopped)
        except RecordingFullError as full:
            taped.full = str(full)


def cluster_id(settings: KafkaSettings) -> str:
    """What the brokers call their cluster."""
    with admin(settings) as client:
        return str(client.describe_cluster()["cluster_id"])


class _Recorder:
    """Takes what the consumer fetched into the writer, and enters what is lost into the ledger."""

    def __init__(
        self,
        client: Consumer,
        writer: RecordingWriter,
        channels: Mapping[Any, int],
        ends: Mapping[Any, int],
        taped: Taped,
    ) -> None:
        self._client, self._writer, self._channels, self._ends = client, writer, channels, ends
        self._taped = taped
        self._fetched: dict[Any, int] = {}
        """The offset that is taken next, of partitions of which fetched records wait."""

    def unrecorded(self) -> Iterator[tuple[str, int, int, int]]:
        """Topic, partition, first and last offset of what would be recorded but for an end that comes now: up to where
        recording was to stop, or to what the topics hold by now.
        """
        ends = self._ends or self._client.end_offsets(list(self._channels))
        for place, end in ends.items():
            first = self._fetched.get(place, self._client.position(place))
            if first < end:
                yield place.topic, place.partition, first, end - 1

    def run(self, told: Callable[[Taped], None], stopped: threading.Event) -> None:
        """Records until the ends are reached; without ends, until it is stopped."""
        flushed_s = time.monotonic()
        while not stopped.is_set() and not self._ended():
            polled = self._poll()
            self._fetched = {place: fetched[0].offset for place, fetched in polled.items()}
            for place, fetched in polled.items():
                end = self._ends.get(place)
                for record in fetched:
                    if end is None or record.offset < end:
                        self._take(place, record)
                    self._fetched[place] = record.offset + 1
                del self._fetched[place]  # its position now says more: it is past what holds no records
            if time.monotonic() - flushed_s >= FLUSH_S:
                self._writer.flush()
                flushed_s = time.monotonic()
            told(self._taped)

    def _ended(self) -> bool:
        ends = self._ends.items()
        return bool(ends) and all(self._client.position(place) >= end for place, end in ends)

    def _poll(self) -> Mapping[Any, Sequence[Any]]:
        from kafka.errors import OffsetOutOfRangeError

        try:
            found: Mapping[Any, Sequence[Any]] = self._client.poll(timeout_ms=POLL_MS)
        except OffsetOutOfRangeError as gone:
            self._pass_over(gone.args[0])
            return {}
        return found

    def _pass_over(self, wanted: Mapping[Any, int]) -> None:
        """Goes on with the first records that are left of partitions whose next ones were dropped."""
        for place, first in self._client.beginning_offsets(list(wanted)).items():
            position = self._client.position(place)
            if first < position:
                told = f"wanted offset {position}, got an earlier end: the topic was made anew"
                raise BrokerError(f"topic {place.topic}, partition {place.partition}: {told}")
            if first > position:
                self._lose(place, position, first - 1, Lost.EXPIRED, "")
                self._taped.expired += first - position
            self._client.seek(place, first)

    def _take(self, place: Any, said: Any) -> None:
        try:
            self._writer.write(
                self._channels[place], said.offset, said.value, key=said.key, headers=tuple(said.headers),
                timestamp_ms=said.timestamp, timestamp_type=said.timestamp_type, leader_epoch=said.leader_epoch,
                log_ns=time.time_ns(),
            )  # fmt: skip
        except RecordingFullError:
            raise
        except RecordingError as wrong:
            self._lose(place, said.offset, said.offset, Lost.REFUSED, str(wrong))
            self._taped.refused += 1
        else:
            self._taped.records += 1

    def _lose(self, place: Any, first: int, last: int, reason: Lost, detail: str) -> None:
        gap = Gap(
            topic=place.topic, partition=place.partition, first=first, last=last, reason=reason, detail=detail[:500]
        )
        self._writer.gap(gap, time.time_ns())


@contextmanager
def _stopped_between_records() -> Iterator[threading.Event]:
    """Holds Ctrl-C back until what stands in here is done with; it is told at once by the event.

    Raised in the middle of a write it would leave half a record.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
    if stopped.is_set():
        raise KeyboardInterrupt


def _places(client: Consumer, topics: Sequence[str]) -> list[Any]:
    from kafka import TopicPartition

    places = []
    for topic in topics:
        partitions = client.partitions_for_topic(topic)
        if not partitions:
            raise BrokerError(f"topic {topic}: wanted a topic to record, got none; city-brain topics apply")
        places += [TopicPartition(topic, partition) for partition in sorted(partitions)]
    return places
