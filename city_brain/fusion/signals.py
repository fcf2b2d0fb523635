"""Signals: the recent messages of every controller in order of time, and what its lamps showed at a moment.

Controllers speak on change and every few seconds; messages come late, twice or never. So they are kept sorted by time,
and a lamp is known at a moment only where the message before it is recent and the one after it does not disagree.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.numerics import find_sorted, hash63
from city_brain.observations.rows import LAMP_WEIGHTS
from city_brain.observations.vocabulary import Colour, Kind
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

DEPTH = 64
"""Messages kept per signal: about four minutes at one per 5 s and on every change."""

RECENT_MS = 6_500
"""A message older than this says nothing of now: the next periodic one is missing."""

NO_TIME = -(1 << 60)
CYCLE_S = (20, 200)
CYCLE_AGREEMENT = 0.93
UNKNOWN = 255
"""The colour of a lamp that is not known."""


class SignalBook(msgspec.Struct):
    """Messages of S signals, oldest first: `time_ms`, `lamps`, `mode` (S, DEPTH), `row` (S, DEPTH, 3) log positions;
    `key`, `intersection` (S,).

    Signals are in order of `key` (the hash63 of their id). `of_intersection` gives the signal of each intersection, -1
    for none.
    """

    key: np.ndarray
    intersection: np.ndarray
    of_intersection: np.ndarray
    time_ms: np.ndarray
    lamps: np.ndarray
    mode: np.ndarray
    row: np.ndarray

    @classmethod
    def empty(cls, ground: "Ground") -> "SignalBook":
        """No message yet from the signals of the map."""
        signals = sorted(ground.city.signals, key=lambda signal: hash63(signal.id))
        number = {junction.id: k for k, junction in enumerate(ground.city.intersections)}
        intersection = np.array([number.get(signal.intersection, -1) for signal in signals], dtype=np.int64)
        of_intersection = np.full(len(number), -1, dtype=np.int64)
        placed = np.flatnonzero(intersection >= 0)
        of_intersection[intersection[placed]] = placed
        shape = (len(signals), DEPTH)
        return cls(
            key=np.array([hash63(signal.id) for signal in signals], dtype=np.int64),
            intersection=intersection,
            of_intersection=of_intersection,
            time_ms=np.full(shape, NO_TIME, dtype=np.int64),
            lamps=np.zeros(shape, dtype=np.int64),
            mode=np.zeros(shape, dtype=np.int64),
            row=np.zeros((*shape, 3), dtype=np.int64),
        )

    def step(self, tick: Tick, ground: "Ground") -> None:
        """Takes the signal rows of a tick; rows of signals that the map does not have are left out."""
        at = np.flatnonzero(tick.rows.kind == int(Kind.SIGNAL))
        if len(at) == 0:
            return
        signal = find_sorted(self.key, tick.rows.source[at])
        at, signal = at[signal >= 0], signal[signal >= 0]
        order = np.argsort(signal, kind="stable")
        at, signal = at[order], signal[order]
        while len(at):
            first = np.ones(len(signal), dtype=np.bool_)
            first[1:] = signal[1:] != signal[:-1]
            self._insert(signal[first], at[first], tick)
            at, signal = at[~first], signal[~first]

    def _insert(self, signal: Ints, at: Ints, tick: Tick) -> None:
        """One message for each of some signals, put where its time belongs; the oldest falls out."""
        rows = tick.rows
        place = np.stack((rows.raw_partition[at], rows.offset[at], rows.sub[at]), axis=1)
        columns = (self.time_ms, self.lamps, self.mode, self.row)
        news = (tick.time_ms[at], rows.lamps[at], rows.code[at], place)
        late = self.time_ms[signal, -1] > news[0]
        for column, new in zip(columns, news, strict=True):
            column[signal, :-1] = column[signal, 1:]
            column[signal, -1] = new
        if late.any():
            behind = signal[late]
            order = np.argsort(self.time_ms[behind], axis=1, kind="stable")
            for column in columns:
                column[behind] = column[behind][np.arange(len(behind))[:, None], order]

    @property
    def last_ms(self) -> Ints:
        """Time of the newest message (S,), NO_TIME where there is none."""
        newest: Ints = self.time_ms[:, -1]
        return newest

    def message_before(self, signal: Ints, moment_ms: Ints) -> Ints:
        """Number in 0..DEPTH-1 of the last message of `signal` (n,) at or before `moment_ms` (n,) or (k, n), -1 for
        none.
        """
        last = np.sum(self.time_ms[signal] <= moment_ms[..., None], axis=-1) - 1
        return np.where(self.time_ms[signal, last] > NO_TIME, last, -1)

    def positions(self, signal: int, since_ms: int, until_ms: int, most: int = 8) -> tuple[tuple[int, int, int], ...]:
        """Log positions of what a signal said from `since_ms` to `until_ms`, the message that held at `since_ms` among
        them; the newest `most`.
        """
        times = self.time_ms[signal]
        first = max(int(np.searchsorted(times, since_ms, "right")) - 1, 0)
        until = int(np.searchsorted(times, until_ms, "right"))
        said = [at for at in range(first, until) if times[at] != NO_TIME][-most:]
        return tuple((int(p), int(o), int(s)) for p, o, s in self.row[signal, said])

    def colour(self, signal: Ints, slot: Ints, moment_ms: Ints) -> Ints:
        """`Colour` of lamp `slot` (3 × side + movement) of `signal` (n,) at `moment_ms`; UNKNOWN where not known.

        Of several lamps `slot` is (k, n), else (n,); of several moments `moment_ms` is; and so is the answer.
        """
        if len(self.key) == 0:
            return np.full(np.broadcast_shapes(slot.shape, moment_ms.shape), UNKNOWN, dtype=np.int64)
        at = self.message_before(signal, moment_ms)
        before = np.maximum(at, 0)
        after = np.minimum(before + 1, DEPTH - 1)
        weight = LAMP_WEIGHTS[slot]
        shown = self.lamps[signal, before] // weight % 6
        then = self.lamps[signal, after] // weight % 6
        recent = moment_ms - self.time_ms[signal, before] <= RECENT_MS
        last = before == DEPTH - 1
        agree = last | (shown == then)
        return np.where((at >= 0) & (signal >= 0) & recent & agree, shown, UNKNOWN)

    def seconds_of(self, colour: Colour, signal: Ints, slot: Ints, since_ms: Ints, until_ms: int) -> np.ndarray:
        """Seconds (n,) that a lamp showed `colour` from `since_ms` (n,) to `until_ms`; silences beyond RECENT_MS do not
        count.
        """
        if len(self.key) == 0:
            return np.zeros(len(signal))
        start = self.time_ms[signal]
        end = np.empty_like(start)
        end[:, :-1], end[:, -1] = start[:, 1:], until_ms
        end = np.minimum(np.minimum(end, start + RECENT_MS), until_ms)
        shown = self.lamps[signal] // LAMP_WEIGHTS[slot][:, None] % 6 == colour
        spell = np.maximum(end - np.maximum(start, since_ms[:, None]), 0)
        total: np.ndarray = np.sum(np.where(shown & (start != NO_TIME), spell, 0), axis=1) / 1000.0
        return np.where(signal >= 0, total, 0.0)

    def showing_since(self) -> tuple[Ints, Bools]:
        """When each signal (S,) began to show what it shows now in the mode it is in, and whether no message is missing
        since (S,).
        """
        since, unbroken = np.full(len(self.key), NO_TIME, dtype=np.int64), np.ones(len(self.key), dtype=np.bool_)
        spoke = np.flatnonzero(self.last_ms != NO_TIME)  # a partition hears few of a large city's signals
        lamps, mode, time_ms = self.lamps[spoke], self.mode[spoke], self.time_ms[spoke]
        same = (lamps == lamps[:, -1:]) & (mode == mode[:, -1:]) & (time_ms != NO_TIME)
        run = np.logical_and.accumulate(same[:, ::-1], axis=1)[:, ::-1]
        first = np.argmax(run, axis=1)
        since[spoke] = time_ms[np.arange(len(first)), first]
        gap = np.diff(time_ms, axis=1)
        unbroken[spoke] = ~np.any((gap > 2 * RECENT_MS) & run[:, :-1], axis=1)
        return since, unbroken

    def learn_cycle(self, signal: int) -> "Cycle | None":
        """The fixed-time programme that a signal has been running, from its last messages; None where nothing repeats.

        The lamps are sampled every second. Where the rounds do not agree a message was lost, and lamps seem to have
        changed too late: what they showed there is not known.
        """
        known = self.time_ms[signal] != NO_TIME
        if np.count_nonzero(known) < DEPTH // 2:
            return None
        times, lamps = self.time_ms[signal][known], self.lamps[signal][known]
        # Messages come at whole seconds of their controller, give or take; between two of them samples are sure.
        moments = np.arange(int(times[0]) + 500, int(times[-1]) + 1, 1000)
        at = np.searchsorted(times, moments, side="right") - 1
        shown = np.where(moments - times[at] <= RECENT_MS, lamps[at], -1)
        period = _period(shown)
        if period is None:
            return None
        heard = shown >= 0
        phase = np.arange(-len(shown), 0) % period
        template = np.full(period, -1)
        template[phase[heard]] = shown[heard]
        template[phase[heard & (shown != template[phase])]] = -1
        return Cycle(int(moments[-1]) + 500 - 1000 * period, template)


def _period(shown: Ints) -> int | None:
    """The shift at which samples (n,), -1 where not known, equal those before: the shortest of which the best one is a
    multiple. A lost message spoils one of a few rounds, and would let two of them pass for one.
    """
    agreement = np.zeros(min(CYCLE_S[1], len(shown) * 2 // 3))
    for shift in range(CYCLE_S[0], len(agreement)):
        both = (shown[shift:] >= 0) & (shown[:-shift] >= 0)
        if np.count_nonzero(both) >= 30:
            agreement[shift] = np.mean(shown[shift:][both] == shown[:-shift][both])
    if np.all(shown == shown[0]):
        return None
    best = int(np.argmax(agreement)) if len(agreement) else 0
    for rounds in range(best // CYCLE_S[0], 0, -1):
        near = best // rounds - 1
        period = near + int(np.argmax(agreement[near : near + 3]))
        if agreement[period] >= CYCLE_AGREEMENT:
            return period
    return None


class Cycle(msgspec.Struct):
    """A fixed-time programme: `lamps` (period in s,) from `start_ms` on, again and again; -1 where not known."""

    start_ms: int
    lamps: np.ndarray

    def colour(self, slot: Ints, moment_ms: Ints) -> Ints:
        """The colour (n,) that the programme shows at `moment_ms` (n,) in lamp `slot` (n,); UNKNOWN where not known."""
        shown = self.lamps[(moment_ms - self.start_ms) // 1000 % len(self.lamps)]
        return np.where(shown >= 0, shown // LAMP_WEIGHTS[slot] % 6, UNKNOWN)
