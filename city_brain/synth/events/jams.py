"""Jams as they form: roads whose lanes are covered by queue, joined along the streets into one jam each."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from city_brain.synth.events.stage import Event, Stage
from city_brain.types import Bools

_LOOK_S = 3
_SMOOTH_S = 40.0
_GREY, _FULL = 0.3, 0.45
_LONG_S = 90.0


@dataclass(slots=True)
class _Jam:
    """A jam that is going on: its roads in the order in which they joined, since when each has been full."""

    event: Event
    roads: list[int]
    full_since: dict[int, float] = field(default_factory=dict)
    real: bool = False


class Jams:
    """Records congestion: real where a road is at least 45 % covered for 90 s, else a span not to be judged."""

    def __init__(self, stage: Stage, new_number: Callable[[], int]) -> None:
        self._stage, self._new_number = stage, new_number
        self._cover = np.zeros(stage.streets.roads)
        self._open: dict[int, _Jam] = {}
        """The jam of each road that is in one."""

    def step(self, second: int) -> list[Event]:
        """Looks at the queues; gives the records of jams that have dissolved."""
        if second % _LOOK_S:
            return []
        covered = self._stage.traffic.queue_cover()
        self._cover += (np.minimum(covered, 1.0) - self._cover) * (_LOOK_S / _SMOOTH_S)
        if second < 0:
            return []
        for road in np.flatnonzero(self._cover >= _GREY).tolist():
            if road not in self._open:
                self._join(road, second)
        self._grow(second)
        return self._dissolve(second, self._cover >= _GREY * 0.85)

    def finish(self, second: int) -> list[Event]:
        """The world ends with the jams that there are."""
        return self._dissolve(second, np.zeros(len(self._cover), dtype=np.bool_))

    def _join(self, road: int, second: int) -> None:
        """The road belongs to the jam of a road before or behind it, or begins one."""
        streets = self._stage.streets
        after = streets.next_road[road]
        before = streets.arm_in[streets.start[road]] if streets.start[road] >= 0 else np.empty(0, np.int32)
        for other in [*after.tolist(), *before.tolist()]:
            if other >= 0 and other != road ^ 1 and other in self._open:
                jam = self._open[other]
                break
        else:
            event = Event(
                number=self._new_number(),
                type="congestion",
                distractor=False,
                grey_s=float(second),
                radius_m=60.0,
                ignore=True,
            )
            event.begin(second, *self._stage.at(road, float(streets.length[road]) / 2, 0.0))
            jam = _Jam(event, [])
        jam.roads.append(road)
        jam.event.extent += [
            self._stage.at(road, along, 0.0) for along in np.linspace(0, float(streets.length[road]), 7)
        ]
        cameras = self._stage.cameras.candidates[road]
        jam.event.seen_by.update({int(camera): 3 for camera in cameras[cameras >= 0]})
        self._open[road] = jam

    def _grow(self, second: int) -> None:
        for road, jam in self._open.items():
            if self._cover[road] < _FULL:
                jam.full_since.pop(road, None)
                continue
            since = jam.full_since.setdefault(road, float(second))
            if second - since >= _LONG_S and not jam.real:
                jam.real, jam.event.ignore = True, False
                jam.event.start_s = jam.event.observable_s = since
                length = float(self._stage.streets.length[road])
                jam.event.x, jam.event.y = self._stage.at(road, length / 2, 0.0)

    def _dissolve(self, second: int, lasting: Bools) -> list[Event]:
        done = []
        jams = list({id(jam): jam for jam in self._open.values()}.values())
        for jam in jams:
            if not any(lasting[road] for road in jam.roads):
                for road in jam.roads:
                    del self._open[road]
                jam.event.end_s = float(second)
                jam.event.note = f"{len(jam.roads)} roads"
                done.append(jam.event)
        return done
