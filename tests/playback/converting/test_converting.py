"""Lines become raw topics that say the same, no row behind its mark; and raw topics become those lines again."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from city_brain.bag.reading import read_series
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER
from city_brain.errors import RecordingError
from city_brain.kafka.sending import partition_of
from city_brain.observations.json_twin import from_lines, mark_line, warning_line
from city_brain.playback.converting import Unrolled, unroll
from city_brain.playback.street import Street
from city_brain.playback.tap import Tap
from city_brain.replay.stream import StreamReader
from tests.formats.samples import warning as cap
from tests.playback.converting.lines import SETTINGS, first, lines, rolled, site


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All lines as a recording."""
    path = tmp_path_factory.mktemp("converted") / "day.mcap"
    told = rolled(path, lines())
    assert told.rows == len(lines()) and not told.rejected
    return path


def fused() -> list[dict[str, Any]]:
    """The ticks that one process says of the lines."""
    reader = StreamReader(site().runner())
    return [msgspec.json.decode(closed.record.to_line()) for closed in reader.read([from_lines(lines(), 1)])]


def test_the_recording_says_what_the_lines_say(recording: Path) -> None:
    """Every tick in every field, but that evidence names records and not lines; and each of these holds its line."""
    street = Street(recording)
    said = [msgspec.json.decode(tick.line) for tick in street.ticks()]
    assert sum(len(tick["incidents"]) for tick in said) > 5
    values = {(record.topic, record.partition, record.offset): record.value for record in read_series(recording)}
    compared = 0
    wanted = fused()
    for ours, theirs in zip(_evidence(said), _evidence(wanted), strict=True):
        for (raw, offset, _), (_, line, _) in zip(ours.pop("rows"), theirs.pop("rows"), strict=True):
            value = values[*street.place(raw), offset]
            assert msgspec.json.decode(value or b"") == msgspec.json.decode(lines()[line - 1])
            compared += 1
    assert compared > 20
    assert said == wanted


def test_rows_are_where_senders_put_them(recording: Path) -> None:
    """Each under its source, in the partition of this source, stamped with its arrival, which is its log time too."""
    for record in read_series(recording):
        if record.topic == "control" or _is_mark(record):
            continue
        row = msgspec.json.decode(record.value or b"")
        widths = {"video.detections": 4, "signal.states": 1, "sensor.readings": 1, "reports": 1}
        assert record.key == row["source_id"].encode()
        assert record.partition == partition_of(row["source_id"], widths[record.topic])
        assert record.timestamp_ms == row["arrival_time_ms"] == record.log_ns // 1_000_000


def test_marks_stand_in_every_partition_and_no_row_stands_behind_its_mark(tmp_path: Path) -> None:
    """However the lines are mixed up: a row that was overtaken by more than time allows arrives at the mark."""
    chance = np.random.Generator(np.random.PCG64(5))
    order = np.argsort(np.arange(len(lines())) + chance.normal(0, 200, len(lines())), kind="stable").tolist()
    late = lines()[7]
    mixed = [lines()[at] for at in order if at != 7]
    mixed.insert(len(mixed) * 2 // 3, late)
    rolled(tmp_path / "a.mcap", mixed)
    marks: dict[tuple[str, int], list[int]] = {}
    rows = 0
    for record in read_series(tmp_path / "a.mcap"):
        mine = marks.setdefault((record.topic, record.partition), [])
        assert record.timestamp_ms >= (mine[-1] if mine else 0), "a stamp below the mark before it"
        if _is_mark(record):
            mine.append(record.timestamp_ms)
        elif record.topic != "control":
            rows += 1
    assert rows == len(lines())
    assert len(marks) == 8 and len({tuple(stamps) for stamps in marks.values()}) == 1
    ticks = next(iter(marks.values()))
    assert set(np.diff(ticks[1:]).tolist()) == {1000} and len(ticks) > SETTINGS.minutes * 60


def test_the_bytes_hang_on_the_lines_alone(recording: Path, tmp_path: Path) -> None:
    """In whatever blocks they are read."""
    rolled(tmp_path / "day.mcap", lines(), block=37)
    assert (tmp_path / "day.mcap").read_bytes() == recording.read_bytes()


def test_there_and_back(recording: Path, tmp_path: Path) -> None:
    """The lines come back, with marks between them; and of those the same recording is made, to the bit."""
    told = Unrolled()
    back = list(unroll(recording, told))
    rows = [msgspec.json.decode(line) for line in back if b'"mark"' not in line]
    assert rows == [msgspec.json.decode(line) for line in lines()]
    assert (told.rows, told.configurations, told.missing) == (len(lines()), 1, 0)
    assert told.marks == len(back) - len(rows) > 50
    rolled(tmp_path / "day.mcap", back)
    assert (tmp_path / "day.mcap").read_bytes() == recording.read_bytes()


def test_what_is_no_row_is_counted(tmp_path: Path) -> None:
    """Garbage by its reason, a row and a mark of another year, too; a warning goes where `send` puts it."""
    stray = msgspec.json.decode(lines()[0]) | {"arrival_time_ms": SETTINGS.start_ms + 10**11}
    arrival_ms = msgspec.json.decode(lines()[500])["arrival_time_ms"]
    warning = warning_line(cap().decode(), arrival_ms)
    odd = [b"{", b"[]", msgspec.json.encode(stray), mark_line(SETTINGS.start_ms + 10**11), warning]
    told = rolled(tmp_path / "a.mcap", [*lines()[:500], *odd, *lines()[500:1000]], block=2000)
    assert told.rejected == Counter(not_json=1, not_an_object=1, time=1, mark=1)
    assert (told.rows, told.warnings, told.marks_read) == (1000, 1, 0)
    counts = Unrolled()
    assert list(unroll(tmp_path / "a.mcap", counts)).count(warning) == counts.warnings == 1
    found = [record for record in read_series(tmp_path / "a.mcap") if record.value == warning]
    assert [(record.topic, record.partition, record.timestamp_ms) for record in found] == [("reports", 0, arrival_ms)]


def test_a_tapped_run_gives_its_lines(tmp_path: Path) -> None:
    """As its engine read them, with marks and warnings in their places."""
    arrival_ms = msgspec.json.decode(lines()[500])["arrival_time_ms"]
    odd = [mark_line(arrival_ms - 20_000), warning_line(cap().decode(), arrival_ms), b"{"]
    read = [*lines()[:500], *odd, *lines()[500:900]]
    with Tap(tmp_path / "run.mcap", site(), first(), pytest.fail) as tap:
        for _ in tap.read([from_lines(read[:300], 1), from_lines(read[300:], 301)]):
            pass
    told = Unrolled()
    back = list(unroll(tmp_path / "run.mcap", told))
    read.remove(b"{")
    assert [msgspec.json.decode(line) for line in back] == [msgspec.json.decode(line) for line in read]
    assert (told.rows, told.marks, told.warnings, told.configurations) == (900, 1, 1, 1)
    assert told.unread == Counter(not_json=1)


def test_what_cannot_be_written_is_refused(recording: Path, tmp_path: Path) -> None:
    """A file that is there stays, and of no rows there is no recording."""
    before = recording.read_bytes()
    with pytest.raises(RecordingError, match="wanted a file that is not there yet, got one"):
        rolled(recording, lines())
    assert recording.read_bytes() == before
    with pytest.raises(RecordingError, match="wanted lines with at least one row, got none"):
        rolled(tmp_path / "none.mcap", [b"{"])
    assert not (tmp_path / "none.mcap").exists()


def _is_mark(record: Record) -> bool:
    return any(name == MARK_HEADER for name, _ in record.headers)


def _evidence(ticks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for tick in ticks for incident in tick["incidents"] for one in incident["evidence"]]
