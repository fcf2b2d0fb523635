"""The envelope: lossless, the same as the generated classes write, and refused whole for any damage or lie."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import ObservationError
from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.envelope import RECORD_BYTES_MAX, ROWS_MAX, from_envelope, to_envelope
from city_brain.observations.json_twin import from_lines, to_lines
from city_brain.wire.observation.v1 import observation_pb2 as wire
from tests.observations.lines import NOON_MS, Line, any_lines, dumped, line

KINDS = ("detection", "signal", "sensor", "report")


def small() -> Observations:
    """One row of each kind, and a second detection."""
    lines = [line(kind, f"source-{kind}", (117.1, 36.6)) for kind in (*KINDS, "detection")]
    lines[-1]["payload"]["track_id"] = "t-9"
    return from_lines(dumped(lines)).observations


@given(any_lines)
def test_twin_and_envelope_hold_the_same(lines: list[Line]) -> None:
    """Lines to columns to an envelope to columns to lines: the same JSON values; and an envelope has one form."""
    record = to_envelope(from_lines(dumped(lines)).observations)
    back = from_envelope(record)
    assert [orjson.loads(x) for x in to_lines(back)] == lines
    assert to_envelope(back) == record


@given(any_lines)
def test_the_generated_classes_write_the_same_bytes(lines: list[Line]) -> None:
    """What we write is what the Protocol Buffers library writes for the same message."""
    record = to_envelope(from_lines(dumped(lines)).observations)
    envelope = wire.Envelope.FromString(record)
    batch = wire.Batch.FromString(envelope.batch)
    assert envelope.count == len(batch.common.kind) == len(lines)
    assert batch.SerializeToString() == envelope.batch
    assert envelope.SerializeToString() == record


def test_an_envelope_of_another_program_is_read() -> None:
    """A gateway that uses the generated classes, and leaves out what it does not know, is understood."""
    texts = [b"cam-1", b"car"]
    batch = wire.Batch(
        text=b"".join(texts),
        text_length=struct.pack("<2I", *map(len, texts)),
        common=wire.Common(kind=b"\0\0", source=bytes(8), event_ms=struct.pack("<2q", NOON_MS + 1, NOON_MS)),
        detections=wire.Detections(
            track=struct.pack("<2q", 1, 2), class_name=struct.pack("<2i", 1, 1), confidence=struct.pack("<2d", 0.5, 1)
        ),
    )
    rows = [orjson.loads(x) for x in to_lines(from_envelope(sealed(batch)))]
    head = {"kind": "detection", "source_id": "cam-1"}
    assert rows == [
        {**head, "event_time_ms": NOON_MS + 1, "payload": {"track_id": 1, "class": "car", "confidence": 0.5}},
        {**head, "event_time_ms": NOON_MS, "payload": {"track_id": 2, "class": "car", "confidence": 1}},
    ]


def test_columns_are_views_of_the_record() -> None:
    """Reading copies no column, and nobody can write into what was read."""
    record = to_envelope(small())
    lon = from_envelope(record).common.lon
    assert np.shares_memory(lon, np.frombuffer(record, np.uint8))
    assert not lon.flags.writeable


def test_every_truncation_is_refused() -> None:
    """An envelope cut anywhere is no envelope; nor is nothing at all."""
    record = to_envelope(small())
    for end in range(len(record)):
        with pytest.raises(ObservationError):
            from_envelope(record[:end])


def test_every_flipped_bit_is_refused() -> None:
    """One wrong bit anywhere is noticed."""
    record = to_envelope(small())
    for bit in range(8 * len(record)):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ObservationError):
            from_envelope(bytes(damaged))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(record: bytes) -> None:
    """Bytes that are no envelope raise ObservationError and nothing else."""
    with pytest.raises(ObservationError):
        from_envelope(record)


@given(st.binary(max_size=120), st.integers(0, 2**32 - 1))
def test_any_batch_is_read_or_refused(batch: bytes, count: int) -> None:
    """A right checksum over a wrong batch helps nobody."""
    try:
        read = from_envelope(sealed_bytes(batch, count, 0, 0))
    except ObservationError:
        return
    assert read.n == count == 0


def sealed_bytes(batch: bytes, count: int, first_ms: int, last_ms: int, version: int = 1) -> bytes:
    """An envelope whose checksum is right."""
    checksum = zlib.crc32(batch, zlib.crc32(struct.pack("<IIqq", version, count, first_ms, last_ms)))
    return wire.Envelope(
        schema_version=version,
        count=count,
        event_time_ms_min=first_ms,
        event_time_ms_max=last_ms,
        checksum=checksum,
        batch=batch,
    ).SerializeToString()


def sealed(batch: wire.Batch) -> bytes:
    """An envelope around a batch whose header tells the truth about it."""
    times = struct.unpack(f"<{len(batch.common.event_ms) // 8}q", batch.common.event_ms)
    return sealed_bytes(batch.SerializeToString(), len(batch.common.kind), min(times), max(times))


def batch_of(observations: Observations) -> wire.Batch:
    """The batch as a message to tell lies with."""
    return wire.Batch.FromString(wire.Envelope.FromString(to_envelope(observations)).batch)


def _set(group: str, column: str, data: bytes) -> Callable[[wire.Batch], None]:
    return lambda batch: setattr(getattr(batch, group), column, data)


LIES: dict[str, Callable[[wire.Batch], None]] = {
    "a column too short": _set("common", "lon", bytes(8 * 4)),
    "a column too long": _set("common", "seq", bytes(8 * 6)),
    "half an element": _set("sensors", "value", bytes(7)),
    "a table for rows that are not there": _set("signals", "mode", bytes(8)),
    "no source": _set("common", "source", b""),
    "no class": _set("detections", "class_name", b""),
    "an absent source": _set("common", "source", struct.pack("<5i", 0, 0, 0, 0, -1)),
    "an index beyond the dictionary": _set("common", "status", struct.pack("<5i", 0, 0, 0, 0, 999)),
    "an index below absent": _set("common", "status", struct.pack("<5i", 0, 0, 0, 0, -2)),
    "an unknown kind": _set("common", "kind", b"\0\1\2\3\4"),
    "another kind": _set("common", "kind", b"\0\1\2\3\3"),
    "an unknown lamp": _set("signals", "lamps", bytes(31) + b"\x0a"),
    "a time before 1970": _set("common", "event_ms", struct.pack("<5q", 1, 1, 1, 1, -1)),
    "an arrival before 1970": _set("common", "arrival_ms", struct.pack("<5q", 1, 1, 1, 1, -(2**63))),
    "texts that do not fill their bytes": lambda batch: setattr(batch, "text", batch.text + b"x"),
    "texts longer than their bytes": lambda batch: setattr(batch, "text_length", b"\xff\xff\xff\xff"),
    "lengths that are no numbers": lambda batch: setattr(batch, "text_length", batch.text_length + b"\0"),
    "texts that are not UTF-8": lambda batch: setattr(batch, "text", b"\xff" * len(batch.text)),
    "texts cut within a character": lambda batch: setattr(batch, "text", "é".encode() * (len(batch.text) // 2) + b"x"),
    "more texts than rows can use": lambda batch: setattr(batch, "text_length", batch.text_length + bytes(4 * 40)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_under_a_right_checksum_is_refused(lie: str) -> None:
    """Lengths, indices, codes and times are checked, whoever sealed the envelope."""
    batch = batch_of(small())
    from_envelope(sealed(batch))
    LIES[lie](batch)
    with pytest.raises(ObservationError, match="wanted"):
        from_envelope(sealed(batch))


@pytest.mark.parametrize("count", [0, 4, 6, ROWS_MAX + 1, 2**32 - 1])
def test_a_wrong_count_is_refused(count: int) -> None:
    """The header's count is the number of rows, and no number makes us allocate."""
    data = batch_of(small()).SerializeToString()
    with pytest.raises(ObservationError, match=r"rows|batch.text_length"):
        from_envelope(sealed_bytes(data, count, NOON_MS, NOON_MS))


@pytest.mark.parametrize(("version", "first_ms"), [(0, NOON_MS), (2, NOON_MS), (1, NOON_MS - 1)])
def test_a_wrong_header_is_refused(version: int, first_ms: int) -> None:
    """Another schema version, or times that the rows do not have, are refused."""
    data = batch_of(small()).SerializeToString()
    with pytest.raises(ObservationError, match=r"schema version|event times"):
        from_envelope(sealed_bytes(data, 5, first_ms, NOON_MS, version))


def test_what_newer_writers_add_is_passed_over() -> None:
    """Fields that we do not know, of every wire type, leave the rest as it is."""
    observations = small()
    batch = batch_of(observations).SerializeToString()
    newer = batch + b"\xf8\x01\x96\x01" + b"\xfd\x01" + bytes(4) + b"\xf9\x01" + bytes(8) + b"\xe2\x01\x03abc"
    with pytest.raises(ObservationError, match="again"):
        from_envelope(sealed_bytes(newer + b"\xf8\x01\x01", 5, NOON_MS, NOON_MS))
    read = from_envelope(
        sealed_bytes(newer.replace(b"\xfd\x01", b"\xf5\x01").replace(b"\xf9\x01", b"\xe9\x01"), 5, NOON_MS, NOON_MS)
    )
    assert to_lines(read) == to_lines(observations)


BOMBS = {
    "rows without columns": sealed_bytes(
        wire.Batch(common=wire.Common(kind=bytes(ROWS_MAX))).SerializeToString(), ROWS_MAX, 0, 0
    ),
    "reports without words": sealed_bytes(
        wire.Batch(
            text=b"s",
            text_length=struct.pack("<I", 1),
            common=wire.Common(kind=b"\3" * ROWS_MAX, source=bytes(4 * ROWS_MAX), event_ms=bytes(8 * ROWS_MAX)),
        ).SerializeToString(),
        ROWS_MAX,
        0,
        0,
    ),
    "a dictionary of nothing": sealed_bytes(
        wire.Batch(text_length=bytes(1 << 22), common=wire.Common(kind=b"\3")).SerializeToString(), 1, 0, 0
    ),
    "fields that nobody knows": b"".join(bytes([0xF8 | k & 7, 0x80 | k >> 3 & 0x7F, 0x01, 0]) for k in range(1 << 16)),
    "a varint without end": b"\x08" + b"\xff" * (1 << 20),
    "a record too large": bytes(RECORD_BYTES_MAX + 1),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_cost_little(bomb: str) -> None:
    """Whatever a record of up to 16 MiB claims, reading it takes at most 16 MiB more."""
    tracemalloc.start()
    try:
        try:
            read = from_envelope(BOMBS[bomb])
        except ObservationError:
            assert bomb != "reports without words"
        else:
            assert (bomb, read.n) == ("reports without words", ROWS_MAX)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_too_many_rows_are_not_written() -> None:
    """A writer that would be refused is told at once."""
    n = ROWS_MAX + 1
    common = Common.absent(
        n, kind=np.full(n, 3, np.uint8), source=np.zeros(n, np.int32), event_ms=np.zeros(n, np.int64)
    )
    reports = Reports.absent(n)
    batch = Observations(("s",), common, Detections.absent(0), Signals.absent(0), Sensors.absent(0), reports)
    with pytest.raises(ObservationError, match=f"at most {ROWS_MAX} rows"):
        to_envelope(batch)
    assert from_envelope(to_envelope(batch.take(np.arange(ROWS_MAX)))).n == ROWS_MAX
