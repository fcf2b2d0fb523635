"""The stage of events: everything that an event may touch, where it may take place, and the record it leaves."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.synth.ground.cameras import Cameras
from city_brain.synth.ground.sensors import Sensors
from city_brain.synth.ground.signals import Signals
from city_brain.synth.ground.streets import STRIP, Streets
from city_brain.synth.life.people import People
from city_brain.synth.life.traffic import Traffic
from city_brain.synth.life.weather import Weather
from city_brain.synth.senses.channel import Channel, Roster
from city_brain.synth.senses.tracking import Tracker
from city_brain.synth.settings import SynthSettings
from city_brain.types import Bools, Column, Ints

FOUR_WHEELS: Final = (ObjectClass.CAR, ObjectClass.TRUCK)

Course = Iterator[float]
"""The course of an event: a generator that yields the second at which it wants to go on."""


@dataclass(slots=True, kw_only=True)
class Event:
    """An incident or a hard negative. Times are seconds after the start; `x`, `y` metres in the city's frame."""

    number: int
    type: str
    distractor: bool
    x: float = 0.0
    y: float = 0.0
    radius_m: float = 15.0
    severity: int = 2
    start_s: float = -1.0
    observable_s: float = -1.0
    end_s: float = -1.0
    grey_s: float = -1.0
    note: str = ""
    extent: list[tuple[float, float]] = field(default_factory=list)
    seen_by: Counter[int] = field(default_factory=Counter)
    """Messages by source number in which the event shows."""
    ignore: bool = False
    happened: bool = False
    """Stays false where the stage never offered what the event needs; it is then no event."""

    def begin(self, second: float, x: float, y: float) -> None:
        """The event has begun, here."""
        self.start_s, self.x, self.y, self.happened = second, float(x), float(y), True
        if self.observable_s < 0:
            self.observable_s = second


@dataclass(slots=True, kw_only=True)
class Stage:
    """The city as events see it."""

    settings: SynthSettings
    streets: Streets
    cameras: Cameras
    sensors: Sensors
    signals: Signals
    traffic: Traffic
    people: People
    weather: Weather
    tracker: Tracker
    channel: Channel
    roster: Roster
    chance: np.random.Generator
    source_ids: tuple[str, ...]
    watched: dict[int, int] = field(default_factory=dict)
    """Event number by the object that shows it."""
    lamps_watched: dict[int, int] = field(default_factory=dict)
    """Event number by the junction whose messages show it."""
    busy: Counter[int] = field(default_factory=Counter)
    """Places (roads, and roads + junction) that an event uses now."""
    covered: Column = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        streets = self.streets
        roads = np.arange(streets.roads, dtype=np.int32)
        seen = np.zeros(streets.roads, dtype=np.bool_)
        for share in (0.4, 0.6, 0.8):
            x, y, _, _ = streets.point(roads, streets.length * share, streets.kerb_lateral(roads))
            seen |= self.visible(roads, x, y)
        self.covered = np.flatnonzero(seen)

    def watch(self, oids: Column | int, event: Event) -> None:
        """Detections of these objects count as sightings of the event."""
        self.watched.update((int(oid), event.number) for oid in np.atleast_1d(oids))

    def unwatch(self, event: Event) -> None:
        """The event is over."""
        self.watched = {oid: number for oid, number in self.watched.items() if number != event.number}
        self.lamps_watched = {
            junction: number for junction, number in self.lamps_watched.items() if number != event.number
        }

    def claim(self, place: int) -> bool:
        """Takes a place for an event, so that another does not begin on top of it."""
        if self.busy[place]:
            return False
        self.busy[place] += 1
        return True

    def release(self, place: int) -> None:
        """Gives a place back."""
        self.busy[place] -= 1
        if self.busy[place] <= 0:
            del self.busy[place]

    def some_road(self, *, least_lanes: int = 1, least_m: float = 90.0) -> int | None:
        """A road that no event uses, most likely one that cameras see."""
        streets, chance = self.streets, self.chance
        for _ in range(60):
            seen = len(self.covered) and chance.random() < 0.93
            road = int(chance.choice(self.covered) if seen else chance.integers(0, streets.roads))
            if streets.lanes[road] < least_lanes or streets.length[road] < least_m or self.busy[road]:
                continue
            return road
        return None

    def some_junction(self) -> int | None:
        """A junction that no event uses, with a camera if possible."""
        streets = self.streets
        for attempt in range(60):
            junction = int(self.chance.integers(0, streets.junctions))
            has_camera = bool((self.cameras.candidates[streets.roads + junction] >= 0).any())
            if not self.busy[streets.roads + junction] and (has_camera or attempt > 40):
                return junction
        return None

    def moving_cars(self, *, least_v: float = 5.0, least_lanes: int = 2, margin_m: float = 35.0) -> Ints:
        """Rows of vehicles on lanes away from junctions, on roads that no event uses."""
        t, streets = self.traffic.fleet.table, self.streets
        on = self.traffic.fleet.on_road(t["link"]) & (t["link"] % 5 != STRIP)
        road = self.traffic.fleet.road(t["link"])
        fit = (
            on
            & (t["v"] > least_v)
            & (t["s"] > 25)
            & (t["span"] - t["s"] > margin_m)
            & (streets.lanes[road] >= least_lanes)
        )
        fit &= (t["hold_until"] < 0) & np.isnan(t["stop_at"]) & np.isin(road, self.covered)
        rows = np.flatnonzero(fit)
        if self.busy:
            rows = rows[~np.isin(road[rows], list(self.busy))]
        # Where it will stand matters: some metres on.
        ahead = 1.6 * t["v"][rows]
        x, y = t["x"][rows] + t["hx"][rows] * ahead, t["y"][rows] + t["hy"][rows] * ahead
        return rows[self.visible(road[rows], x, y)]

    def visible(self, place: Column, x: Column, y: Column) -> Bools:
        """Whether some camera sees each spot, element by element."""
        seen = np.zeros(len(x), dtype=np.bool_)
        for column in range(self.cameras.candidates.shape[1]):
            camera = self.cameras.candidates[place, column]
            seen |= (camera >= 0) & self.cameras.sees(np.maximum(camera, 0), x, y)
        return seen

    def along(self, road: int, low: float, high: float, lateral: float) -> float:
        """A place along a road between two shares of its length, where a camera sees it if there is such a place."""
        tries = float(self.streets.length[road]) * self.chance.uniform(low, high, 12)
        roads = np.full(12, road, dtype=np.int32)
        x, y, _, _ = self.streets.point(roads, tries, np.full(12, lateral))
        return float(tries[np.argmax(self.visible(roads, x, y))])

    def row_of(self, oid: int) -> int | None:
        """The row of a vehicle by its number, None once it has left."""
        found = np.flatnonzero(self.traffic.fleet.table["oid"] == oid)
        return int(found[0]) if len(found) else None

    def at(self, road: int, along: float, lateral: float) -> tuple[float, float]:
        """A place on a road."""
        x, y, _, _ = self.streets.point(np.array([road], np.int32), np.array([along]), np.array([lateral]))
        return float(x[0]), float(y[0])

    def uniform(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.chance.uniform(low, high))
