"""Fire: smoke or flames that cameras report for longer than steam lasts, that show both at once, or that warm a sensor.

Each second in which any camera reports smoke or flames at a place counts once, by the confidence of its rows: a brake
light or a vent is reported too, for some seconds and with doubt. Warm air and dust at sensors nearby are independent of
cameras.
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


class FireParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Fire`."""

    reach_m: float
    """Rows so near to each other are one fire."""
    forget_s: float
    weight_per_s: float
    """Of a second in which a camera reports smoke or flames with full confidence."""
    weight_max: float
    both_seconds: int
    both_weight: float
    """Added where smoke and flames have each been seen for `both_seconds`."""
    cameras_weight: float
    """Added for a second camera."""
    warm_m: float
    warm_degrees: float
    warm_spreads: float
    warm_weight: float
    dust_m: float
    dust_spreads: float
    dust_weight: float
    prior_log_odds: float


class FireState(msgspec.Struct):
    """Where cameras see smoke or flames."""

    places: Places


class Fire:
    """Gathers what cameras and sensors say of one place (see the module)."""

    def __init__(self, type_name: str, parameters: FireParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = FireState(Places.empty())

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every place where cameras report smoke or flames."""
        limits, places = self.parameters, self.state.places
        places.step(scene, (ObjectClass.SMOKE, ObjectClass.FIRE), limits.reach_m, limits.forget_s)
        return [self._finding(scene, place) for place in range(places.table.n) if places.table["seconds"][place] >= 2]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The places in a ring where cameras report smoke or flames, and what each lacks."""
        table = self.state.places.table
        found = []
        for place in np.flatnonzero(ring.holds(table["x"], table["y"])).tolist():
            seconds, first_ms = int(table["seconds"][place]), int(table["first_ms"][place])
            looked = Looked(
                key=f"{first_ms}:{int(table['source'][place, 0]):016x}",
                x=float(table["x"][place]),
                y=float(table["y"][place]),
                since_ms=first_ms,
                what=f"a camera reported smoke or flames in {seconds} s",
                lacks="" if seconds >= 2 else "one look alone says nothing",
                sources=self.state.places.sources(place),
            )
            found.append(looked)
        return found

    def _finding(self, scene: Scene, place: int) -> Finding:
        table = self.state.places.table
        x, y, first_ms = float(table["x"][place]), float(table["y"][place]), int(table["first_ms"][place])
        evidence = [*self._seen(place), *self._warm(scene, x, y, first_ms), *self._dust(scene, x, y, first_ms)]
        return Finding(
            type=self.type_name,
            key=f"{first_ms}:{int(table['source'][place, 0]):016x}",
            x=x,
            y=y,
            position_error_m=1.5,
            first_seen_ms=first_ms,
            log_odds=self.parameters.prior_log_odds + math.fsum(item.weight for item in evidence),
            evidence=tuple(evidence),
            radius_m=self.parameters.reach_m,
        )

    def _seen(self, place: int) -> list[Evidence]:
        """What cameras report: for how long, whether smoke and flames, whether more than one camera."""
        limits, table = self.parameters, self.state.places.table
        seconds, confidence = int(table["seconds"][place]), float(table["conf_sum"][place] / table["rows_n"][place])
        smoke, flames = (int(table["seconds_of"][place, of]) for of in (ObjectClass.SMOKE, ObjectClass.FIRE))
        sources = self.state.places.sources(place)
        weights = [("seen", min(limits.weight_per_s * confidence * seconds, limits.weight_max))]
        if min(smoke, flames) >= limits.both_seconds:
            weights.append(("smoke_and_flames", limits.both_weight))
        if len(sources) > 1:
            weights.append(("second_camera", limits.cameras_weight))
        return [
            Evidence(
                what=what,
                sources=sources,
                weight=round(weight, 2),
                first_ms=int(table["first_ms"][place]),
                last_ms=int(table["last_ms"][place]),
                rows=self.state.places.rows(place),
                note={"smoke_s": smoke, "flames_s": flames, "confidence": round(confidence, 2)},
            )
            for what, weight in weights
        ]

    def _warm(self, scene: Scene, x: float, y: float, first_ms: int) -> list[Evidence]:
        """Thermometers nearby that read more than the city's air explains."""
        limits, sensors = self.parameters, scene.sensors
        table = sensors.table
        at = near(sensors, sensors.of(Quantity.TEMPERATURE), x, y, limits.warm_m)
        excess = table["value"][at] - table["expected"][at]
        warm = (excess > limits.warm_degrees) & (excess > limits.warm_spreads * table["spread"][at])
        at = at[warm & (table["last_ms"][at] >= first_ms - 60_000) & ~table["flat"][at]][:1]
        away = [distance_m(sensors, int(channel), x, y) for channel in at]
        return [
            reading(sensors, int(channel), "warm_air", limits.warm_weight, first_ms, far, {})
            for channel, far in zip(at, away, strict=True)
        ]

    def _dust(self, scene: Scene, x: float, y: float, first_ms: int) -> list[Evidence]:
        """A dust sensor nearby whose last two readings are far above what is expected."""
        limits, sensors = self.parameters, scene.sensors
        table = sensors.table
        at = near(sensors, np.append(sensors.of(Quantity.PM2_5), sensors.of(Quantity.PM10)), x, y, limits.dust_m)
        lower = np.minimum(table["ring"][at, -1], table["ring"][at, -2])
        risen = lower - table["expected"][at] > limits.dust_spreads * table["spread"][at]
        at = at[risen & (table["ring_ms"][at, -2] >= first_ms) & ~table["flat"][at]][:1]
        away = [distance_m(sensors, int(channel), x, y) for channel in at]
        return [
            reading(sensors, int(channel), "dust", limits.dust_weight, first_ms, far, {})
            for channel, far in zip(at, away, strict=True)
        ]
