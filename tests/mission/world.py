"""The world of the mission: a small city in which crashes are staged at signals.

Cameras see them, noise sensors hear them, and a signal says that its lamp was green for those who stand there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from city_brain.synth import Scene, SynthCity, SynthSettings
from tests.chaos.scenario import POISON_SHARE, Scenario, Sent

SETTINGS: Final = SynthSettings(
    seed=12,
    cameras=36,
    minutes=1.5,
    garbage_fraction=POISON_SHARE,
    warm_up_s=60,
    scenes=tuple(Scene(name="crash_at_signal", from_s=second) for second in (5, 20, 35, 50)),
)
"""More than one crash: which traffic there is, and so who sees what, is for each build of numpy to say."""

Slice = tuple[int, list[Sent], list[Sent]]
"""Epoch ms, the records that arrive then, and the marks behind them."""


@dataclass(frozen=True)
class StagedCity(Scenario):
    """The life of that city as raw records, played as fast as the brokers take them."""

    speed: float = 1e9
    partitions: int = 2
    detections: int = 2
    change_every_s: int = 0

    @cached_property
    def city(self) -> SynthCity:
        """The city."""
        return SynthCity(SETTINGS)

    @cached_property
    def recorded(self) -> list[Slice]:
        """All slices, made once."""
        return list(super().slices())

    def slices(self) -> Iterator[Slice]:
        """What was recorded, by time."""
        return iter(self.recorded)

    @property
    def last_mark_ms(self) -> int:
        """Where log time ends."""
        return self.recorded[-1][2][0].stamp_ms
