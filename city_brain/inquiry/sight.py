"""Sight: which sources could have seen something at a place and time, which could not, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
import numpy as np
import shapely

from city_brain.city.city_map import Camera, Sensor, Signal, Source
from city_brain.incidents.detectors import DETECTORS
from city_brain.incidents.detectors.looking import Route
from city_brain.incidents.incident_type import IncidentType
from city_brain.inquiry.listening import Listener
from city_brain.inquiry.telling import Clock
from city_brain.observations.vocabulary import QUANTITY_CODES, Quantity

Could: TypeAlias = Literal["no", "partly", "yes"]
_GRADES: tuple[Could, ...] = ("no", "partly", "yes")
_PERIODS = 2.5
"""A sensor that sent nothing for so many of its periods was silent."""
_GAP_MS = 15_000
"""A camera or signal that sent nothing for longer than this about the moment is told to have done so."""

_PLAIN = {"pm2_5": "PM2.5", "pm10": "PM10", "so2": "SO2", "no2": "NO2", "co": "CO", "voc": "VOC", "o3": "ozone"}


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A source about the place; epoch ms, metres.

    `away_m`: to what a camera views (0: it views the place), else to the source. `rows` of it in the time, `near` of
    them within the radius. `blind`: when it should have spoken and did not, or said itself that it sees nothing; the
    end is None where that was not over.
    """

    source_id: str
    kind: str
    away_m: float
    rows: int
    near: int
    blind: tuple[tuple[int, int | None], ...] = ()
    quiet: tuple[int | None, int | None] | None = None
    """From its last row up to the moment that is asked for to its first one after it, where that is long."""

    @property
    def spoke(self) -> bool:
        """Whether it was heard about the moment that is asked for, as far as can be known."""
        return not self.blind and self.quiet is None


class TypeSight(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the sources could have seen an incident of a type there and then, and why or why not, in words."""

    type: str
    could: Could
    why: tuple[str, ...]
    helps: tuple[str, ...] = ()
    """What else would have helped, and whether it was there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The sources about the place of a question, by what they are."""

    listener: Listener
    clock: Clock

    def cameras(self) -> list[Witness]:
        """Cameras that view some of what lies within the radius, the nearest first, and the nearest one in any case."""
        ring = self.listener.ring
        here = shapely.Point(ring.x, ring.y)
        city = self.listener.runner.ground.city
        away = [(float(shapely.Polygon(camera.view).distance(here)), camera.id, camera) for camera in city.cameras]
        away.sort(key=lambda item: item[:2])
        return [
            self._witness(camera, far_m)
            for k, (far_m, _, camera) in enumerate(away)
            if k == 0 or far_m <= ring.radius_m
        ]

    def signals(self) -> list[Witness]:
        """Signals of the junctions within the radius, the nearest first."""
        ring, city = self.listener.ring, self.listener.runner.ground.city
        junctions = {junction.id: junction for junction in city.intersections}
        here = shapely.Point(ring.x, ring.y)
        found = []
        for signal in city.signals:
            junction = junctions.get(signal.intersection)
            if junction is not None:
                away_m = float(shapely.Polygon(junction.outline).distance(here))
                if away_m <= ring.radius_m:
                    found.append(self._witness(signal, away_m))
        return sorted(found, key=lambda witness: (witness.away_m, witness.source_id))

    def sensors(self, quantities: Sequence[Quantity], reach_m: float) -> tuple[list[Witness], Witness | None]:
        """Sensors of some quantities within reach, the nearest first; and the nearest one at all."""
        ring, city = self.listener.ring, self.listener.runner.ground.city
        wanted = [sensor for sensor in city.sensors if QUANTITY_CODES.get(sensor.quantity.lower()) in quantities]
        found = [self._witness(sensor, _metres(sensor, ring.x, ring.y)) for sensor in wanted]
        found.sort(key=lambda witness: (witness.away_m, witness.source_id))
        return [witness for witness in found if witness.away_m <= reach_m], found[0] if found else None

    def of(self, kind: IncidentType) -> TypeSight:
        """What the sources could see of a type."""
        needs = DETECTORS[kind.detector].needs(kind.parameters)
        if not needs.routes:
            who = "people may report it from anywhere" if kind.detector == "person_report" else "it is about any source"
            return TypeSight(type=kind.type, could="yes", why=(who,))
        graded = [self._route(route) for route in needs.routes]
        best = max(grade for grade, _ in graded)
        why = [said for grade, words in graded if grade == best or best < len(_GRADES) - 1 for said in words]
        helps = tuple(said for route in needs.helps for said in self._by_sensors(route)[1])
        return TypeSight(type=kind.type, could=_GRADES[best], why=tuple(dict.fromkeys(why)), helps=helps)

    def _route(self, route: Route) -> tuple[int, list[str]]:
        parts = []
        if route.lane:
            parts.append(self._by_lane())
        if route.road_cover:
            parts.append(self._by_road(route.road_cover))
        if route.signal:
            parts.append(self._by_signal())
        if route.camera:
            parts.append(self._by_camera())
        if route.sensors:
            parts.append(self._by_sensors(route))
        worst = min(grade for grade, _ in parts)
        return worst, [said for grade, words in parts if grade == worst or grade < len(_GRADES) - 1 for said in words]

    def _by_camera(self) -> tuple[int, list[str]]:
        cameras = self.cameras()
        viewing = [witness for witness in cameras if witness.away_m == 0.0]
        if not viewing:
            if not cameras:
                return 0, ["the map has no camera"]
            nearest = f"what {cameras[0].source_id} views begins {_far(cameras[0])} away"
            return 0, [f"no camera views this place; {nearest}, and that is the nearest"]
        spoke = [witness for witness in viewing if witness.spoke]
        if spoke:
            near = sum(witness.near for witness in spoke)
            views = "views" if len(spoke) == 1 else "view"
            saw = f"told of {near} sightings within the radius" if near else "told of nothing within the radius"
            return 2, [f"{_names(spoke)} {views} this place and {saw}"]
        return self._half_seen(viewing)

    def _half_seen(self, viewing: Sequence[Witness]) -> tuple[int, list[str]]:
        """What cameras say that view the place and were blind or silent for some or all of the time."""
        question = self.listener.question
        blind = [witness for witness in viewing if witness.blind]
        said = [f"{witness.source_id} views this place, but {self.blind_words(witness)}" for witness in blind]
        covered = [any(_covers(*span, question.time_ms) for span in witness.blind) for witness in blind]
        quiet = [witness for witness in viewing if not witness.blind]
        if quiet:
            many, views = len(quiet) > 1, "view" if len(quiet) > 1 else "views"
            together = " together" if many else ""
            why = (
                "nothing moved in their views, or they were off" if many else "nothing moved in its view, or it was off"
            )
            said.append(f"{_names(quiet)} {views} this place, but{together} sent nothing {self._span(quiet)}: {why}")
        return 1 if quiet or not all(covered) else 0, said

    def blind_words(self, witness: Witness) -> str:
        """When a source was blind, in words."""
        spans = [
            f"from {self.clock(since)} " + ("on" if until is None else f"until {self.clock(until)}")
            for since, until in witness.blind
        ]
        return f"was silent or blind {' and '.join(spans)}"

    def _span(self, quiet: Sequence[Witness]) -> str:
        """The time about the moment in which none of some sources sent anything, in words."""
        before = [span[0] for span in (witness.quiet for witness in quiet) if span and span[0] is not None]
        after = [span[1] for span in (witness.quiet for witness in quiet) if span and span[1] is not None]
        since = f"from {self.clock(max(before))}" if before else "from the beginning"
        return f"{since} {f'until {self.clock(min(after))}' if after else 'on'}"

    def _by_lane(self) -> tuple[int, list[str]]:
        ring, roads = self.listener.ring, self.listener.runner.ground.roads
        if roads.empty:
            return 0, ["the map has no lanes, so what stands or drives in one cannot be told"]
        match = roads.match(np.array([ring.x]), np.array([ring.y]))
        if match.road[0] >= 0:
            return 2, [f"it lies on road {roads.road_id[int(match.road[0])]}"]
        about = ring.roads(roads)
        if not about:
            return 0, [f"no lane of the map lies within {ring.radius_m:.0f} m"]
        names = ", ".join(roads.road_id[road] for road in about[:3])
        return 1, [f"it lies beside the lanes of the map; within {ring.radius_m:.0f} m there are those of {names}"]

    def _by_road(self, cover: float) -> tuple[int, list[str]]:
        """Whether cameras view enough of a road about the place, and spoke."""
        ring, ground = self.listener.ring, self.listener.runner.ground
        about = [] if ground.roads.empty else ring.roads(ground.roads)
        if not about:
            return self._by_lane()
        best: tuple[int, list[str]] = (-1, [])
        for road in about:
            name, views = ground.roads.road_id[road], ground.views
            share = f"cameras view {views.road_cover[road]:.0%} of road {name}"
            seeing = np.unique(views.cell_cameras[views.cell_first[road] : views.cell_first[road + 1]])
            cameras = [self._witness(ground.city.cameras[at], 0.0) for at in seeing[seeing >= 0].tolist()]
            spoke = [witness for witness in cameras if witness.spoke]
            if views.road_cover[road] < cover:
                graded = 0, [f"{share}, {cover:.0%} is needed"]
            elif len(spoke) == len(cameras):
                graded = 2, [f"{share}, and {_names(spoke)} spoke"]
            else:
                quiet = [f"{witness.source_id} {self._quiet(witness)}" for witness in cameras if not witness.spoke]
                graded = (1 if spoke else 0), [share, *quiet[:3]]
            best = max(best, graded, key=lambda item: item[0])
        return best

    def _by_signal(self) -> tuple[int, list[str]]:
        signals = self.signals()
        if not signals:
            return 0, [f"no junction with a signal lies within {self.listener.ring.radius_m:.0f} m"]
        spoke = [witness for witness in signals if witness.spoke]
        if spoke:
            return 2, [f"{_names(spoke)} spoke"]
        return 1, [f"{witness.source_id} {self._quiet(witness)}" for witness in signals]

    def _by_sensors(self, route: Route) -> tuple[int, list[str]]:
        within, nearest = self.sensors(route.sensors, route.reach_m)
        what = _quantities(route.sensors)
        if nearest is None:
            return 0, [f"the map has no sensor of {what}"]
        if not within:
            away = f"the nearest, {nearest.source_id}, is {_far(nearest)} away"
            return 0, [f"no sensor of {what} within {route.reach_m:.0f} m; {away}"]
        spoke = [witness for witness in within if witness.spoke]
        if spoke:
            are = "sensor" if len(spoke) == 1 else "sensors"
            first = f"{spoke[0].source_id}, {_far(spoke[0])} away"
            return 2, [f"{len(spoke)} {are} of {what} within {route.reach_m:.0f} m spoke, the nearest {first}"]
        return 1, [f"{witness.source_id}, {_far(witness)} away, {self._quiet(witness)}" for witness in within[:3]]

    def _quiet(self, witness: Witness) -> str:
        return self.blind_words(witness) if witness.blind else f"sent nothing {self._span([witness])}"

    def _witness(self, source: Source, away_m: float) -> Witness:
        listener, question = self.listener, self.listener.question
        city = listener.runner.ground.city
        at = city.source_ids.index(source.id)
        spells = [spell for spell in listener.spells.of(source.id) if question.overlaps(spell.since_ms, spell.until_ms)]
        blind = [(spell.since_ms, None if listener.spells.goes_on(spell) else spell.until_ms) for spell in spells]
        return Witness(
            source_id=source.id,
            kind={Camera: "camera", Signal: "signal", Sensor: "sensor"}[type(source)],
            away_m=away_m,
            rows=int(listener.rows[at]),
            near=int(listener.near[at]),
            blind=tuple(blind),
            quiet=self._gap(at, source.period_s if isinstance(source, Sensor) else 0.0),
        )

    def _gap(self, at: int, period_s: float) -> tuple[int | None, int | None] | None:
        """The time about the moment in which a source sent nothing, where that is long."""
        listener = self.listener
        before, after = int(listener.before_ms[at]), int(listener.after_ms[at])
        since = (listener.first_ms or 0) if before < 0 else before
        until = listener.last_ms if after < 0 else after
        if until - since <= max(_PERIODS * 1000.0 * period_s, _GAP_MS):
            return None
        return None if before < 0 else before, None if after < 0 else after


def _covers(since_ms: int, until_ms: int | None, moment_ms: int) -> bool:
    return since_ms <= moment_ms and (until_ms is None or moment_ms <= until_ms)


def _metres(source: Source, x: float, y: float) -> float:
    return float(np.sqrt((source.x - x) ** 2 + (source.y - y) ** 2))


def _far(witness: Witness) -> str:
    return f"{witness.away_m / 1000:.1f} km" if witness.away_m >= 1000 else f"{witness.away_m:.0f} m"


def _names(witnesses: Sequence[Witness]) -> str:
    names = [witness.source_id for witness in witnesses]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _quantities(quantities: Sequence[Quantity]) -> str:
    words = [quantity.name.lower() for quantity in quantities]
    plain = [_PLAIN.get(word, word.replace("_", " ")) for word in words]
    return " or ".join(plain) if len(plain) < 3 else f"{', '.join(plain[:-1])} or {plain[-1]}"
