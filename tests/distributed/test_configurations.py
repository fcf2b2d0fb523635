"""Configurations that change while the street runs: everywhere at one tick, and crashes change not one byte."""

import msgspec
import pytest

from city_brain.city.loading import city_to_geojson
from city_brain.errors import StateError
from city_brain.incidents.incident_type import built_in_files
from city_brain.incidents.tick_record import PartitionTick
from city_brain.pipeline.configuration import LEAD_MS, Change, Configuration, Schedule
from tests.distributed import kit
from tests.distributed.test_street import run

FIRST_S, SECOND_S, THIRD_S = 10, 22, 34


def a_configuration(without: tuple[str, ...] = (), **types: bytes) -> Configuration:
    """The small city's, with cameras less, and with types of its own by name."""
    city = kit.city()[0].city
    drawn = msgspec.json.decode(city_to_geojson(city))
    drawn["features"] = [feature for feature in drawn["features"] if feature["id"] not in without]
    frame = (city.frame.lon0, city.frame.lat0)
    files = {f"{name}.yaml": data for name, data in types.items()}
    return Configuration(city_map=msgspec.json.encode(drawn), origin=frame, types=files)


def eager(name: str) -> bytes:
    """A built-in type that announces sooner."""
    lines = built_in_files()[f"{name}.yaml"].decode().splitlines()
    return "\n".join("open_log_odds: 1.2" if line.startswith("open_log_odds:") else line for line in lines).encode()


def own(name: str) -> bytes:
    """A type of the city's own: red-light running under another name, noticed at once."""
    text = built_in_files()["red_light_running.yaml"].decode()
    return text.replace("type: red_light_running", f"type: {name}").encode()


def record(configuration: Configuration, since_ms: int = 1) -> bytes:
    return Change(since_ms=since_ms, configuration=configuration).to_bytes()


def changed_logs() -> tuple[tuple[kit.RawRecord, ...], ...]:
    """Types change, then the map loses a camera, then an own type comes and goes; poison lies in between."""
    lost = kit.city()[0].city.cameras[1].id
    return kit.with_changes(
        [
            (FIRST_S, record(a_configuration(stopped_vehicle=eager("stopped_vehicle")))),
            (FIRST_S + 2, b"no configuration"),
            (SECOND_S, record(a_configuration((lost,), crossed_on_red=own("crossed_on_red")))),
            (SECOND_S + 1, record(a_configuration(red_light_running=b"type: nonsense"))),
            (THIRD_S, record(a_configuration())),
        ]
    )


def versions_by_tick(lines: list[bytes]) -> list[dict[str, str]]:
    return [msgspec.json.decode(line)["versions"] for line in lines]


@pytest.mark.parametrize(("partitions", "crashes", "seed"), [(1, False, 1), (3, False, 2), (2, True, 3), (3, True, 4)])
def test_changes_take_effect_at_the_same_tick_everywhere(partitions: int, crashes: bool, seed: int) -> None:
    logs = changed_logs()
    wanted = kit.oracle(partitions, logs=logs)
    street = run(partitions, seed, crashes, logs)
    assert street.lines() == wanted
    versions = versions_by_tick(wanted)
    assert len({msgspec.json.encode(each) for each in versions}) == 3, "first and last are the same"
    assert versions[0] == versions[-1]
    assert wanted != kit.oracle(partitions)


def test_a_change_holds_from_its_lead_on() -> None:
    """The first tick that is due after the lead goes by it, and the one before does not."""
    logs = changed_logs()
    first, change, *_ = (found for found in logs[kit.CONTROL] if not found.mark)
    assert first.value == kit.first_configuration()
    records = [msgspec.json.decode(line) for line in kit.oracle(1, logs=logs)]
    changed = next(each for each in records if each["versions"] != records[0]["versions"])
    assert changed["due_ms"] - 1000 <= change.stamp_ms + LEAD_MS < changed["due_ms"]


def test_what_cannot_be_used_is_a_dead_letter_and_changes_nothing() -> None:
    street = run(2, 5, crashes=True, logs=changed_logs())
    refused = {
        found.record.offset: found.reasons for found in street.dead.dead if found.record.partition == kit.CONTROL
    }
    assert list(refused.values()) == [{"dead_lettered.configuration": 1}] * 2
    last = {tick.partition: tick for tick in map(PartitionTick.from_bytes, street.ticks)}
    assert sum(tick.counters.get("dead_lettered.configuration", 0) for tick in last.values()) == 2


def test_only_one_partition_brings_a_configuration_to_the_desk() -> None:
    street = run(3, 6, logs=changed_logs())
    brought = [tick for tick in map(PartitionTick.from_bytes, street.ticks) if tick.begins_with]
    assert [tick.partition for tick in brought] == [0, 0, 0]


def test_rows_are_counted_once_though_sources_move_between_partitions() -> None:
    logs = changed_logs()
    street = run(3, 7, crashes=True, logs=logs)
    last = {tick.partition: tick for tick in map(PartitionTick.from_bytes, street.ticks)}
    read = sum(tick.counters["read"] for tick in last.values())
    alone = {tick.partition: tick for tick in map(PartitionTick.from_bytes, run(1, 7, logs=logs).ticks)}
    assert read == sum(tick.counters["read"] for tick in alone.values())


def test_a_snapshot_of_a_configuration_that_nobody_knows_is_refused() -> None:
    street = run(1, 8, logs=kit.with_changes([(FIRST_S, record(a_configuration(fire=eager("fire"))))]))
    for work, new in ((street.fusion[0], kit.Street(1).new_fusion(0)), (street.desk, kit.Street(1).new_desk())):
        with pytest.raises(StateError, match="wanted one that `control` has told of"):
            new.restore(work.to_bytes())


def test_ingest_waits_for_what_it_has_not_heard() -> None:
    street = kit.Street(1)
    ingest = street.new_ingest()
    last_ms = kit.raw_logs()[kit.CONTROL][-1].stamp_ms
    assert ingest.may_read(last_ms) and not ingest.may_read(last_ms + LEAD_MS)


def test_the_last_word_counts() -> None:
    schedule = Schedule.of("a")
    schedule.announce(100, "b")
    schedule.announce(200, "c")
    assert [schedule.newest_first(time)[0] for time in (99, 100, 199, 200)] == ["a", "b", "b", "c"]
    schedule.announce(150, "d")
    assert [schedule.newest_first(time)[0] for time in (149, 150, 500)] == ["b", "d", "d"]
    assert schedule.begins(100, 150) == [150] and schedule.begins(99, 149) == [100]
    schedule.reduce_to("d", 150)
    assert (schedule.since_ms, schedule.versions) == ([0], ["d"])
