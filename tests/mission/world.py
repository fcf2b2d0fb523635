"""The world of the mission: a small city in which a crash is staged at a signal, and a film of it.

Noise sensors hear it, and a signal says that its lamp was green for those who stand there. Of the cameras that reach
as far none is there; in their place a camera shows a film in which a car brakes and stands, as the first of the two
does in the city: it is hit when it stands. All that cameras know of that crash is what a network sees in the film.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.city.loading import load_city
from city_brain.synth import Block, Scene, SynthCity, SynthSettings
from tests.chaos.scenario import POISON_SHARE, SLICES, Scenario, Sent
from tests.mission.camera import Watched, before_lane, watch
from tests.mission.films import STEP_MS, Film, any_film

SETTINGS: Final = SynthSettings(
    seed=12,
    cameras=36,
    minutes=3,
    garbage_fraction=POISON_SHARE,
    warm_up_s=60,
    scenes=(Scene(name="crash_at_signal", from_s=12),),
)
"""When there is traffic for a crash is for each build of numpy to say; it waits for that up to 80 s."""
BEFORE_S: Final = 2.0
"""The car stands so long before it is hit."""
LIVES_S: Final = 88.0
"""So long the city goes on after the crash; soon afterwards fusion forgets the readings of its bang, and it ends."""
_WIDTH_MS: Final = 1000 // SLICES

Slice = tuple[int, list[Sent], list[Sent]]
"""Epoch ms, the records that arrive then, and the marks behind them."""

_SOURCE: Final = re.compile(rb'"source_id":"([^"]+)"')


@dataclass(frozen=True)
class StagedCity(Scenario):
    """The life of that city as raw records, played as fast as the brokers take them."""

    speed: float = 1e9
    partitions: int = 2
    detections: int = 2
    change_every_s: int = 0
    film: Film = field(default_factory=any_film)

    @cached_property
    def city(self) -> SynthCity:
        """The city."""
        return SynthCity(SETTINGS)

    @cached_property
    def filmed(self) -> dict[str, Any]:
        """The crash that there is a film of: the first, as the truth tells it."""
        crashes = [true for true in self.city.truth()["incidents"] if true["type"] == "crash"]
        if not crashes:
            raise RuntimeError("world: wanted a crash to film, got none")
        return min(crashes, key=lambda true: true["start"])

    @property
    def ends_ms(self) -> int:
        """The last moment that is recorded, epoch ms."""
        return int(self.filmed["start"] + 1000 * LIVES_S) // _WIDTH_MS * _WIDTH_MS

    @cached_property
    def replaced(self) -> frozenset[str]:
        """The cameras that reach as far as its place, which are not there."""
        cameras, (x, y) = self.city.cameras, self.city.frame.to_metres(self.filmed["lon"], self.filmed["lat"])
        near = np.hypot(cameras.x - x, cameras.y - y) <= cameras.range_m
        return frozenset(name for name, is_near in zip(cameras.ids, near.tolist(), strict=True) if is_near)

    @cached_property
    def map(self) -> bytes:
        """The city's map, with the camera of the film and without those that are not there."""
        drawn = self.city.geojson()
        camera = before_lane(self.film, load_city(msgspec.json.encode(drawn)), self.filmed["lon"], self.filmed["lat"])
        left = [feature for feature in drawn["features"] if feature["id"] not in self.replaced]
        return msgspec.json.encode(drawn | {"features": [*left, camera]})

    @property
    def stop_ms(self) -> int:
        """When the car stands, from the beginning of the film on."""
        return round((self.filmed["start"] - SETTINGS.start_ms - 1000 * BEFORE_S) / STEP_MS) * STEP_MS

    @property
    def stands_s(self) -> float:
        """How long it does."""
        return (self.ends_ms - SETTINGS.start_ms - self.stop_ms) / 1000.0

    @cached_property
    def watched(self) -> Watched:
        """What is seen in the film and arrives in time."""
        seen = watch(self.film, self.map, SETTINGS.start_ms, self.stop_ms, self.ends_ms - SETTINGS.start_ms)
        arrived = bisect_right(seen.arrival_ms, self.ends_ms - _WIDTH_MS)
        return Watched(seen.lines[:arrived], seen.arrival_ms[:arrived], seen.counters)

    @cached_property
    def recorded(self) -> list[Slice]:
        """All slices, made once."""
        return list(takewhile(lambda piece: piece[2][0].stamp_ms <= self.ends_ms, super().slices()))

    def slices(self) -> Iterator[Slice]:
        """What was recorded, by time."""
        return iter(self.recorded)

    def _sliced(self, block: Block) -> Iterator[dict[tuple[str, int], list[bytes]]]:
        """The lines of a second without those of cameras that are not there, and with what is seen in the film."""
        for number, homes in enumerate(super()._sliced(block)):
            stamp_ms = SETTINGS.start_ms + 1000 * block.second + _WIDTH_MS * number
            left = {place: [line for line in lines if not self._gone(line)] for place, lines in homes.items()}
            first, last = (bisect_right(self.watched.arrival_ms, at) for at in (stamp_ms - _WIDTH_MS, stamp_ms))
            for line in self.watched.lines[first:last]:
                left.setdefault(self._home(line), []).append(line)
            yield {place: lines for place, lines in left.items() if lines}

    def _gone(self, line: bytes) -> bool:
        found = _SOURCE.search(line)
        return found is not None and found[1].decode("utf-8", "replace") in self.replaced

    @property
    def last_mark_ms(self) -> int:
        """Where log time ends."""
        return self.recorded[-1][2][0].stamp_ms
