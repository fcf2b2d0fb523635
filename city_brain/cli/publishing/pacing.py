"""A recording as if it happened now: its times are moved to the present, and rows go on when theirs have come."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from city_brain.observations.json_twin import Parsed
from city_brain.types import Ints

SLICE_MS: Final = 100
"""Rows that arrived within so much go on together."""
STRAY_MS: Final = 300_000
"""A stamp so far from the others at the beginning says nothing of when the recording begins."""
LONGEST_WAIT_MS: Final = 5_000
"""A gap in the recording, or a stamp far ahead, holds up what follows for no longer."""


def as_now(
    blocks: Iterable[Parsed],
    now_s: Callable[[], float] = time.time,
    wait_s: Callable[[float], None] = time.sleep,
) -> Iterator[Parsed]:
    """The blocks in slices, each when its time has come; event and arrival times are moved by the same span.

    Warnings of others go before the rows of their block, and say what they say: their own times are not moved.
    """
    moved_ms = due_ms = None
    for block in blocks:
        arrival_ms = _arrival_ms(block)
        if len(arrival_ms) and moved_ms is None:
            due_ms = _beginning_ms(arrival_ms[:100])
            moved_ms = round(now_s() * 1000.0) - due_ms
        if moved_ms is None or due_ms is None:
            yield block
            continue
        rest = replace(block, rejected=(), unknown_keys=0)
        yield replace(_part(block, np.zeros(0, dtype=np.int64), 0), rejected=block.rejected, warnings=block.warnings)
        for which in _slices(arrival_ms):
            due_ms = int(np.clip(arrival_ms[which].max(), due_ms, due_ms + LONGEST_WAIT_MS))
            wait_s(max((due_ms + moved_ms) / 1000.0 - now_s(), 0.0))
            yield _part(rest, which, moved_ms)


def _beginning_ms(arrival_ms: Ints) -> int:
    """The earliest of the first stamps that belongs to most of them: one of another hour moves no recording."""
    usual_ms = int(np.median(arrival_ms))
    return int(arrival_ms[np.abs(arrival_ms - usual_ms) <= STRAY_MS].min())


def _arrival_ms(block: Parsed) -> Ints:
    common = block.observations.common
    return np.where(common.arrival_ms < 0, common.event_ms, common.arrival_ms)


def _slices(arrival_ms: Ints) -> Iterator[Ints]:
    """Rows by slice of their arrival, in the order of the recording."""
    number = arrival_ms // SLICE_MS
    for each in np.unique(number).tolist():
        yield np.flatnonzero(number == each)


def _part(block: Parsed, which: Ints, moved_ms: int) -> Parsed:
    rows = block.observations.take(which)
    common = rows.common
    arrival_ms = np.where(common.arrival_ms < 0, common.arrival_ms, common.arrival_ms + moved_ms)
    common = replace(common, event_ms=common.event_ms + moved_ms, arrival_ms=arrival_ms)
    none = np.zeros(0, dtype=np.int64)
    return replace(
        block,
        observations=replace(rows, common=common),
        line=block.line[which],
        marks=none.reshape(0, 2),
        mark_line=none,
        warnings=(),
    )
