"""A rejected line is described: its field, what was wanted there, what it holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.observations.json_twin import LINE_BYTES_MAX, from_lines
from city_brain.observations.json_twin.describing import WANTED, fault_of
from city_brain.observations.json_twin.lines import KEYS, PAYLOAD_KEYS

_READING = {
    "kind": "sensor",
    "source_id": "air-1",
    "event_time_ms": 1_700_000_000_000,
    "payload": {"quantity": "pm2_5", "value": 12.5},
}
_DETECTION = {**_READING, "kind": "detection", "payload": {"track_id": 1, "class": "car", "confidence": 0.5}}
_SIGNAL = {**_READING, "kind": "signal", "payload": {"mode": "auto"}}
_BAD_TIME = "epoch milliseconds, or RFC 3339 with its offset"


def _with(row: dict[str, Any], **changed: Any) -> bytes:
    """The row with other keys; None takes a key away."""
    return json.dumps({key: value for key, value in {**row, **changed}.items() if value is not None}).encode()


def _said(line: bytes) -> str:
    (rejected,) = from_lines([line], first=7).rejected
    return str(fault_of(rejected))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", 'line 7: wanted an observation as JSON, got "{" (Input data was truncated)'),
        (b"\xff{}", "line 7: wanted UTF-8, got byte 0xff at byte 0"),
        (b"[1]", 'line 7: wanted an object, {"kind": …, "source_id": …}, got [1]'),
        (b"{}", "line 7: kind: wanted one of detection, signal, sensor, report, mark, warning, got nothing"),
        (
            _with(_READING, kind="senor"),
            "line 7: kind: wanted one of detection, signal, sensor, report, mark, warning, "
            "got \"senor\"; did you mean 'sensor'?",
        ),
        (_with(_READING, source_id=None), "line 7: source_id: wanted a text of 1 to 256 characters, got nothing"),
        (
            _with(_READING, source_id=None, source="air-1"),
            'line 7: source_id: wanted a text of 1 to 256 characters, got nothing, but "source"',
        ),
        (
            _with(_READING, source_id="", payload={"quantity": "pm2_5", "value": "12"}),
            'characters, got ""; and payload.value: wanted a number, got "12"',
        ),
        (
            _with(_SIGNAL, seq="1", payload={"mode": "auto", "approaches": {"North": {}}}),
            'got "North"; and seq: wanted a whole number from 0 on that fits into 63 bits, got "1"',
        ),
        (_with(_READING, seq=-1), "line 7: seq: wanted a whole number from 0 on that fits into 63 bits, got -1"),
        (_with(_READING, event_time_ms="now"), f'line 7: event_time_ms: wanted {_BAD_TIME}, got "now"'),
        (
            _with(_READING, event_time_ms="2026-01-01T00:00:00"),
            f'line 7: event_time_ms: wanted {_BAD_TIME}, got "2026-01-01T00:00:00"',
        ),
        (_with(_READING, lon="far"), 'line 7: lon: wanted degrees, a number, got "far"'),
        (_with(_READING, payload=None), "line 7: payload: wanted an object, got nothing"),
        (_with(_READING, payload=[]), "line 7: payload: wanted an object, got []"),
        (_with(_READING, payload={"quantity": "rain"}), "line 7: payload.value: wanted a number, got nothing"),
        (
            _with(_READING, payload={"quantity": "rain", "value": "3 mm"}),
            'line 7: payload.value: wanted a number, got "3 mm"',
        ),
        (
            _with(_DETECTION, payload={"track_id": 1, "confidence": 0.5}),
            "line 7: payload.class: wanted a text of 1 to 256 characters, got nothing",
        ),
        (
            _with(_DETECTION, payload={"track_id": 1, "class": "car", "confidence": 0.5, "bbox": [1, 2, "x", 4]}),
            'line 7: payload.bbox: wanted four numbers: left, top, width, height, got [1,2,"x",4]',
        ),
        (_with(_SIGNAL, payload={"mode": "auto", "approaches": {"N": {"left": "blue"}}}), 'got "blue"'),
        (_with(_SIGNAL, payload={"mode": "auto", "approaches": {"North": {}}}), 'got "North"'),
        (b'{"kind": "mark"}', f"line 7: arrival_time_ms: wanted {_BAD_TIME}, got nothing"),
        (b'{"kind": "warning", "cap": 3}', "line 7: cap: wanted a message of CAP, as text, got 3"),
        (b'"' + b"x" * LINE_BYTES_MAX + b'"', f"line 7: wanted at most {LINE_BYTES_MAX} bytes, got more"),
    ],
)
def test_says_field_wanted_and_got(line: bytes, said: str) -> None:
    """Whoever wrote the line reads where it is wrong, what belongs there, and what stands there."""
    assert _said(line).startswith(said) or _said(line).endswith(said)


def test_every_key_has_words() -> None:
    """A key that is added to the lines says what belongs there, or this fails."""
    keys = {key for known in KEYS.values() for key in known}
    below = {f"payload.{key}" for known in PAYLOAD_KEYS.values() for key in known}
    assert keys | below == set(WANTED)


def test_long_and_hostile_values_are_cut_and_harmless() -> None:
    """What a field holds is repeated as far as a person reads, and no terminal obeys it."""
    said = _said(_with(_READING, lon="\x1b[2J\u202e" + 10_000 * "x"))
    assert len(said) < 150
    assert "\x1b" not in said
    assert "\u202e" not in said


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["kind", "payload", "source_id", "value", "seq", "approaches", "N"]), inner
            )
        ),
        max_leaves=10,
    ).map(lambda value: json.dumps({**_READING, **value} if isinstance(value, dict) else value).encode())
)
def test_every_rejected_line_can_be_described(line: bytes) -> None:
    """Whatever is rejected has words: nothing raises, and no sentence has two lines."""
    for rejected in from_lines([line]).rejected:
        said = str(fault_of(rejected))
        assert ": wanted " in said
        assert "\n" not in said
