"""The life of a synthetic city as raw records with stamps, marks and poison; the player replays it at a pace."""

import itertools
import re
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from kafka import KafkaProducer

from city_brain.city.loading import load_city
from city_brain.distributed import MARK_HEADER, MARK_KEY, RAW_TOPICS
from city_brain.incidents.incident_type import built_in_files
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import CONTROL
from city_brain.observations.envelope import to_envelope
from city_brain.observations.json_twin import from_lines, warning_line
from city_brain.observations.vocabulary import Kind
from city_brain.pipeline.configuration import Change, Configuration
from city_brain.synth import Block, SynthCity, SynthSettings
from tests.distributed.kit import POISON
from tests.formats.samples import warning

SLICES = 5
"""A second is written in so many slices: rows at the beginning of each; half a slice later the mark of its end."""
POISON_SHARE = 0.01
"""Of raw records, beside as large a share of garbage among the lines."""
WARNED_EVERY_S = 7
REPORTS = RAW_TOPICS[3]
"""Where warnings of others come in, one every so often."""
LINES_PER_RECORD = 8
MOST_MINUTES = 60.0

_KIND = re.compile(rb'"kind":"(\w+)","source_id":"([^"]+)"')
_KINDS = {kind.name.lower().encode(): int(kind) for kind in Kind}


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of a raw topic; `value` None is a tombstone."""

    topic: str
    partition: int
    stamp_ms: int
    value: bytes | None
    mark: bool = False


@dataclass(frozen=True)
class Scenario:
    """A city, how wide its topics are, and how many of its seconds pass in one of ours."""

    seed: int = 1
    cameras: int = 44
    incidents_per_hour_per_100_cameras: float = 3000.0
    speed: float = 1.0
    partitions: int = 3
    detections: int = 3
    change_every_s: int = 20
    """Seconds of the city between two changes of its configuration; 0: it stays as it was."""

    @cached_property
    def city(self) -> SynthCity:
        """The city; its life may last an hour, and ends when the campaign does."""
        return SynthCity(
            SynthSettings(
                seed=self.seed,
                cameras=self.cameras,
                minutes=MOST_MINUTES,
                garbage_fraction=POISON_SHARE,
                warm_up_s=10,
                incidents_per_hour_per_100_cameras=self.incidents_per_hour_per_100_cameras,
            )
        )

    @property
    def places(self) -> list[tuple[str, int]]:
        """Topic and partition of every raw log."""
        counts = (self.detections, 1, 1, 1, 1)
        return [(topic, at) for topic, count in zip(RAW_TOPICS, counts, strict=True) for at in range(count)]

    def slices(self) -> Iterator[tuple[int, list[Sent], list[Sent]]]:
        """By time: epoch ms, the records that arrive then, and the marks behind them."""
        chance = np.random.Generator(np.random.PCG64([self.seed, 1]))
        width_ms = 1000 // SLICES
        for block in self.city.blocks():
            start_ms = block.start_ms + 1000 * block.second
            for number, lines in enumerate(self._sliced(block)):
                stamp_ms = start_ms + number * width_ms
                records = [sent for place, mine in lines.items() for sent in self._records(place, mine, stamp_ms)]
                bad = int(chance.binomial(len(records), POISON_SHARE))
                poison = [self._poison(stamp_ms, chance) for _ in range(bad)]
                poison += [Sent(CONTROL, 0, stamp_ms, change) for change in self._changes(block.second, number)]
                poison += [Sent(REPORTS, 0, stamp_ms, line) for line in self._warnings(block.second, number)]
                marks = [Sent(*place, stamp_ms + width_ms, b"", mark=True) for place in self.places]
                yield stamp_ms, records + poison, marks

    def _changes(self, second: int, number: int) -> list[bytes]:
        """Records of `control` that go out in a slice: first the types change, then the map, then all is as before."""
        every_s = self.change_every_s
        if number or not every_s or second % every_s != every_s - 1:
            return []
        return [self.configurations[second // every_s % len(self.configurations)]]

    def _warnings(self, second: int, number: int) -> list[bytes]:
        """Warnings of others that go out in a slice: one begins, another takes its place, that is called off; and one
        that nobody can read.
        """
        at, turn = divmod(second, WARNED_EVERY_S)
        if number or turn != WARNED_EVERY_S - 1:
            return []
        before = f"w{at - 1}"
        changes = (("Alert", ""), ("Update", before), ("Cancel", before))
        return [warning_line(_alert(f"w{at}", *changes[at % 3])), warning_line(f"<alert>{at}</alert>")]

    @cached_property
    def configurations(self) -> list[bytes]:
        """One with a type that announces sooner, one without a camera, and the first again."""
        drawn = self.city.geojson()
        whole = msgspec.json.encode(drawn)
        frame = load_city(whole).frame
        features = drawn["features"]
        lost = next(feature for feature in features if feature["properties"]["kind"] == "camera")
        less = msgspec.json.encode(drawn | {"features": [feature for feature in features if feature is not lost]})
        eager = re.sub(rb"(?m)^open_log_odds: .*$", b"open_log_odds: 1.2", built_in_files()["stopped_vehicle.yaml"])
        written = [
            Configuration(city_map=city_map, origin=(frame.lon0, frame.lat0), types=types)
            for city_map, types in ((whole, {"stopped_vehicle.yaml": eager}), (less, {}), (whole, {}))
        ]
        return [Change(since_ms=1, configuration=configuration).to_bytes() for configuration in written]

    def _sliced(self, block: Block) -> Iterator[dict[tuple[str, int], list[bytes]]]:
        lines = block.lines()
        size = max(1, -(-len(lines) // SLICES))
        for number in range(SLICES):
            homes: dict[tuple[str, int], list[bytes]] = {}
            for line in lines[number * size : (number + 1) * size]:
                homes.setdefault(self._home(line), []).append(line)
            yield homes

    def _home(self, line: bytes) -> tuple[str, int]:
        """A source stays in one partition; what nobody can read goes where cameras speak."""
        found = _KIND.search(line)
        kind = _KINDS.get(found[1], 0) if found else 0
        partition = zlib.crc32(found[2] if found else line) % self.detections if kind == 0 else 0
        return RAW_TOPICS[kind], partition

    def _records(self, place: tuple[str, int], lines: list[bytes], stamp_ms: int) -> Iterator[Sent]:
        """Envelopes from signals and half of the cameras, lines of JSON, some to a record, from all others."""
        if place[0] == RAW_TOPICS[1] or place[1] % 2:
            yield Sent(*place, stamp_ms, to_envelope(from_lines(lines).observations))
            return
        for at in range(0, len(lines), LINES_PER_RECORD):
            yield Sent(*place, stamp_ms, b"\n".join(lines[at : at + LINES_PER_RECORD]))

    def _poison(self, stamp_ms: int, chance: np.random.Generator) -> Sent:
        place = self.places[int(chance.integers(len(self.places)))]
        kinds: tuple[bytes | None, ...] = (*POISON, None, chance.bytes(int(chance.integers(1, 200))))
        return Sent(*place, stamp_ms, kinds[int(chance.integers(len(kinds)))])


def _alert(name: str, kind: str, refers: str) -> str:
    """A warning for everybody, for years."""
    everywhere = (("36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9", "10,70 10,140 60,140 60,70 10,70"),)
    holds = (("<effective>2026-08-26", "<effective>2020-08-26"), ("<expires>2026-08-27", "<expires>2040-08-27"))
    reference = f"<references>37010041600000,{refers},2026-08-26T16:09:13+08:00</references><info>"
    said = (("37010041600000_20260826160913", name), ("<msgType>Alert", f"<msgType>{kind}"))
    return warning(*everywhere, *holds, *said, *([("<info>", reference)] if refers else [])).decode()


class Player(threading.Thread):
    """Writes a scenario into the raw topics at its pace until told to stop; an outage only holds it up."""

    def __init__(self, scenario: Scenario, settings: KafkaSettings) -> None:
        super().__init__(name="player", daemon=True)
        self.scenario, self._settings = scenario, settings
        self.marked: list[tuple[float, int]] = []
        """When (monotonic s) which mark (epoch ms) had been sent to all raw partitions."""
        self.error: BaseException | None = None
        self._asked = threading.Event()
        self._keys = itertools.count()

    def stop(self) -> None:
        """Ends behind a mark, and waits until all is stored."""
        self._asked.set()
        self.join()
        if self.error is not None:
            raise RuntimeError("player: wanted every raw record to be stored") from self.error

    def abandon(self) -> None:
        """Ends, whatever is still under way."""
        self._asked.set()

    def run(self) -> None:
        """Plays."""
        try:
            with_patience = {"delivery_timeout_ms": 180_000, "max_block_ms": 180_000, "request_timeout_ms": 30_000}
            producer = KafkaProducer(
                acks="all", enable_idempotence=True, linger_ms=0, **with_patience, **self._settings.connection()
            )
            try:
                self._play(producer)
            finally:
                producer.close(timeout=60)
        except Exception as wrong:  # noqa: BLE001 - whoever waits for the player raises it
            self.error = wrong

    def _play(self, producer: Any) -> None:
        under_way: list[Any] = []
        began_s, first_ms = time.monotonic(), 0
        for stamp_ms, records, marks in self.scenario.slices():
            first_ms = first_ms or stamp_ms
            for at_ms, some in ((stamp_ms, records), ((stamp_ms + marks[0].stamp_ms) / 2, marks)):
                self._wait_until(began_s + (at_ms - first_ms) / 1000.0 / self.scenario.speed)
                under_way += [self._send(producer, sent) for sent in some]
            self.marked.append((time.monotonic(), marks[0].stamp_ms))
            if self._asked.is_set():
                break
            while under_way and under_way[0].is_done:
                under_way.pop(0).get(timeout=0)
        for sent in under_way:
            sent.get(timeout=180)

    def _wait_until(self, when_s: float) -> None:
        pause_s = when_s - time.monotonic()
        if pause_s > 0:
            self._asked.wait(pause_s)

    def _send(self, producer: Any, sent: Sent) -> Any:
        headers: list[tuple[str, bytes]] = [(MARK_HEADER, b"")] if sent.mark else []
        # Kafka takes no record without key and value, and a compacted topic, which `control` is, none without a key;
        # there it may leave nothing of the first of two records with one key, which the oracle then would miss.
        key = MARK_KEY if sent.mark else b"%d" % next(self._keys)
        return producer.send(
            self._settings.topic(sent.topic), sent.value, key=key, partition=sent.partition, headers=headers,
            timestamp_ms=sent.stamp_ms,
        )  # fmt: skip
