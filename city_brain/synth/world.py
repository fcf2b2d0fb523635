"""The synthetic city itself: a seeded world that gives what its devices send, second by second, and the truth of it.

Memory grows with the number of sources, not with time: every second is generated, sent through the channel and given
out before the next. The same settings give the same bytes on one build of numpy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from city_brain.geo import LocalFrame
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import Kind
from city_brain.synth.events.reports import Report, Reporter
from city_brain.synth.events.script import Script, plays_of
from city_brain.synth.events.stage import Stage
from city_brain.synth.ground.cameras import build_cameras, junction_name
from city_brain.synth.ground.features import Feature, MapWriter
from city_brain.synth.ground.sensors import UNITS, build_sensors
from city_brain.synth.ground.signals import build_signals
from city_brain.synth.ground.streets import build_streets
from city_brain.synth.life.people import PERSON, PHANTOM, VEHICLE, People
from city_brain.synth.life.traffic import Traffic
from city_brain.synth.life.weather import Readings, Weather
from city_brain.synth.senses.channel import MESSAGE, Channel, Roster
from city_brain.synth.senses.tracking import Scene, Seen, Tracker, camera_of, object_of
from city_brain.synth.senses.writing import DATUM, Books, pack_arms, to_columns, to_lines
from city_brain.synth.settings import SynthSettings, draw_traits
from city_brain.types import Column, Floats, Ints

HOTLINE = "hotline-12345"
_FAMILY_LETTERS = {VEHICLE: "v", PERSON: "p", PHANTOM: "g"}


@dataclass(frozen=True, slots=True)
class Tracklet:
    """What one camera's track really was; times in epoch ms."""

    source_id: str
    track_id: int
    object_id: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Block:
    """What arrives at the gateway in one second, in order of arrival, and the tracklets that ended meanwhile."""

    second: int
    messages: Column
    books: Books
    start_ms: int
    ended: tuple[tuple[Ints, Ints, Ints, Ints], ...]
    """Columns (pair, track, first, last ms) of the tracklets that ended."""

    def lines(self) -> list[bytes]:
        """JSON twin lines without line ends, garbage included."""
        return to_lines(self.messages, self.books)

    def observations(self) -> Observations:
        """Columns with the same content; garbage that no column can hold is left out."""
        return to_columns(self.messages, self.books)

    def tracklets(self) -> Iterator[Tracklet]:
        """The tracklets that ended in this second."""
        ids, start = self.books.source_ids, self.start_ms
        for pair, tracks, firsts, lasts in self.ended:
            columns = (camera_of(pair), object_of(pair), tracks, firsts, lasts)
            for camera, oid, track, first, last in zip(*(column.tolist() for column in columns), strict=True):
                name = f"{_FAMILY_LETTERS.get(oid & 3, 'o')}{oid >> 2}"
                yield Tracklet(ids[camera], track, name, start + first, start + last)

    @property
    def n(self) -> int:
        """Messages, garbage included."""
        return len(self.messages)


class SynthCity:
    """The city that belongs to its settings: its ground at once, its life with every call of `blocks` anew."""

    def __init__(self, settings: SynthSettings) -> None:
        self.settings = settings
        plays_of(settings)
        self.traits = draw_traits(settings)
        self.frame = LocalFrame(self.traits.longitude, self.traits.latitude)
        self.streets = build_streets(settings, self.traits)
        self.cameras = build_cameras(settings, self.streets)
        self.sensors = build_sensors(settings, self.streets)
        self.roster = Roster(self.cameras.count, self.streets.junctions, self.sensors.count)
        self._truth: dict[str, Any] | None = None

    def features(self) -> Iterator[Feature]:
        """The features of the map, one by one."""
        return MapWriter(self.frame, self.streets, self.cameras, self.sensors).features()

    def geojson(self) -> dict[str, Any]:
        """The map as one FeatureCollection."""
        return {"type": "FeatureCollection", "datum": DATUM, "features": list(self.features())}

    def blocks(self, watch: Callable[[Scene], None] = lambda scene: None) -> Iterator[Block]:
        """What arrives, second by second; `watch` is given what there is in each. Each call runs the city anew."""
        run = _Run(self)
        yield from run.blocks(watch)
        self._truth = run.truth()

    def truth(self) -> dict[str, Any]:
        """What really happened; runs the city if no run has been finished."""
        if self._truth is None:
            for _ in self.blocks():
                pass
        assert self._truth is not None  # noqa: S101 - a finished run leaves it
        return self._truth

    def identity(self) -> dict[str, list[Any]]:
        """Which object each tracklet was: `source|track` to [object, first ms, last ms]. Runs the city."""
        return {
            f"{tracklet.source_id}|{tracklet.track_id}": [tracklet.object_id, tracklet.first_ms, tracklet.last_ms]
            for block in self.blocks()
            for tracklet in block.tracklets()
        }

    @cached_property
    def source_ids(self) -> tuple[str, ...]:
        """Ids by source number."""
        signals = tuple(f"sig-{name}" for name in self.junction_ids)
        return (*self.cameras.ids, *signals, *self.sensors.ids, HOTLINE)

    @cached_property
    def junction_ids(self) -> tuple[str, ...]:
        """Ids of the junctions."""
        return tuple(junction_name(self.streets, j) for j in range(self.streets.junctions))


class _Run:
    """One run of a city from its warm-up to its last message."""

    def __init__(self, city: SynthCity) -> None:
        settings, traits, streets = city.settings, city.traits, city.streets
        self._city, self._settings = city, settings
        self._signals = build_signals(settings, traits, streets)
        self._signals.step(-settings.warm_up_s)
        self._traffic = Traffic(streets, self._signals, traits.demand_per_lane, settings.chance(5))
        self._people = People(streets, traits.people_per_100_m, traits.parked_per_100_m, settings.chance(6))
        self._tracker = Tracker(city.cameras, traits, settings.chance(7))
        self._channel = Channel(settings, traits, city.roster, settings.chance(8))
        self._weather = Weather(city.sensors, traits, settings.chance(9))
        self._chance = settings.chance(10)
        reporter = Reporter(settings, settings.chance(11))
        stage = Stage(
            settings=settings,
            streets=streets,
            cameras=city.cameras,
            sensors=city.sensors,
            signals=self._signals,
            traffic=self._traffic,
            people=self._people,
            weather=self._weather,
            tracker=self._tracker,
            channel=self._channel,
            roster=city.roster,
            chance=settings.chance(12),
            source_ids=city.source_ids,
        )
        self._script = Script(stage, reporter)
        self._books = Books(
            city.roster, city.source_ids, city.junction_ids, streets.arm_side, city.sensors.quantity,
            tuple(city.sensors.unit_name(k) for k in range(city.sensors.count)), reporter.texts,
        )  # fmt: skip
        self._sigma_sent = self._chance.random(city.cameras.count) < self._chance.choice([0.0, 0.4])
        self._sent = dict.fromkeys(("detection", "signal", "sensor", "report"), 0)

    def blocks(self, watch: Callable[[Scene], None]) -> Iterator[Block]:
        """Seconds of arrivals, then the rest that is still under way."""
        for second in range(-self._settings.warm_up_s, 0):
            self._script.step(second)
            self._move(second)
            self._signals.step(second + 1)
        for second in range(self._settings.seconds):
            reports = self._script.step(second)
            self._move(second)
            scene = self._scene()
            watch(scene)
            seen = self._tracker.look(second, scene)
            readings = self._weather.read(second)
            shown = self._signals.to_send(second)
            self._script.sightings(seen, readings.touched, shown)
            messages = [
                self._detections(seen),
                self._lamps(shown, second),
                self._readings(readings, second),
                self._reports(reports),
            ]
            self._channel.send(second, messages)
            self._signals.step(second + 1)
            yield self._block(second, self._channel.arrivals(second))
        self._script.finish(self._settings.seconds)
        self._tracker.close()
        yield self._block(self._settings.seconds, self._channel.arrivals(self._settings.seconds))
        for second, messages_left in self._channel.rest():
            yield self._block(second, messages_left)

    def truth(self) -> dict[str, Any]:
        """The truth of a finished run."""
        settings, city = self._settings, self._city
        return {
            "seed": settings.seed,
            "minutes": settings.minutes,
            "size": "synth",
            "start_ms": settings.start_ms,
            "end_ms": settings.start_ms + settings.seconds * 1000,
            "cameras": city.cameras.count,
            "signals": city.streets.junctions,
            "sensors": city.sensors.count,
            "wire": {**self._sent, **self._channel.counts},
            **self._script.truth(city.frame),
        }

    def _move(self, second: int) -> None:
        self._traffic.step(second + 1)
        self._people.step(second + 1, self._signals)
        self._weather.step(second + 1)

    def _scene(self) -> Scene:
        fleet = self._traffic.fleet
        driving, others = fleet.table, self._people.table
        shared = {
            name: np.concatenate([driving[name], others[name]])
            for name in ("cls", "size", "px", "py", "x", "y", "hx", "hy")
        }
        return Scene(
            oid=np.concatenate([driving["oid"] * 4 + VEHICLE, others["oid"]]),
            place=np.concatenate([fleet.place(driving["link"]), others["place"]]),
            confidence=np.concatenate([np.full(driving.n, np.nan), others["confidence"]]),
            camera=np.concatenate([np.full(driving.n, -1, dtype=np.int32), others["camera"]]),
            **shared,
        )

    def _fresh(self, n: int, kind: Kind, source: Column, true_ms: Column, x: Floats, y: Floats) -> Column:
        """n messages with what all kinds have."""
        messages = np.zeros(n, dtype=MESSAGE)
        messages["kind"], messages["source"] = kind, source
        messages["event_ms"] = self._settings.start_ms + np.asarray(true_ms)
        lon, lat = self._city.frame.to_degrees(x, y)
        messages["lon"], messages["lat"] = np.round(lon, 7), np.round(lat, 7)
        messages["sigma"], messages["note"] = np.nan, -1
        self._sent[kind.name.lower()] += n
        return messages

    def _detections(self, seen: Seen) -> Column:
        messages = self._fresh(len(seen.camera), Kind.DETECTION, seen.camera, seen.frame_ms, seen.x, seen.y)
        messages["code"], messages["track"] = seen.cls, seen.track
        messages["value"] = np.round(seen.confidence, 2)
        messages["speed"] = np.round(seen.speed, 2)
        messages["heading"] = np.round(seen.heading, 1) % 360.0
        messages["bbox"] = seen.bbox
        messages["sigma"] = np.where(self._sigma_sent[seen.camera], np.round(seen.sigma, 2), np.nan)
        return messages

    def _lamps(self, junctions: Column, second: int) -> Column:
        streets = self._city.streets
        source = self._city.roster.cameras + junctions
        true_ms = second * 1000 + self._chance.integers(0, 60, len(junctions))
        messages = self._fresh(
            len(junctions), Kind.SIGNAL, source, true_ms, streets.junction_x[junctions], streets.junction_y[junctions]
        )
        messages["code"] = self._signals.mode[junctions]
        messages["lamps"] = pack_arms(self._signals.colour[junctions])
        return messages

    def _readings(self, readings: Readings, second: int) -> Column:
        sensors, which = self._city.sensors, readings.sensor
        source = self._city.roster.cameras + self._city.roster.signals + which
        true_ms = second * 1000 + self._chance.integers(0, 900, len(which))
        messages = self._fresh(len(which), Kind.SENSOR, source, true_ms, sensors.x[which], sensors.y[which])
        factor, shift = _CONVERSION[:, sensors.quantity[which], sensors.unit[which]]
        decimals = np.where(factor < 0.01, 5, 2)
        value = readings.value * factor + shift
        messages["value"] = np.where(decimals == 5, np.round(value, 5), np.round(value, 2))
        return messages

    def _reports(self, reports: list[Report]) -> Column:
        x, y = (np.array([getattr(report, name) for report in reports], dtype=np.float64) for name in ("x", "y"))
        true_ms = np.array([report.second * 1000 for report in reports], dtype=np.int64)
        messages = self._fresh(
            len(reports), Kind.REPORT, np.full(len(reports), self._city.roster.hotline), true_ms, x, y
        )
        for column, name in (
            ("sigma", "sigma"),
            ("code", "category"),
            ("track", "channel"),
            ("note", "note"),
            ("status", "status"),
        ):
            messages[column] = [getattr(report, name) for report in reports]
        return messages

    def _block(self, second: int, messages: Column) -> Block:
        return Block(second, messages, self._books, self._settings.start_ms, tuple(self._tracker.take_ended()))


_CONVERSION = np.zeros((2, max(UNITS) + 1, 2))
for _quantity, _units in UNITS.items():
    for _unit, (_name, _factor, _shift) in enumerate(_units):
        _CONVERSION[:, _quantity, _unit] = _factor, _shift
