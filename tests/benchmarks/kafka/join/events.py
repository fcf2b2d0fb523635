"""The events of the simple join, as columns, as JSON and as envelopes, and the hits that come of them.

Every variant reads this module, in virtual environments that hold numpy and orjson and nothing of ours.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

PARTITIONS = 6
JUNCTIONS = 1_200
CELLS_PER_JUNCTION = 4
DETECTION, SIGNAL, SENSOR = 0, 1, 2
RED = 1.0
SPEED_MPS = 22.0
READING = 0.5
"""A detection is a hit where it is faster, its junction shows red, and its cell reads more."""

COLUMNS = (
    ("kind", "<u1"), ("seq", "<i8"), ("junction", "<i4"), ("cell", "<i4"), ("event_ms", "<i8"), ("track", "<i4"),
    ("value", "<f8"),
)  # fmt: skip
"""`value`: speed (m/s) of a detection, state of a signal, reading of a sensor."""
HIT_COLUMNS = (("seq", "<i8"), ("junction", "<i4"), ("track", "<i4"), ("speed", "<f8"), ("reading", "<f8"))
_COUNT = struct.Struct("<I")
_START_MS = 1_790_208_000_000

Columns = dict[str, Any]
"""Arrays of equal length by name."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fast vehicle at a red light where a sensor reads much."""

    seq: int
    junction: int
    track: int
    speed: float
    reading: float

    def to_json(self) -> bytes:
        """The record of a variant that works event by event."""
        return orjson.dumps(
            {
                "seq": self.seq,
                "junction": name_of(self.junction),
                "track_id": self.track,
                "speed_mps": self.speed,
                "reading": self.reading,
            }
        )

    @classmethod
    def from_json(cls, record: bytes) -> "Hit":
        """Reads one."""
        said = orjson.loads(record)
        return cls(said["seq"], number_of(said["junction"]), said["track_id"], said["speed_mps"], said["reading"])


def name_of(junction: int) -> str:
    """How JSON names a junction."""
    return f"J{junction:04d}"


def number_of(name: str) -> int:
    """The junction of a name."""
    return int(name[1:])


def make(partition: int, rows: int) -> Columns:
    """The first rows of a partition: four in five are detections, 3.5 in a hundred become hits."""
    chance = np.random.Generator(np.random.PCG64([1, partition]))
    kind = chance.choice(np.array([DETECTION, SIGNAL, SENSOR], np.uint8), rows, p=(0.8, 0.1, 0.1))
    junction = chance.integers(0, JUNCTIONS // PARTITIONS, rows) * PARTITIONS + partition
    speed = np.round(chance.uniform(0.0, SPEED_MPS / (1.0 - 0.175), rows), 2)
    lamp, reading = chance.integers(0, 2, rows).astype(np.float64), np.round(chance.random(rows), 3)
    return {
        "kind": kind,
        "seq": np.arange(rows, dtype=np.int64) * PARTITIONS + partition,
        "junction": junction.astype(np.int32),
        "cell": (junction * CELLS_PER_JUNCTION + chance.integers(0, CELLS_PER_JUNCTION, rows)).astype(np.int32),
        "event_ms": _START_MS + np.arange(rows, dtype=np.int64) // 10,
        "track": chance.integers(0, 1 << 20, rows).astype(np.int32),
        "value": np.where(kind == DETECTION, speed, np.where(kind == SIGNAL, lamp, reading)),
    }


def to_lines(columns: Columns) -> Iterator[tuple[bytes, bytes]]:
    """Key (the junction) and JSON of each event."""
    for kind, seq, junction, cell, event_ms, track, value in zip(
        *(columns[c].tolist() for c, _ in COLUMNS), strict=True
    ):
        name = name_of(junction)
        event: dict[str, Any] = {"kind": ("detection", "signal", "sensor")[kind], "seq": seq, "junction": name}
        if kind == SIGNAL:
            event |= {"event_time_ms": event_ms, "state": "red" if value == RED else "green"}
        else:
            event |= {"cell": f"{name}-{cell % CELLS_PER_JUNCTION}", "event_time_ms": event_ms}
            event |= {"reading": value} if kind == SENSOR else {"track_id": track, "speed_mps": value}
        yield name.encode(), orjson.dumps(event)


def envelopes(columns: Columns, rows: int) -> Iterator[bytes]:
    """The events in envelopes of so many rows."""
    for at in range(0, len(columns["kind"]), rows):
        yield pack({name: column[at : at + rows] for name, column in columns.items()}, COLUMNS)


def pack(columns: Columns, schema: tuple[tuple[str, str], ...]) -> bytes:
    """Columns as one record."""
    count = len(columns[schema[0][0]])
    return b"".join((_COUNT.pack(count), *(np.asarray(columns[name], kind).tobytes() for name, kind in schema)))


def unpack(record: bytes, schema: tuple[tuple[str, str], ...] = COLUMNS) -> Columns:
    """Columns of a record, read where they lie."""
    (count,), at, columns = _COUNT.unpack_from(record), _COUNT.size, {}
    for name, kind in schema:
        columns[name] = np.frombuffer(record, kind, count, at)
        at += columns[name].nbytes
    return columns


def hits_of(record: bytes) -> Iterator[Hit]:
    """The hits in a record of a variant that works on envelopes."""
    columns = unpack(record, HIT_COLUMNS)
    for row in zip(*(columns[name].tolist() for name, _ in HIT_COLUMNS), strict=True):
        yield Hit(*row)
