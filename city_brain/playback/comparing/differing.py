"""Which incidents of two answers differ: by their ids, then by type, place and time."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.playback.gating.judging import PARTNERS_M, PARTNERS_MS
from city_brain.replay.comparing import paired

ABSENT: Final = "(none)"
_INDEX: Final = re.compile(r"\[\d+\]")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that differs: its path, such as `evidence[2].weight`, and both values as JSON, or `(none)`."""

    path: str
    before: str
    after: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that one side alone has, or that differs."""

    what: Literal["added", "removed", "changed"]
    type: str
    number: str
    """For people; of the first side where both have it."""
    incident_id: str
    lon: float
    lat: float
    announced_ms: int
    later_s: float = 0.0
    """By how much the second side announces it later; negative: earlier."""
    fields: tuple[Field, ...] = ()


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """How two answers differ; `same` counts incidents that do not."""

    same: int
    found: tuple[Difference, ...]

    def of(self, what: str) -> list[Difference]:
        """Those of one class."""
        return [one for one in self.found if one.what == what]


def differences(left: Sequence[Incident], right: Sequence[Incident], ignore: Sequence[str] = ()) -> Differences:
    """Holds announced incidents against each other. `ignore`: paths of fields that may differ, without indexes; what
    stands below them may, too.
    """
    by_id = {one.incident_id: number for number, one in enumerate(right)}
    pairs = [(number, by_id[one.incident_id]) for number, one in enumerate(left) if one.incident_id in by_id]
    taken = [{pair[side] for pair in pairs} for side in (0, 1)]
    rest = [[n for n in range(len(side)) if n not in had] for side, had in zip((left, right), taken, strict=True)]
    others = paired([left[n] for n in rest[0]], [right[n] for n in rest[1]], PARTNERS_MS, PARTNERS_M)
    pairs += [(rest[0][i], rest[1][j]) for i, j in others]
    found, same = [], 0
    for i, j in pairs:
        fields = tuple(field for field in fields_of(left[i], right[j]) if not _is_ignored(field.path, ignore))
        if fields:
            later_ms = (right[j].detected_ms or 0) - (left[i].detected_ms or 0)
            found.append(_difference("changed", left[i], later_ms / 1000.0, fields))
        else:
            same += 1
    had_left, had_right = ({pair[side] for pair in pairs} for side in (0, 1))
    found += [_difference("removed", one) for number, one in enumerate(left) if number not in had_left]
    found += [_difference("added", one) for number, one in enumerate(right) if number not in had_right]
    found.sort(key=lambda one: (one.announced_ms, one.type, one.incident_id, one.what))
    return Differences(same=same, found=tuple(found))


def fields_of(left: Any, right: Any, path: str = "") -> Iterator[Field]:
    """The fields in which two values differ: structs, or what they are made of."""
    one, other = (msgspec.to_builtins(side) if isinstance(side, msgspec.Struct) else side for side in (left, right))
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            where = f"{path}.{name}" if path else str(name)
            yield from _either(one.get(name, msgspec.UNSET), other.get(name, msgspec.UNSET), where)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for number in range(max(len(one), len(other))):
            a, b = (side[number] if number < len(side) else msgspec.UNSET for side in (one, other))
            yield from _either(a, b, f"{path}[{number}]")
    elif one != other:
        yield Field(path=path, before=_text(one), after=_text(other))


def _either(one: Any, other: Any, path: str) -> Iterator[Field]:
    if one is msgspec.UNSET or other is msgspec.UNSET:
        yield Field(path=path, before=_text(one), after=_text(other))
    else:
        yield from fields_of(one, other, path)


def _text(value: Any) -> str:
    return ABSENT if value is msgspec.UNSET else msgspec.json.encode(value).decode()


def _is_ignored(path: str, ignore: Sequence[str]) -> bool:
    plain = _INDEX.sub("", path)
    return any(plain == name or plain.startswith(f"{name}.") for name in ignore)


def _difference(
    what: Literal["added", "removed", "changed"], one: Incident, later_s: float = 0.0, fields: tuple[Field, ...] = ()
) -> Difference:
    return Difference(
        what=what, type=one.type, number=one.number, incident_id=one.incident_id, lon=one.lon, lat=one.lat,
        announced_ms=one.detected_ms or 0, later_s=later_s, fields=fields,
    )  # fmt: skip
