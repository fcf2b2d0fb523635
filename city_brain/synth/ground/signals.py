"""Signal controllers of a synthetic city: fixed-time and actuated plans, their faults, and what they send."""

from dataclasses import dataclass, field

import numpy as np

from city_brain.observations.vocabulary import Colour, Mode
from city_brain.synth.ground.streets import LEFT, MOST_LANES, RIGHT, THROUGH, Streets
from city_brain.synth.settings import SynthSettings, Traits
from city_brain.types import Bools, Codes, Floats, Indices, Ints

_TWO_PHASE, _LEFT_AFTER, _LEFT_ALONE, _SPLIT = range(4)
_YELLOW_S = 3.0
_NEVER = -1.0e9


@dataclass(slots=True)
class _Windows:
    """Green windows within the cycle: start and end, (J, 4, 3), NaN-free; an absent window never opens."""

    opens: Floats
    shuts: Floats

    @staticmethod
    def none(junctions: int) -> "_Windows":
        return _Windows(np.full((junctions, 4, 3), _NEVER), np.full((junctions, 4, 3), _NEVER))

    def put(self, which: Bools, arms: tuple[int, ...], movements: tuple[int, ...], start: Floats, end: Floats) -> None:
        for arm in arms:
            for movement in movements:
                self.opens[which, arm, movement] = start[which]
                self.shuts[which, arm, movement] = end[which]


@dataclass(slots=True)
class Overlay:
    """Something that replaces the plan of one junction for a while."""

    junction: int
    kind: str
    """all_red, dark, dark_silent, flashing, stuck, manual, or silent (only the link is lost)."""
    start_s: int
    end_s: int
    frozen: Codes | None = None


@dataclass(slots=True)
class Signals:
    """All controllers; `step` moves them by one second.

    `colour` (J, 4, 3) holds `Colour` codes as the lamps show them, ABSENT where a movement does not exist; `mode` (J,)
    holds `Mode` codes; `permissive` tells where left turns yield to oncoming traffic.
    """

    exists: Bools
    cycle: Floats
    windows: _Windows
    clock: Floats
    permissive: Bools
    free_right: Bools
    actuated: Bools
    hold_at: Floats
    hold_left: Floats
    heartbeat: Indices
    chance: np.random.Generator
    colour: Codes = field(default_factory=lambda: np.empty(0, np.uint8))
    mode: Codes = field(default_factory=lambda: np.empty(0, np.uint8))
    silent: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    overlays: list[Overlay] = field(default_factory=list)
    sent: Codes = field(default_factory=lambda: np.empty(0, np.uint8))
    since: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def step(self, second: int) -> None:
        """Moves every controller from `second` - 1 to `second`."""
        holding = self.hold_left > 0
        self.hold_left[holding] -= 1
        before = self.clock
        self.clock = np.where(holding, before, (before + 1) % self.cycle)
        reached = ~holding & self.actuated & (before < self.hold_at) & (self.clock >= self.hold_at)
        self.hold_left[reached] = self.chance.integers(0, 9, int(reached.sum()))
        self.colour = self._planned()
        self.mode = np.full(len(self.cycle), int(Mode.AUTO), dtype=np.uint8)
        self.silent = np.zeros(len(self.cycle), dtype=np.bool_)
        self.overlays = [overlay for overlay in self.overlays if overlay.end_s > second]
        for overlay in self.overlays:
            if overlay.start_s <= second:
                self._apply(overlay, second)

    def _planned(self) -> Codes:
        clock = self.clock[:, None, None]
        cycle = self.cycle[:, None, None]
        since_open = np.mod(clock - self.windows.opens, cycle)
        since_shut = np.mod(clock - self.windows.shuts, cycle)
        has = self.windows.opens > _NEVER
        green = has & (since_open < self.windows.shuts - self.windows.opens)
        yellow = has & ~green & (since_shut < _YELLOW_S)
        colour = np.where(green, Colour.GREEN, np.where(yellow, Colour.YELLOW, Colour.RED))
        colour[self.free_right, :, RIGHT] = Colour.GREEN
        return np.where(self.exists, colour, Colour.ABSENT).astype(np.uint8)

    def _apply(self, overlay: Overlay, second: int) -> None:
        j = overlay.junction
        exists = self.exists[j]
        if overlay.kind == "silent":
            self.silent[j] = True
        elif overlay.kind == "all_red":
            self.colour[j] = np.where(exists, Colour.RED, Colour.ABSENT)
        elif overlay.kind in ("dark", "dark_silent"):
            self.colour[j] = np.where(exists, Colour.OFF, Colour.ABSENT)
            self.mode[j] = Mode.DARK
            self.silent[j] = overlay.kind == "dark_silent"
        elif overlay.kind == "flashing":
            self.colour[j] = np.where(exists, Colour.FLASHING, Colour.ABSENT)
            self.mode[j] = Mode.FLASHING
        elif overlay.kind == "stuck":
            if overlay.frozen is None:
                overlay.frozen = self.colour[j].copy()
            self.colour[j] = overlay.frozen
        elif overlay.kind == "manual":
            self.mode[j] = Mode.MANUAL
            open_axis = (second - overlay.start_s) // 37 % 2
            shown = np.full((4, 3), Colour.RED, dtype=np.uint8)
            shown[open_axis::2] = Colour.GREEN
            if (second - overlay.start_s) % 37 >= 33:
                shown[open_axis::2] = Colour.YELLOW
            self.colour[j] = np.where(exists, shown, Colour.ABSENT)

    def to_send(self, second: int) -> Indices:
        """Junctions that send a message in this second: on change of lamps or mode, or when the heartbeat is due."""
        state = np.concatenate([self.colour.reshape(len(self.cycle), -1), self.mode[:, None]], axis=1)
        if len(self.sent) == 0:
            self.sent = np.zeros_like(state)
            self.since = -self.chance.integers(0, self.heartbeat).astype(np.int64)
        changed = (state != self.sent).any(axis=1)
        due = (changed | (second - self.since >= self.heartbeat)) & ~self.silent
        self.sent[due], self.since[due] = state[due], second
        return np.flatnonzero(due).astype(np.int32)


def build_signals(settings: SynthSettings, traits: Traits, streets: Streets) -> Signals:
    """Draws a plan for every junction."""
    chance = settings.chance(2)
    count = streets.junctions
    plan = chance.choice([_TWO_PHASE, _LEFT_AFTER, _LEFT_ALONE, _SPLIT], count, p=[0.3, 0.35, 0.25, 0.1])
    arriving = np.maximum(streets.arm_in, 0)
    own_lane = (streets.pocket[arriving] > 0) | (streets.lanes[arriving] >= MOST_LANES) | (streets.arm_in < 0)
    # A left turn of its own needs a lane of its own, or it would hold up everybody else at green.
    plan[(plan == _LEFT_ALONE) & ~own_lane.all(axis=1)] = _LEFT_AFTER
    # One arm after the other makes sense where all four exist; a missing one would be a phase of red for everybody.
    plan[(plan == _SPLIT) & (streets.arm_in < 0).any(axis=1)] = _TWO_PHASE
    green = chance.integers(22, 41, (count, 2)).astype(np.float64)
    left = chance.integers(7, 14, (count, 2)).astype(np.float64)
    clear = chance.integers(1, 3, count).astype(np.float64)
    exists = (
        streets.movements(np.maximum(streets.arm_in, 0).reshape(-1)).reshape(count, 4, 3)
        & (streets.arm_in >= 0)[:, :, None]
    )
    windows = _Windows.none(count)
    clock = np.zeros(count)
    for axis, arms in ((0, (0, 2)), (1, (1, 3))):
        clock = _axis_phases(windows, plan, axis, arms, clock, green[:, axis], left[:, axis], clear)

    return Signals(
        exists=exists,
        cycle=clock,
        windows=windows,
        clock=np.floor(chance.uniform(0, clock)),
        permissive=(plan == _TWO_PHASE) | (plan == _LEFT_AFTER),
        free_right=chance.random(count) < 0.12,
        actuated=chance.random(count) < 0.3,
        hold_at=green[:, 0] - 4,
        hold_left=np.zeros(count),
        heartbeat=np.full(count, traits.heartbeat_s, dtype=np.int32),
        chance=chance,
    )


def _axis_phases(
    windows: _Windows,
    plan: Ints,
    axis: int,
    arms: tuple[int, int],
    start: Floats,
    green: Floats,
    left: Floats,
    clear: Floats,
) -> Floats:
    """Puts the green windows of one axis from `start` on; gives the time at which the other axis may begin."""
    everyone, gap = plan >= 0, _YELLOW_S + clear
    body, turn = (THROUGH, RIGHT), (LEFT,)
    main_end = start + green
    windows.put(everyone, arms, body, start, main_end)
    windows.put(plan == _TWO_PHASE, arms, turn, start, main_end)
    # Green for left turns goes on after the through traffic has stopped: yielding first, protected then.
    windows.put(plan == _LEFT_AFTER, arms, turn, start, main_end + gap + left)
    windows.put(plan == _LEFT_ALONE, arms, turn, main_end + gap, main_end + gap + left)
    half = np.maximum(14.0, np.floor(green * 0.6))
    for arm, begin in ((arms[0], start), (arms[1], start + half + gap)):
        windows.put(plan == _SPLIT, (arm,), (LEFT, THROUGH, RIGHT), begin, begin + half)
    end = np.select([plan == _TWO_PHASE, plan == _SPLIT], [main_end, start + 2 * half + gap], main_end + gap + left)
    return np.asarray(end + gap)
