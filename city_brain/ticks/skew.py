"""Clock skew: what each source's clock must be shifted by, learnt from the fastest of its rows.

The least (arrival - event) of a source is its shortest delay less its skew. Shortest delays differ little within one
kind of source, so the least difference, less that kind's usual shortest delay, is the shift to add to event times.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.numerics import find_sorted, first_of_run
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

USUAL_SHORTEST_DELAY_MS = np.zeros(len(Kind))
USUAL_SHORTEST_DELAY_MS[Kind.DETECTION] = 500.0
USUAL_SHORTEST_DELAY_MS[Kind.SIGNAL] = 250.0
USUAL_SHORTEST_DELAY_MS[Kind.SENSOR] = 250.0

LEAK_MS_PER_S = 0.02
"""The least difference is let rise by this much, so that it follows a drifting clock (quartz: under 35 ppm)."""

BACKWARD_STEP_MS = 1_000
"""Event time falling by more than this while the sequence rises is a clock set back: what was learnt is void."""

FORWARD_STEP_MS = 3_000
"""Rows faster than the fastest by more than this are implausible until STEP_CONFIRMED_BY ticks have shown the same.
What has leaked while a source was silent is not held against it.
"""

STEP_CONFIRMED_BY = 3
RESTART_GAP = 1_000
"""A sequence this far below the highest, at a later event time, is a restarted source."""

_SCHEMA = {
    "source": np.int64, "least_ms": np.float64, "last_seq": np.int64, "last_event_ms": np.int64,
    "step_ticks": np.int64, "first_arrival_ms": np.int64, "last_arrival_ms": np.int64, "rows": np.int64,
    "restarts": np.int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """The rows of one call by source: `order` sorts them by (source, seq), `start` begins each source's run."""

    order: Ints
    start: Ints
    source: Ints
    slot: Ints


class SourceClocks(msgspec.Struct):
    """What is known of every source's clock, a table in order of source."""

    table: Table

    @classmethod
    def unknown(cls) -> "SourceClocks":
        """No source seen yet."""
        return cls(Table(_SCHEMA))

    def drift(self, elapsed_ms: int) -> None:
        """Lets what was learnt leak over `elapsed_ms` of log time."""
        self.table["least_ms"] += LEAK_MS_PER_S * elapsed_ms / 1000.0

    def learn(self, rows: Rows) -> Bools:
        """Learns from fresh rows (n,); answers which are plausible (n,): others ran ahead of their source's clock."""
        if rows.n == 0:
            return np.zeros(0, dtype=np.bool_)
        order = np.lexsort((rows.event_ms, rows.seq, rows.source))
        source = rows.source[order]
        start = np.flatnonzero(first_of_run(source))
        self._add_unknown(source[start])
        run = _Run(order, start, source[start], np.searchsorted(self.table["source"], source[start]))
        delay = (rows.arrival_ms - rows.event_ms)[order].astype(np.float64)
        delay_from = self._void_after_backward_steps(rows, run)
        plausible = self._learn_least(delay, rows.arrival_ms[order], delay_from, run)
        self._note(rows, run)
        answer = np.empty(len(order), dtype=np.bool_)
        answer[order] = plausible
        return answer

    def corrected_ms(self, rows: Rows) -> Ints:
        """Event times (n,) on the common clock, whole milliseconds."""
        at = find_sorted(self.table["source"], rows.source)
        shift = self.table["least_ms"][at] - USUAL_SHORTEST_DELAY_MS[rows.kind]
        return rows.event_ms + np.rint(shift).astype(np.int64)

    def _add_unknown(self, sources: Ints) -> None:
        new = sources[find_sorted(self.table["source"], sources) < 0]
        if len(new) == 0:
            return
        self.table.append(
            len(new), source=new, least_ms=np.inf, last_seq=-1, last_event_ms=0, step_ticks=0, first_arrival_ms=-1,
            last_arrival_ms=-1, rows=0, restarts=0,
        )  # fmt: skip
        by_source = np.argsort(self.table["source"], kind="stable")
        for name in self.table:
            self.table[name] = self.table[name][by_source]

    def _void_after_backward_steps(self, rows: Rows, run: _Run) -> Bools:
        """Forgets the least difference of sources set back; marks (n,), in run order, rows to learn from."""
        seq, event = rows.seq[run.order], rows.event_ms[run.order]
        last_seq, last_event = np.empty_like(seq), np.empty_like(event)
        last_seq[1:], last_event[1:] = seq[:-1], event[:-1]
        last_seq[run.start] = self.table["last_seq"][run.slot]
        last_event[run.start] = self.table["last_event_ms"][run.slot]
        known = last_seq >= 0
        back = known & (seq > last_seq) & (event < last_event - BACKWARD_STEP_MS)
        if not back.any():
            return np.ones(len(seq), dtype=np.bool_)
        length = np.diff(np.append(run.start, len(seq)))
        steps = np.cumsum(back)
        before_run: Ints = steps[run.start] - back[run.start]
        since: Ints = steps - np.repeat(before_run, length)
        total = np.repeat(np.add.reduceat(back.astype(np.int64), run.start), length)
        self.table["least_ms"][run.slot[np.add.reduceat(back.astype(np.int64), run.start) > 0]] = np.inf
        after: Bools = since == total
        return after

    def _learn_least(self, delay: Floats, arrival_ms: Ints, worth: Bools, run: _Run) -> Bools:
        length = np.diff(np.append(run.start, len(delay)))
        known = self.table["least_ms"][run.slot]
        floor = np.repeat(np.where(np.isfinite(known), known - FORWARD_STEP_MS, -np.inf), length)
        silent_ms = np.maximum(arrival_ms - np.repeat(self.table["last_arrival_ms"][run.slot], length), 0)
        plausible: Bools = delay >= floor - LEAK_MS_PER_S * silent_ms / 1000.0
        ahead = ~np.logical_or.reduceat(plausible, run.start)
        ticks = np.where(ahead, self.table["step_ticks"][run.slot] + 1, 0)
        stepped = ticks >= STEP_CONFIRMED_BY
        plausible |= np.repeat(stepped, length)
        self.table["step_ticks"][run.slot] = np.where(stepped, 0, ticks)
        usable = np.where(plausible & worth, delay, np.inf)
        least = np.minimum.reduceat(usable, run.start)
        self.table["least_ms"][run.slot] = np.where(stepped, least, np.minimum(known, least))
        return plausible

    def _note(self, rows: Rows, run: _Run) -> None:
        length = np.diff(np.append(run.start, len(run.order)))
        end = run.start + length - 1
        seq, event, arrival = (column[run.order] for column in (rows.seq, rows.event_ms, rows.arrival_ms))
        table, slot = self.table, run.slot
        restarted = (seq[end] < table["last_seq"][slot] - RESTART_GAP) & (event[end] > table["last_event_ms"][slot])
        newer = (seq[end] > table["last_seq"][slot]) | restarted
        table["restarts"][slot] += restarted
        table["last_seq"][slot] = np.where(newer, seq[end], table["last_seq"][slot])
        table["last_event_ms"][slot] = np.where(newer, event[end], table["last_event_ms"][slot])
        earliest = np.minimum.reduceat(arrival, run.start)
        first = table["first_arrival_ms"][slot]
        table["first_arrival_ms"][slot] = np.where(first < 0, earliest, first)
        table["last_arrival_ms"][slot] = np.maximum(
            table["last_arrival_ms"][slot], np.maximum.reduceat(arrival, run.start)
        )
        table["rows"][slot] += length
