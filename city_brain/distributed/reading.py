"""Raw records to observations: a stretch of one raw partition becomes one batch of columns, and what cannot be read.

A stretch is read at once, because a record of one row costs as much to decode as one of a hundred. Reading is total:
whatever the bytes, a record gives rows or is set aside with one reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from city_brain.distributed.raw_log import RawRecord
from city_brain.errors import CapError, ObservationError
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import RECORD_BYTES_MAX, from_envelope
from city_brain.observations.json_twin import from_lines
from city_brain.observations.vocabulary import DeadLetter
from city_brain.pipeline.readiness import packed_alert
from city_brain.types import Indices, Ints

_ENVELOPE_BEGINS = b"\x08"
"""The first byte of every envelope: its schema version, field 1 as a varint. No line of JSON begins with it."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes of a raw record that are no observation: a line of it, or all of it; and why."""

    record: RawRecord
    reason: DeadLetter
    data: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """What records held: rows (n,), each with the place `at` (n,), ascending, of its record in the stretch, and its
    number `sub` (n,) among the rows of the record. `alerts`: warnings of others, packed, each with its record.
    """

    observations: Observations
    at: Ints
    sub: Indices
    unread: tuple[Unread, ...]
    alerts: tuple[tuple[RawRecord, bytes], ...] = ()


def read_stretch(records: Sequence[RawRecord]) -> Stretch:
    """Reads records of one raw partition, marks not among them; `arrival_ms` of a row is its record's stamp."""
    parts: list[tuple[Observations, Ints]] = []
    unread: list[Unread] = []
    alerts: list[tuple[RawRecord, bytes]] = []
    numbered = enumerate(records)
    for is_envelope, group in groupby(numbered, lambda item: (item[1].value or b"").startswith(_ENVELOPE_BEGINS)):
        some = list(group)
        parts.extend(_read_envelopes(some, unread) if is_envelope else _read_lines(some, unread, alerts))
    observations = parts[0][0] if len(parts) == 1 else Observations.concat([part for part, _ in parts], distinct=False)
    at = np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)])
    sub = (np.arange(len(at)) - np.searchsorted(at, at)).astype(np.int32)
    stamp_ms = np.array([record.stamp_ms for record in records], dtype=np.int64)
    common = replace(observations.common, arrival_ms=stamp_ms[at])
    return Stretch(replace(observations, common=common), at, sub, tuple(unread), tuple(alerts))


def _read_envelopes(records: list[tuple[int, RawRecord]], unread: list[Unread]) -> Iterator[tuple[Observations, Ints]]:
    for at, record in records:
        try:
            observations = from_envelope(record.value or b"")
        except ObservationError:
            unread.append(Unread(record, DeadLetter.ENVELOPE, (record.value or b"")[:RECORD_BYTES_MAX]))
            continue
        yield observations, np.full(observations.n, at, dtype=np.int64)


def _read_lines(
    records: list[tuple[int, RawRecord]], unread: list[Unread], alerts: list[tuple[RawRecord, bytes]]
) -> Iterator[tuple[Observations, Ints]]:
    lines: list[bytes] = []
    places: list[int] = []
    for number, (_, record) in enumerate(records):
        mine = (record.value or b"").split(b"\n")
        if mine[-1] == b"" and len(mine) > 1:
            mine.pop()
        lines.extend(mine)
        places.extend([number] * len(mine))
        if not record.value:
            unread.append(Unread(record, DeadLetter.EMPTY, b""))
    parsed = from_lines(lines)
    unread.extend(Unread(records[places[bad.line]][1], bad.reason, bad.data) for bad in parsed.rejected)
    unread.extend(Unread(records[places[line]][1], DeadLetter.MARK, lines[line]) for line in parsed.mark_line.tolist())
    for warning in parsed.warnings:
        record = records[places[warning.line]][1]
        try:
            alerts.append((record, packed_alert(warning.cap)))
        except CapError:
            unread.append(Unread(record, DeadLetter.WARNING, warning.data))
    at = np.array([at for at, _ in records], dtype=np.int64)[places]
    yield parsed.observations, at[parsed.line]
