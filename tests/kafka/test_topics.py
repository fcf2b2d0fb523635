"""`city-brain topics`: a cluster becomes as the table wants, nothing is lost on the way, and a second time is quiet."""

import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.distributed import RAW_TOPICS
from city_brain.errors import BrokerError
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import topics as topic_table
from tests.cli.processes import city_brain
from tests.kafka.broker import cluster, free_ports
from tests.kafka.sites import a_site, applied, planned

TOPICS = 11


def told(word: str, site: Path, code: int) -> list[dict[str, Any]]:
    """What a command of `topics` says, as JSON; it must end with the code."""
    done = city_brain("topics", word, site, "--json")
    assert done.code == code, done.err
    return msgspec.json.decode(done.out, type=list[dict[str, Any]])


def test_applied_once_there_is_nothing_left_to_do(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Plan changes nothing, apply makes all topics, and after it plan, apply and check find nothing."""
    site = a_site(tmp_path, kafka, prefix, top="partitions = 3")
    wanted = told("plan", site, 0)
    assert [said["action"] for said in wanted] == ["create"] * TOPICS
    assert told("check", site, 1) == wanted
    assert told("apply", site, 0) == wanted
    assert told("plan", site, 0) == told("apply", site, 0) == told("check", site, 0) == []
    with closing(_admin(kafka)) as admin:
        widths = {said["name"]: len(said["partitions"]) for said in admin.describe_topics([f"{prefix}fusion.state"])}
    assert widths == {f"{prefix}fusion.state": 3}


def test_widths_grow_and_never_shrink(tmp_path: Path, kafka: str, prefix: str) -> None:
    """More partitions are added; fewer are refused, with the topic, what was wanted and got, and nothing changes."""
    applied(a_site(tmp_path, kafka, prefix))
    wide = a_site(tmp_path / "wide", kafka, prefix, "retention_h = 48", "[kafka.raw_partitions]", "detections = 6")
    assert {said.action for said in applied(wide)} == {"raise", "alter"}
    assert planned(wide) == []
    narrow = a_site(tmp_path / "narrow", kafka, prefix, "retention_h = 96", "[kafka.raw_partitions]", "detections = 2")
    refused = re.escape(f"topic {prefix}video.detections partitions: wanted 2, got 6; Kafka cannot shrink a topic")
    with pytest.raises(BrokerError, match=f"refused, and nothing was changed:\n  {refused}"):
        applied(narrow)
    assert planned(wide) == []


def test_retention_is_not_shortened_unasked(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Records are kept for less time only where that is allowed by name."""
    applied(a_site(tmp_path, kafka, prefix))
    short = a_site(tmp_path, kafka, prefix, "retention_h = 1")
    done = city_brain("topics", "apply", short)
    assert done.code == 1
    assert f"topic {prefix}observations retention.ms: wanted 3600000, got 86400000; older records would go" in done.err
    assert {said.action for said in planned(short)} == {"refuse"}
    assert city_brain("topics", "apply", short, "--shorten-retention").code == 0
    assert planned(short) == []


def test_a_recording_is_not_too_old_to_be_kept() -> None:
    """Brokers count age from stamps, and those of a recording may be years old: it must not go before it is read."""
    live, replayed = (topic_table(KafkaSettings(replayed=told), 1) for told in (False, True))
    kept = {(topic.name, topic.retention_ms) for topic in replayed if topic.name in RAW_TOPICS}
    assert kept == {(name, -1) for name in RAW_TOPICS}
    assert {topic.name for topic in live if topic.name in RAW_TOPICS and topic.retention_ms < 0} == {"control"}


def test_what_somebody_altered_is_told_and_repaired(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Check names the place, what was wanted and what was got; apply repairs it, but never how records are cleaned."""
    from kafka.admin import ConfigResource, ConfigResourceType

    site = a_site(tmp_path, kafka, prefix)
    applied(site)
    name = f"{prefix}signal.states"
    with closing(_admin(kafka)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"message.timestamp.type": "CreateTime"})])
        done = city_brain("topics", "check", site)
        wanted = f"topic {name} message.timestamp.type: wanted LogAppendTime, got CreateTime"
        assert (done.code, done.out) == (1, f"alter   {wanted}\n")
        assert len(applied(site)) == 1
        assert planned(site) == []
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "compact"})])
        with pytest.raises(BrokerError, match="records would go at once"):
            applied(site)


def test_copies_that_the_cluster_cannot_hold_are_told(tmp_path: Path, kafka: str, prefix: str) -> None:
    """Three copies on one broker cannot be: the broker's refusal is told, and no topic is left behind half made."""
    site = a_site(tmp_path, kafka, prefix, "replication_factor = 3")
    done = city_brain("topics", "apply", site)
    assert (done.code, done.out) == (1, "")
    assert f"kafka {kafka}: wanted what was asked for, got: " in done.err
    assert "replication factor" in done.err.lower()
    assert "Traceback" not in done.err
    assert len(planned(site)) == TOPICS


@pytest.mark.usefixtures("java")
def test_a_recording_of_any_day_stays(tmp_path: Path) -> None:
    """Where a recording is replayed, records of 2001 and of 2050 stay; a live site loses those that are long past."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    sweeping = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500"}
    days_ms = (1_000_000_000_000, 2_524_608_000_000)
    with cluster(settings=sweeping) as own:
        assert applied(a_site(tmp_path / "live", own.bootstrap_servers, "live."))
        assert applied(a_site(tmp_path / "replayed", own.bootstrap_servers, "replayed.", "replayed = true"))
        kept = [TopicPartition(f"replayed.{name}", 0) for name in ("reports", "observations", "incidents")]
        lost = TopicPartition("live.incidents", 0)
        with closing(KafkaProducer(bootstrap_servers=own.bootstrap_servers)) as producer:
            producer.send(lost.topic, b"{}", partition=0, timestamp_ms=days_ms[0]).get(30)
            for place in kept:
                for day_ms in days_ms:
                    producer.send(place.topic, b"{}", partition=0, timestamp_ms=day_ms).get(30)
        with closing(KafkaConsumer(bootstrap_servers=own.bootstrap_servers)) as consumer:
            deadline = time.monotonic() + 60
            while consumer.beginning_offsets([lost])[lost] == 0 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert consumer.beginning_offsets([lost])[lost] == 1
            assert set(consumer.beginning_offsets(kept).values()) == {0}
            assert set(consumer.end_offsets(kept).values()) == {2}


@pytest.mark.parametrize("command", [("topics", "plan"), ("topics", "check"), ("doctor",), ("send",)])
def test_no_broker_is_told_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Where nobody answers, commands say so within seconds, name the address, and end with 1."""
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    site = a_site(tmp_path, nobody, "", "connect_wait_s = 1.0")
    done = city_brain(*command, site, *(["-"] if command == ("send",) else []))
    assert (done.code, done.out) == (1, "")
    words = [line for line in done.err.splitlines() if not line.startswith("sent 0 rows")]
    assert len(words) == 1, done.err
    assert words[0].startswith(f"city-brain: kafka {nobody}: wanted a broker that answers, got: ")
    assert "ECONNREFUSED" in words[0]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    done = city_brain("topics", "plan", tmp_path / "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "nowhere: wanted the folder of a site, got none" in done.err


def _admin(kafka: str) -> Any:
    from kafka import KafkaAdminClient

    return KafkaAdminClient(bootstrap_servers=kafka)
