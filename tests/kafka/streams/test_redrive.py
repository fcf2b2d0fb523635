"""Dead letters go back: what a wrong map refused is used once the map is mended, as one process says over the logs."""

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from city_brain.city.loading import city_to_geojson
from city_brain.distributed import MARK_HEADER, RAW_TOPICS, RawRecord
from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.dead_letters import DeadLetter, Redriven
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, FUSION_TICKS, INCIDENTS
from city_brain.runner import Runner
from city_brain.site import Site
from tests.cli.processes import city_brain
from tests.distributed import kit
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, Fleet, ends_of, read_all, write_raw
from tests.kafka.streams.replayed import replayed_city

APPLIED_AFTER_MARKS = 16
"""A change is announced in the middle; so many marks later, which is more than its lead, what was refused is sent."""
SAVED_S = 5.0
"""Two snapshots, and then some."""
LATER_MS = 10_000
"""Marks so long after the last row let everything that was read be told."""


def _without_cameras(map_of_city: bytes) -> bytes:
    """The map as it was before every second camera was entered."""
    features = orjson.loads(map_of_city)
    cameras = [at for at, each in enumerate(features["features"]) if each["properties"].get("kind") == "camera"]
    assert len(cameras) >= 2
    kept = [each for at, each in enumerate(features["features"]) if at not in cameras[::2]]
    return orjson.dumps(features | {"features": kept})


def _parts() -> list[list[list[RawRecord]]]:
    """The raw logs in three parts, each of which ends behind marks of one time in all of them."""
    marks_ms = sorted({record.stamp_ms for record in kit.raw_logs()[kit.CONTROL] if record.mark})
    middle = len(marks_ms) // 2
    cuts_ms = (0, marks_ms[middle], marks_ms[middle + APPLIED_AFTER_MARKS], marks_ms[-1])
    return [
        [[record for record in log if begin < record.stamp_ms <= end] for log in kit.raw_logs()]
        for begin, end in pairwise(cuts_ms)
    ]


def _last_marks() -> list[list[RawRecord]]:
    stamp_ms = max(log[-1].stamp_ms for log in kit.raw_logs()) + LATER_MS
    return [[RawRecord(partition, 0, stamp_ms, None, True)] for partition in range(kit.RAW_PARTITIONS)]


def _raw(settings: KafkaSettings) -> list[list[RawRecord]]:
    """All that the raw topics hold now."""
    consumer = KafkaConsumer(enable_auto_commit=False, **settings.connection())
    logs: list[list[RawRecord]] = []
    for number, name in enumerate(RAW_TOPICS):
        place = TopicPartition(settings.topic(name), 0)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        log: list[RawRecord] = []
        while len(log) < consumer.end_offsets([place])[place]:
            for record in consumer.poll(timeout_ms=500).get(place, ()):
                mark = MARK_HEADER in dict(record.headers)
                log.append(RawRecord(number, record.offset, record.timestamp, record.value, mark))
        logs.append(log)
    consumer.close()
    return logs


def _oracle(wrong: Site, logs: list[list[RawRecord]]) -> tuple[list[bytes], Runner]:
    """What one process that begins with the wrong map says over the raw logs."""
    runner = Runner(wrong.ground, wrong.types, raw_partitions=kit.RAW_PARTITIONS, city="city", desk=wrong.desk_settings)
    first_marks = [next(record.stamp_ms for record in log if record.mark) for log in logs]
    runner.begin_at(runner.settings.index_at(min(first_marks)))
    for record in logs[kit.CONTROL]:
        if not record.mark:
            runner.announce(record.value or b"", record.stamp_ms)
    lines: list[bytes] = []
    for log in logs:
        for record in log:
            kit._give(runner, record)
        lines.extend(closed.record.to_line() for closed in runner.closed())
    return lines, runner


def _wait_for_ingest(settings: KafkaSettings, fleet: Fleet) -> None:
    """Waits until ingest has read all raw logs to their ends, each behind a mark."""
    group = KafkaConsumer(group_id=settings.topic("ingest"), enable_auto_commit=False, **settings.connection())
    until_s = time.monotonic() + PATIENCE_S
    places = [TopicPartition(settings.topic(name), 0) for name in RAW_TOPICS]
    ends = group.end_offsets(places)
    while [group.committed(place) for place in places] != [ends[place] for place in places]:
        fleet.check()
        assert time.monotonic() < until_s
        time.sleep(0.2)
    group.close()


def _letters(settings: KafkaSettings, fleet: Fleet) -> list[DeadLetter]:
    consumer = KafkaConsumer(enable_auto_commit=False, **settings.connection())
    end = ends_of(consumer, settings.topic(DEAD_LETTERS))[0]
    consumer.close()
    records: list[Any] = read_all(settings, DEAD_LETTERS, lambda found: len(found) >= end, fleet)
    return [DeadLetter.read(each.headers, each.value) for each in records if not Redriven.is_one(each.headers)]


def _distinct(records: list[Any]) -> int:
    """How many there are: a worker that takes over says once more what was said since the last snapshot."""
    return len({record.value for record in records})


def _reasons(letters: list[DeadLetter]) -> Counter[str]:
    return sum((Counter(letter.reasons) for letter in letters), Counter())


@pytest.mark.slow
def test_rows_that_a_wrong_map_refused_are_used_once_it_is_mended(kafka: str, prefix: str, tmp_path: Path) -> None:
    """The city runs with a map that lacks cameras; mended while it runs, their rows go back, and the incidents and
    counters are those of one process over the raw topics. Poison comes back as letters that stay; nothing goes twice.
    Workers that stood by since before the change take over after it, from snapshots of a map that they never heard of.
    """
    whole = city_to_geojson(kit.city()[0].city)
    with replayed_city(tmp_path, kafka, prefix, partitions=1, city_map=_without_cameras(whole)) as fleet:
        settings, wrong = kafka_settings(fleet.site), Site.open(fleet.site)
        for program, slot in (("ingest", "0"), ("fuse", "0"), ("desk", "0"), ("fuse", "1"), ("desk", "1")):
            fleet.start(program, slot)
        before, meanwhile, after = _parts()
        write_raw(settings, before, fleet.check)
        _wait_for_ingest(settings, fleet)
        (fleet.site / "city.geojson").write_bytes(whole)
        applied = city_brain("control", "apply", fleet.site, "--reason", "cameras that were forgotten")
        assert applied.code == 0 and applied.out.startswith("camera added: cam-")
        write_raw(settings, meanwhile, fleet.check)
        _wait_for_ingest(settings, fleet)
        refused = _letters(settings, fleet)
        assert _reasons(refused)["quarantined.datum"] > 100
        asked = ("redrive", fleet.site, "--json")
        would = orjson.loads(city_brain(*asked, "--dry-run").out)
        assert would["sent"] + would["empty"] == would["letters"] == len(refused)
        assert would["rows"] | {"dead_lettered.empty": 0} == _reasons(refused) | Counter() | {"dead_lettered.empty": 0}
        sent = city_brain(*asked)
        assert sent.code == 0 and orjson.loads(sent.out) == would
        time.sleep(SAVED_S)
        fleet.kill("fuse-0")
        fleet.kill("desk-0")
        write_raw(settings, after, fleet.check)
        write_raw(settings, _last_marks(), fleet.check)
        wanted, runner = _oracle(wrong, _raw(settings))
        said = read_all(settings, INCIDENTS, lambda found: _distinct(found) >= len(wanted), fleet)
        assert list(dict.fromkeys(record.value for record in said)) == wanted
        ticks = read_all(settings, FUSION_TICKS, lambda found: _distinct(found) >= len(wanted), fleet)
        counted = {name: rows for name, rows in PartitionTick.from_bytes(ticks[-1].value).counters.items() if rows}
        ours = {name: rows for name, rows in runner.counters.flat().items() if rows and name != "read"}
        dead = {name: rows for name, rows in counted.items() if name.startswith("dead_lettered.")}
        assert {name: rows for name, rows in counted.items() if name not in ("read", "held", *dead)} == ours
        mended = _letters(settings, fleet)
        assert dead == {name: rows for name, rows in _reasons(mended).items() if name.startswith("dead_lettered.")}
        stays = [letter for letter in mended if letter.redriven_from]
        assert stays and "quarantined.datum" not in _reasons(stays)
        assert {letter.redriven_from for letter in stays} <= {letter.name for letter in refused}
        once_more = orjson.loads(city_brain(*asked, "--since", "2000-01-01T00:00:00Z").out)
        assert once_more["redriven_before"] == would["sent"] and once_more["refused_again"] == len(stays)
        assert once_more["sent"] == len(
            [each for each in mended[len(refused) :] if not each.redriven_from and each.value]
        )
        again = orjson.loads(city_brain(*asked, "--dry-run", "--again").out)
        assert again["sent"] + again["empty"] >= len(stays)


def test_a_letter_goes_where_it_came_from_and_no_other_way(kafka: str, prefix: str, tmp_path: Path) -> None:
    """By reason and time; repetitions, strangers, empty and unreadable letters are counted and not sent."""
    with replayed_city(tmp_path, kafka, prefix) as fleet:
        settings = kafka_settings(fleet.site)
        raw = settings.topic("sensor.readings")
        letters = [
            DeadLetter(raw, 0, 5, 1_000, {"quarantined.datum": 2}, b"one\ntwo"),
            DeadLetter(raw, 0, 5, 1_000, {"quarantined.datum": 2}, b"one\ntwo"),
            DeadLetter(raw, 0, 6, 2_000, {"quarantined.speed": 1, "dead_lettered.time": 1}, b"three\nfour"),
            DeadLetter(raw, 0, 7, 3_000, {"dead_lettered.empty": 1}, b""),
            DeadLetter("elsewhere", 0, 8, 3_000, {"quarantined.speed": 1}, b"five"),
            DeadLetter(raw, 9, 9, 3_000, {"quarantined.speed": 1}, b"six"),
            DeadLetter(raw, 0, 10, 3_000, {"quarantined.speed": 1}, b"seven", f"{raw}/0/1"),
        ]
        producer = KafkaProducer(**settings.connection())
        for letter in letters:
            producer.send(settings.topic(DEAD_LETTERS), letter.value, headers=list(letter.headers))
        producer.send(settings.topic(DEAD_LETTERS), b"no letter")
        producer.close()

        def counts(*options: str) -> dict[str, int]:
            told = city_brain("redrive", fleet.site, "--json", *options)
            assert told.code == 0, told.err
            found = orjson.loads(told.out)
            assert (
                sum(count for name, count in found.items() if name not in ("letters", "rows")) == found["letters"] == 8
            )
            return {name: count for name, count in found.items() if name not in ("letters", "rows") and count}

        others = {"repeated": 1, "unreadable": 1, "refused_again": 1}
        assert counts("--reason", "datum") == others | {"sent": 1, "not_chosen": 4}
        assert counts("--dry-run", "--since", "1970-01-01T00:00:02Z") == others | {
            "redriven_before": 1, "sent": 1, "empty": 1, "elsewhere": 2,
        }  # fmt: skip
        assert counts("--again") == {
            "repeated": 1, "unreadable": 1, "redriven_before": 1, "sent": 2, "empty": 1, "elsewhere": 2,
        }  # fmt: skip
        assert "sent" not in counts("--again")
        log = _raw(settings)[RAW_TOPICS.index("sensor.readings")]
        assert [(record.value, record.stamp_ms) for record in log] == [
            (b"one\ntwo", 1_000), (b"three\nfour", 2_000), (b"seven", 3_000),
        ]  # fmt: skip
        for option, value in (("--reason", "sped"), ("--since", "yesterday"), ("--since", "2026-01-01T00:00:00")):
            done = city_brain("redrive", fleet.site, option, value)
            assert done.code == 2 and f"{option}: wanted" in done.err
