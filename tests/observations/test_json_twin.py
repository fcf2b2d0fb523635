"""The JSON twin: lossless both ways, and no bytes whatever make it raise."""

import math
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from city_brain.observations.json_twin import LINE_BYTES_MAX, from_lines, mark_line, to_lines, warning_line
from city_brain.observations.vocabulary import DeadLetter
from tests.observations.lines import NOON_MS, Line, any_lines, dumped, line


@given(any_lines)
def test_lines_come_back_as_they_were(lines: list[Line]) -> None:
    """What is read and written again is the same JSON values, line by line."""
    parsed = from_lines(dumped(lines))
    assert not parsed.rejected
    assert parsed.line.tolist() == list(range(len(lines)))
    assert [orjson.loads(back) for back in to_lines(parsed.observations)] == lines


@given(any_lines, st.integers(0, 8))
def test_grouping_changes_nothing(lines: list[Line], cut: int) -> None:
    """Two batches hold what one would, and number their lines alike."""
    data = dumped(lines)
    whole, first, second = from_lines(data), from_lines(data[:cut]), from_lines(data[cut:], min(cut, len(data)))
    assert to_lines(first.observations) + to_lines(second.observations) == to_lines(whole.observations)
    assert [*first.line, *second.line] == whole.line.tolist()


def test_a_null_option_is_an_absent_one() -> None:
    """Devices write null for what they do not know."""
    sent = line("detection", "cam", speed_mps=None)
    nulls = {**sent, "lon": None, "seq": 3, "status": None, "payload": {**sent["payload"], "speed_mps": None}}
    assert [orjson.loads(back) for back in to_lines(from_lines(dumped([nulls])).observations)] == [sent]


@pytest.mark.parametrize(
    ("written", "time_ms"),
    [
        ("2026-06-11T00:00:00Z", NOON_MS),
        ("2026-06-11T08:00:00.25+08:00", NOON_MS + 250),
        ("2026-06-10T19:30:00.0019-04:30", NOON_MS + 1),
    ],
)
def test_times_may_be_written_for_people(written: str, time_ms: int) -> None:
    """RFC 3339 with an offset is read as integer milliseconds, rounded down."""
    parsed = from_lines(dumped([line("sensor", "s", event_time_ms=written), line("sensor", "s")]))
    assert parsed.observations.common.event_ms.tolist() == [time_ms, NOON_MS]


def test_keys_that_are_not_ours_are_left_out_and_counted() -> None:
    """A line with more than we know is a row all the same."""
    sent = line("detection", "cam")
    more = {**sent, "firmware": [1, {"a": 2}], "payload": {**sent["payload"], "colour": "red", "plate": None}}
    parsed = from_lines(dumped([sent, more]))
    assert parsed.unknown_keys == 3
    assert [orjson.loads(back) for back in to_lines(parsed.observations)] == [sent, sent]


def test_marks_stand_between_the_rows_that_they_part() -> None:
    """A mark knows how many rows of the batch came before it, whatever garbage came too."""
    row = dumped([line("sensor", "s")])[0]
    parsed = from_lines([mark_line(5), row, b"garbage", row, mark_line(7), b"", row, mark_line(9)])
    assert parsed.marks.tolist() == [[0, 5], [2, 7], [3, 9]]
    assert parsed.line.tolist() == [1, 3, 6]


def test_warnings_of_others_are_brought_as_they_came() -> None:
    """With their place among the rows and their arrival; what they say is for others to read."""
    row, first, second = (
        dumped([line("sensor", "s")])[0],
        warning_line("<alert a='1'>雨\n</alert>"),
        warning_line("x", 7),
    )
    parsed = from_lines([row, first, b"garbage", mark_line(5), row, second], 10)
    assert [(found.line, found.rows_before, found.arrival_ms) for found in parsed.warnings] == [(11, 1, -1), (15, 2, 7)]
    assert [found.cap for found in parsed.warnings] == ["<alert a='1'>雨\n</alert>".encode(), b"x"]
    assert [found.data for found in parsed.warnings] == [first, second]
    assert (parsed.line.tolist(), parsed.marks.tolist(), len(parsed.rejected)) == ([10, 14], [[1, 5]], 1)
    wrong = {b'{"kind":"warning"}': DeadLetter.FIELD, b'{"kind":"warning","cap":1}': DeadLetter.FIELD}
    wrong[b'{"kind":"warning","cap":"x","arrival_time_ms":-1}'] = DeadLetter.TIME
    assert {bad.data: bad.reason for bad in from_lines(list(wrong)).rejected} == wrong
    more = from_lines([b'{"kind":"warning","cap":"x","by":"us"}'])
    assert ([found.cap for found in more.warnings], more.unknown_keys) == ([b"x"], 1)


def changed(kind: str = "detection", **keys: object) -> bytes:
    """A good line with something wrong."""
    return orjson.dumps(line(kind, "cam-1", **keys))


def raw(old: bytes, new: bytes, kind: str = "detection") -> bytes:
    """A good line in which bytes are replaced."""
    good = changed(kind)
    assert old in good
    return good.replace(old, new, 1)


GARBAGE: dict[str, tuple[bytes, DeadLetter]] = {
    "a broken connection": (b"\x00\xff--connection reset by peer--", DeadLetter.NOT_UTF8),
    "a broken connection, repaired": ("\x00\ufffd--connection reset by peer--".encode(), DeadLetter.NOT_JSON),
    "cut in the middle": (changed()[:100], DeadLetter.NOT_JSON),
    "two lines in one": (changed() + changed(), DeadLetter.NOT_JSON),
    "not UTF-8 in a text": (raw(b"car", b"c\xe9r"), DeadLetter.NOT_UTF8),
    "half of a surrogate pair": (raw(b"car", b"\\ud800"), DeadLetter.NOT_JSON),
    "NaN": (raw(b"9.5", b"NaN"), DeadLetter.NOT_JSON),
    "Infinity": (raw(b"9.5", b"-Infinity"), DeadLetter.NOT_JSON),
    "a number beyond double": (raw(b"9.5", b"1e999"), DeadLetter.NOT_JSON),
    "deep nesting": (b'{"kind":"sensor","z":' + b"[" * 200_000 + b"]" * 200_000 + b"}", DeadLetter.NOT_JSON),
    "10 MB": (changed(text="x" * 10_000_000, kind="report"), DeadLetter.TOO_LONG),
    "10 MB of garbage": (b"x" * 10_000_000, DeadLetter.TOO_LONG),
    "an array": (b"[" + changed() + b"]", DeadLetter.NOT_AN_OBJECT),
    "a text": (b'"detection"', DeadLetter.NOT_AN_OBJECT),
    "null": (b"null", DeadLetter.NOT_AN_OBJECT),
    "no kind": (raw(b'"kind"', b'"sort"'), DeadLetter.KIND),
    "an unknown kind": (raw(b'"detection"', b'"rumour"'), DeadLetter.KIND),
    "a number as kind": (raw(b'"detection"', b"1"), DeadLetter.KIND),
    "src for source_id": (raw(b'"source_id"', b'"src"'), DeadLetter.SOURCE),
    "an empty source": (raw(b"cam-1", b""), DeadLetter.SOURCE),
    "a number as source": (raw(b'"cam-1"', b"12"), DeadLetter.SOURCE),
    "a huge sequence number": (raw(b'"seq":3', b'"seq":99999999999999999999999'), DeadLetter.SEQUENCE),
    "a negative sequence number": (raw(b'"seq":3', b'"seq":-3'), DeadLetter.SEQUENCE),
    "a boolean as sequence number": (raw(b'"seq":3', b'"seq":true'), DeadLetter.SEQUENCE),
    "no event time": (raw(b'"event_time_ms"', b'"time"'), DeadLetter.TIME),
    "digits in quotes as time": (changed(event_time_ms=str(NOON_MS)), DeadLetter.TIME),
    "a time without offset": (changed(event_time_ms="2026-06-11T00:00:00"), DeadLetter.TIME),
    "a fraction as time": (changed(event_time_ms=NOON_MS + 0.5), DeadLetter.TIME),
    "a huge time": (changed(arrival_time_ms=2**63), DeadLetter.TIME),
    "a text as longitude": (changed(lon="117.12"), DeadLetter.POSITION),
    "a list as latitude": (changed(lat=[36.6]), DeadLetter.POSITION),
    "payload null": (changed(payload=0).replace(b'"payload":0', b'"payload":null'), DeadLetter.PAYLOAD),
    "no payload": (changed(payload=None), DeadLetter.PAYLOAD),
    "a payload of another kind": (raw(b'"detection"', b'"sensor"'), DeadLetter.PAYLOAD),
    "a text as confidence": (changed(confidence="0.8"), DeadLetter.PAYLOAD),
    "a boolean as confidence": (changed(confidence=True), DeadLetter.PAYLOAD),
    "a fraction as track": (changed(track_id=1.5), DeadLetter.PAYLOAD),
    "a track beyond 64 bits": (raw(b'"track_id":7', b'"track_id":9223372036854775808'), DeadLetter.PAYLOAD),
    "a box of three": (changed(bbox=[1, 2, 3]), DeadLetter.PAYLOAD),
    "a box of five": (changed(bbox=[1, 2, 3, 4, 5]), DeadLetter.PAYLOAD),
    "an unknown colour": (changed("signal", approaches={"N": {"left": "mauve"}}), DeadLetter.PAYLOAD),
    "an unknown side": (changed("signal", approaches={"up": {"left": "red"}}), DeadLetter.PAYLOAD),
    "an unknown movement": (changed("signal", approaches={"N": {"sideways": "red"}}), DeadLetter.PAYLOAD),
    "a list as approaches": (changed("signal", approaches=["red"]), DeadLetter.PAYLOAD),
    "a text as value": (changed("sensor", value="58"), DeadLetter.PAYLOAD),
    "a long unit": (changed("sensor", unit="u" * 257), DeadLetter.PAYLOAD),
    "a number as status": (changed(status=1), DeadLetter.FIELD),
    "a mark without time": (b'{"kind":"mark"}', DeadLetter.TIME),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_rejected_with_its_reason(what: str) -> None:
    """Each kind of garbage has one reason, keeps its first bytes, and costs the lines around it nothing."""
    data, reason = GARBAGE[what]
    good = changed()
    parsed = from_lines([good, data, good], first=10)
    assert [(found.line, found.reason, found.data) for found in parsed.rejected] == [
        (11, reason, data[:LINE_BYTES_MAX])
    ]
    assert parsed.line.tolist() == [10, 12]


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"", b" ", b"{}", b"[]", changed(), mark_line(1)])))
def test_any_bytes_end_somewhere(lines: list[bytes]) -> None:
    """Every line that is not empty is a row, a mark or rejected."""
    parsed = from_lines(lines)
    assert parsed.observations.n + len(parsed.rejected) + len(parsed.marks) == sum(bool(x.strip()) for x in lines)


@given(st.data())
def test_a_damaged_line_is_a_row_or_rejected(data: st.DataObject) -> None:
    """Bytes of a good line are replaced, dropped or doubled; nothing raises, and what is read has finite numbers."""
    damaged = bytearray(changed(data.draw(st.sampled_from(["detection", "signal", "sensor", "report"]))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"9", b'"'])
        )
    parsed = from_lines([bytes(damaged).replace(b"\n", b" ")])
    assert parsed.observations.n + len(parsed.rejected) + len(parsed.marks) == bool(damaged.strip())
    assert not any(map(math.isinf, parsed.observations.detections.confidence))


def test_a_recorded_city_comes_back_as_it_was(shared: Path) -> None:
    """The first minutes of a recorded world are the same JSON values after reading and writing."""
    with (shared / "scenarios/tune/101/observations.jsonl.zst").open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read(6_000_000).split(b"\n")[:-1]
    parsed = from_lines(lines)
    assert parsed.observations.n + len(parsed.rejected) == len(lines) > 10_000
    assert len(parsed.rejected) < 0.002 * len(lines)
    back = to_lines(parsed.observations)
    assert [orjson.loads(x) for x in back] == [orjson.loads(lines[at]) for at in parsed.line]
