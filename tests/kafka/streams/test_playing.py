"""A recording is played to Kafka in step with whoever reads it, several times on end, and never to a real city."""

import threading
import time
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata

from city_brain.distributed import RAW_TOPICS
from city_brain.errors import BrokerError, SettingsError
from city_brain.kafka.admin import apply
from city_brain.kafka.connecting import admin
from city_brain.kafka.taping.lockstep import Lockstep
from city_brain.kafka.taping.playing import Pace, Played, Playing, play
from city_brain.kafka.topics import INCIDENTS, PRODUCTION
from city_brain.site import read_settings
from tests.cli.processes import city_brain
from tests.distributed import kit
from tests.house import ROOT
from tests.kafka.sites import a_site, kafka_settings
from tests.kafka.streams.fleet import read_all
from tests.kafka.streams.replayed import PARTITIONS, replayed_city
from tests.playback.recorded import record

DARK_SIGNAL = ROOT / "playback" / "recordings" / "dark-signal.mcap"
COUNTS = "raw_partitions = { detections = 1, signals = 1, sensors = 1, reports = 1 }"


def _site(folder: Path, servers: str, prefix: str, *lines: str) -> Path:
    site = a_site(folder, servers, prefix, COUNTS, *lines)
    apply(kafka_settings(site), 1)
    return site


def test_nothing_is_played_to_brokers_of_a_real_city(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A topic tells, whatever its prefix; nothing is sent."""
    file = record(tmp_path / "a.mcap", 1, 1)
    live = _site(tmp_path / "live", kafka, f"{prefix}live.", "production = true")
    site = _site(tmp_path / "site", kafka, f"{prefix}site.", "replayed = true")
    played = Played()
    try:
        with pytest.raises(BrokerError, match=f"{PRODUCTION}: wanted brokers that serve no real city"):
            play(file, kafka_settings(site), Playing(name="x"), played)
        assert played == Played()
    finally:
        with admin(kafka_settings(live)) as client:
            client.delete_topics([kafka_settings(live).topic(PRODUCTION)])
    (tmp_path / "site.toml").write_text("[kafka]\nproduction = true\nreplayed = true\n")
    with pytest.raises(SettingsError, match="wanted false where production is true"):
        read_settings(tmp_path / "site.toml")


def test_it_waits_for_a_group(kafka: str, prefix: str, tmp_path: Path) -> None:
    """At no time is the group further behind than it may be, and it gets every record."""
    file = record(tmp_path / "a.mcap", 1, 1)
    site = _site(tmp_path / "site", kafka, prefix, "replayed = true")
    settings, group, lag, furthest, read = kafka_settings(site), f"{prefix}slow", 40, 0, 0
    played = Played()
    player = threading.Thread(
        target=play, args=(file, settings, Playing(name="x", lockstep=group, lag=lag), played), daemon=True
    )
    topics = list(map(settings.topic, RAW_TOPICS))
    client = KafkaConsumer(
        *topics, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        max_poll_records=7, metadata_max_age_ms=1_000,
    )  # fmt: skip
    # A member that joins before the broker tells of new topics gets none of them until it asks again.
    try:
        client.poll(timeout_ms=100)
        player.start()
        deadline_s = time.monotonic() + 120.0
        while (player.is_alive() or read < played.records) and time.monotonic() < deadline_s:
            found = client.poll(timeout_ms=200)
            read += sum(map(len, found.values()))
            ends = client.end_offsets(list(client.assignment()))
            furthest = max(furthest, sum(ends.values()) - read)
            if found:
                client.commit({place: OffsetAndMetadata(client.position(place), "", -1) for place in found})
    finally:
        client.close()
    player.join(30.0)
    assert played.records == read > 200
    assert furthest <= lag + 7


def test_a_group_that_stops_is_told(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Where it commits nothing for as long as somebody has patience."""
    settings = kafka_settings(_site(tmp_path / "site", kafka, prefix, "replayed = true"))
    target = (settings.topic("reports"), 0)
    lockstep = Lockstep(settings, f"{prefix}nobody", {target}, 3, patience_s=1.0)
    settled = 0

    def settle() -> None:
        nonlocal settled
        settled += 1

    for _ in range(3):
        lockstep.wait(target, settle)
    with pytest.raises(BrokerError, match="wanted it to read on, got nothing for 1 s; it is 3 records behind"):
        lockstep.wait(target, settle)
    assert settled == 2
    with pytest.raises(SettingsError, match="wanted a lag of 1 record or more"):
        Lockstep(settings, "x", {target}, 0)


def test_a_loop_is_played(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Every record of each lap, but the configuration of the first alone."""
    counts = "raw_partitions = { detections = 4, signals = 1, sensors = 1, reports = 1 }"
    site = a_site(tmp_path / "site", kafka, prefix, counts, "replayed = true")
    apply(kafka_settings(site), 1)
    once = city_brain("bag", "info", DARK_SIGNAL, "--json")
    records = msgspec.json.decode(once.out)["records"]
    done = city_brain("bag", "play", DARK_SIGNAL, site, "--loop", 3, "--json")
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out)["records"] == 3 * records - 2


@pytest.mark.campaign
@pytest.mark.parametrize("rate", [0.5, 1.0, 10.0, 0.0])
def test_no_rate_changes_what_a_city_on_kafka_says(rate: float, kafka: str, prefix: str, tmp_path: Path) -> None:
    """Half as fast as it was, as fast, ten times, and as fast as it goes: the same bytes."""
    file, wanted = record(tmp_path / "a.mcap", PARTITIONS, 1, by_time=True), kit.oracle(PARTITIONS)
    with replayed_city(tmp_path / "city", kafka, prefix, announced=False) as city:
        for program in ("ingest", "fuse", "desk"):
            city.start(program)
        played = Played()
        play(file, kafka_settings(city.site), Playing(name="x", pace=Pace(rate=rate)), played)
        said = read_all(kafka_settings(city.site), INCIDENTS, lambda got: len(got) >= len(wanted), city)
    assert [one.value for one in said] == wanted
    assert not rate or played.took_s >= played.span_s / rate > 5.0 / rate
