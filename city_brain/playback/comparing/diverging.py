"""Where two plays first part: the tick, its incident and field, the input record that spoke, and the rule.

Ticks are held against each other as they close: nothing is kept, and what follows the first difference is not played.
Hashes of types and settings stand in every tick; where they alone differ, nothing has parted yet.
"""

from collections.abc import Iterator
from itertools import zip_longest

import msgspec

from city_brain.errors import RecordingError
from city_brain.incidents.incident import Evidence, Incident
from city_brain.incidents.tick_record import TickRecord
from city_brain.playback.comparing.differing import ABSENT, Field, fields_of
from city_brain.playback.comparing.parameters import Parameter, parameters
from city_brain.playback.played import Played


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the recording that speaks for the incident, and who says what in it."""

    topic: str
    partition: int
    offset: int
    row: int
    what: str
    sources: tuple[str, ...]
    time_ms: int


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Where they part. `number` counts ticks from 1. Without an incident the counters differ, or one side ended."""

    number: int
    tick: int
    due_ms: int
    fields: tuple[Field, ...]
    incident: str = ""
    """Its number for people."""
    type: str = ""
    inputs: tuple[Input, ...] = ()
    """The latest first."""
    parameters: tuple[Parameter, ...] = ()
    """In what the rules that speak in it differ, its own first; then those of all others."""


def first_divergence(left: Played, right: Played) -> Divergence | None:
    """Plays both up to the first tick that differs; None where none does. Raises RecordingError where they are of
    different times.
    """
    for number, (one, other) in enumerate(zip_longest(left.ticks(), right.ticks()), 1):
        if one is None or other is None:
            there = one or other
            assert there is not None  # noqa: S101 - the longer one goes on
            sides = ("a tick", "the end") if one else ("the end", "a tick")
            field = Field(path="ticks", before=sides[0], after=sides[1])
            return Divergence(
                number=number, tick=there.said.record.tick, due_ms=there.said.record.due_ms, fields=(field,)
            )
        a, b = one.said.record, other.said.record
        if a.tick != b.tick:
            raise RecordingError(f"{right.path}: wanted tick {a.tick}, as {left.path} has it, got tick {b.tick}")
        if a.lines != b.lines or a.counters != b.counters:
            return _divergence(number, left, right, a, b)
    return None


def _divergence(number: int, left: Played, right: Played, a: TickRecord, b: TickRecord) -> Divergence:
    parted = _parted(a, b)
    differ = parameters(left.types_of(a.versions), right.types_of(b.versions))
    if parted is None:
        fields = tuple(fields_of(a.counters, b.counters, "counters"))
        return Divergence(number=number, tick=a.tick, due_ms=a.due_ms, fields=fields, parameters=tuple(differ))
    one, other = parted
    there = other or one
    assert there is not None  # noqa: S101 - one of them is
    played = right if other else left
    fields = tuple(fields_of(one, other)) if one and other else (
Field(path="incident", before=_named(one), after=_named(other)),
    )  # fmt: skip
    speak = _speaking(one, other)
    rules = {there.type: 0} | {item.rule: 1 for item in speak if item.rule != there.type}
    differ.sort(key=lambda parameter: (rules.get(parameter.type, 2), parameter.type))
    return Divergence(
        number=number, tick=a.tick, due_ms=a.due_ms, fields=fields, incident=there.number, type=there.type,
        inputs=tuple(dict.fromkeys(_inputs(played, speak))), parameters=tuple(differ),
    )  # fmt: skip


def _named(incident: Incident | None) -> str:
    return ABSENT if incident is None else f"{incident.number} {incident.state}"


def _parted(a: TickRecord, b: TickRecord) -> tuple[Incident | None, Incident | None] | None:
    """The first incident in which two ticks differ, as either has it."""
    left, right = ({one.incident_id: one for one in record.incidents} for record in (a, b))
    for name in dict.fromkeys((*left, *right)):
        if left.get(name) != right.get(name):
            return left.get(name), right.get(name)
    return None


def _speaking(one: Incident | None, other: Incident | None) -> list[Evidence]:
    """The evidence in which two revisions differ, or that of the only one; the latest first."""
    if one is None or other is None:
        found = list((one or other).evidence)  # type: ignore[union-attr] # one of them is
    else:
        found = [item for item in other.evidence if item not in one.evidence]
        found += [item for item in one.evidence if item not in other.evidence and item not in found]
        found = found or list(other.evidence)
    return sorted(found, key=lambda item: (-item.last_ms, item.what, item.sources))


def _inputs(played: Played, evidence: list[Evidence]) -> Iterator[Input]:
    """For each piece of evidence the last record that it rests on, of each partition."""
    for item in evidence:
        for raw, (offset, row) in {raw: (offset, row) for raw, offset, row in sorted(item.rows)}.items():
            topic, partition = played.place(raw)
            yield Input(
                topic=topic, partition=partition, offset=offset, row=row, what=item.what, sources=item.sources,
                time_ms=item.last_ms,
            )  # fmt: skip
