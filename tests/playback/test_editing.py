"""Recordings made of others: what is in them, what is not, and whether a street can run them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Record
from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.distributed import MARK_HEADER
from city_brain.errors import RecordingError, StateError
from city_brain.incidents.incident import Incident
from city_brain.playback.editing import Wanted, cut, merge, sift, window_around
from city_brain.playback.faults.values import open_value
from city_brain.playback.recorded_city import CITY, SETTINGS
from city_brain.playback.street import Street
from tests.bag.samples import put
from tests.distributed import kit
from tests.playback.converting.lines import SETTINGS as TIMES
from tests.playback.converting.lines import lines, rolled
from tests.playback.recorded import PREFIX, record

NS_PER_S = 1_000_000_000
MIDDLE_NS = TIMES.start_ms * 1_000_000 + 50 * NS_PER_S


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a small city, by arrival."""
    path = tmp_path_factory.mktemp("editing") / "day.mcap"
    rolled(path, lines())
    return path


@pytest.fixture(scope="module")
def said(day: Path) -> list[tuple[Incident, int]]:
    """All that is said of the day: revisions, and the log time of each."""
    return [(one, tick.log_ns) for tick in Street(day).ticks() for one in tick.said.record.incidents]


def test_a_cut_holds_its_stretch_of_time_and_all_configurations(day: Path, tmp_path: Path) -> None:
    """The street runs it from its first row on, and its ticks begin there."""
    until_ns = MIDDLE_NS + 20 * NS_PER_S
    told = cut(day, tmp_path / "cut.mcap", MIDDLE_NS, until_ns)
    kept = list(read_series(tmp_path / "cut.mcap"))
    wanted = [one for one in read_series(day) if MIDDLE_NS <= one.log_ns < until_ns]
    assert kept[0].topic == "control" and kept[0].offset == 0 and kept[1:] == wanted
    assert (told.written, told.why_not) == (len(kept), "")
    ticks = list(Street(tmp_path / "cut.mcap").ticks())
    assert 15 <= len(ticks) <= 21 and ticks[0].said.record.due_ms > MIDDLE_NS // 1_000_000
    with Recording(tmp_path / "cut.mcap") as recording:
        assert recording.metadata["edited"] == {"how": "cut", "since_ns": str(MIDDLE_NS), "until_ns": str(until_ns)}


def test_pieces_merged_are_the_whole(day: Path, tmp_path: Path) -> None:
    """Also where they overlap: what two of them hold is written once, and the digest is that of the whole."""
    cut(day, tmp_path / "late.mcap", since_ns=MIDDLE_NS)
    cut(day, tmp_path / "early.mcap", until_ns=MIDDLE_NS + 10 * NS_PER_S)
    told = merge([tmp_path / "late.mcap", tmp_path / "early.mcap"], tmp_path / "day.mcap")
    assert list(read_series(tmp_path / "day.mcap")) == list(read_series(day))
    assert (told.read - told.written, told.ties, told.why_not) == (told.repeated, 0, "") and told.repeated > 100
    again, before = Street(tmp_path / "day.mcap"), Street(day)
    assert [tick.line for tick in again.ticks()] == [tick.line for tick in before.ticks()]
    with Recording(tmp_path / "day.mcap") as recording:
        assert [recording.metadata[name]["how"] for name in ("edited", "edited.2", "edited.3")] == [
            "cut",
            "cut",
            "merge",
        ]


def test_ties_are_told_and_the_first_goes_first(tmp_path: Path) -> None:
    """Records of two recorders that arrived in the same nanosecond."""
    for name, topic in (("a", "reports"), ("b", "signal.states")):
        with RecordingWriter(tmp_path / f"{name}.mcap") as writer:
            for offset in range(5):
                put(writer, _record(topic, offset, log_ns=10 * offset))
    told = merge([tmp_path / "b.mcap", tmp_path / "a.mcap"], tmp_path / "both.mcap")
    found = list(read_series(tmp_path / "both.mcap"))
    assert (told.written, told.ties, told.repeated) == (10, 5, 0)
    assert [(one.topic, one.log_ns) for one in found[:4]] == [
        ("signal.states", 0), ("reports", 1), ("signal.states", 10), ("reports", 11)
    ]  # fmt: skip


def test_what_does_not_go_together_is_not_merged(day: Path, tmp_path: Path) -> None:
    """Two cities, or two records of one offset."""
    record(tmp_path / "other.mcap", 1, 1)
    with pytest.raises(RecordingError, match="metadata city: wanted what the others say, got other words"):
        merge([day, tmp_path / "other.mcap"], tmp_path / "both.mcap")
    for name in ("a", "b"):
        with RecordingWriter(tmp_path / f"{name}.mcap") as writer:
            put(writer, msgspec.structs.replace(_record("reports", 7, log_ns=1), value=name.encode()))
    with pytest.raises(RecordingError, match=r"b\.mcap, reports/0 7: wanted the record that the others hold"):
        merge([tmp_path / "a.mcap", tmp_path / "b.mcap"], tmp_path / "both.mcap")


def test_a_cut_around_an_incident(day: Path, said: list[tuple[Incident, int]], tmp_path: Path) -> None:
    """By number or id: from a while before its first sign to a while after it was announced."""
    incident, log_ns = next((one, log_ns) for one, log_ns in said if one.detected_ms is not None)
    window = window_around(day, incident.number, 10_000)
    assert window == window_around(day, incident.incident_id, 10_000)
    assert window[1] == log_ns + 10 * NS_PER_S + 1
    assert abs(window[0] // 1_000_000 - (incident.first_seen_ms - 10_000)) <= 1000
    assert cut(day, tmp_path / "cut.mcap", *window).why_not == ""
    with pytest.raises(RecordingError, match="wanted an incident 'none'"):
        window_around(day, "none", 0)


def test_what_the_city_said_tells_where_an_incident_is(
    day: Path, said: list[tuple[Incident, int]], tmp_path: Path
) -> None:
    """A recording that holds its ticks is not run for it."""
    incident = said[0][0]
    with RecordingWriter(tmp_path / "said.mcap") as writer:
        channel = writer.channel("incidents", 0)
        for offset, tick in enumerate(Street(day).ticks()):
            writer.write(channel, offset, tick.line, timestamp_ms=0, log_ns=tick.log_ns)
    assert window_around(tmp_path / "said.mcap", incident.number, 5000) == window_around(day, incident.number, 5000)


def test_a_filter_leaves_the_rows_of_a_source(tmp_path: Path) -> None:
    """Of envelopes too; marks and configurations stay; offsets are those of the log, with holes, and it says so."""
    path = record(tmp_path / "town.mcap", 1, 1)
    source = next(iter(_sources(path)))
    told = sift(path, tmp_path / "one.mcap", Wanted(sources=(source,)))
    assert set(_sources(tmp_path / "one.mcap")) == {source}
    rows = [name for name in _sources(path) if name == source]
    assert list(_sources(tmp_path / "one.mcap")) == rows
    assert _marks(tmp_path / "one.mcap") == _marks(path)
    assert "there is a hole" in told.why_not
    with pytest.raises(StateError, match="the recording lacks records"):
        list(Street(tmp_path / "one.mcap").ticks())


def test_renumbered_it_can_be_run(tmp_path: Path) -> None:
    """The city ticks on as before, with the rows of that source alone."""
    path = record(tmp_path / "town.mcap", 1, 1)
    source = next(iter(_sources(path)))
    told = sift(path, tmp_path / "one.mcap", Wanted(sources=(source,), renumber=True))
    assert told.why_not == ""
    ticks = list(Street(tmp_path / "one.mcap").ticks())
    assert [tick.said.record.tick for tick in ticks] == [msgspec.json.decode(line)["tick"] for line in kit.oracle(1)]


def test_a_filter_of_topics_and_keys(day: Path, tmp_path: Path) -> None:
    """With the prefix or without; bare, nothing else is left, and nothing can be run."""
    sift(day, tmp_path / "a.mcap", Wanted(topics=("sensor.readings",), bare=True))
    kept = list(read_series(tmp_path / "a.mcap"))
    assert {one.topic for one in kept} == {"sensor.readings"}
    assert [one for one in read_series(day) if one.topic == "sensor.readings"] == kept
    key = next(one.key or b"" for one in kept if not _is_mark(one))
    told = sift(day, tmp_path / "b.mcap", Wanted(keys=(key.decode(),), bare=True, renumber=True))
    assert {one.key for one in read_series(tmp_path / "b.mcap")} == {key}
    assert told.why_not == "control/0: wanted the configuration that the city began with, got none"
    path = record(tmp_path / "town.mcap", 1, 1)
    for topic in ("reports", PREFIX + "reports"):
        sift(path, tmp_path / f"{topic}.mcap", Wanted(topics=(topic,), bare=True))
        assert {one.topic for one in read_series(tmp_path / f"{topic}.mcap")} == {PREFIX + "reports"}


def test_segments_files_and_notes_go_along(tmp_path: Path) -> None:
    """Whatever is edited, of every segment; each file once."""
    one = _record("reports", 0, log_ns=0)
    with RecordingWriter(tmp_path / "a.mcap", WriterSettings(segment_bytes=1), metadata={"who": {"am": "i"}}) as writer:
        for offset in range(6):
            put(writer, msgspec.structs.replace(one, offset=offset, log_ns=2 * NS_PER_S * offset))
            writer.note("_cb/control", {"kind": "bookmark", "at": offset}, 2 * NS_PER_S * offset + 1)
    assert len(list(tmp_path.glob("a-*.mcap"))) > 2
    cut(tmp_path / "a.mcap", tmp_path / "cut.mcap", 3 * NS_PER_S, 9 * NS_PER_S)
    with Recording(tmp_path / "cut.mcap") as recording:
        assert [one.offset for one in recording.records()] == [2, 3, 4]
        assert [note.said["at"] for note in recording.notes()] == [2, 3, 4]
        assert recording.metadata["who"] == {"am": "i"}


def test_nothing_is_written_over_and_nothing_made_of_a_cut_file(day: Path, tmp_path: Path) -> None:
    """An error, and no file that looks like all of it."""
    data = day.read_bytes()
    with pytest.raises(RecordingError, match="wanted a file that is not there yet, got one"):
        cut(day, day)
    (tmp_path / "broken.mcap").write_bytes(data[:-1000])
    with pytest.raises(RecordingError, match="wanted a recording that is whole"):
        cut(tmp_path / "broken.mcap", tmp_path / "a.mcap")
    with pytest.raises(RecordingError, match="wanted a recording that is whole"):
        sift(tmp_path / "broken.mcap", tmp_path / "b.mcap", Wanted(topics=("reports",)))
    with pytest.raises(RecordingError, match="wanted a recording that is whole"):
        merge([day, tmp_path / "broken.mcap"], tmp_path / "c.mcap")
    assert not [path for path in tmp_path.glob("?.mcap") if path.name != "broken.mcap"]
    assert day.read_bytes() == data


def test_files_and_metadata_go_along(day: Path, tmp_path: Path) -> None:
    """So that what is left of a city is still one."""
    sift(day, tmp_path / "a.mcap", Wanted(topics=("reports",)))
    with Recording(day) as before, Recording(tmp_path / "a.mcap") as after:
        assert after.attachment(SETTINGS).data == before.attachment(SETTINGS).data
        assert after.metadata[CITY] == before.metadata[CITY]


def _record(topic: str, offset: int, log_ns: int) -> Record:
    return Record(topic, 0, offset, b"key", b"value", (), 5, 0, -1, log_ns)


def _is_mark(one: Record) -> bool:
    return any(name == MARK_HEADER for name, _ in one.headers)


def _marks(path: Path) -> list[tuple[str, int, int]]:
    return [(one.topic, one.partition, one.offset) for one in read_series(path) if _is_mark(one)]


def _sources(path: Path) -> Iterator[str]:
    """The source of every row, in order of arrival."""
    for one in read_series(path):
        opened = None if _is_mark(one) or one.topic.endswith("control") else open_value(one.value)
        if opened is not None:
            yield from opened.sources()
