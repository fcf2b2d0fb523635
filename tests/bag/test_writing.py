"""Recordings are written whole or not at all: names, segments, budgets, full disks, killed recorders, many topics."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.container.segments import PART
from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import CONTROL, Lost, Record, Schema
from city_brain.bag.recovering import examine, recover
from city_brain.bag.writing import RecordingWriter, WriterSettings, segment_path
from city_brain.errors import RecordingError, RecordingFullError, SettingsError
from tests.bag.samples import SMALL, START_NS, put, seen, stream, write
from tests.house import ROOT
from tests.store.trouble import small_disk


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Until then it is a `.part`; afterwards that is gone."""
    path = tmp_path / "a.mcap"
    writer = RecordingWriter(path)
    assert [found.name for found in tmp_path.iterdir()] == [f"a.mcap{PART}"]
    put(writer, seen(1))
    writer.finish()
    writer.finish()
    assert [found.name for found in tmp_path.iterdir()] == ["a.mcap"]
    with pytest.raises(RecordingFullError, match="wanted a recording that goes on, got one that ended: it is finished"):
        put(writer, seen(2))


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Neither a recording nor what a recorder left behind."""
    path = write(tmp_path / "a.mcap", stream(3))
    with pytest.raises(RecordingError, match=r"a\.mcap: wanted a new file, got one that is there"):
        RecordingWriter(path)
    (tmp_path / f"b.mcap{PART}").touch()
    with pytest.raises(RecordingError, match="got one that a recorder left behind: city-brain bag recover"):
        RecordingWriter(tmp_path / "b.mcap")
    with pytest.raises(RecordingError, match="wanted a file to write, got: No such file or directory"):
        RecordingWriter(tmp_path / "no folder" / "a.mcap")


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """A second recorder and a mender are told that it is in use; once its writer is gone it can be mended."""
    path, part = tmp_path / "a.mcap", tmp_path / f"a.mcap{PART}"
    writer = RecordingWriter(path)
    put(writer, seen(1))
    writer.flush()
    with pytest.raises(
        RecordingError, match=r"part: wanted a new file, got one that is in use: somebody writes it now"
    ):
        RecordingWriter(path)
    with pytest.raises(RecordingError, match="wanted a recording that was left behind, got one that is in use"):
        recover(part, path)
    assert [found.name for found in tmp_path.iterdir()] == [part.name]
    writer.abandon()
    assert recover(part, path).records == 1


def test_the_last_name_is_nobody_elses(tmp_path: Path) -> None:
    """A file that came by that name meanwhile stays as it is, and all that was recorded stays beside it."""
    path = tmp_path / "a.mcap"
    writer = RecordingWriter(path)
    put(writer, seen(1))
    path.write_bytes(b"of somebody else")
    with pytest.raises(RecordingError, match=r"a\.mcap: .*got: File exists; all of it is in a\.mcap\.part"):
        writer.finish()
    assert path.read_bytes() == b"of somebody else"
    assert examine(path.rename(tmp_path / "other.mcap")).trouble and examine(tmp_path / f"a.mcap{PART}").trouble == []


def test_an_error_leaves_what_came_before(tmp_path: Path) -> None:
    """A recorder that fails leaves a `.part` with all that it took."""
    path = tmp_path / "a.mcap"
    with pytest.raises(ZeroDivisionError), RecordingWriter(path) as writer:
        for record in stream(50):
            put(writer, record)
        raise ZeroDivisionError
    assert not path.exists()
    with Recording(tmp_path / f"a.mcap{PART}") as recording:
        assert recording.cut and list(recording.records()) == stream(50)


def test_ctrl_c_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    """It comes in the middle of something: what was written out is a `.part` that can be mended, and that is told."""
    path, told = tmp_path / "a.mcap", stream(50)
    with pytest.raises(KeyboardInterrupt) as stopped, RecordingWriter(path, SMALL) as writer:
        for record in told:
            put(writer, record)
        raise KeyboardInterrupt
    assert stopped.value.__notes__ == [f"{path}{PART} is what was written by then, and no whole recording"]
    assert [found.name for found in tmp_path.iterdir()] == [f"a.mcap{PART}"]
    recover(tmp_path / f"a.mcap{PART}", path)
    with Recording(path) as recording:
        saved = list(recording.records())
    assert 40 <= len(saved) < 50 and saved == told[: len(saved)]


KILLED = """
import os, signal, sys
from pathlib import Path
from city_brain.bag.writing import RecordingWriter
from tests.bag.samples import SMALL, put, seen

writer = RecordingWriter(Path(sys.argv[1]), SMALL)
for number in range(int(sys.argv[2])):
    put(writer, seen(number))

os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("count", [5, 100, 333])
def test_a_kill_costs_the_open_chunk(tmp_path: Path, count: int) -> None:
    """After kill -9 all records of earlier chunks are read, and mended into a good file."""
    path = tmp_path / "a.mcap"
    words = [sys.executable, "-c", KILLED, str(path), str(count)]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = stream(count)
    with Recording(tmp_path / f"a.mcap{PART}") as recording:
        saved = list(recording.records())
    assert saved == told[: len(saved)] and len(saved) >= count - 10
    if saved:
        found = recover(tmp_path / f"a.mcap{PART}", path)
        assert (found.records, found.damages, found.finished) == (len(saved), 0, False)
        with Recording(path) as recording:
            assert recording.cut == "" and list(recording.records()) == saved


def test_segments_follow_each_other(tmp_path: Path) -> None:
    """By size: each is a whole recording that says what it is; together they hold everything, in order."""
    path = tmp_path / "night.mcap"
    told = stream(900)
    settings = WriterSettings(chunk_bytes=1024, segment_bytes=20_000)
    with RecordingWriter(path, settings, metadata={"who": {"am": "I"}}) as writer:
        for record in told:
            put(writer, record, Schema("s", "jsonschema", b"{}"))
    segments = writer.segments
    assert segments[:2] == [path, tmp_path / "night-00002.mcap"] and len(segments) > 3
    last_ns = -1
    for number, segment in enumerate(segments, 1):
        assert examine(segment).trouble == []
        with Recording(segment) as recording:
            said = recording.metadata["cb.recording"]
            assert (said["series"], said["segment"]) == ("night", str(number))
            assert int(said["log_time_after_ns"]) == last_ns
            assert recording.followed == (number < len(segments))
            assert recording.metadata["who"] == {"am": "I"} and recording.schemas
            last_ns = recording.entries[-1].end_ns
    assert list(read_series(path)) == told


def test_segments_end_with_time(tmp_path: Path) -> None:
    """By log time: a record that comes an hour after the first of its segment begins the next."""
    hours = [Record("a", 0, number, None, b"", (), 0, 0, -1, START_NS + number * 1800 * 10**9) for number in range(6)]
    write(tmp_path / "a.mcap", hours, WriterSettings())
    held = []
    for number in range(1, 4):
        with Recording(segment_path(tmp_path / "a.mcap", number)) as recording:
            held.append([record.offset for record in recording.records()])
    assert held == [[0, 1], [2, 3], [4, 5]]


def test_a_missing_segment_is_missed(tmp_path: Path) -> None:
    """And so is one that belongs to another recording; the records before it come."""
    path, told = tmp_path / "night.mcap", stream(600)
    settings = WriterSettings(chunk_bytes=1024, segment_bytes=20_000)
    write(path, told, settings)
    write(tmp_path / "day.mcap", told, settings)
    found: list[Record] = []
    (tmp_path / "day-00002.mcap").rename(tmp_path / "night-00002.mcap")
    with pytest.raises(RecordingError, match="wanted segment 2 of 'night', got"):
        found += read_series(path)
    (tmp_path / "night-00002.mcap").unlink()
    with pytest.raises(RecordingError, match=r"night-00002\.mcap: wanted segment 2 of 'night', got none"):
        found += read_series(path)


def test_a_budget_ends_the_recording_in_order(tmp_path: Path) -> None:
    """Before it is used up the file is finished; the record that found no room was not taken, and all others were."""
    path, budget = tmp_path / "a.mcap", 100_000
    taken = []
    with RecordingWriter(path, WriterSettings(chunk_bytes=1024, budget_bytes=budget, segment_bytes=30_000)) as writer:
        with pytest.raises(RecordingFullError, match=r"wanted room for .* bytes more, got .* of the budget"):
            for record in stream(10_000):
                put(writer, record)
                taken.append(record)
        with pytest.raises(RecordingFullError, match="its budget of 100000 bytes is used up"):
            put(writer, seen(1))
    sizes = [segment.stat().st_size for segment in writer.segments]
    assert len(sizes) > 1 and 0.7 * budget < sum(sizes) <= budget
    assert list(read_series(path)) == taken
    assert all(examine(segment).trouble == [] for segment in writer.segments)


def test_what_a_budget_leaves_out_stands_in_the_ledger(tmp_path: Path) -> None:
    """Whoever records says it when it comes to that; the entries are within the budget, and are read as losses."""
    path, budget, taken = tmp_path / "a.mcap", 60_000, list[Record]()
    names = [f"{number:03}-{'t' * 240}" for number in range(20)]
    with RecordingWriter(path, WriterSettings(chunk_bytes=1024, budget_bytes=budget)) as writer:
        writer.answer_for(lambda: ((name, 1, len(taken), 1 << 62) for name in names), len(names))
        with pytest.raises(RecordingFullError, match="it is finished"):
            for record in stream(10_000):
                put(writer, record)
                taken.append(record)
    found = examine(path)
    assert path.stat().st_size <= budget and 0 < found.records == len(taken) and found.trouble == []
    assert [(gap.topic, gap.partition, gap.first, gap.last) for gap in found.gaps] == [
        (name, 1, len(taken), 1 << 62) for name in names
    ]
    assert {(gap.reason, gap.detail) for gap in found.gaps} == {(Lost.REFUSED, "the budget of 60000 bytes is used up")}
    with Recording(path) as recording:
        assert list(recording.records()) == taken and recording.metadata["cb.segment"]["gaps"] == "20"


def test_a_full_disk_leaves_a_file_that_can_be_mended(tmp_path: Path) -> None:
    """The error says so; the file ends with its last whole chunk; with room again it becomes a good one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    told = stream(30_000)
    with small_disk(folder) as (fill, free):
        writer = RecordingWriter(folder / "a.mcap", WriterSettings(chunk_bytes=1 << 15))
        for record in told[:2000]:
            put(writer, record)
        fill()
        with pytest.raises(RecordingFullError, match=r"a\.mcap\.part: wanted room for the recording, got: .*recover"):
            for record in told[2000:]:
                put(writer, record)
        with pytest.raises(RecordingFullError, match="wanted a recording that goes on, got one that ended"):
            put(writer, told[0])
        writer.finish()
        assert not (folder / "a.mcap").exists()
        free()
        found = recover(folder / f"a.mcap{PART}", tmp_path / "mended.mcap")
    assert found.damages == 0 and found.records > 1000
    with Recording(tmp_path / "mended.mcap") as recording:
        assert list(recording.records()) == told[: found.records]


def test_names_of_ours_are_refused(tmp_path: Path) -> None:
    """So are attachments that would climb out of a folder, and what is too long."""
    times = {"log_ns": 1, "created_ns": 0, "media_type": ""}
    with pytest.raises(SettingsError, match=r"wanted names that do not begin with cb\., got 'cb\.recording'"):
        RecordingWriter(tmp_path / "a.mcap", metadata={"cb.recording": {}})
    with RecordingWriter(tmp_path / "b.mcap", SMALL) as writer:
        for name in ("../up", "/root", "a/../b", "", "a\\b", "a//b", "a\0"):
            with pytest.raises(RecordingError, match="wanted an attachment with a plain relative name, got"):
                writer.attach(Attachment(name=name, data=b"", **times))
        with pytest.raises(RecordingError, match="wanted an attachment not named"):
            writer.attach(Attachment(name="cb.offsets", data=b"", **times))
        put(writer, seen(1))
    assert examine(tmp_path / "b.mcap").trouble == []


def test_too_long_an_attachment_is_refused_alone(tmp_path: Path) -> None:
    """What is recorded beside it stays whole."""
    with (
        pytest.raises(RecordingError, match="attachment a: wanted at most 67108864 bytes"),
        RecordingWriter(tmp_path / "a.mcap") as writer,
    ):
        put(writer, seen(1))
        writer.attach(Attachment(log_ns=1, created_ns=0, name="a", media_type="", data=bytes((64 << 20) + 1)))
    with Recording(tmp_path / f"a.mcap{PART}") as recording:
        assert len(list(recording.records())) == 1


def test_a_thousand_partitions(tmp_path: Path) -> None:
    """Of many topics, in one chunk."""
    path = tmp_path / "a.mcap"
    told = [
        Record(f"topic-{number % 100}", number % 1000, 5 + number // 1000, b"k", b"v", (), number, 0, -1, number)
        for number in range(3000)
    ]
    with Recording(write(path, told, WriterSettings())) as recording:
        assert list(recording.records()) == told
        assert recording.log_ns_of("topic-99", 999, 7) == 2999
    assert examine(path).trouble == []


def test_more_channels_than_allowed_are_refused(tmp_path: Path) -> None:
    """And so are too long and too many definitions."""
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        with pytest.raises(SettingsError, match="wanted at most 1048576 bytes, got 1048577 of schema 1"):
            writer.channel("a", 0, schema=Schema("s", "jsonschema", bytes((1 << 20) + 1)))
        with pytest.raises(SettingsError, match="wanted at most 8388608 bytes of definitions"):
            for number in range(9):
                writer.channel("a", number, schema=Schema(f"s{number}", "jsonschema", bytes(1 << 20)))
        with pytest.raises(SettingsError, match="wanted at most 4096 channels in a recording"):
            for number in range(5000):
                writer.channel("b", number)
        writer.note(CONTROL, {"kind": "bookmark"}, 5)
    assert examine(tmp_path / "a.mcap").trouble == []
