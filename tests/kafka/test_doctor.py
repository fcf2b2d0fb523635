"""`city-brain doctor`: what is well and what is not, from a cluster in which each fault really is."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from city_brain.kafka.topics import raw_partitions
from tests.cli.processes import city_brain
from tests.kafka.broker import cluster
from tests.kafka.sites import a_site, applied, kafka_settings, planned


def doctor(site: Path, code: int) -> dict[str, tuple[str, str]]:
    """Level and words by place; the doctor must end with the code."""
    done = city_brain("doctor", site, "--json")
    found = msgspec.json.decode(done.out, type=list[dict[str, str]]) if done.out else []
    assert done.code == code, done.out + done.err
    return {said["place"]: (said["level"], said["says"]) for said in found}


@contextmanager
def _producer(servers: str) -> Iterator[Any]:
    from kafka import KafkaProducer

    with closing(KafkaProducer(bootstrap_servers=servers.split(","))) as producer:
        yield producer
        producer.flush()


@contextmanager
def _marking(site: Path, producer: Any) -> Iterator[None]:
    """Marks in every raw partition, again and again, as the clock of a running site sends them."""
    settings, enough = kafka_settings(site), Event()
    places = [(name, number) for name, count in raw_partitions(settings).items() for number in range(count)]

    def mark() -> None:
        while not enough.wait(0.2):
            for name, number in places:
                producer.send(settings.topic(name), b"", key=b"mark", headers=[("mark", b"")], partition=number)

    clock = Thread(target=mark)
    clock.start()
    try:
        yield
    finally:
        enough.set()
        clock.join()


def test_a_city_without_topics_is_not_well(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Absent topics are bad, each by its name; the broker itself answers."""
    found = doctor(a_site(tmp_path, kafka, prefix), 1)
    assert [level for place, (level, _) in found.items() if place.startswith("broker 1 ")] == ["ok"]
    absent = [place for place, (level, says) in found.items() if level == "bad" and "got nothing" in says]
    assert len(absent) == 11
    assert f"topic {prefix}observations" in absent


def test_a_running_city_is_well_and_a_silent_one_is_not(tmp_path: Path, kafka: str, prefix: str) -> None:
    """With fresh marks and snapshots all is ok; without marks for more than two seconds each raw partition is bad."""
    site = a_site(tmp_path, kafka, prefix)
    assert applied(site)
    raw = [f"{prefix}video.detections/{number}" for number in range(4)] + [
        f"{prefix}{name}/0" for name in ("signal.states", "sensor.readings", "reports", "control")
    ]
    empty = doctor(site, 1)
    assert {empty[place] for place in raw} == {("bad", "raw partition silent: no record yet, so log time stands")}
    assert empty[f"{prefix}fusion.state/0"] == ("warn", "no snapshot yet")
    with _producer(kafka) as producer, _marking(site, producer):
        for name in ("fusion.state", "desk.state"):
            producer.send(f"{prefix}{name}", b"snapshot", key=b"0", partition=0)
        done = city_brain("doctor", site)
    assert done.code == 0, done.out
    assert f"ok    {prefix}desk.state/0: newest snapshot " in done.out
    assert f"ok    {prefix}dead.letters/0: 0 dead letters in the last minute, 0 in all" in done.out
    assert done.err.endswith(" 0 warn, 0 bad\n")
    time.sleep(2.1)
    silent = doctor(site, 1)
    assert {silent[place][0] for place in raw} == {"bad"}
    assert silent[raw[0]][1].startswith("raw partition silent for ")


def test_old_snapshots_and_dead_letters_are_told(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Snapshots have their age by the record's time; only dead letters of the last minute are warned of."""
    site = a_site(tmp_path, kafka, prefix)
    assert applied(site)
    now_ms = time.time_ns() // 1_000_000
    with _producer(kafka) as producer:
        ages_s = {"fusion.state": (120,), "desk.state": (3_600,), "dead.letters": (7_200, 3_600, 10, 1)}
        for name, ages in ages_s.items():
            for age_s in ages:
                producer.send(f"{prefix}{name}", b"x", key=b"0", partition=0, timestamp_ms=now_ms - 1000 * age_s)
    found = doctor(site, 1)
    assert found[f"{prefix}fusion.state/0"][0] == "warn"
    assert found[f"{prefix}desk.state/0"][0] == "bad"
    assert found[f"{prefix}dead.letters/0"] == ("warn", "2 dead letters in the last minute, 4 in all")


def test_lag_is_told_for_each_group_and_partition(tmp_path: Path, kafka: str, prefix: str) -> None:
    """A group that stopped behind the end is warned of, one at the end is ok, and one whose records are gone is bad."""
    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
    from kafka.structs import OffsetAndMetadata

    site = a_site(tmp_path, kafka, prefix)
    assert applied(site)
    name, group = f"{prefix}video.detections", f"{prefix}fusion"
    with _producer(kafka) as producer:
        for partition in (0, 1, 2):
            for _ in range(5):
                producer.send(name, b"{}", partition=partition)
    with closing(KafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)) as consumer:
        at = {0: 5, 1: 3, 2: 0}
        consumer.assign([TopicPartition(name, partition) for partition in at])
        consumer.commit({TopicPartition(name, key): OffsetAndMetadata(offset, "", -1) for key, offset in at.items()})
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.delete_records({TopicPartition(name, 2): 4})
    found = doctor(site, 1)
    assert found[f"group {group} {name}/0"] == ("ok", "at 5 of 5, 0 behind")
    assert found[f"group {group} {name}/1"] == ("warn", "at 3 of 5, 2 behind, and nobody reads")
    assert found[f"group {group} {name}/2"] == ("bad", "at 0 of 5, 5 behind; 4 records are gone before they were read")
    assert f"group {group} {name}/3" not in found


@pytest.mark.usefixtures("java")
def test_copies_that_fall_behind_are_told(tmp_path: Path) -> None:
    """With one of three brokers dead the doctor still answers, and warns of every partition that lacks a copy."""
    with cluster(3) as three:
        lines = ("replication_factor = 3", "[kafka.raw_partitions]", "detections = 2")
        site = a_site(tmp_path, three.bootstrap_servers, "", *lines)
        assert applied(site)
        assert planned(site) == []
        assert doctor(site, 1)["copies"] == ("ok", "every partition has a leader and all its copies")
        three.brokers[2].kill()
        deadline = time.monotonic() + 60
        behind: list[str] = []
        while len(behind) < 12 and time.monotonic() < deadline:
            time.sleep(0.5)
            behind = [says for level, says in doctor(site, 1).values() if level == "warn" and "under-repl" in says]
        assert behind == ["under-replicated: 2 of 3 copies are in step, missing broker 3"] * 12
        three.start()
        with _producer(three.bootstrap_servers) as producer:
            assert producer.send("reports", b"{}", partition=0).get(60).offset == 0
