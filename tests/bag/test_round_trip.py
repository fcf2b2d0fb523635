"""What is written is read, to the bit: nulls against empty, repeats, offsets, timestamps; and the same bytes again."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import CONTROL, GAPS, MARKS, Gap, Lost, Record
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.errors import RecordingError, SettingsError
from tests.bag.samples import SMALL, fresh, full_file, put, records, rising, runs, seen, stream, write

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def read(path: Path) -> list[Record]:
    """All records of a file."""
    with Recording(path) as recording:
        assert recording.cut == ""
        return list(recording.records())


@in_a_folder
@given(st.lists(records, max_size=40), st.booleans(), st.sampled_from([1024, 1 << 18]))
def test_any_records_come_back(tmp_path: Path, found: list[Record], in_runs: bool, chunk_bytes: int) -> None:
    """Every field of every record, in order; only log times that do not rise are raised."""
    told = runs(found) if in_runs else found
    path = fresh(tmp_path) / "a.mcap"
    write(path, told, WriterSettings(chunk_bytes=chunk_bytes, chunk_ms=60_000, segment_s=86_400))
    assert list(read_series(path)) == rising(told)


NOTHING = Record("a", 0, 0, None, None, (), 0, 0, -1, 0)
EDGES = {
    "a null key is not an empty one": [{"key": None}, {"key": b""}, {"key": b"k"}],
    "a tombstone is not an empty value": [{"value": None}, {"value": b""}, {"value": b"v"}],
    "headers with a null value": [{"headers": (("h", None),)}, {"headers": (("h", b""),)}, {"headers": ()}],
    "headers repeated, in order": [{"headers": (("h", b"1"), ("g", b"2"), ("h", b"3"), ("h", b"1"))}],
    "a header without a name": [{"headers": (("", b"x"), ("", None))}],
    "a name that is no text": [{"headers": (("\udcff\udc80", b"x"), ("é", b"y"))}],
    "no timestamp": [{"timestamp_ms": -1, "timestamp_type": -1}, {"timestamp_ms": 0}],
    "the last times": [{"timestamp_ms": (1 << 63) - 1}, {"timestamp_ms": -(1 << 63)}, {"timestamp_ms": 18446744073709}],
    "beyond publish_time": [{"timestamp_ms": 18446744073710, "timestamp_type": 1}],
    "offsets with gaps": [{"offset": 7}, {"offset": 8}, {"offset": 11}, {"offset": (1 << 32) + 11}],
    "offsets that go back": [{"offset": 7}, {"offset": 7}, {"offset": 6}],
    "the last offset": [{"offset": (1 << 63) - 1}],
    "epochs": [{"leader_epoch": 0}, {"leader_epoch": 1, "offset": 1}, {"leader_epoch": -1, "offset": 2}],
    "types in turn": [{"timestamp_type": 1}, {"timestamp_type": 0, "offset": 1}, {"timestamp_type": 1, "offset": 2}],
}


@pytest.mark.parametrize("case", EDGES)
def test_the_edges_come_back(tmp_path: Path, case: str) -> None:
    """Each alone, and again in one file with the others."""
    told = rising(msgspec.structs.replace(NOTHING, **changes) for changes in EDGES[case])
    assert read(write(tmp_path / "a.mcap", told)) == told
    every = rising(msgspec.structs.replace(NOTHING, **changes) for edges in EDGES.values() for changes in edges)
    assert read(write(tmp_path / "b.mcap", every)) == every


def test_a_stream_comes_back_with_its_notes(tmp_path: Path) -> None:
    """Records over many chunks, notes among them, metadata, schema, attachment and ledger."""
    path = tmp_path / "night.mcap"
    told = full_file(path)
    with Recording(path) as recording:
        assert list(recording.records()) == told
        assert len(recording.entries) > 20
        notes = list(recording.notes())
        assert [note.topic for note in notes] == [CONTROL, GAPS, MARKS]
        assert notes[0].said == {"kind": "bookmark", "name": "事故"}
        assert [note.log_ns for note in notes] == [told[300].log_ns - before for before in (9, 5, 4)]
        assert recording.gaps() == [Gap(topic="reports", partition=1, first=5, last=9, reason=Lost.EXPIRED)]
        assert recording.metadata["provenance"] == {"commit": "0b782b5"}
        assert recording.metadata["cb.recording"]["series"] == "night"
        assert recording.metadata["cb.segment"] == {"last": "true", "records": "600", "gaps": "1"}
        assert recording.attachment("map/city.geojson").data.startswith(b'{"type": "FeatureCollection"')
        assert recording.schemas[1].name == "city.Seen"
        with pytest.raises(RecordingError, match="wanted an attachment 'nothing', got none of that name"):
            recording.attachment("nothing")


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    """Nothing of the machine, the time or the process is in a file."""
    full_file(tmp_path / "a.mcap")
    full_file(tmp_path / "b.mcap")
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()


def test_an_empty_recording_is_a_recording(tmp_path: Path) -> None:
    """Nothing came, and the file says so."""
    assert read(write(tmp_path / "a.mcap", [])) == []


def test_records_longer_than_a_chunk(tmp_path: Path) -> None:
    """A record of several MiB has a chunk of its own; small ones before and behind it keep theirs."""
    big = msgspec.structs.replace(seen(7), value=bytes(5 << 20), key=bytes(1 << 20))
    told = rising([seen(1), big, msgspec.structs.replace(big, headers=(("h", bytes(1 << 19)),)), seen(8)])
    path = write(tmp_path / "a.mcap", told, WriterSettings())
    assert read(path) == told
    with Recording(path) as recording:
        assert len(recording.entries) == 4


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"offset": -1}, "wanted an offset of 0 to"),
        ({"offset": 1 << 63}, "wanted an offset of 0 to"),
        ({"timestamp_type": 2}, "wanted timestamp type"),
        ({"leader_epoch": 1 << 31}, "wanted timestamp type -1, 0 or 1 and an epoch"),
        ({"timestamp_ms": 1 << 63}, "wanted a timestamp of 64 bits"),
        ({"log_ns": 1 << 63}, "wanted a log time of at most"),
        ({"value": bytes(24 << 20), "key": b"k"}, "wanted at most 25165824 bytes, got 25165825"),
        ({"headers": (("h", b""),) * 4097}, "wanted at most 4096 headers"),
        ({"headers": (("h", bytes(1 << 20)),)}, "wanted at most 4096 headers of 1048576 bytes"),
        ({"headers": (("h" * 65536, b""),)}, "with names of at most 65535 bytes"),
    ],
)
def test_what_breaks_a_limit_is_refused_alone(tmp_path: Path, changes: dict[str, object], wanted: str) -> None:
    """The records before and behind it are recorded."""
    path = tmp_path / "a.mcap"
    good = stream(40)
    with RecordingWriter(path, SMALL) as writer:
        for record in good[:20]:
            put(writer, record)
        with pytest.raises(RecordingError, match=wanted):
            put(writer, msgspec.structs.replace(seen(20), **changes))
        for record in good[20:]:
            put(writer, record)
    assert read(path) == good


@pytest.mark.parametrize(
    ("topic", "partition"), [("a/b", 0), ("_cb/control", 0), ("a", -1), ("a", 1 << 31), ("a" * 256, 0), ("a\n", 0)]
)
def test_what_is_no_topic_of_kafka_is_refused(tmp_path: Path, topic: str, partition: int) -> None:
    with RecordingWriter(tmp_path / "a.mcap") as writer, pytest.raises(SettingsError, match="channel: wanted"):
        writer.channel(topic, partition)


@pytest.mark.parametrize("wrong", [{"chunk_bytes": 1}, {"chunk_bytes": 1 << 19}, {"level": 0}, {"budget_bytes": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"recording, {next(iter(wrong))}: wanted"):
        WriterSettings(**wrong)
