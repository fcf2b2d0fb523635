"""Bytes to batches: each line becomes a row, a mark, or a rejected line with one reason; nothing raises.

A first reading takes well-formed lines at the decoder's own speed. What it does not take is read a second time, slowly:
either a row with keys that are not ours, or no observation, and why.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.observations.columns import Observations
from city_brain.observations.json_twin.filling import columns_of, epoch_ms
from city_brain.observations.json_twin.lines import KEYS, KIND_OF, LINES, PAYLOAD_KEYS, Line, Mark, WarningLine
from city_brain.observations.vocabulary import DeadLetter
from city_brain.types import Ints

LINE_BYTES_MAX: Final = 1 << 20
"""A longer line is rejected as `too_long`; at most this many bytes of a rejected line are kept."""

MOST_NAMES: Final = 64
"""Names of unknown keys that are kept of a batch."""

_decode_line = msgspec.json.Decoder(Line).decode

_REASONS: Final = {
    "kind": DeadLetter.KIND,
    "source_id": DeadLetter.SOURCE,
    "seq": DeadLetter.SEQUENCE,
    "event_time_ms": DeadLetter.TIME,
    "arrival_time_ms": DeadLetter.TIME,
    "lon": DeadLetter.POSITION,
    "lat": DeadLetter.POSITION,
    "position_error_m": DeadLetter.POSITION,
    "payload": DeadLetter.PAYLOAD,
}
_FAULTY_FIELD = (re.compile(r"\$\.(\w+)"), re.compile(r"missing required field `(\w+)`"))
"""Where the decoder says that the fault is: below a key of the line, else a key that the line lacks."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is no observation: its number, the reason, its bytes."""

    line: int
    reason: DeadLetter
    data: bytes


@dataclass(frozen=True, slots=True)
class ReadWarning:
    """A warning of others, unread: the number of its line, how many rows of the batch stand before it, its arrival in
    epoch ms (-1 where the line has none), its message of CAP and the line.
    """

    line: int
    rows_before: int
    arrival_ms: int
    cap: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What lines held. `line` (n,) is the number of each row's line.

    `marks` (m, 2): how many rows of the batch stand before the mark, and its time in epoch ms; `mark_line` (m,) is the
    number of its line.
    `unknown_keys`: how many keys were left out because they are not ours; `unknown_names`: the first of them.
    """

    observations: Observations
    line: Ints
    rejected: tuple[Rejected, ...]
    marks: Ints
    mark_line: Ints
    unknown_keys: int
    warnings: tuple[ReadWarning, ...] = ()
    unknown_names: tuple[str, ...] = ()


def from_lines(lines: Sequence[bytes], first: int = 0) -> Parsed:
    """Reads lines (without their line ends), numbered from `first`; empty ones are passed over. Never raises."""
    read = _decode(lines)
    marks: list[tuple[int, int]] = []
    mark_line: list[int] = []
    rejected: list[Rejected] = []
    warnings: list[ReadWarning] = []
    no_rows: list[int] = []
    unknown_keys: list[str] = []
    types = list(map(type, read))
    odd = [] if KIND_OF.keys() >= set(types) else [at for at, kind in enumerate(types) if kind not in KIND_OF]
    for number in odd:
        found, unknown = (read[number], []) if read[number] is not None else _second_reading(lines[number])
        unknown_keys += unknown
        if type(found) in KIND_OF:
            read[number] = found
            continue
        if isinstance(found, Mark):
            marks.append((number - len(no_rows), epoch_ms(found.arrival_time_ms)))
            mark_line.append(first + number)
        elif isinstance(found, WarningLine):
            arrival_ms = -1 if found.arrival_time_ms is None else epoch_ms(found.arrival_time_ms)
            place = (first + number, number - len(no_rows), arrival_ms)
            warnings.append(ReadWarning(*place, found.cap.encode(), lines[number]))
        elif isinstance(found, DeadLetter):
            rejected.append(Rejected(first + number, found, lines[number][:LINE_BYTES_MAX]))
        no_rows.append(number)
    rows = [row for row in read if type(row) in KIND_OF] if no_rows else read
    return Parsed(
        columns_of(rows),
        np.delete(np.arange(first, first + len(lines), dtype=np.int64), no_rows),
        tuple(rejected),
        np.array(marks, dtype=np.int64).reshape(-1, 2),
        np.array(mark_line, dtype=np.int64),
        len(unknown_keys),
        tuple(warnings),
        tuple(unknown_keys[:MOST_NAMES]),
    )


def _decode(lines: Sequence[bytes]) -> list[Any]:
    """What each line says, None where it does not fit at the first reading."""
    if max(map(len, lines), default=0) > LINE_BYTES_MAX:
        lines = [line if len(line) <= LINE_BYTES_MAX else b"" for line in lines]
    rest = iter(lines)
    read: list[Any] = []
    while len(read) < len(lines):
        try:
            read.extend(map(_decode_line, rest))  # at an error the rows before it stay, and its line is used up
        except _UNREADABLE:
            read.append(None)
    return read


def _second_reading(line: bytes) -> tuple[Line | DeadLetter | None, list[str]]:
    """The line without the keys that are not ours, and which those were; or why it is no observation.

    None for an empty line.
    """
    if not line.strip():
        return None, []
    if len(line) > LINE_BYTES_MAX:
        return DeadLetter.TOO_LONG, []
    try:
        plain = msgspec.json.decode(line)
    except UnicodeError:
        return DeadLetter.NOT_UTF8, []
    except (msgspec.MsgspecError, RecursionError):
        return (DeadLetter.NOT_JSON if _is_utf8(line) else DeadLetter.NOT_UTF8), []
    if not isinstance(plain, dict):
        return DeadLetter.NOT_AN_OBJECT, []
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in LINES:
        return DeadLetter.KIND, []
    unknown = _drop_unknown(plain, KEYS[kind])
    if isinstance(plain.get("payload"), dict):
        unknown += [f"payload.{key}" for key in _drop_unknown(plain["payload"], PAYLOAD_KEYS[kind])]
    try:
        return msgspec.convert(plain, type=LINES[kind]), unknown
    except msgspec.ValidationError as wrong:
        places = [found[1] for pattern in _FAULTY_FIELD if (found := pattern.search(str(wrong)))]
        return _REASONS.get(places[0] if places else "", DeadLetter.FIELD), []


def _drop_unknown(plain: dict[str, Any], known: frozenset[str]) -> list[str]:
    unknown = [key for key in plain if key not in known]
    for key in unknown:
        del plain[key]
    return unknown


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeError:
        return False
    return True
