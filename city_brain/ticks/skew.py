"""Clock skew: what each source's clock must be shifted by, learnt from the fastest of its rows.

The least (arrival - event) of a source is its shortest delay less its skew. Shortest delays differ little within one
kind of source, so the least difference, less that kind's usual shortest delay, is the shift to add to event times.
"""

import msgspec
import numpy as np

from city_brain.numerics import KeyIndex, first_of_run
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind
from city_brain.table import Table
from city_brain.types import Bools, Codes, Ints

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
    "source": np.int64, "least_ms": np.float64, "last_seq": np.int64, "highest_seq": np.int64,
    "last_event_ms": np.int64,
    "step_ticks": np.int64, "first_arrival_ms": np.int64, "last_arrival_ms": np.int64, "rows": np.int64,
    "restarts": np.int64,
}  # fmt: skip


class _Run:
    """The rows of one call by source and sequence: `seq`, `event_ms`, `arrival_ms` (n,) in that order.

    `start` begins each source's run of `length`, `slot` is its place in the table.
    """

    def __init__(self, rows: Rows, order: Ints, slot: Ints) -> None:
        self.seq, self.event_ms, self.arrival_ms = rows.seq[order], rows.event_ms[order], rows.arrival_ms[order]
        ordered = slot[order]
        self.start: Ints = first_of_run(ordered).nonzero()[0]
        self.slot: Ints = ordered[self.start]
        self.length: Ints = np.diff(self.start, append=len(order))


class SourceClocks(msgspec.Struct, dict=True):
    """What is known of every source's clock, a table in order of source."""

    table: Table

    @classmethod
    def unknown(cls) -> "SourceClocks":
        """No source seen yet."""
        return cls(Table(_SCHEMA))

    def drift(self, elapsed_ms: int) -> None:
        """Lets what was learnt leak over `elapsed_ms` of log time."""
        self.table["least_ms"] += LEAK_MS_PER_S * elapsed_ms / 1000.0

    def slots_of(self, source: Ints) -> Ints:
        """Place (n,) of sources (n,) in the table; those not seen before get one, and the places of others may move."""
        slot = self._find(source)
        unknown = (slot < 0).nonzero()[0]
        if len(unknown):
            self._add(np.unique(source[unknown]))
            slot = self._find(source)
        return slot

    def _find(self, source: Ints) -> Ints:
        index: KeyIndex | None = self.__dict__.get("index")
        if index is None or len(index) != self.table.n:
            index = self.__dict__["index"] = KeyIndex(self.table["source"], ascending=True)
        return index.find(source)

    def maybe_old(self, rows: Rows, slot: Ints) -> Bools:
        """Marks (n,) rows that may have been seen before: all others continue their source's sequence.

        From now on these rows count as seen.
        """
        table = self.table
        old: Bools = rows.seq <= table["highest_seq"][slot]
        np.maximum.at(table["highest_seq"], slot, rows.seq)
        return old

    def learn(self, rows: Rows, order: Ints, slot: Ints) -> Bools:
        """Learns from rows `order` (k,), sorted by (source, sequence, event time), of (n,) with their `slot`.

        Marks (n,) those of them that are plausible: others ran ahead of their source's clock.
        """
        answer = np.zeros(rows.n, dtype=np.bool_)
        if len(order) == 0:
            return answer
        run = _Run(rows, order, slot)
        worth = self._void_after_backward_steps(run)
        answer[order] = self._learn_least(worth, run)
        self._note(run)
        return answer

    def corrected_ms(self, event_ms: Ints, kind: Codes, slot: Ints) -> Ints:
        """Event times (n,) of sources at `slot` (n,) on the common clock, whole milliseconds."""
        shift = self.table["least_ms"][slot] - USUAL_SHORTEST_DELAY_MS[kind]
        return event_ms + np.rint(shift).astype(np.int64)

    def _add(self, sources: Ints) -> None:
        self.table.append(
            len(sources), source=sources, least_ms=np.inf, last_seq=-1, highest_seq=-1, last_event_ms=0, step_ticks=0,
            first_arrival_ms=-1, last_arrival_ms=-1, rows=0, restarts=0,
        )  # fmt: skip
        by_source = self.table["source"].argsort(kind="stable")
        for name in self.table:
            self.table[name] = self.table[name][by_source]

    def _void_after_backward_steps(self, run: _Run) -> Bools:
        """Forgets the least difference of sources set back; marks (n,), in run order, rows to learn from."""
        seq, event = run.seq, run.event_ms
        last_seq, last_event = np.empty_like(seq), np.empty_like(event)
        last_seq[1:], last_event[1:] = seq[:-1], event[:-1]
        last_seq[run.start] = self.table["last_seq"][run.slot]
        last_event[run.start] = self.table["last_event_ms"][run.slot]
        back = (last_seq >= 0) & (seq > last_seq) & (event < last_event - BACKWARD_STEP_MS)
        if not back.any():
            return np.ones(len(seq), dtype=np.bool_)
        steps = np.cumsum(back)
        before_run: Ints = steps[run.start] - back[run.start]
        since: Ints = steps - np.repeat(before_run, run.length)
        total = np.add.reduceat(back.astype(np.int64), run.start)
        self.table["least_ms"][run.slot[total > 0]] = np.inf
        after: Bools = since == np.repeat(total, run.length)
        return after

    def _learn_least(self, worth: Bools, run: _Run) -> Bools:
        delay = (run.arrival_ms - run.event_ms).astype(np.float64)
        known = self.table["least_ms"][run.slot]
        floor = np.repeat(np.where(np.isfinite(known), known - FORWARD_STEP_MS, -np.inf), run.length)
        silent_ms = np.maximum(run.arrival_ms - np.repeat(self.table["last_arrival_ms"][run.slot], run.length), 0)
        plausible: Bools = delay >= floor - LEAK_MS_PER_S * silent_ms / 1000.0
        ahead = ~np.logical_or.reduceat(plausible, run.start)
        ticks = np.where(ahead, self.table["step_ticks"][run.slot] + 1, 0)
        stepped = ticks >= STEP_CONFIRMED_BY
        plausible |= np.repeat(stepped, run.length)
        self.table["step_ticks"][run.slot] = np.where(stepped, 0, ticks)
        usable = np.where(plausible & worth, delay, np.inf)
        least = np.minimum.reduceat(usable, run.start)
        self.table["least_ms"][run.slot] = np.where(stepped, least, np.minimum(known, least))
        return plausible

    def _note(self, run: _Run) -> None:
        table, slot, end = self.table, run.slot, run.start + run.length - 1
        seq, event = run.seq[end], run.event_ms[end]
        last_seq, last_event = table["last_seq"][slot], table["last_event_ms"][slot]
        restarted = (seq < last_seq - RESTART_GAP) & (event > last_event)
        newer = (seq > last_seq) | restarted
        table["restarts"][slot] += restarted
        table["last_seq"][slot] = np.where(newer, seq, last_seq)
        table["last_event_ms"][slot] = np.where(newer, event, last_event)
        first = table["first_arrival_ms"][slot]
        earliest, latest = (way.reduceat(run.arrival_ms, run.start) for way in (np.minimum, np.maximum))
        table["first_arrival_ms"][slot] = np.where(first < 0, earliest, first)
        table["last_arrival_ms"][slot] = np.maximum(table["last_arrival_ms"][slot], latest)
        table["rows"][slot] += run.length
