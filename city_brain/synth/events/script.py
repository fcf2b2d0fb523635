"""The script of a synthetic city: which events begin when, their courses, and the truth that remains of them."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from city_brain.errors import SettingsError
from city_brain.geo import LocalFrame
from city_brain.synth.events.crashes import crash_at_signal
from city_brain.synth.events.distractors import DISTRACTORS
from city_brain.synth.events.incidents import INCIDENTS, stopped_before_camera
from city_brain.synth.events.jams import Jams
from city_brain.synth.events.reports import Report, Reporter
from city_brain.synth.events.stage import Course, Event, Stage
from city_brain.synth.events.surroundings import SURROUNDINGS
from city_brain.synth.senses.tracking import Seen
from city_brain.synth.settings import SynthSettings
from city_brain.types import Column
from city_brain.wording.nearest import nearest

Play = Callable[[Stage, Event, float], Course]
SCENES: Final[dict[str, tuple[str, Play]]] = {
    "crash_at_signal": ("crash", crash_at_signal),
    "stopped_before_camera": ("stopped_vehicle", stopped_before_camera),
}
"""What is staged and never drawn, by name: the type of incident, and its play."""
_LEAST_SIGHTINGS = {"stopped_vehicle": 20, "crash": 20, "crowd": 60, "pedestrian_on_carriageway": 5, "fire": 10}
_LEAST_OTHERWISE = 3
"""Messages that must show an incident, so that it is fair to ask for it."""
_CURTAIN_S = 150
"""Incidents do not begin so shortly before the end that nobody could see them."""
_IDLE_REPORTS = 0.12
"""Reports about nothing, per hard negative."""
COVERAGE_LOST = "coverage_lost"


class Script:
    """Draws events as time goes on, lets each follow its course, and keeps the records of those that happened.

    Events of each sort come in shuffled rounds, so that a world of some length has all of them.
    """

    def __init__(self, stage: Stage, reporter: Reporter) -> None:
        self.stage, self.reporter = stage, reporter
        self.jams = Jams(stage, self._new_number)
        self.open: dict[int, Event] = {}
        self.records: list[Event] = []
        self._number = 0
        self._turn = 0
        self._wake: list[tuple[float, int, Course]] = []
        self._decks: dict[bool, list[str]] = {False: [], True: []}
        settings = stage.settings
        self._plays = plays_of(settings)
        self._last_call = settings.seconds - min(_CURTAIN_S, settings.seconds // 3)
        hundreds = stage.cameras.count / 100 / 3600
        self._rates = {
            False: 0.0 if settings.quiet else settings.incidents_per_hour_per_100_cameras * hundreds,
            True: settings.distractors_per_hour_per_100_cameras * hundreds,
        }

    def step(self, second: int) -> list[Report]:
        """What happens between `second` and the next; gives the reports that people file meanwhile."""
        for scene in self.stage.settings.scenes:
            if scene.from_s == second:
                kind, play = SCENES[scene.name]
                self._begin(play, kind, False, second)
        if second >= 0:
            for distractor, rate in self._rates.items():
                count = int(self.stage.chance.poisson(rate))
                for _ in range(count if distractor or second < self._last_call else 0):
                    self._open(distractor, second)
            if self.stage.chance.random() < self._rates[True] * _IDLE_REPORTS:
                self._idle_report(second)
        while self._wake and self._wake[0][0] <= second:
            _, _, course = heapq.heappop(self._wake)
            self._advance(course)
        self.records.extend(self.jams.step(second))
        return self.reporter.due(second)

    def sightings(self, seen: Seen, touched: list[tuple[int, int]], lamps: Column) -> None:
        """Counts which messages show which event."""
        first_sensor = self.stage.roster.cameras + self.stage.roster.signals
        counted: Counter[tuple[int, int]] = Counter(
            (number, first_sensor + sensor) for sensor, number in touched if number >= 0
        )
        for junction, number in self.stage.lamps_watched.items():
            if junction in lamps:
                counted[number, self.stage.roster.cameras + junction] += 1
        if self.stage.watched:
            wanted = np.fromiter(self.stage.watched, np.int64)
            for row in np.flatnonzero(np.isin(seen.oid, wanted)).tolist():
                counted[self.stage.watched[int(seen.oid[row])], int(seen.camera[row])] += 1
        for (number, source), count in counted.items():
            event = self.open.get(number)
            if event is not None:
                event.seen_by[source] += count

    def finish(self, second: int) -> None:
        """The world ends: what is still open ends with it."""
        for event in list(self.open.values()):
            if event.happened and (event.end_s < 0 or event.end_s > second):
                event.end_s = float(second)
            self._close(event)
        self.records.extend(self.jams.finish(second))

    def truth(self, frame: LocalFrame) -> dict[str, list[dict[str, Any]]]:
        """The records as in truth.json: incidents, distractors, and coverage_lost apart."""
        wall = TruthWriter(self.stage, frame)
        records = sorted(self.records, key=lambda event: (event.start_s, event.number))
        incidents = [event for event in records if not event.distractor and event.type != COVERAGE_LOST]
        lost = [event for event in records if event.type == COVERAGE_LOST]
        return {
            "incidents": [wall.incident(event, f"T{k:03d}") for k, event in enumerate(incidents, 1)],
            "distractors": [wall.distractor(event) for event in records if event.distractor],
            COVERAGE_LOST: [wall.incident(event, f"C{k:03d}") for k, event in enumerate(lost, 1)],
        }

    def _new_number(self) -> int:
        self._number += 1
        return self._number

    def _open(self, distractor: bool, second: int) -> None:
        deck = self._decks[distractor]
        if not deck:
            deck.extend(self._plays[distractor])
            self.stage.chance.shuffle(deck)
        name = deck.pop()
        self._begin(self._plays[distractor][name], name, distractor, second)

    def _begin(self, play: Play, kind: str, distractor: bool, second: int) -> None:
        event = Event(number=self._new_number(), type=kind, distractor=distractor)
        self.open[event.number] = event
        self._advance(self._course(play, event, second + self.stage.uniform(0, 1)))

    def _idle_report(self, second: int) -> None:
        road = int(self.stage.chance.integers(0, self.stage.streets.roads))
        place = self.stage.at(road, float(self.stage.streets.length[road]) * self.stage.uniform(0.1, 0.9), 5.0)
        file = self.reporter.drill if self.stage.chance.random() < 0.25 else self.reporter.nothing
        file(second + self.stage.uniform(0, 1), *place)

    def _course(self, play: Play, event: Event, second: float) -> Course:
        """The play, with its end: the record is kept and the reports are written."""
        reported = False
        for wake in play(self.stage, event, second):
            if event.happened and not reported and not event.distractor:
                self.reporter.report(event)
                reported = True
            yield wake
        self._close(event)

    def _advance(self, course: Course) -> None:
        wake = next(course, None)
        if wake is not None:
            self._turn += 1
            heapq.heappush(self._wake, (wake, self._turn, course))

    def _close(self, event: Event) -> None:
        self.open.pop(event.number, None)
        self.stage.unwatch(event)
        if event.happened and event.start_s < self.stage.settings.seconds:
            event.end_s = (
                min(event.end_s, float(self.stage.settings.seconds))
                if event.end_s >= 0
                else float(self.stage.settings.seconds)
            )
            self.records.append(event)


def plays_of(settings: SynthSettings) -> dict[bool, dict[str, Play]]:
    """The plays of incidents (False) and of hard negatives (True) that are drawn; raises SettingsError, also where a
    scene is unknown.
    """
    _chosen({name: play for name, (_, play) in SCENES.items()}, "scenes", [scene.name for scene in settings.scenes])
    return {
        False: _chosen({**INCIDENTS, **SURROUNDINGS}, "incident_types", settings.incident_types),
        True: _chosen({**DISTRACTORS}, "distractor_kinds", settings.distractor_kinds),
    }


def _chosen(plays: dict[str, Play], setting: str, names: Sequence[str]) -> dict[str, Play]:
    """The plays of these names, all of them for none."""
    for name in names:
        if name not in plays:
            raise SettingsError(
                f"synth settings, {setting}: wanted some of {', '.join(plays)}, got {name!r}{nearest(name, plays)}"
            )
    return {name: plays[name] for name in names} if names else plays


class TruthWriter:
    """Events as the dictionaries of truth.json."""

    def __init__(self, stage: Stage, frame: LocalFrame) -> None:
        self._stage, self._frame = stage, frame

    def _ms(self, second: float) -> int:
        return self._stage.settings.start_ms + round(second * 1000)

    def _degrees(self, x: float, y: float) -> list[float]:
        lon, lat = self._frame.to_degrees(x, y)
        return [round(lon, 7), round(lat, 7)]

    def incident(self, event: Event, name: str) -> dict[str, Any]:
        """A true incident; one that (almost) nothing showed is not asked for."""
        unseen = sum(event.seen_by.values()) < _LEAST_SIGHTINGS.get(event.type, _LEAST_OTHERWISE)
        lon, lat = self._degrees(event.x, event.y)
        ids = self._stage.source_ids
        return {
            "incident_id": name,
            "type": event.type,
            "start": self._ms(event.start_s),
            "observable_from": self._ms(max(event.observable_s, event.start_s)),
            "end": self._ms(event.end_s),
            "lon": lon,
            "lat": lat,
            "radius_m": event.radius_m,
            "severity": event.severity,
            "ignore": event.ignore or unseen,
            "note": event.note + (", unseen" if unseen else ""),
            "grey_from": self._ms(event.grey_s if event.grey_s >= 0 else event.start_s),
            "sources": {ids[source]: count for source, count in event.seen_by.most_common()},
            "extent": [self._degrees(x, y) for x, y in event.extent],
        }

    def distractor(self, event: Event) -> dict[str, Any]:
        """A hard negative."""
        lon, lat = self._degrees(event.x, event.y)
        return {
            "kind": event.type,
            "start": self._ms(event.start_s),
            "end": self._ms(event.end_s),
            "lon": lon,
            "lat": lat,
        }
