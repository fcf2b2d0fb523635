"""What comes over real wires besides observations: broken lines, wrong types, impossible values, lost clocks."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson

from city_brain.observations.vocabulary import Kind
from city_brain.types import Bools, Column

Spoiler = Callable[[bytes, int], bytes]


def _edited(change: Callable[[dict[str, Any], int], None]) -> Spoiler:
    def spoiled(line: bytes, salt: int) -> bytes:
        plain = orjson.loads(line)
        change(plain, salt)
        return orjson.dumps(plain)

    return spoiled


def _payload(name: str, value: Any) -> Spoiler:
    return _edited(lambda plain, salt: plain["payload"].update({name: value}))


def _field(name: str, value: Any) -> Spoiler:
    return _edited(lambda plain, salt: plain.update({name: value}))


def _rename(old: str, new: str) -> Spoiler:
    def change(plain: dict[str, Any], salt: int) -> None:
        plain[new] = plain.pop(old)

    return _edited(change)


def _drop(name: str) -> Spoiler:
    return _edited(lambda plain, salt: plain.pop(name) and None)


_LINES: Final[dict[str, Spoiler]] = {
    "cut_short": lambda line, salt: line[: 20 + salt % (len(line) - 25)],
    "binary": lambda line, salt: bytes((salt * k * 7 + 131) % 256 for k in range(1, 40)).replace(b"\n", b"\x00"),
    "empty_object": lambda line, salt: b"{}",
    "not_an_object": lambda line, salt: [b"null", b"42", b'["detection"]', b'"ok"'][salt % 4],
    "two_in_one": lambda line, salt: line + line,
    "error_page": lambda line, salt: b"<html><head><title>502 Bad Gateway</title></head></html>",
    "broken_text": lambda line, salt: line.replace(b'"source_id":"', b'"source_id":"\xff\xfe', 1),
    "bare_nan": lambda line, salt: line.replace(b'"lat":', b'"lat":NaN,"was":', 1),
    "no_source": _rename("source_id", "src"),
    "no_payload": _drop("payload"),
    "null_payload": _field("payload", None),
    "text_position": _field("lon", "117°07'E"),
    "unknown_kind": _field("kind", "telemetry"),
    "negative_seq": _field("seq", -7),
    "text_time": _field("event_time_ms", "yesterday"),
    "unknown_colour": _payload("approaches", {"N": {"through": "purple"}}),
    "text_value": _payload("value", "n/a"),
    "class_list": _payload("class", ["car", "bus"]),
}
"""Garbage that only a line can carry."""


def _times(messages: Column, where: Bools, value: Column | int) -> None:
    messages["event_ms"][where] = value[where] if isinstance(value, np.ndarray) else value


def _swap(messages: Column, where: Bools) -> None:
    messages["lon"][where], messages["lat"][where] = messages["lat"][where].copy(), messages["lon"][where].copy()


def _set(name: str, value: float) -> Callable[[Column, Bools], None]:
    def change(messages: Column, where: Bools) -> None:
        messages[name][where] = value

    return change


def _null_island(messages: Column, where: Bools) -> None:
    messages["lon"][where] = messages["lat"][where] = 0.0


def _mirror(messages: Column, where: Bools) -> None:
    messages["lon"][where] *= -1


_COLUMNS: Final[dict[str, Callable[[Column, Bools], None]]] = {
    "mirrored": _mirror,
    "null_island": _null_island,
    "swapped": _swap,
    "epoch_clock": lambda messages, where: _times(messages, where, 1_000),
    "seconds_clock": lambda messages, where: _times(messages, where, messages["event_ms"] // 1000),
    "future_clock": lambda messages, where: _times(messages, where, messages["event_ms"] + 86_400_000 * 365),
    "overconfident": _set("value", 17.5),
    "absurd_speed": _set("speed", 9999.0),
    "sentinel_value": _set("value", -99_999.0),
}
"""Garbage that a row can hold, and an admission check must find."""

_ONLY: Final = {
    "unknown_colour": Kind.SIGNAL,
    "text_value": Kind.SENSOR,
    "class_list": Kind.DETECTION,
    "overconfident": Kind.DETECTION,
    "absurd_speed": Kind.DETECTION,
    "sentinel_value": Kind.SENSOR,
}
FLAWS: Final = ("", *_LINES, *_COLUMNS)
"""Kinds of garbage by number; 0 is none."""
_FIRST_IN_COLUMNS: Final = 1 + len(_LINES)


def choose_flaws(kind: Column, chance: np.random.Generator) -> Column:
    """A kind of garbage for each message, one that its kind can have."""
    flaw = chance.integers(1, len(FLAWS), len(kind))
    for name, only in _ONLY.items():
        wrong = (flaw == FLAWS.index(name)) & (kind != only)
        flaw[wrong] = FLAWS.index("cut_short")
    return flaw.astype(np.uint8)


def apply_flaws(messages: Column) -> None:
    """Writes into the columns the garbage that they can hold."""
    for name, change in _COLUMNS.items():
        where = messages["flaw"] == FLAWS.index(name)
        if where.any():
            change(messages, where)


def spoil(flaw: int, line: bytes, salt: int) -> bytes:
    """The line as garbage; kinds that a row can hold are already in it."""
    return line if flaw >= _FIRST_IN_COLUMNS else _LINES[FLAWS[flaw]](line, salt)


def in_columns(flaw: Column) -> Bools:
    """Which messages columns can hold."""
    return np.asarray((flaw == 0) | (flaw >= _FIRST_IN_COLUMNS))
