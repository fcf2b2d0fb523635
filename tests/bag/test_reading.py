"""Any place of a recording is found, by time or by offset; files that were cut are read as far as they go."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city_brain.bag.container.segments import PART
from city_brain.bag.reading import Recording
from city_brain.bag.records import Record
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.errors import RecordingError
from tests.bag.samples import START_NS, fresh, full_file, put, records, rising, runs, stream, write

COUNT = 600


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A file with everything in it, and its records."""
    path = tmp_path_factory.mktemp("bag") / "night.mcap"
    return path, full_file(path, COUNT)


@pytest.mark.parametrize("at", [0, 1, 17, 299, 300, 599])
@pytest.mark.parametrize("aside_ns", [-1, 0, 1])
def test_a_time_is_found(night: tuple[Path, list[Record]], at: int, aside_ns: int) -> None:
    """Reading goes on with the first record that arrived then or later."""
    path, told = night
    start_ns = told[at].log_ns + aside_ns
    with Recording(path) as recording:
        assert list(recording.records(start_ns)) == [record for record in told if record.log_ns >= start_ns]


def test_times_outside_the_recording(night: tuple[Path, list[Record]]) -> None:
    """Before it: all of it. Behind it: nothing."""
    path, told = night
    with Recording(path) as recording:
        assert list(recording.records(0)) == told
        assert list(recording.records(told[-1].log_ns + 1)) == []


def test_an_offset_is_found(night: tuple[Path, list[Record]]) -> None:
    """The first record of its partition with that offset or a higher one; nothing where there is none."""
    path, told = night
    with Recording(path) as recording:
        for record in told[::7]:
            assert recording.log_ns_of(record.topic, record.partition, record.offset) == record.log_ns
        assert recording.log_ns_of("reports", 1, 0) == next(
            record.log_ns for record in told if (record.topic, record.partition) == ("reports", 1)
        )
        assert recording.log_ns_of("reports", 1, 1 << 40) is None
        assert recording.log_ns_of("reports", 7, 0) is None
        assert recording.log_ns_of("nothing", 0, 0) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(records, min_size=1, max_size=30), st.data())
def test_any_offset_is_found(tmp_path: Path, found: list[Record], data: st.DataObject) -> None:
    """Also where offsets jump or go back."""
    told = rising(runs(found) if data.draw(st.booleans()) else found)
    path = fresh(tmp_path) / "a.mcap"
    write(path, told, WriterSettings(chunk_bytes=1024, chunk_ms=60_000, segment_bytes=1 << 40, segment_s=86_400))
    wanted = data.draw(st.sampled_from(told))
    offset = data.draw(st.sampled_from([wanted.offset, max(wanted.offset - 1, 0), wanted.offset + 1]))
    expected = next(
        (
            record.log_ns
            for record in told
            if (record.topic, record.partition) == (wanted.topic, wanted.partition) and record.offset >= offset
        ),
        None,
    )
    with Recording(path) as recording:
        in_first_segment = [record.log_ns for record in recording.records()]
        if expected in in_first_segment or expected is None:
            assert recording.log_ns_of(wanted.topic, wanted.partition, offset) == expected


def test_a_file_that_was_cut_is_read_as_far_as_it_goes(night: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """Wherever it is cut: the records of whole chunks come, nothing else, and the file says that it was cut."""
    path, told = night
    data = path.read_bytes()
    cut = tmp_path / "cut.mcap"
    most = 0
    for length in range(200, len(data), len(data) // 60):
        cut.write_bytes(data[:length])
        with Recording(cut) as recording:
            assert recording.cut
            found = list(recording.records())
            assert found == told[: len(found)]
            assert len(found) >= most
            most = len(found)
            for record in found[::50]:
                assert recording.log_ns_of(record.topic, record.partition, record.offset) == record.log_ns
    assert most == COUNT


def test_a_file_of_a_killed_recorder_is_read(tmp_path: Path) -> None:
    """What was flushed is in the `.part`, which can be read while it is written."""
    path = tmp_path / "a.mcap"
    told = stream(200)
    writer = RecordingWriter(path)
    for record in told[:150]:
        put(writer, record)
    writer.flush()
    for record in told[150:]:
        put(writer, record)
    with Recording(tmp_path / f"a.mcap{PART}") as recording:
        assert "wanted a file that was finished" in recording.cut
        assert list(recording.records()) == told[:150]
    writer.finish()
    with Recording(path) as recording:
        assert list(recording.records()) == told


def test_chunks_close_with_time(tmp_path: Path) -> None:
    """A record that arrives a second after the first of its chunk begins another: a crash costs no more."""
    told = stream(3000)
    path = write(tmp_path / "a.mcap", told, WriterSettings(chunk_ms=500))
    with Recording(path) as recording:
        assert [(entry.start_ns - START_NS) // 1_000_000 for entry in recording.entries] == [
            0,
            500,
            1000,
            1500,
            2000,
            2500,
        ]


@pytest.mark.parametrize("name", ["nothing.mcap", "."])
def test_what_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match="wanted a recording to read, got: "):
        Recording(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"\x89MCAP", b"PK\x03\x04" + bytes(100), b"\x89MCAP1\r\n" + bytes(100)])
def test_what_is_no_recording_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"wanted a recording \(MCAP\), got"):
        Recording(path)
