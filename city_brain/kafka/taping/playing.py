"""Recordings are played: each record goes into the partition that it lay in, with its key, headers and timestamp.

Nothing is played into a city that lives: only into the raw topics of a site that says `replayed = true`, while they are
empty.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Channel, Record
from city_brain.distributed import RAW_TOPICS
from city_brain.errors import BrokerError, RecordingError, SettingsError
from city_brain.kafka.connecting import Producer, Underway, admin, consumer, producer
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.taping.lockstep import Lockstep
from city_brain.kafka.taping.recording import cluster_id
from city_brain.kafka.topics import PRODUCTION, RECORD_BYTES_MAX

REPLAY_HEADER: Final = "cb-replay"
"""The last header of a record that was played; its value names the playing."""
_NS_PER_S: Final = 1_000_000_000
_LATE_S: Final = 0.05
"""A record that goes out later than this after its time is told as late."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """When records go out: all times follow from the beginning, so that waiting never adds up."""

    rate: float = 0.0
    """Log seconds per second; 0: as fast as it goes."""
    records_per_s: float = 0.0
    """So many records in a second, whatever their times; 0: by `rate`."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise SettingsError(f"{name}: wanted a number from 0 on, got {getattr(self, name)}")
        if self.rate and self.records_per_s:
            raise SettingsError("pace: wanted a rate or records per second, got both")

    def due_s(self, number: int, since_first_ns: int) -> float:
        """Seconds after the beginning when a record goes out."""
        if self.records_per_s:
            return number / self.records_per_s
        return since_first_ns / _NS_PER_S / self.rate if self.rate else 0.0


class Playing(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording is played."""

    name: str
    """Names the playing in the header `cb-replay`; empty: the records go out without that header."""
    pace: Pace = Pace()
    lockstep: str = ""
    """The consumer group that is waited for; empty: none."""
    lag: int = 10_000
    """So many records the group may be behind."""
    topics: Mapping[str, str] = {}
    """Topics by their names in the recording: where their records go, instead of where they would."""


class Played(msgspec.Struct, kw_only=True):
    """What became of the records; `records` counts what the brokers have acknowledged."""

    records: int = 0
    left_out: int = 0
    """Records of topics that programs of the site write themselves, such as incidents."""
    late: int = 0
    latest_s: float = 0.0
    """How far the latest record was behind its time."""
    took_s: float = 0.0
    span_s: float = 0.0
    """Log time between the first and the last record played."""


def play(
    path: Path,
    settings: KafkaSettings,
    playing: Playing,
    played: Played,
    *,
    records: Iterable[Record] | None = None,
    told: Callable[[Played], None] = lambda _: None,
) -> None:
    """Plays all segments of the recording that begins with the file `path`; `played` says meanwhile how far it is.
    `records`: others in place of those, such as the same several times over.

    Raises SettingsError, BrokerError or RecordingError before the first record where it must not be played there.
    """
    if not settings.replayed:
        raise SettingsError(
            "kafka.replayed: wanted true, got false: a recording would be taken for what happens now; "
            "play it to a site of its own"
        )
    with Recording(path) as recording:
        targets = _targets(recording, settings, playing.topics)
        _check_cluster(recording.channels.values(), targets, cluster_id(settings))
    _check_not_production(settings)
    _check_empty(settings, set(targets.values()))
    sure = {"linger_ms": 5, "max_request_size": RECORD_BYTES_MAX}
    with producer(settings, **sure) as client:
        stepping = (
            Lockstep(settings, playing.lockstep, set(targets.values()), playing.lag) if playing.lockstep else None
        )
        player = _Player(client, settings, playing, targets, played, stepping)
        player.run(read_series(path) if records is None else records, told)


def _targets(
    recording: Recording, settings: KafkaSettings, given: Mapping[str, str]
) -> dict[tuple[str, int], tuple[str, int]]:
    """Where the records of each partition of the recording go."""
    prefix = recording.metadata.get("city", {}).get("topic_prefix", "")
    places = {(at.topic, at.partition) for at in recording.channels.values() if at.partition >= 0}
    unknown = sorted(set(given) - {topic for topic, _ in places})
    if unknown:
        raise SettingsError(f"{recording.path}: wanted topics that it holds, got {unknown[0]!r}")
    found = {}
    for topic, partition in sorted(places):
        name = topic.removeprefix(prefix)
        if topic in given:
            found[topic, partition] = given[topic], partition
        elif name in RAW_TOPICS:
            found[topic, partition] = settings.topic(name), partition
    if not found:
        raise RecordingError(f"{recording.path}: wanted records of raw topics, got none with the prefix {prefix!r}")
    return found


def _check_not_production(settings: KafkaSettings) -> None:
    """Raises BrokerError where a topic says that the brokers serve a real city."""
    with admin(settings) as client:
        tags = sorted(name for name in client.list_topics() if name.endswith(PRODUCTION))
    if tags:
        told = "wanted brokers that serve no real city, got production ones; play to brokers of their own"
        raise BrokerError(f"topic {tags[0]}: {told}")


def _check_cluster(
    channels: Iterable[Channel], targets: Mapping[tuple[str, int], tuple[str, int]], cluster: str
) -> None:
    for channel in channels:
        target = targets.get((channel.topic, channel.partition))
        if target and target[0] == channel.topic and channel.metadata.get("cluster") == cluster:
            raise BrokerError(f"topic {channel.topic}: wanted other topics than those recorded, got the same ones of "
                              f"the same cluster ({cluster})")  # fmt: skip


def _check_empty(settings: KafkaSettings, targets: set[tuple[str, int]]) -> None:
    """Raises BrokerError where a partition is missing, or holds records: what is played would stand behind them."""
    from kafka import TopicPartition

    with consumer(settings) as client:
        for topic in sorted({topic for topic, _ in targets}):
            there = client.partitions_for_topic(topic) or set()
            wanted = {partition for name, partition in targets if name == topic}
            if wanted - there:
                told = f"wanted partition {max(wanted - there)}, got {len(there)} partitions; city-brain topics apply"
                raise BrokerError(f"topic {topic}: {told}")
        for place, end in client.end_offsets([TopicPartition(*target) for target in sorted(targets)]).items():
            if end:
                told = f"wanted an empty partition, got {end} offsets; play to topics of their own"
                raise BrokerError(f"topic {place.topic}, partition {place.partition}: {told}")


class _Player:
    """Sends records at their times, and waits for what is underway."""

    def __init__(
        self,
        client: Producer,
        settings: KafkaSettings,
        playing: Playing,
        targets: Mapping[tuple[str, int], tuple[str, int]],
        played: Played,
        lockstep: Lockstep | None,
    ) -> None:
        self._lockstep = lockstep
        self._client, self._targets, self._played, self._pace = client, targets, played, playing.pace
        self._header = [(REPLAY_HEADER, playing.name.encode())] if playing.name else []
        self._underway = Underway(settings, self._stored)

    def run(self, records: Iterable[Record], told: Callable[[Played], None]) -> None:
        """Plays to the end of the recording, and waits until the brokers have all of it."""
        played, begun_s, first_ns, number = self._played, time.monotonic(), None, 0
        for record in records:
            target = self._targets.get((record.topic, record.partition))
            if target is None:
                played.left_out += 1
                continue
            first_ns = record.log_ns if first_ns is None else first_ns
            self._await(begun_s + self._pace.due_s(number, record.log_ns - first_ns))
            if self._lockstep is not None:
                self._lockstep.wait(target, self._underway.settle)
            self._send(record, *target)
            number += 1
            played.span_s, played.took_s = (record.log_ns - first_ns) / _NS_PER_S, time.monotonic() - begun_s
            told(played)
        self._underway.settle()
        played.took_s = time.monotonic() - begun_s

    def _await(self, due_s: float) -> None:
        if not (self._pace.rate or self._pace.records_per_s):
            return
        ahead_s = due_s - time.monotonic()
        if ahead_s > 0.0:
            time.sleep(ahead_s)
            return
        self._played.latest_s = max(self._played.latest_s, -ahead_s)
        self._played.late += -ahead_s > _LATE_S

    def _send(self, record: Record, topic: str, partition: int) -> None:
        place = f"{record.topic}/{record.partition} {record.offset}"
        if record.timestamp_ms < 0:
            raise RecordingError(f"{place}: wanted a timestamp from 0 on, got {record.timestamp_ms}: not to be played")
        headers = [*record.headers, *self._header]
        try:
            future = self._client.send(
                topic, value=record.value, key=record.key, headers=headers, partition=partition,
                timestamp_ms=record.timestamp_ms,
            )  # fmt: skip
        except (TypeError, ValueError) as wrong:  # such as a header that is null: its client cannot say that
            raise RecordingError(f"{place}: wanted a record that can be sent, got: {wrong}") from wrong
        self._underway.add(future, len(record.value or b""))

    def _stored(self, _: int) -> None:
        self._played.records += 1
