"""The raw logs of a synthetic city: envelopes of a wanted size in order of arrival, and the marks between them.

A gateway for each raw topic fills envelopes as rows arrive, and sends what it has when one is full or its patience is
over; the record bears the moment of that as its stamp. Marks stand in every topic at their pace. Nothing here knows how
fast anybody reads.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from city_brain.distributed import RAW_TOPICS
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import to_envelope
from city_brain.synth import SynthCity, SynthSettings
from tests.benchmarks.inputs import compact

MARKS_PER_S = 5
_LENGTH_BYTES = 8


class Raw(msgspec.Struct, frozen=True, array_like=True):
    """A record of a raw topic, by the number of the topic; each has one partition. A mark has no rows."""

    topic: int
    stamp_ms: int
    rows: int = 0
    value: bytes = b""

    @property
    def mark(self) -> bool:
        """Whether it is one."""
        return not self.rows


Second = list[Raw]
"""The records of one second of the city, by their stamps."""


class Gateway(msgspec.Struct, frozen=True):
    """How rows become records: at most so many `rows` in one, and none waits for longer than `patience_ms`."""

    rows: int
    patience_ms: int = 1000


def the_city(sources: int, seconds: int, start_ms: int | None = None) -> SynthCity:
    """A city of so many sources, for so long."""
    settings = SynthSettings(seed=1, sources=sources, minutes=seconds / 60.0, warm_up_s=60)
    if start_ms is not None:
        settings = msgspec.structs.replace(settings, start_ms=start_ms)
    return SynthCity(settings)


def observed(city: SynthCity) -> Iterator[tuple[int, Observations]]:
    """When each second of the city begins (epoch ms), and the rows that arrive in it, in order."""
    for block in city.blocks():
        if block.second < city.settings.seconds:
            yield block.start_ms + 1000 * block.second, block.observations()


def recorded(seconds: Iterable[tuple[int, Observations]], gateway: Gateway) -> Iterator[Second]:
    """The raw records of each second, marks among them."""
    for start_ms, rows in seconds:
        marks = [
            Raw(topic, start_ms + 1000 * (number + 1) // MARKS_PER_S)
            for number in range(MARKS_PER_S)
            for topic in range(len(RAW_TOPICS))
        ]
        # Of equal stamps the mark comes first: its rows would only have to wait for the next one otherwise.
        yield sorted([*marks, *_records(start_ms, rows, gateway)], key=lambda raw: (raw.stamp_ms, raw.rows > 0))


def _records(start_ms: int, rows: Observations, gateway: Gateway) -> Iterator[Raw]:
    arrives_ms = 1000 * np.arange(rows.n) // max(rows.n, 1)
    turn = arrives_ms // gateway.patience_ms
    for topic in range(len(RAW_TOPICS)):
        mine = np.flatnonzero(rows.common.kind == topic)
        for number in np.unique(turn[mine]).tolist():
            some = mine[turn[mine] == number]
            ends_ms = (number + 1) * gateway.patience_ms - 1
            for at in range(0, len(some), gateway.rows):
                part = some[at : at + gateway.rows]
                sent_ms = int(arrives_ms[part[-1]]) if len(part) == gateway.rows else ends_ms
                yield Raw(topic, start_ms + sent_ms, len(part), to_envelope(compact(rows.take(part))))


def save(seconds: Iterable[Second], path: Path) -> int:
    """Keeps seconds in a file; how many rows they have."""
    rows = 0
    with path.open("wb") as file:
        for second in seconds:
            frame = msgspec.msgpack.encode(second)
            file.write(len(frame).to_bytes(_LENGTH_BYTES, "little") + frame)
            rows += rows_of(second)
    return rows


def saved(path: Path) -> Iterator[Second]:
    """The seconds of a file."""
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield msgspec.msgpack.decode(file.read(int.from_bytes(length, "little")), type=Second)


def rows_of(records: Iterable[Raw]) -> int:
    """How many rows records hold."""
    return sum(raw.rows for raw in records)
