"""Observation lines for tests: one good line of each kind, and Hypothesis strategies for all that is accepted."""

import copy
from typing import Any

import orjson
from hypothesis import strategies as st

from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES

Line = dict[str, Any]

NOON_MS = 1_781_136_000_000

_PAYLOADS: dict[str, Line] = {
    "detection": {
        "track_id": 7,
        "class": "car",
        "confidence": 0.8,
        "speed_mps": 9.5,
        "heading_deg": 271.3,
        "bbox": [972, 359, 19, 16],
    },
    "signal": {
        "intersection_id": "B1",
        "mode": "auto",
        "approaches": {"N": {"left": "red", "through": "green"}, "SW": {"uturn": "yellow"}},
    },
    "sensor": {"quantity": "pm2_5", "value": 58.75, "unit": "ug/m3"},
    "report": {"text": "two cars have crashed 两车相撞", "category": "crash", "channel": "hotline"},
}


def line(kind: str, source_id: str, position: tuple[float, float] | None = None, **changed: Any) -> Line:
    """A good line; `changed` replaces or adds keys (of the payload where it has one of that name); None drops a key."""
    made: Line = {"kind": kind, "source_id": source_id, "seq": 3, "event_time_ms": NOON_MS, "arrival_time_ms": NOON_MS}
    made["payload"] = copy.deepcopy(_PAYLOADS[kind])
    if position is not None:
        made["lon"], made["lat"] = position
    for name, value in changed.items():
        name = name.removesuffix("_")
        place = made["payload"] if name in made["payload"] else made
        if value is None:
            del place[name]
        else:
            place[name] = value
    return made


def dumped(lines: list[Line]) -> list[bytes]:
    """The lines as bytes."""
    return [orjson.dumps(made) for made in lines]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
counts = st.integers(0, 2**63 - 1)

_HEADS = {
    "required": {"source_id": names, "event_time_ms": counts},
    "optional": {
        "source_kind": names,
        "seq": counts,
        "arrival_time_ms": counts,
        "lon": numbers,
        "lat": numbers,
        "position_error_m": numbers,
        "status": names,
        "datum": names,
    },
}
_SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "detection": (
        {"track_id": st.integers(-(2**63), 2**63 - 1) | names, "class": names, "confidence": numbers},
        {"speed_mps": numbers, "heading_deg": numbers, "bbox": st.lists(numbers, min_size=4, max_size=4)},
    ),
    "signal": (
        {"mode": names},
        {
            "intersection_id": names,
            "approaches": st.dictionaries(
                st.sampled_from(SIDES),
                st.dictionaries(st.sampled_from(MOVEMENTS), st.sampled_from(LAMPS_AS_SENT[1:]), min_size=1),
                min_size=1,
            ),
        },
    ),
    "sensor": ({"quantity": names, "value": numbers}, {"unit": names}),
    "report": ({}, {"text": st.text(st.characters(exclude_categories=["Cs"])), "category": names, "channel": names}),
}


def _lines_of(kind: str) -> st.SearchStrategy[Line]:
    payload = st.fixed_dictionaries(_SAID[kind][0], optional=_SAID[kind][1])
    return st.fixed_dictionaries(
        {"kind": st.just(kind), "payload": payload, **_HEADS["required"]}, optional=_HEADS["optional"]
    )


any_line: st.SearchStrategy[Line] = st.one_of(*map(_lines_of, _SAID))
any_lines: st.SearchStrategy[list[Line]] = st.lists(any_line, max_size=8)
