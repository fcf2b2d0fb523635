"""Recordings to test with: any records that Kafka could hold, and a small file with everything in it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.records import CONTROL, MARKS, Gap, Headers, Lost, Record, Schema
from city_brain.bag.writing import RecordingWriter, WriterSettings

START_NS = 1_780_000_000_000_000_000
SCHEMA = Schema("city.Seen", "jsonschema", b'{"type": "object"}')

_bytes = st.binary(max_size=40)
_names = (
    st.text(max_size=8)
    | st.just("trace")
    | st.binary(max_size=4).map(lambda data: data.decode("utf-8", "surrogateescape"))
)
_names = _names.filter(lambda name: name == name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))
headers: st.SearchStrategy[Headers] = st.lists(
    st.tuples(_names, st.none() | _bytes) | st.just(("trace", b"")) | st.just(("trace", None)), max_size=4
).map(tuple)

records: st.SearchStrategy[Record] = st.builds(
    Record,
    topic=st.sampled_from(["video.detections", "reports", "a"]),
    partition=st.integers(0, 2) | st.just((1 << 31) - 1),
    offset=st.integers(0, 30) | st.integers(0, (1 << 63) - 2),
    key=st.none() | _bytes,
    value=st.none() | _bytes,
    headers=headers,
    timestamp_ms=st.integers(0, 1 << 41) | st.integers(-(1 << 63), (1 << 63) - 1),
    timestamp_type=st.sampled_from([-1, 0, 1]),
    leader_epoch=st.integers(-1, 3) | st.just((1 << 31) - 1),
    log_ns=st.integers(0, 5) | st.integers(0, (1 << 62)),
)
"""Any record; log times are as they come, not rising."""

SMALL = WriterSettings(chunk_bytes=1024)
"""Many chunks of few records."""


def runs(found: Sequence[Record]) -> list[Record]:
    """The records with offsets that go on, but for jumps, in every partition: as a log has them."""
    last: dict[tuple[str, int], int] = {}
    told = []
    for record in found:
        place = (record.topic, record.partition)
        last[place] = last.get(place, record.offset % 1000) + 1 + (record.offset % 7 == 0)
        told.append(msgspec.structs.replace(record, offset=last[place]))
    return told


def rising(found: Iterable[Record]) -> list[Record]:
    """The records with the log times that a writer gives them."""
    last_ns, told = -1, []
    for record in found:
        last_ns = max(record.log_ns, last_ns + 1)
        told.append(msgspec.structs.replace(record, log_ns=last_ns))
    return told


def put(writer: RecordingWriter, record: Record, schema: Schema | None = None) -> None:
    """Writes a record as it is."""
    writer.write(
        writer.channel(record.topic, record.partition, schema=schema),
        record.offset,
        record.value,
        key=record.key,
        headers=record.headers,
        timestamp_ms=record.timestamp_ms,
        timestamp_type=record.timestamp_type,
        leader_epoch=record.leader_epoch,
        log_ns=record.log_ns,
    )


def write(path: Path, found: Iterable[Record], settings: WriterSettings = SMALL) -> Path:
    """A file of the records."""
    with RecordingWriter(path, settings) as writer:
        for record in found:
            put(writer, record)
    return path


def seen(number: int) -> Record:
    """The record with that number of a stream on three topics of two partitions."""
    topic = ("video.detections", "signal.states", "reports")[number % 3]
    return Record(
        topic,
        number // 3 % 2,
        100 + number // 6,
        None if number % 11 == 0 else b"camera-%d" % (number % 17),
        None if number % 13 == 0 else b'{"seen": %d, "noise": "%x"}' % (number, number * 2654435761 % (1 << 64)),
        (("kind", b"seen"), ("trace", b"%08x" % number), ("trace", None)) if number % 5 else (),
        START_NS // 1_000_000 + number,
        number % 2,
        number // 500,
        START_NS + 1_000_000 * number,
    )


def stream(count: int) -> list[Record]:
    """The first records of that stream."""
    return [seen(number) for number in range(count)]


def full_file(path: Path, count: int = 600) -> list[Record]:
    """Writes a file with everything that can be in one, and gives its records."""
    told = stream(count)
    with RecordingWriter(path, SMALL, series="night", metadata={"provenance": {"commit": "0b782b5"}}) as writer:
        writer.attach(
            Attachment(
                log_ns=START_NS, created_ns=0, name="map/city.geojson", media_type="application/geo+json",
                data=b'{"type": "FeatureCollection", "features": []}' * 20,
            )
        )  # fmt: skip
        for number, record in enumerate(told):
            if number == count // 2:
                writer.note(CONTROL, {"kind": "bookmark", "name": "事故"}, record.log_ns - 9)
                writer.gap(Gap(topic="reports", partition=1, first=5, last=9, reason=Lost.EXPIRED), record.log_ns - 5)
                writer.note(MARKS, {"partition": 0, "mark_ms": record.timestamp_ms}, record.log_ns - 5)
            put(writer, record, SCHEMA if record.topic == "video.detections" else None)
    return told


def fresh(folder: Path) -> Path:
    """The folder, emptied: examples of a property share it."""
    for path in folder.iterdir():
        path.unlink()
    return folder
