"""A recording that is stepped through: a tick on, some back, to a time, to what somebody waits for, and on from there.

States are kept on the way, as many as fit into a limit, so that going back costs a short replay and not a whole one.
Ticks are numbered from 1, in the order in which the recorded city said them; 0 is the place before the first.
"""

from collections.abc import Callable, Iterator
from typing import Final

from city_brain.incidents.tick_record import TickRecord
from city_brain.playback.played import Played, PlayedTick
from city_brain.playback.state import StreetState

STATES_BYTES_MAX: Final = 256 << 20
"""Beyond it every second state is dropped, and they are kept half as often."""
KEEP_EVERY: Final = 60


class Playback:
    """Where somebody stands in a recording (see the module)."""

    def __init__(self, street: Played, begin: StreetState | None = None, states_bytes: int = STATES_BYTES_MAX) -> None:
        """`begin`: a state from which it goes on; nothing before it can be reached."""
        self.street, self._begin = street, begin or street.begins_with
        self._room, self._every = states_bytes, KEEP_EVERY
        self._states: list[tuple[int, bytes]] = []
        self._ticks: Iterator[PlayedTick] = iter(())
        self._last: int | None = None
        """The number of the last tick, once it has been reached."""
        self.now: PlayedTick | None = None
        """The last tick that was said; None at the beginning."""
        self.first = 0 if self._begin is None else self._begin.head.size
        """The number of the place where it begins."""
        self.number = self.first
        self._go_on(self._begin)

    def step(self) -> PlayedTick | None:
        """The next tick; None at the end, and the place stays."""
        tick = next(self._ticks, None)
        if tick is None:
            self._last = self.number
        else:
            self.now, self.number = tick, self.number + 1
            self._keep()
        return tick

    def seek(self, number: int) -> PlayedTick | None:
        """Goes to a tick by its number, onwards or back, or as near as the recording goes; the tick there."""
        number = max(number if self._last is None else min(number, self._last), self.first)
        here = number == self.number and self.now is not None
        if not here and (number <= self.number or any(self.number < kept < number for kept, _ in self._states)):
            before = [state for kept, state in self._states if kept < number]
            self._go_on(StreetState.from_bytes(before[-1], str(self.street.path)) if before else self._begin)
        while self.number < number and self.step():
            pass
        if self.now is None and self.number > self.first:  # the recording ends where a state was kept
            return self.seek(self.number)
        return self.now

    def seek_ms(self, time_ms: int) -> PlayedTick | None:
        """Goes to the last tick that is due by a time (epoch ms)."""
        if self.now is None and self.step() is None:
            return None
        due_ms = self.now.said.record.due_ms if self.now else time_ms
        return self.seek(self.number + (time_ms - due_ms) // self.street.site.settings.ticks.tick_ms)

    def until(self, wanted: Callable[[TickRecord], bool]) -> PlayedTick | None:
        """Goes on to the next tick that is wanted; None where none comes, and the place is the end."""
        while (tick := self.step()) is not None:
            if wanted(tick.said.record):
                return tick
        return None

    def state(self) -> StreetState:
        """The state of this place, or, where the street does not rest here, of the next behind it where it does."""
        if self.now is None and self._from is not None:
            return self._from
        while (self.now is None or not self.street.at_rest) and self.step():
            pass
        return self.street.state()

    def _go_on(self, state: StreetState | None) -> None:
        self._ticks, self._from = self.street.ticks(state), state
        self.now, self.number = None, self.first if state is None else state.head.size

    def _keep(self) -> None:
        last = self._states[-1][0] if self._states else self.first
        if not self.street.at_rest or self.number < last + self._every:
            return
        self._states.append((self.number, self.street.state().to_bytes()))
        if sum(len(state) for _, state in self._states) > self._room:
            self._states, self._every = self._states[1::2], 2 * self._every


def announces(kinds: frozenset[str] = frozenset()) -> Callable[[TickRecord], bool]:
    """Wants ticks in which an incident becomes active; of these types, if any are named."""
    return lambda record: any(
        one.state == "active" and one.detected_ms == record.due_ms and (not kinds or one.type in kinds)
        for one in record.incidents
    )
