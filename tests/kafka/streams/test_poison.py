"""Poison in every raw topic ends in dead letters with its reason each, holds nobody up, and the counters add up."""

import dataclasses
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from city_brain.distributed import MARK_HEADER, RAW_TOPICS, RawRecord
from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.dead_letters import DeadLetter
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, FUSION_TICKS, RECORD_BYTES_MAX
from city_brain.observations.envelope import RECORD_BYTES_MAX as ENVELOPE_BYTES_MAX
from city_brain.observations.envelope import to_envelope
from city_brain.observations.json_twin import LINE_BYTES_MAX, from_lines, warning_line
from city_brain.runner import Runner
from tests.distributed import kit
from tests.kafka.broker import free_ports
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, Fleet, ends_of, read_all
from tests.kafka.streams.replayed import PARTITIONS, http, replayed_city
from tests.observations.lines import line

HELD_UP_MAX_S = 5.0
SLICES = 12


def _poison() -> list[tuple[str, bytes]]:
    """Records that nobody can use, each with the one reason that it must be given."""
    noise = bytes(byte for byte in np.random.default_rng(7).bytes(400) if byte != ord("\n"))
    moment_ms = kit.SETTINGS.start_ms + 30_000
    seen = line("detection", "cam") | {"event_time_ms": moment_ms, "arrival_time_ms": moment_ms}
    nowhere = from_lines([orjson.dumps(seen)]).observations
    lon = np.full_like(nowhere.common.lon, np.nan)
    nowhere = dataclasses.replace(nowhere, common=dataclasses.replace(nowhere.common, lon=lon))
    return [
        ("dead_lettered.not_utf8", b"\xff" + noise),
        ("dead_lettered.envelope", b"\x08\x63" + noise),
        ("dead_lettered.envelope", b"\x08\x01" + bytes(ENVELOPE_BYTES_MAX)),
        ("dead_lettered.empty", b""),
        ("dead_lettered.not_json", orjson.dumps(seen | {"lon": 0}).replace(b'"lon":0', b'"lon":NaN')),
        ("quarantined.position", to_envelope(nowhere)),
        ("dead_lettered.too_long", b"[" + b" " * LINE_BYTES_MAX + b"]"),
        ("dead_lettered.mark", b'{"kind":"mark","arrival_time_ms":1}'),
        ("dead_lettered.not_an_object", b"[]"),
        ("dead_lettered.kind", b'{"kind":"weather"}'),
        ("dead_lettered.warning", warning_line("<!DOCTYPE a [<!ENTITY b 'c'>]><alert>&b;</alert>")),
    ]


def _poisoned() -> tuple[list[list[RawRecord]], dict[tuple[str, int], str]]:
    """The raw logs with all poison spread over each, and where it is: reasons by raw topic and offset."""
    logs: list[list[RawRecord]] = []
    reasons: dict[tuple[str, int], str] = {}
    for number, log in enumerate(kit.raw_logs()):
        poison = _poison()
        step = len(log) // (len(poison) + 1)
        mixed: list[RawRecord] = []
        for at, record in enumerate(log):
            if poison and at % step == step - 1:
                reason, value = poison.pop()
                if number == kit.CONTROL:
                    reason = "dead_lettered.configuration"
                reasons[RAW_TOPICS[number], len(mixed)] = reason
                mixed.append(RawRecord(number, len(mixed), record.stamp_ms, value))
            mixed.append(dataclasses.replace(record, offset=len(mixed)))
        assert not poison
        logs.append(mixed)
    assert len(reasons) > 0.01 * sum(map(len, logs))
    return logs, reasons


def _write_and_time(settings: KafkaSettings, logs: list[list[RawRecord]], fleet: Fleet) -> float:
    """Writes the logs slice by slice; the longest that ingest took to store a slice up to its last mark, in s."""
    producer = KafkaProducer(acks="all", max_request_size=RECORD_BYTES_MAX, **settings.connection())
    group = KafkaConsumer(group_id=settings.topic("ingest"), enable_auto_commit=False, **settings.connection())
    places = [TopicPartition(settings.topic(name), 0) for name in RAW_TOPICS]
    longest_s = 0.0
    first_ms, last_ms = (pick(record.stamp_ms for log in logs for record in log) for pick in (min, max))
    cuts_ms = [first_ms + (last_ms + 1 - first_ms) * part // SLICES for part in range(SLICES + 1)]
    for begin_ms, end_ms in pairwise(cuts_ms):
        for place, log in zip(places, logs, strict=True):
            for record in log:
                if not begin_ms <= record.stamp_ms < end_ms:
                    continue
                if record.value == kit.first_configuration():
                    continue
                producer.send(
                    place.topic, record.value or b"", key=b"%d" % record.offset, partition=0,
                    timestamp_ms=record.stamp_ms,
                    headers=[(MARK_HEADER, b"")] if record.mark else [],
                )  # fmt: skip
        producer.flush()
        due = [1 + max(found.offset for found in log if found.mark and found.stamp_ms < end_ms) for log in logs]
        begun_s = time.monotonic()
        while [group.committed(place) for place in places] != due:
            fleet.check()
            assert time.monotonic() < begun_s + PATIENCE_S
            time.sleep(0.05)
        longest_s = max(longest_s, time.monotonic() - begun_s)
    producer.close()
    group.close()
    return longest_s


def _clean() -> tuple[int, Runner]:
    """One process over the logs without our poison, and how many ticks that gives."""
    runner = Runner(*kit.city(), partitions=PARTITIONS, raw_partitions=kit.RAW_PARTITIONS)
    first_marks = [next(record.stamp_ms for record in log if record.mark) for log in kit.raw_logs()]
    runner.begin_at(runner.settings.index_at(min(first_marks)))
    ticks = 0
    for log in kit.raw_logs():
        for record in log:
            kit._give(runner, record)
        ticks += len(list(runner.closed()))
    return ticks, runner


def _said(settings: KafkaSettings, ticks: int, fleet: Fleet) -> list[PartitionTick]:
    """The last tick of each partition of fusion."""
    records: list[Any] = read_all(settings, FUSION_TICKS, lambda found: len(found) >= PARTITIONS * ticks, fleet)
    last = {tick.partition: tick for tick in (PartitionTick.from_bytes(record.value) for record in records)}
    return list(last.values())


@pytest.mark.slow
def test_poison_is_set_aside_with_its_reason_and_holds_nobody_up(kafka: str, prefix: str, tmp_path: Path) -> None:
    """More than one record in a hundred, of ten kinds, in every raw topic; what is good is used as if it were not."""
    logs, reasons = _poisoned()
    ticks, runner = _clean()
    with replayed_city(tmp_path, kafka, prefix) as fleet:
        settings = kafka_settings(fleet.site)
        port = free_ports(1)[0]
        fleet.start("ingest", "0", "--metrics", f"127.0.0.1:{port}")
        fleet.start("fuse")
        until_s = time.monotonic() + PATIENCE_S
        while http(port, "/readyz")[0] != 200 and time.monotonic() < until_s:  # what starts up is not held up
            fleet.check()
            time.sleep(0.2)
        assert _write_and_time(settings, logs, fleet) < HELD_UP_MAX_S
        counts: Counter[str] = Counter()
        for tick in _said(settings, ticks, fleet):
            counts.update(tick.counters)
        consumer = KafkaConsumer(enable_auto_commit=False, **settings.connection())
        end = ends_of(consumer, settings.topic(DEAD_LETTERS))[0]
        consumer.close()
        records = read_all(settings, DEAD_LETTERS, lambda found: len(found) >= end, fleet)
        letters = [DeadLetter.read(record.headers, record.value) for record in records]
        found = {(letter.topic.removeprefix(prefix), letter.offset): dict(letter.reasons) for letter in letters}
        assert {place: found.get(place) for place in reasons} == {place: {why: 1} for place, why in reasons.items()}
        assert {name: counts[name] for name in ("used", "late", "duplicate")} == {
            name: rows for name, rows in runner.counters.flat().items() if name in ("used", "late", "duplicate")
        }
        assert counts["read"] == sum(rows for name, rows in counts.items() if name not in ("read", "late"))
        refused = sum((Counter(letter.reasons) for letter in letters), Counter())
        assert {name: rows for name, rows in counts.items() if name.startswith("dead_lettered.")} == {
            name: rows for name, rows in refused.items() if name.startswith("dead_lettered.")
        }
