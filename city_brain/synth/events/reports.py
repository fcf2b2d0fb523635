"""What people report: incidents, some time later and not quite in the right place; and things that are none."""

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from city_brain.observations.vocabulary import CATEGORY_CODES, Status
from city_brain.synth.events.stage import Event
from city_brain.synth.settings import SynthSettings

_TEXTS: Final = {
    "stopped_vehicle": ("有辆车停在车道上不动了", "路中间有车抛锚，后面都堵了"),
    "crash": ("两车相撞，占了车道", "这里出车祸了，有人下车在路上"),
    "wrong_way": ("有车逆行", "看到一辆车逆向行驶，很危险"),
    "pedestrian_on_carriageway": ("有人走在机动车道上", "有个人在马路中间走"),
    "congestion": ("堵得一动不动", "这条路堵了很久了"),
    "red_light_running": ("这个路口好多车闯红灯", "红灯没人停"),
    "signal_fault": ("红绿灯坏了", "信号灯不变灯", "路口信号灯不亮"),
    "pollution": ("空气里有很呛的味道", "附近有人排废气"),
    "waterlogging": ("路上积水很深", "下雨后这里淹了"),
    "fire": ("有东西着火了，冒黑烟", "路边起火"),
    "crowd": ("很多人聚在一起", "人太多，占了人行道"),
}
_NOTHING: Final = (
    ("other", "路灯不亮"),
    ("noise", "施工噪音太大"),
    ("other", "井盖有响声"),
    ("stopped_vehicle", "有车违停"),
    ("fire", "好像有烟味"),
)
_TEXT_RING = 4096


@dataclass(slots=True)
class Report:
    """A report as it is filed: `second` is when, `x`, `y` where the caller says it is, `sigma` how sure the desk is."""

    second: float
    x: float
    y: float
    sigma: float
    category: int
    channel: int
    note: int
    status: int = Status.ACTUAL


class Reporter:
    """Writes reports and gives them out when they are due; `texts` is a ring of the latest texts."""

    def __init__(self, settings: SynthSettings, chance: np.random.Generator) -> None:
        self._settings, self._chance = settings, chance
        self.texts = [""] * _TEXT_RING
        self._due: list[tuple[float, int, Report]] = []
        self._count = 0

    def report(self, event: Event) -> None:
        """People report an incident: none, one or several, half a minute to some minutes after it began."""
        if event.type not in _TEXTS:
            return
        for _ in range(int(self._chance.poisson(self._settings.reports_per_incident))):
            when = event.start_s + 20 + float(self._chance.exponential(70))
            if event.end_s < 0 or when < event.end_s + 60:
                text = str(self._chance.choice(_TEXTS[event.type]))
                self._file(when, event.x, event.y, event.type, text, Status.ACTUAL)

    def nothing(self, second: float, x: float, y: float) -> None:
        """Somebody reports what is no incident."""
        category, text = _NOTHING[int(self._chance.integers(0, len(_NOTHING)))]
        self._file(second, x, y, category, text, Status.ACTUAL)

    def drill(self, second: float, x: float, y: float) -> None:
        """An exercise: marked as such, it is about no real fire."""
        self._file(second, x, y, "fire", "演练：大楼起火", Status.EXERCISE)

    def due(self, second: int) -> list[Report]:
        """Reports filed before `second` + 1."""
        ready = []
        while self._due and self._due[0][0] < second + 1:
            report = heapq.heappop(self._due)[2]
            if report.second >= second:
                ready.append(report)
        return ready

    def _file(self, when: float, x: float, y: float, category: str, text: str, status: int) -> None:
        chance = self._chance
        sigma = float(chance.choice([15.0, 30.0, 60.0]))
        dx, dy = chance.normal(0, sigma, 2)
        self._count += 1
        note = self._count % _TEXT_RING
        self.texts[note] = text
        report = Report(
            when,
            x + float(dx),
            y + float(dy),
            sigma,
            CATEGORY_CODES[category],
            int(chance.integers(0, 3)),
            note,
            status,
        )
        heapq.heappush(self._due, (when, self._count, report))
