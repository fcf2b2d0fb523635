"""A request read: rows that are believed, and what is wrong with the others. It asks what admission will ask again."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from city_brain.errors import ObservationError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.admission.describing import faults_of
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope
from city_brain.observations.json_twin import Parsed, ReadWarning, from_lines
from city_brain.observations.json_twin.dating import dated
from city_brain.observations.json_twin.describing import Fault, fault_of
from city_brain.ticks.duplicates import row_identity

TOLD: Final = 20
"""Refused rows of a request that are described; the others are counted."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a request holds: rows (n) that are believed with their identities (n,), warnings, and the others."""

    rows: Observations
    identity: np.ndarray
    warnings: tuple[ReadWarning, ...]
    refused: int
    faults: tuple[Fault, ...]
    """Of the first `TOLD` that are refused, by their numbers from 1."""


def read_lines(data: bytes, most: int, undated_ms: int | None = None) -> Parsed:
    """Lines of a request, numbered from 1; raises RefusedError for more than `most`.

    `undated_ms`: the time of rows that say none, epoch ms.
    """
    count = data.count(b"\n") + 1
    if count > most + data.endswith(b"\n"):
        raise too_many_rows(count, most)
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    parsed = from_lines(lines, 1)
    return parsed if undated_ms is None else dated(parsed, undated_ms)


def read_envelope(data: bytes, most: int) -> Parsed:
    """Rows of an envelope, numbered from 1; raises RefusedError where it cannot be read or has more than `most`."""
    try:
        rows = from_envelope(data)
    except ObservationError as wrong:
        raise RefusedError(Reason.BAD_REQUEST, str(wrong), "envelope") from wrong
    if rows.n > most:
        raise too_many_rows(rows.n, most)
    none = np.zeros(0, dtype=np.int64)
    return Parsed(rows, np.arange(1, rows.n + 1, dtype=np.int64), (), none.reshape(0, 2), none, 0)


def judge(parsed: Parsed, table: AdmissionTable, now_ms: int, *, may_warn: bool) -> Judged:
    """What of a request is believed where it arrives at `now_ms`, epoch ms."""
    common = replace(parsed.observations.common, arrival_ms=np.full(parsed.observations.n, now_ms))
    rows = replace(parsed.observations, common=common)
    believed, refused = admit(rows, 0, parsed.line, table)
    faults = [fault_of(one) for one in parsed.rejected[:TOLD]]
    faults += faults_of(rows, refused, parsed.line, table, TOLD)
    faults += [_mark(line) for line in parsed.mark_line[:TOLD].tolist()]
    warnings = parsed.warnings if may_warn else ()
    if not may_warn:
        faults += [_warning(one.line) for one in parsed.warnings[:TOLD]]
    count = len(parsed.rejected) + len(refused.row) + len(parsed.mark_line) + len(parsed.warnings) - len(warnings)
    return Judged(
        rows=rows.take(np.delete(np.arange(rows.n), refused.row)) if len(refused.row) else rows,
        identity=row_identity(believed),
        warnings=warnings,
        refused=count,
        faults=tuple(sorted(faults, key=lambda fault: fault.line)[:TOLD]),
    )


def too_many_rows(count: int, most: int) -> RefusedError:
    """What a publisher is told whose request has more rows than it may."""
    message = f"request: wanted at most {most} rows, got {count}; send them in several requests"
    return RefusedError(Reason.TOO_LARGE, message, limit=most)


def _mark(line: int) -> Fault:
    return Fault(line=line, field="kind", wanted="an observation, for this door makes marks of its own", got='"mark"')


def _warning(line: int) -> Fault:
    wanted = "a publisher with the permission warnings.publish"
    return Fault(line=line, field="kind", wanted=wanted, got='"warning" of one without')
