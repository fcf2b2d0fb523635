"""What is wrong with a rejected line, in words for whoever wrote it: the field, what is wanted there, what it holds.

Lines are read for the third time here, slowly; nobody does so with a line that is an observation.
"""

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from city_brain.observations.json_twin.lines import KEYS, LINES, PAYLOAD_KEYS
from city_brain.observations.json_twin.reading import LINE_BYTES_MAX, Rejected
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, DeadLetter
from city_brain.wording.nearest import nearest

SHOWN: Final = 60
"""Characters of what a field holds that are repeated."""

_NAME: Final = "a text of 1 to 256 characters"
_NUMBER: Final = "a number"
_TIME: Final = "epoch milliseconds, or RFC 3339 with its offset"
_OBJECT: Final = "an object"

WANTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kind": "one of " + ", ".join(LINES),
        "source_id": _NAME,
        "source_kind": _NAME,
        "seq": "a whole number from 0 on that fits into 63 bits",
        "event_time_ms": _TIME,
        "arrival_time_ms": _TIME,
        "lon": "degrees, a number",
        "lat": "degrees, a number",
        "position_error_m": "metres, a number",
        "status": _NAME,
        "datum": _NAME,
        "payload": _OBJECT,
        "cap": "a message of CAP, as text",
        "payload.track_id": "a whole number of 64 bits, or a text of 1 to 256 characters",
        "payload.class": _NAME,
        "payload.confidence": "a number from 0 to 1",
        "payload.speed_mps": "metres per second, a number",
        "payload.heading_deg": "degrees clockwise from north, a number",
        "payload.bbox": "four numbers: left, top, width, height",
        "payload.intersection_id": _NAME,
        "payload.mode": _NAME,
        "payload.approaches": (
            f"{{side: {{movement: colour}}}} of {', '.join(SIDES)}; {', '.join(MOVEMENTS)}; "
            f"{', '.join(LAMPS_AS_SENT[1:])}"
        ),
        "payload.quantity": _NAME,
        "payload.value": _NUMBER,
        "payload.unit": _NAME,
        "payload.text": "a text",
        "payload.category": _NAME,
        "payload.channel": _NAME,
    }
)
"""What each field of a line should hold; below `payload`, of every kind."""

_UNDATED: Final = "; over HTTP ?undated=now, and with `send --as-now`, a line without one is of now"
_STAND_INS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        **dict.fromkeys(("source_id", "cap", "payload.class", "payload.mode", "payload.quantity"), "-"),
        **dict.fromkeys(("event_time_ms", "payload.track_id", "payload.confidence", "payload.value"), 0),
    }
)
"""What fits in the place of a field that cannot be left out."""
_PLACE: Final = re.compile(r"(?:- at|in) `\$\.?([\w.]*)")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_ENUMERATED: Final = re.compile(r"Invalid enum value ('.*?')(?: - at|$)", re.DOTALL)
_NO_NUMBER: Final = re.compile(r"[:,\[]\s*(-?(?:NaN|Infinity|nan|inf))\b")
_PYTHON_NAMES: Final = {"class_name": "class"}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a line of observations."""

    line: int
    """Its number."""
    field: str
    """The key, below another one behind a dot (`payload.value`); "" where the line as a whole is at fault."""
    wanted: str
    got: str
    """As JSON, cut where it is long."""

    def __str__(self) -> str:
        place = f"line {self.line}: {self.field}" if self.field else f"line {self.line}"
        return f"{place}: wanted {self.wanted}, got {self.got}"


def fault_of(rejected: Rejected) -> Fault:
    """What is wrong with a line that `from_lines` rejected."""
    field, wanted, got = _described(rejected.reason, rejected.data)
    return Fault(line=rejected.line, field=field, wanted=wanted, got=got)


def shown(value: Any) -> str:
    """A value as JSON, as far as it is repeated; on one line, and without what a terminal would obey."""
    try:
        text = msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError):
        text = "a value that JSON has no words for"
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _described(reason: DeadLetter, line: bytes) -> tuple[str, str, str]:
    """Field, wanted, got."""
    if reason == DeadLetter.TOO_LONG:
        return "", f"at most {LINE_BYTES_MAX} bytes", "more"
    try:
        plain = msgspec.json.decode(line.decode())
    except UnicodeDecodeError as wrong:
        return "", "UTF-8", f"byte 0x{line[wrong.start]:02x} at byte {wrong.start}"
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        if wild := _NO_NUMBER.search(line.decode()):
            return "", "JSON, in which what is not a number is left out", wild[1]
        return "", "an observation as JSON", f"{shown(line.decode()[: SHOWN + 1])} ({_plain(wrong)})"
    if not isinstance(plain, dict):
        return "", 'an object, {"kind": …, "source_id": …}', shown(plain)
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in LINES:
        near = nearest(kind, LINES) if isinstance(kind, str) else ""
        return "kind", WANTED["kind"], (shown(kind) if "kind" in plain else "nothing") + near
    field, wanted, got = _unfit(plain, kind)
    if field in ("", "payload"):
        return field, wanted, got
    second, *said = _unfit(_mended(plain, field), kind)
    return (
        field,
        wanted,
        got + ("; and {}: wanted {}, got {}".format(second, *said) if second not in ("", field) else ""),
    )


def _mended(plain: dict[str, Any], field: str) -> dict[str, Any]:
    """The line without what is wrong with a field, so that the next fault shows."""
    *above, key = field.split(".")[:2]
    stands = {key: _STAND_INS[name]} if (name := ".".join((*above, key))) in _STAND_INS else {}
    within = plain["payload"] if above else plain
    mended = {other: value for other, value in within.items() if other != key} | stands
    return {**plain, "payload": mended} if above else mended


def _unfit(plain: dict[str, Any], kind: str) -> tuple[str, str, str]:
    """Field, wanted, got of an object of a known kind that does not fit it."""
    known = {key: value for key, value in plain.items() if key in KEYS[kind]}
    payload = known.get("payload")
    if isinstance(payload, dict):
        known["payload"] = {key: value for key, value in payload.items() if key in PAYLOAD_KEYS[kind]}
    try:
        msgspec.convert(known, type=LINES[kind])
    except (msgspec.ValidationError, OverflowError) as wrong:
        said = str(wrong)
    else:
        return "", f"a {kind}", "one that could not be read"
    place = found[1] if (found := _PLACE.search(said)) else ""
    if missing := _MISSING.search(said):
        keys = payload if place and isinstance(payload, dict) else plain
        name = _PYTHON_NAMES.get(missing[1], missing[1])
        strange = [key for key in keys if key not in (PAYLOAD_KEYS[kind] if place else KEYS[kind])]
        alike = difflib.get_close_matches(name, strange, n=1, cutoff=0.5)
        field = f"{place}.{name}" if place else name
        way = f", but {shown(alike[0])}" if alike else _UNDATED if field == "event_time_ms" else ""
        return field, WANTED.get(field, "a value"), f"nothing{way}"
    if enumerated := _ENUMERATED.search(said):
        word = enumerated[1].strip("'")
        words = (*SIDES, *MOVEMENTS, *LAMPS_AS_SENT)
        return place, WANTED.get(place, "a known word"), shown(word) + nearest(word, words)
    held: Any = plain
    for key in place.split("."):
        held = held.get(key) if isinstance(held, dict) else None
    return place, WANTED.get(place, "another value"), shown(held)


def _plain(wrong: Exception) -> str:
    """What a decoder complains of."""
    said = str(wrong).removeprefix("JSON is malformed: ") or type(wrong).__name__
    return said.replace("trailing characters", "more stands behind its end: is a line feed missing?")
