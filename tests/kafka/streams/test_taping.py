"""Records come back from a recording as they lay on the broker, and a city that a recording feeds says what it said."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer, TopicPartition

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Lost, Record
from city_brain.bag.writing import WriterSettings
from city_brain.errors import BrokerError, SettingsError
from city_brain.kafka.connecting import admin, producer
from city_brain.kafka.taping.playing import REPLAY_HEADER, Pace, Played, Playing, play
from city_brain.kafka.taping.recording import Tape, Taped, record_topics
from city_brain.kafka.topics import INCIDENTS
from city_brain.playback.street import Street
from city_brain.site import Site, read_settings
from tests.cli.processes import COMMAND, ENVIRONMENT, city_brain
from tests.distributed import kit
from tests.kafka.sites import a_site, applied, kafka_settings
from tests.kafka.streams.fleet import read_all, write_raw
from tests.kafka.streams.replayed import PARTITIONS, replayed_city

NOON_MS = 1_772_337_600_000


def _site(folder: Path, kafka: str, prefix: str, *lines: str) -> Path:
    made = a_site(folder, kafka, prefix, *(lines or ("replayed = true",)))
    applied(made)
    return made


def _fill(site: Path) -> int:
    """Every shape of a record that the client can send; how many."""
    settings = kafka_settings(site)
    shapes: list[dict[str, Any]] = [
        {"key": b"k", "value": b"v"},
        {"key": None, "value": b""},
        {"key": b"", "value": None},
        {"key": b"\xff\x00", "value": b"\x08" * 2000, "headers": [("a", b"1"), ("b", b""), ("a", b"2"), ("a", b"1")]},
        {"key": None, "value": b"x", "headers": [("\u8def", b"\xff")]},
    ]
    producer = KafkaProducer(acks="all", enable_idempotence=True, **settings.connection())
    for number in range(200):
        shape = shapes[number % len(shapes)]
        stamp_ms = NOON_MS - 37 * number
        producer.send(settings.topic("video.detections"), partition=number % 4, timestamp_ms=stamp_ms, **shape)
    producer.flush()
    producer.close()
    return 200


def _recorded(site: Path, file: Path) -> list[Record]:
    done = city_brain("bag", "record", site, file, "--until-end", "--json")
    assert done.code == 0, done.err
    found = list(read_series(file))
    assert msgspec.json.decode(done.out)["records"] == len(found)
    return found


def _as_lay(records: list[Record], prefix: str) -> list[Record]:
    """Without what differs between two times of reading: arrival, and the prefix of topics."""
    plain = (msgspec.structs.replace(said, log_ns=0, topic=said.topic.removeprefix(prefix)) for said in records)
    return sorted(plain, key=lambda said: (said.topic, said.partition, said.offset))


def test_a_round_trip_changes_nothing(kafka: str, prefix: str, tmp_path: Path) -> None:
    """What was recorded, played to fresh topics and recorded again is the same in every bit, but for the prefix."""
    first, second = (_site(tmp_path / name, kafka, f"{prefix}{name}.") for name in ("a", "b"))
    sent = _fill(first)
    wanted = _as_lay(_recorded(first, tmp_path / "a.mcap"), f"{prefix}a.")
    assert len(wanted) == sent
    assert {said.key for said in wanted} == {b"k", None, b"", b"\xff\x00"} and None in {said.value for said in wanted}
    done = city_brain("bag", "play", tmp_path / "a.mcap", second, "--bare")
    assert done.code == 0, done.err
    assert _as_lay(_recorded(second, tmp_path / "b.mcap"), f"{prefix}b.") == wanted


def test_what_was_played_says_so(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each record that was played bears, as its last header, which playing that was; the rest of it is as recorded."""
    first, second = (_site(tmp_path / name, kafka, f"{prefix}{name}.") for name in ("a", "b"))
    _fill(first)
    wanted = _as_lay(_recorded(first, tmp_path / "a.mcap"), f"{prefix}a.")
    play(tmp_path / "a.mcap", kafka_settings(second), Playing(name="one"), Played())
    found = _as_lay(_recorded(second, tmp_path / "b.mcap"), f"{prefix}b.")
    mark = (REPLAY_HEADER, b"one")
    assert found == [msgspec.structs.replace(said, headers=(*said.headers, mark)) for said in wanted]


def test_a_recording_says_what_it_is_of(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It bears the settings that decide, readable as site.toml, and neither addresses nor the prefix among them."""
    site = _site(tmp_path / "a", kafka, prefix)
    _recorded(site, tmp_path / "a.mcap")
    with Recording(tmp_path / "a.mcap") as recording:
        said, attached = recording.metadata["city"], recording.attachment("site.toml").data
    assert (said["city"], said["made_by"], said["topic_prefix"], said["partitions"]) == ("a", "kafka", prefix, "1")
    assert kafka.encode() not in attached and prefix.encode() not in attached
    (tmp_path / "site.toml").write_bytes(attached)
    settings, own = read_settings(tmp_path / "site.toml"), read_settings(site / "site.toml")
    assert (settings.ticks, settings.desk, settings.kafka.raw_partitions) == (
        own.ticks, own.desk, own.kafka.raw_partitions,
    )  # fmt: skip


def test_it_is_not_played_where_it_would_do_harm(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A city that lives, the topics that were recorded, and topics that hold records are refused; nothing is sent."""
    first, live = _site(tmp_path / "a", kafka, f"{prefix}a."), _site(tmp_path / "b", kafka, f"{prefix}b.", "")
    _fill(first)
    _recorded(first, tmp_path / "a.mcap")
    played = Played()
    with pytest.raises(SettingsError, match="replayed: wanted true"):
        play(tmp_path / "a.mcap", kafka_settings(live), Playing(name="x"), played)
    with pytest.raises(BrokerError, match="wanted other topics than those recorded"):
        play(tmp_path / "a.mcap", kafka_settings(first), Playing(name="x"), played)
    second = _site(tmp_path / "c", kafka, f"{prefix}c.")
    _fill(second)
    with pytest.raises(BrokerError, match="wanted an empty partition"):
        play(tmp_path / "a.mcap", kafka_settings(second), Playing(name="x"), played)
    assert played == Played()


def test_so_many_records_a_second_go_out(kafka: str, prefix: str, tmp_path: Path) -> None:
    """200 records at 100 a second take two seconds, since each has its time from the beginning."""
    first, second = (_site(tmp_path / name, kafka, f"{prefix}{name}.") for name in ("a", "b"))
    _fill(first)
    _recorded(first, tmp_path / "a.mcap")
    played = Played()
    play(tmp_path / "a.mcap", kafka_settings(second), Playing(name="x", pace=Pace(records_per_s=100.0)), played)
    assert played.records == 200 and 1.98 <= played.took_s < 6.0


def test_the_pace_never_adds_up() -> None:
    """The time of a record follows from the beginning alone, by its number or by its log time."""
    assert Pace(rate=0.5).due_s(7, 3_000_000_000) == 6.0
    assert Pace(records_per_s=4.0).due_s(1_000_000, 1) == 250_000.0
    assert Pace().due_s(5, 10**12) == 0.0
    with pytest.raises(SettingsError, match="got both"):
        Pace(rate=1.0, records_per_s=1.0)


def test_a_budget_ends_a_recording_that_stays_whole(kafka: str, prefix: str, tmp_path: Path) -> None:
    """What has no room ends it early and is told as lost, in the file too, which holds as many records as it counts."""
    site, file = _site(tmp_path / "a", kafka, prefix), tmp_path / "a.mcap"
    _fill(site)
    settings, taped = kafka_settings(site), Taped()
    tape = Tape(topics=(settings.topic("video.detections"),), until_end=True)
    record_topics(settings, file, tape, taped, writing=WriterSettings(chunk_bytes=1024, budget_bytes=20_000))
    assert "of the budget" in taped.full and taped.lost
    offsets = dict.fromkeys(range(4), 0)
    for record in read_series(file):
        offsets[record.partition] = record.offset + 1
    assert 0 < sum(offsets.values()) == taped.records < 200
    with Recording(file) as recording:
        lost = {gap.partition: (gap.first, gap.last, gap.reason) for gap in recording.gaps()}
    assert lost == {number: (first, 49, Lost.REFUSED) for number, first in offsets.items() if first < 50}
    doctor = city_brain("bag", "doctor", file)
    assert doctor.code == 3 and "the budget of 20000 bytes is used up" in doctor.out


def test_what_expires_unread_stands_in_the_ledger(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Records that the broker drops before they are read are told by their offsets; what is left is recorded."""
    site, file = _site(tmp_path / "a", kafka, prefix), tmp_path / "a.mcap"
    settings, place = kafka_settings(site), TopicPartition(f"{prefix}reports", 0)
    with producer(settings) as client:
        for number in range(60):
            client.send(place.topic, partition=0, value=bytes([number]) * 300_000, timestamp_ms=NOON_MS)
        client.flush()
    taped, dropped = Taped(), []

    def drop(now: Taped) -> None:
        if now.records and not dropped:
            with admin(settings) as client:
                client.delete_records({place: 55})
            dropped.append(now.records)

    record_topics(settings, file, Tape(topics=(place.topic,), until_end=True), taped, told=drop)
    with Recording(file) as recording:
        (gap,) = recording.gaps()
    offsets = [said.offset for said in read_series(file)]
    assert taped.expired == gap.last - gap.first + 1 > 0 and (gap.reason, gap.last) == (Lost.EXPIRED, 54)
    assert offsets == [*range(gap.first), *range(55, 60)] and taped.records == len(offsets)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_records_until_it_is_stopped(number: int, code: int, kafka: str, prefix: str, tmp_path: Path) -> None:
    """What came is on the disk a second later, though nothing comes after it; nobody else mends or writes the file
    meanwhile; a signal leaves a whole recording."""
    site, file = _site(tmp_path / "a", kafka, prefix), tmp_path / "a.mcap"
    part = file.with_name("a.mcap.part")
    process = subprocess.Popen([*COMMAND, "bag", "record", str(site), str(file)], env=ENVIRONMENT)
    try:
        _wait(part.exists)
        sent = _fill(site)
        _wait(lambda: len(_held(part)) == sent)
        for words in (("recover", part), ("record", site, file)):
            done = city_brain("bag", *words)
            assert done.code == 1 and "got one that is in use: somebody writes it now" in done.err, done.err
        process.send_signal(number)
        assert process.wait(30.0) == code
    finally:
        process.kill()
        process.wait()
    assert len(list(read_series(file))) == sent and not part.exists()


def _held(part: Path) -> list[Record]:
    with Recording(part) as recording:
        return list(recording.records())


def _wait(until: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30.0
    while not until():
        assert time.monotonic() < deadline_s, "waited for half a minute"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.campaign)])
def test_a_city_fed_by_a_recording_says_what_it_said(workers: int, kafka: str, prefix: str, tmp_path: Path) -> None:
    """With one, two and four workers of each program, one of which is killed in the middle, and with no byte else."""
    file = tmp_path / "city.mcap"
    with replayed_city(tmp_path / "first", kafka, f"{prefix}a.") as first:
        write_raw(kafka_settings(first.site), kit.raw_logs(), first.check)
        wanted = kit.oracle(PARTITIONS, Site.open(first.site).desk_settings)
        _recorded(first.site, file)
    with replayed_city(tmp_path / "again", kafka, f"{prefix}b.", announced=False) as again:
        for program in ("ingest", "fuse", "desk"):
            for slot in range(workers):
                again.start(program, str(slot))
        settings = kafka_settings(again.site)
        killed = False

        def kill_one(played: Played) -> None:
            nonlocal killed
            if played.records > 100 and not killed:
                killed = True
                again.kill("fuse-0")
                again.start("fuse")

        pace = Pace(records_per_s=300.0)
        play(file, settings, Playing(name="again", pace=pace), Played(), told=kill_one)
        said = read_all(settings, INCIDENTS, lambda found: len({one.value for one in found}) >= len(wanted), again)
    assert killed, "no worker was killed"
    assert [tick.line for tick in Street(file).ticks()] == wanted
    assert list(dict.fromkeys(record.value for record in said)) == wanted
