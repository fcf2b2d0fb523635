"""The street on a real broker says what the street in one process says over the same raw records, byte for byte."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.dead_letters import DeadLetter
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, FUSION_TICKS, INCIDENTS
from city_brain.site import Site
from tests.distributed import kit
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import Fleet, read_all, write_raw
from tests.kafka.streams.replayed import PARTITIONS, replayed_city

PROGRAMS = ("ingest", "fuse", "desk")


@dataclass
class City:
    """A site on the broker with its topics, the programs that run it, and what it must say."""

    settings: KafkaSettings
    fleet: Fleet
    wanted: list[bytes]

    def said(self) -> list[Any]:
        """The records of incidents, once every wanted tick is among them."""
        enough = len(self.wanted)
        return read_all(self.settings, INCIDENTS, lambda found: len(_ticks(found)) >= enough, self.fleet)


@pytest.fixture
def city(kafka: str, prefix: str, tmp_path: Path) -> Iterator[City]:
    """The small city of the tests of the distributed street, replayed through Kafka."""
    with replayed_city(tmp_path, kafka, prefix) as fleet:
        wanted = kit.oracle(PARTITIONS, Site.open(fleet.site).desk_settings)
        yield City(kafka_settings(fleet.site), fleet, wanted)


def _ticks(records: list[Any]) -> set[int]:
    return {msgspec.json.decode(record.value)["tick"] for record in records}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.campaign)])
def test_it_says_what_one_process_says(city: City, workers: int) -> None:
    """With one, two and four workers of each program."""
    for program in PROGRAMS:
        for slot in range(workers):
            city.fleet.start(program, str(slot))
    write_raw(city.settings, kit.raw_logs(), city.fleet.check)
    assert list(dict.fromkeys(record.value for record in city.said())) == city.wanted


@pytest.mark.slow
def test_kills_change_not_one_byte(city: City) -> None:
    """Each program is killed once while it works, and started again; rows are counted once, and so are dead letters."""
    for program in PROGRAMS:
        city.fleet.start(program)
    victims = iter(PROGRAMS)

    def kill_one() -> None:
        time.sleep(0.1)
        slices.append(None)
        if len(slices) % 12 == 0 and (victim := next(victims, None)):
            city.fleet.kill(f"{victim}-0")
            city.fleet.start(victim)

    slices: list[None] = []
    write_raw(city.settings, kit.raw_logs(), kill_one)
    assert next(victims, None) is None, "not every program was killed"
    assert list(dict.fromkeys(record.value for record in city.said())) == city.wanted
    _rows_add_up(city)


def _rows_add_up(city: City) -> None:
    """Over all partitions every row read is in one counter or held, and the letters hold what was refused."""
    last: dict[int, PartitionTick] = {}
    for record in read_all(city.settings, FUSION_TICKS, bool, city.fleet):
        tick = PartitionTick.from_bytes(record.value)
        last[tick.partition] = tick
    counts = [tick.counters for tick in last.values()]
    assert sum(count["read"] for count in counts) == sum(
        rows for count in counts for name, rows in count.items() if name not in ("read", "late")
    )
    letters = {
        (letter.topic, letter.offset): letter
        for letter in (
            DeadLetter.read(record.headers, record.value)
            for record in read_all(city.settings, DEAD_LETTERS, bool, city.fleet)
        )
    }
    dead = sum(_dead(count) for count in counts)
    assert dead == sum(_dead(letter.reasons) for letter in letters.values()) > 0


def _dead(counts: Mapping[str, int]) -> int:
    return sum(rows for name, rows in counts.items() if name.startswith("dead_lettered."))
