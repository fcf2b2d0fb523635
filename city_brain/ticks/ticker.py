"""The ticker: rows and marks of several raw logs in, closed ticks out.

Input: admitted rows of raw partitions, and marks. State: rows not yet taken, what duplicates and skews were learnt.
Output: every tick in order, empty ones included, each the same whoever reads the logs in whatever interleaving and
grouping.
"""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from city_brain.observations.counters import Counters
from city_brain.observations.rows import Rows
from city_brain.ticks.arrival import NEVER, LogTime
from city_brain.ticks.duplicates import SeenRows
from city_brain.ticks.ordering import by_sequence
from city_brain.ticks.skew import SourceClocks
from city_brain.ticks.tick import Tick, TickSettings
from city_brain.types import Bools, Column, Ints

CLOCK_REASON = "clock"
DUPLICATE = "duplicate"


class TickerState(msgspec.Struct):
    """All that the ticker remembers."""

    log_time: LogTime
    next_tick: int | None
    waiting: list[Rows]
    pending: Rows
    seen: SeenRows
    clocks: SourceClocks
    counters: Counters


class Ticker:
    """Cuts admitted rows into ticks of corrected event time (see the module)."""

    def __init__(self, settings: TickSettings, raw_partitions: int) -> None:
        self.settings = settings
        self.dropped: Callable[[str, Rows, Bools], None] = lambda why, rows, which: None
        """Hears which rows a tick drops, as `DUPLICATE` or for `CLOCK_REASON`."""
        self._pending_slots: tuple[Rows | None, Ints, int] = (None, np.zeros(0, dtype=np.int64), 0)
        self.state = TickerState(
            log_time=LogTime.of_partitions(raw_partitions),
            next_tick=None,
            waiting=[],
            pending=Rows.empty(),
            seen=SeenRows.within(settings.duplicate_horizon_ms),
            clocks=SourceClocks.unknown(),
            counters=Counters(),
        )

    def read(self, raw_partition: int, rows: Rows) -> None:
        """Takes rows that follow the last mark of their raw partition."""
        if rows.n:
            arrival_ms = self.state.log_time.arrival(raw_partition, rows.arrival_ms)
            rows = msgspec.structs.replace(rows, arrival_ms=arrival_ms)
            self.state.waiting.append(rows)

    def mark(self, raw_partition: int, mark_ms: int) -> None:
        """Takes a mark; ticks may have become due."""
        self.state.log_time.mark(raw_partition, mark_ms)

    def closed(self) -> Iterator[Tick]:
        """The ticks that are due by now, in order; each must be used before the next is asked for."""
        while (index := self._due()) is not None:
            self.state.next_tick = index + 1
            yield self._close(index)

    def _due(self) -> int | None:
        now_ms = self.state.log_time.now_ms
        index = self.first_tick if self.state.next_tick is None else self.state.next_tick
        if now_ms == NEVER or index is None:
            return None
        return index if now_ms >= self.settings.due_ms(index) else None

    @property
    def first_tick(self) -> int | None:
        """The tick to begin with, that of the earliest arrival; None while there are no rows."""
        arrivals = [int(rows.arrival_ms.min()) for rows in self.state.waiting]
        return self.settings.index_at(min(arrivals)) if arrivals else None

    def begin_at(self, index: int) -> None:
        """Begins with tick `index`, so that partitions that share a city begin together."""
        if self.state.next_tick is None:
            self.state.next_tick = index

    def _close(self, index: int) -> Tick:
        state, settings = self.state, self.settings
        start_ms, due_ms = settings.start_ms(index), settings.due_ms(index)
        clocks = state.clocks
        clocks.drift(settings.tick_ms)
        fresh = self._take_waiting(due_ms)
        state.counters.read += _count(fresh)
        slot = clocks.slots_of(fresh.source)
        order = by_sequence(slot, fresh.seq, fresh.event_ms)
        first = state.seen.first_seen(fresh, order, slot, clocks.maybe_old(fresh, slot), due_ms)
        plausible = clocks.learn(fresh, order[first[order]], slot)
        copies, implausible = ~first, first & ~plausible
        state.counters.duplicate += _count(fresh, copies)
        state.counters.quarantine(CLOCK_REASON, _count(fresh, implausible))
        self.dropped(DUPLICATE, fresh, copies)
        self.dropped(CLOCK_REASON, fresh, implausible)
        slot = np.concatenate((self._slots_of_pending(), slot))
        rows = Rows.concat([part for part in (state.pending, fresh) if part.n])
        open_ = np.concatenate((np.ones(state.pending.n, dtype=np.bool_), plausible)).nonzero()[0]
        time_ms = clocks.corrected_ms(rows.event_ms[open_], rows.kind[open_], slot[open_])
        taken = time_ms < start_ms + settings.tick_ms
        stays = open_[~taken]
        state.pending = _without_old_notes(_at(stays, rows))
        self._pending_slots = (state.pending, slot[stays], clocks.table.n)
        return self._tick(index, rows, open_[taken], time_ms[taken], slot)

    def _slots_of_pending(self) -> Ints:
        """The clock of each pending row, as known from the last tick, or looked up where that no longer holds."""
        pending, slot, clocks = self._pending_slots
        if pending is self.state.pending and clocks == self.state.clocks.table.n:
            return slot
        return self.state.clocks.slots_of(self.state.pending.source)

    @property
    def held(self) -> int:
        """Rows that were read and are in no counter yet: waiting for their tick's log time, or for their event time."""
        return _count(self.state.pending)

    @property
    def waiting(self) -> int:
        """Rows read that no closed tick has looked at."""
        return sum(_count(rows) for rows in self.state.waiting)

    def _take_waiting(self, due_ms: int) -> Rows:
        """The waiting rows that arrived before `due_ms`; the others go on waiting."""
        here, later = [], []
        for rows in self.state.waiting:
            arrived = rows.arrival_ms < due_ms
            if arrived.any():
                here.append(_where(arrived, rows))
            if not arrived.all():
                later.append(_where(~arrived, rows))
        self.state.waiting = later
        return Rows.concat(here)

    def _tick(self, index: int, rows: Rows, taken: Ints, time_ms: Ints, slot: Ints) -> Tick:
        start_ms = self.settings.start_ms(index)
        if len(taken):
            when = (time_ms - time_ms.min()) * self.state.clocks.table.n + slot[taken]
            order = by_sequence(when, rows.seq[taken], rows.event_ms[taken])
            taken, time_ms = taken[order], time_ms[order]
        rows = _at(taken, rows)
        late = time_ms < start_ms
        counters = self.state.counters
        counters.used += _count(rows)
        counters.late += _count(rows, late)
        return Tick(index, start_ms, start_ms + self.settings.tick_ms, self.settings.due_ms(index), rows, time_ms, late)


def _count(rows: Rows, mask: Column | None = None) -> int:
    """How many of the rows that are at home here are in the mask: those that are copies are counted elsewhere."""
    return int(np.count_nonzero(rows.home if mask is None else mask & rows.home))


def _where(mask: Bools, rows: Rows) -> Rows:
    """The rows (n,) in the mask (n,)."""
    return _at(mask.nonzero()[0], rows)


def _at(which: Ints, rows: Rows) -> Rows:
    """The rows `which`; a view of them where they lie side by side, as in a log in order of arrival."""
    if len(which) == 0:
        return Rows.empty()
    first, count = int(which[0]), len(which)
    if int(which[-1]) - first + 1 != count or not np.array_equal(which, np.arange(first, first + count)):
        return rows.take(which)
    return rows if count == rows.n else rows.take(slice(first, first + count))


def _without_old_notes(rows: Rows) -> Rows:
    """The same rows with only the texts that they use, so that what waits does not grow."""
    used = rows.note >= 0
    if not used.any():
        return msgspec.structs.replace(rows, notes=())
    kept, at = np.unique(rows.note[used], return_inverse=True)
    note = rows.note.copy()
    note[used] = at
    return msgspec.structs.replace(rows, note=note, notes=tuple(rows.notes[k] for k in kept))
