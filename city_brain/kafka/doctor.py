"""Is all well on Kafka: brokers, copies, topics, lag, silence of raw partitions, age of snapshots, dead letters.

Ages are those of the newest records by this machine's clock, since here wall time is what is asked about.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from city_brain.distributed import RAW_TOPICS
from city_brain.kafka.admin import differences
from city_brain.kafka.connecting import AdminClient, admin
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, DESK_STATE, FUSION_STATE, topics

Level = Literal["ok", "warn", "bad"]

SILENT_S: Final = 2.0
"""Marks come more often. A raw partition without them holds log time, and with it the whole city."""
SNAPSHOT_OLD_S: Final = 30.0
"""Snapshots are taken every few seconds; older ones make a restart long."""
SNAPSHOT_LOST_S: Final = 600.0
"""Nobody takes snapshots any more."""
LAG_RECORDS: Final = 1_000
"""A group further behind than this does not keep up: marks and envelopes together are tens a second and partition."""
DEAD_LETTERS_S: Final = 60.0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: how well what is."""

    level: Level
    place: str
    says: str


@dataclass(frozen=True)
class Log:
    """One partition: its first offset, its end, and when its newest record was written (epoch ms), if it has any."""

    topic: str
    partition: int
    first: int
    end: int
    newest_ms: int | None
    since: int
    """Offset of the first record of the last minute; the end where there is none."""

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


def examine(settings: KafkaSettings, partitions: int) -> Iterator[Finding]:
    """All findings, brokers first; raises BrokerError where no broker answers."""
    table = topics(settings, partitions)
    with admin(settings) as client:
        yield from _brokers(client)
        found = differences(client, settings, table)
        yield from (
            Finding("bad", f"topic {said.topic}", str(said).removeprefix(f"topic {said.topic} ")) for said in found
        )
        described = client.describe_topics([settings.topic(topic.name) for topic in table])
        there = {said["name"]: said["partitions"] for said in described if not said["error_code"]}
        if not found:
            yield Finding("ok", "topics", f"{len(there)} as wanted")
        faults = [fault for name, parts in there.items() for part in parts for fault in _copies(name, part)]
        yield from faults or [Finding("ok", "copies", "every partition has a leader and all its copies")]
        led = {
            name: [part["partition_index"] for part in parts if part["leader_id"] >= 0] for name, parts in there.items()
        }
        now_ms = time.time_ns() // 1_000_000
        logs = _logs(client, led, now_ms)
        yield from _silence(logs, settings, now_ms)
        yield from _snapshots(logs, settings, now_ms)
        yield from _dead_letters(logs, settings)
        yield from _groups(client, logs)


def _brokers(client: AdminClient) -> Iterator[Finding]:
    from kafka.errors import KafkaError

    for broker in client.describe_cluster()["brokers"]:
        place = f"broker {broker['broker_id']} ({broker['host']}:{broker['port']})"
        asked = time.perf_counter()
        try:
            client.get_broker_version_data(broker["broker_id"])
        except (KafkaError, OSError) as wrong:
            yield Finding("bad", place, f"does not answer: {str(wrong) or type(wrong).__name__}")
            continue
        took_ms = 1000 * (time.perf_counter() - asked)
        if broker.get("is_fenced"):
            yield Finding("bad", place, "answers, but the cluster has fenced it off")
        else:
            yield Finding("ok", place, f"answers in {took_ms:.0f} ms")


def _copies(name: str, part: dict[str, Any]) -> Iterator[Finding]:
    place = f"copies of {name}/{part['partition_index']}"
    wanted, got = len(part["replica_nodes"]), len(part["isr_nodes"])
    if part["leader_id"] < 0:
        yield Finding("bad", place, "has no leader: it can neither be written nor read")
    elif got < wanted:
        missing = sorted(set(part["replica_nodes"]) - set(part["isr_nodes"]))
        told = ", ".join(str(node) for node in missing)
        yield Finding("warn", place, f"under-replicated: {got} of {wanted} copies are in step, missing broker {told}")


def _logs(client: AdminClient, led: dict[str, list[int]], now_ms: int) -> list[Log]:
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    places = [TopicPartition(name, number) for name, numbers in led.items() for number in numbers]
    if not places:
        return []
    minute_ago_ms = now_ms - round(1000 * DEAD_LETTERS_S)
    first, end, newest, since = (
        client.list_partition_offsets(dict.fromkeys(places, asked))
        for asked in (OffsetSpec.EARLIEST, OffsetSpec.LATEST, OffsetSpec.MAX_TIMESTAMP, minute_ago_ms)
    )
    return [
        Log(
            topic=place.topic,
            partition=place.partition,
            first=first[place].offset,
            end=end[place].offset,
            newest_ms=newest[place].timestamp if newest[place].offset >= 0 else None,
            since=since[place].offset if since[place].offset >= 0 else end[place].offset,
        )
        for place in places
    ]


def _of(logs: Iterable[Log], topic: str) -> list[Log]:
    return [log for log in logs if log.topic == topic]


def _age_s(log: Log, now_ms: int) -> float | None:
    return None if log.newest_ms is None else max(0.0, (now_ms - log.newest_ms) / 1000)


def _silence(logs: list[Log], settings: KafkaSettings, now_ms: int) -> Iterator[Finding]:
    for log in [log for name in RAW_TOPICS for log in _of(logs, settings.topic(name))]:
        age_s = _age_s(log, now_ms)
        if age_s is None:
            yield Finding("bad", str(log), "raw partition silent: no record yet, so log time stands")
        elif age_s > SILENT_S:
            yield Finding("bad", str(log), f"raw partition silent for {age_s:.0f} s, so log time stands")
        else:
            yield Finding("ok", str(log), f"newest record {age_s:.1f} s ago, {log.end - log.first} records")


def _snapshots(logs: list[Log], settings: KafkaSettings, now_ms: int) -> Iterator[Finding]:
    for name in (FUSION_STATE, DESK_STATE):
        for log in _of(logs, settings.topic(name)):
            age_s = _age_s(log, now_ms)
            if age_s is None:
                yield Finding("warn", str(log), "no snapshot yet")
                continue
            level: Level = "ok" if age_s <= SNAPSHOT_OLD_S else "warn" if age_s <= SNAPSHOT_LOST_S else "bad"
            yield Finding(level, str(log), f"newest snapshot {age_s:.0f} s ago")


def _dead_letters(logs: list[Log], settings: KafkaSettings) -> Iterator[Finding]:
    for log in _of(logs, settings.topic(DEAD_LETTERS)):
        fresh = log.end - log.since
        told = f"{fresh} dead letters in the last minute, {log.end - log.first} in all"
        yield Finding("warn" if fresh else "ok", str(log), told)


def _groups(client: AdminClient, logs: list[Log]) -> Iterator[Finding]:
    known = {(log.topic, log.partition): log for log in logs}
    states = {group["group_id"]: group["group_state"] for group in client.list_groups()}
    for group, offsets in sorted(client.list_group_offsets(sorted(states)).items() if states else ()):
        for place in sorted(offsets):
            log = known.get((place.topic, place.partition))
            if log is not None and offsets[place].offset >= 0:
                yield _lag(group, states[group], log, offsets[place].offset)


def _lag(group: str, state: str, log: Log, offset: int) -> Finding:
    place, lag = f"group {group} {log}", max(0, log.end - offset)
    told = f"at {offset} of {log.end}, {lag} behind"
    if offset < log.first:
        return Finding("bad", place, f"{told}; {log.first - offset} records are gone before they were read")
    if lag and state.lower() in ("empty", "dead"):
        return Finding("warn", place, f"{told}, and nobody reads")
    return Finding("warn" if lag > LAG_RECORDS else "ok", place, told)
