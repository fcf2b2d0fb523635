"""A tick: one second of corrected event time with the rows that fusion takes at its close."""

from dataclasses import dataclass

import msgspec

from city_brain.errors import SettingsError
from city_brain.observations.rows import Rows
from city_brain.types import Bools, Ints


class TickSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How event time is cut and how long a tick waits for late rows."""

    tick_ms: int = 1_000
    lateness_budget_ms: int = 2_000
    duplicate_horizon_ms: int = 120_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise SettingsError(
                    f"ticks.{name}: wanted a positive number of milliseconds, got {getattr(self, name)}"
                )

    def index_at(self, time_ms: int) -> int:
        """The tick that `time_ms` falls in, counted from the epoch."""
        return time_ms // self.tick_ms

    def start_ms(self, index: int) -> int:
        """The first millisecond of a tick."""
        return index * self.tick_ms

    def due_ms(self, index: int) -> int:
        """The log time at which a tick closes: its end and the lateness budget."""
        return (index + 1) * self.tick_ms + self.lateness_budget_ms


@dataclass(frozen=True, slots=True)
class Tick:
    """One closed tick: `rows` (n) in order of (`time_ms`, source, sequence); `late` marks those of earlier ticks."""

    index: int
    start_ms: int
    end_ms: int
    due_ms: int
    rows: Rows
    time_ms: Ints
    late: Bools
