"""Water on the road: a level that is, or within a minute will be, more than a car should drive through.

A level sensor on a dry road reads about zero, so a channel whose base is far from zero watches a river or a tank and is
left alone. The level counts as it will stand after a short lead at its present rise; rain makes it likely, a dry sky
less so. One reading alone is no water, and a value that has frozen does not rise. Water that cameras report counts by
the seconds in which they do.
"""

import math

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.places import Places
from city_brain.incidents.detectors.environment.readings import distance_m, near, reading
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.types import Ints


class WaterloggingParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Waterlogging`."""

    flood_mm: float
    """Depth at which a road is no longer safe to drive."""
    flood_weight: float
    """What that depth weighs, now or after the lead; half of it below, nothing at `suspect_mm`."""
    suspect_mm: float
    weight_max: float
    lead_s: float
    dry_base_mm: float
    rain_mm_h: float
    rain_weight: float
    dry_sky_weight: float
    seen_weight_per_s: float
    seen_weight_max: float
    seen_reach_m: float
    seen_forget_s: float
    sensor_near_m: float
    """Camera and sensor so near speak of the same water."""
    prior_log_odds: float


class WaterloggingState(msgspec.Struct):
    """Since when each channel has stood above the suspect depth, ms (-1: not), and where cameras see water."""

    since_ms: np.ndarray
    places: Places


class Waterlogging:
    """Watches the level sensors, and cameras that report water (see the module)."""

    def __init__(self, type_name: str, parameters: WaterloggingParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = WaterloggingState(np.zeros(0, np.int64), Places.empty())

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every sensor, and for every place seen without one, where water may stand."""
        limits, places = self.parameters, self.state.places
        places.step(scene, (ObjectClass.WATER,), limits.seen_reach_m, limits.seen_forget_s)
        channels = self._deep(scene)
        findings = [self._by_sensor(scene, int(channel)) for channel in channels]
        for place in range(places.table.n):
            x, y = float(places.table["x"][place]), float(places.table["y"][place])
            if len(near(scene.sensors, channels, x, y, limits.sensor_near_m)) == 0:
                findings.append(self._by_camera(scene, place))
        return findings

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The level sensors in a ring, and what each lacks."""
        limits, table = self.parameters, scene.sensors.table
        channels = near(scene.sensors, scene.sensors.of(Quantity.WATER_LEVEL), ring.x, ring.y, ring.radius_m)
        depth_mm, found = self._depth_mm(scene, channels), []
        for k, channel in enumerate(channels.tolist()):
            lacks = "" if depth_mm[k] > limits.suspect_mm else f"water is suspected from {limits.suspect_mm:.0f} mm on"
            if table["n"][channel] < 2:
                lacks = "it has not been read twice"
            elif table["base"][channel] > limits.dry_base_mm:
                lacks = "it watches water that is always there"
            looked = Looked(
                key=f"{int(table['key'][channel]):016x}",
                x=float(table["x"][channel]),
                y=float(table["y"][channel]),
                since_ms=int(table["last_ms"][channel]),
                size=float(depth_mm[k]),
                what=f"a level sensor read {float(table['value'][channel]):.0f} mm",
                lacks=lacks,
                sources=(int(table["source"][channel]),),
            )
            found.append(looked)
        return found

    def _deep(self, scene: Scene) -> Ints:
        """Channels whose level stands, or soon will stand, above the suspect depth."""
        limits, table = self.parameters, scene.sensors.table
        if len(self.state.since_ms) < table.n:
            missing = table.n - len(self.state.since_ms)
            self.state.since_ms = np.append(self.state.since_ms, np.full(missing, -1, np.int64))
        at = scene.sensors.of(Quantity.WATER_LEVEL)
        at = at[(table["base"][at] <= limits.dry_base_mm) & (table["n"][at] >= 2)]
        deep = self._depth_mm(scene, at) > limits.suspect_mm
        begins = deep & (self.state.since_ms[at] < 0)
        self.state.since_ms[at] = np.where(begins, table["last_ms"][at], np.where(deep, self.state.since_ms[at], -1))
        return at[deep]

    def _depth_mm(self, scene: Scene, at: Ints) -> np.ndarray:
        """Depth (n,) after the lead; the lower of the last two readings, so that one alone says nothing."""
        table = scene.sensors.table
        now = np.minimum(table["ring"][at, -1], table["ring"][at, -2])
        rise = np.where(table["flat_n"][at] >= 3, 0.0, np.maximum(table["rate_per_min"][at], 0.0))
        depth: np.ndarray = now + rise * self.parameters.lead_s / 60.0
        return depth

    def _by_sensor(self, scene: Scene, channel: int) -> Finding:
        limits, table = self.parameters, scene.sensors.table
        depth = float(self._depth_mm(scene, np.array([channel]))[0])
        share = (depth - limits.suspect_mm) / (limits.flood_mm - limits.suspect_mm)
        x, y, since_ms = float(table["x"][channel]), float(table["y"][channel]), int(self.state.since_ms[channel])
        weight = min(limits.flood_weight * share, limits.weight_max)
        rise = {"rise_mm_per_min": round(float(table["rate_per_min"][channel]), 1)}
        evidence = [reading(scene.sensors, channel, "water_level", round(weight, 2), since_ms, 0.0, {**rise})]
        evidence += self._sky(scene, x, y, since_ms)
        dx, dy = self.state.places.table["x"] - x, self.state.places.table["y"] - y
        away2 = dx * dx + dy * dy
        for place in (away2 <= limits.sensor_near_m * limits.sensor_near_m).nonzero()[0].tolist():
            evidence.append(self._seen(place, float(np.sqrt(away2[place]))))
        return Finding(
            type=self.type_name,
            key=f"{int(table['key'][channel]):016x}",
            x=x,
            y=y,
            position_error_m=2.0,
            first_seen_ms=since_ms,
            log_odds=limits.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
            magnitude=float(table["value"][channel]),
        )

    def _sky(self, scene: Scene, x: float, y: float, since_ms: int) -> list[Evidence]:
        """Rain, or its absence, as far as instruments know."""
        limits, sensors = self.parameters, scene.sensors
        rain = sensors.weather.rain_at(x, y)
        if rain is None:
            return []
        gauge = near(sensors, sensors.of(Quantity.RAIN), x, y, np.inf)
        gauge = gauge[sensors.table["n"][gauge] > 0]
        if len(gauge) == 0:
            return []
        what, weight = ("rain", limits.rain_weight) if rain >= limits.rain_mm_h else ("dry_sky", limits.dry_sky_weight)
        away = distance_m(sensors, int(gauge[0]), x, y)
        return [reading(sensors, int(gauge[0]), what, weight, since_ms, away, {"rain_mm_h": round(rain, 1)})]

    def _seen(self, place: int, away: float) -> Evidence:
        limits, table = self.parameters, self.state.places.table
        seconds = int(table["seconds"][place])
        return Evidence(
            what="water_seen",
            sources=self.state.places.sources(place),
            weight=round(min(limits.seen_weight_per_s * seconds, limits.seen_weight_max), 2),
            first_ms=int(table["first_ms"][place]),
            last_ms=int(table["last_ms"][place]),
            distance_m=round(away, 1),
            rows=self.state.places.rows(place),
            note={"seconds": seconds},
        )

    def _by_camera(self, scene: Scene, place: int) -> Finding:
        table = self.state.places.table
        x, y, first_ms = float(table["x"][place]), float(table["y"][place]), int(table["first_ms"][place])
        evidence = [self._seen(place, 0.0), *self._sky(scene, x, y, first_ms)]
        return Finding(
            type=self.type_name,
            key=f"seen:{first_ms}:{round(x)}:{round(y)}",
            x=x,
            y=y,
            position_error_m=5.0,
            first_seen_ms=first_ms,
            log_odds=self.parameters.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
        )
