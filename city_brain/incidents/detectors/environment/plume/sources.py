"""Sources: what is known of each plume, visible fires among them, and which hot sensors it explains.

Sensors are explained jointly: what other sources add is taken off before a source is fitted, and a hot sensor that a
known source can explain founds no new one. A source explains a sensor if, with its strength within a factor and the
wind within some degrees, it could have brought that much there by then.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.plume.fit import Air, Fit, fit_source, fit_strength
from city_brain.incidents.detectors.environment.plume.hot import MICROGRAMS_PER_UNIT, NOBODY, HotSensors
from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across, travel_s, unit_plume
from city_brain.incidents.detectors.environment.readings import near
from city_brain.observations.vocabulary import Quantity
from city_brain.types import Bools, Floats, Ints

REACH_M = 1_000.0
"""Sensors farther from a plume's strongest sensor say nothing about its source."""

STRENGTH_FACTOR = 3.0
ASIDE_SHARE = 0.18
"""Tangent of how far off the mean wind air may travel: 10 degrees."""

ASIDE_M = 15.0
EARLY_SHARE = 0.6
EARLY_S = 25.0
"""Gusts bring air in this share of the mean travel time; the first seconds are within the period of a sensor."""

MOST_STRENGTH = 12.0
"""Grams per second that a fire may give before any sensor has told."""

JOINT_MISFIT = 9.0
"""Squared misfit of a sensor beyond which one source does not explain it together with others."""


_FIT_EVERY_MS = 10_000


class Source(msgspec.Struct):
    """One source. `number` in order of discovery; `fixed` where a camera sees it; `since_ms` its first hot reading.

    `x`, `y`, `error_m` metres; `strength` g/s, or 0 while nothing is known; `start_ms` when it began to give;
    `wind_*` sums of unit vector and speed over `wind_n` looks.
    """

    number: int
    quantity: int
    fixed: bool
    x: float
    y: float
    error_m: float
    strength: float
    start_ms: int
    since_ms: int
    wind_east: float = 0.0
    wind_north: float = 0.0
    wind_speed: float = 0.0
    wind_n: int = 0
    members: int = 0
    fit_due_ms: int = 0

    def look(self, scene: Scene) -> None:
        """Takes the present wind at the source into its mean."""
        wind = scene.sensors.weather.wind_at(self.x, self.y)
        if wind is not None:
            self.wind_east, self.wind_north = self.wind_east + wind[0], self.wind_north + wind[1]
            self.wind_speed, self.wind_n = self.wind_speed + wind[2], self.wind_n + 1

    @property
    def wind(self) -> Wind | None:
        """The mean wind since it was found, None where no vane has told."""
        length = (self.wind_east**2 + self.wind_north**2) ** 0.5
        if self.wind_n == 0 or length < 0.2 * self.wind_n:
            return None
        return Wind(self.wind_east / length, self.wind_north / length, self.wind_speed / self.wind_n)

    def adds(self, x: Floats, y: Floats, now_ms: Ints | int) -> Floats:
        """What it adds (n,) in ug/m3 at places (n,) by a time."""
        if self.wind is None or self.strength == 0.0:
            return np.zeros(len(x))
        along, across = along_across(x - self.x, y - self.y, self.wind)
        reached = now_ms - self.start_ms >= 1000 * travel_s(along, self.wind.speed_mps)
        return np.where(reached, self.strength * unit_plume(along, across, self.wind.speed_mps), 0.0)

    def explains(self, x: Floats, y: Floats, excess: Floats, first_ms: Ints) -> Bools:
        """Whether it could have brought an `excess` (n,) in ug/m3 to places (n,) by `first_ms` (n,)."""
        if self.wind is None:
            return (x - self.x) ** 2 + (y - self.y) ** 2 <= (0.3 * REACH_M) ** 2
        along, across = along_across(x - self.x, y - self.y, self.wind)
        along = along + min(self.error_m, 100.0)
        slack = ASIDE_M + min(self.error_m, 100.0) + ASIDE_SHARE * np.maximum(along, 0.0)
        across = np.maximum(np.abs(across) - slack, 0.0)
        strength = STRENGTH_FACTOR * self.strength if self.strength else MOST_STRENGTH
        enough = excess <= strength * unit_plume(along, across, self.wind.speed_mps)
        way_s = EARLY_SHARE * travel_s(along - 2 * self.error_m, self.wind.speed_mps) - EARLY_S
        answer: Bools = enough & (first_ms - self.start_ms >= 1000 * way_s)
        return answer


class Sources(msgspec.Struct):
    """All sources of the last minutes in order of discovery."""

    known: list[Source]
    next_number: int

    def explain(self, scene: Scene, hot: HotSensors, quantity: Quantity) -> None:
        """Gives every lasting hot sensor of a quantity a source, and every source its best place and strength."""
        table = hot.table
        for source in self._of(quantity):
            source.look(scene)
        self._by_known(scene, hot, quantity)
        open_rows = np.flatnonzero((table["quantity"] == quantity) & (table["of"] == NOBODY) & hot.lasting())
        for row in open_rows.tolist():
            if not self._join(scene, hot, row, quantity):
                self._found(scene, hot, row)
        for source in self._of(quantity):
            rows = np.flatnonzero(table["of"] == source.number)
            settled = scene.now_ms < source.fit_due_ms and len(rows) == source.members
            if settled or not table["hot"][rows].any():
                continue
            source.fit_due_ms, source.members = scene.now_ms + _until_next_fit_ms(source, scene.now_ms), len(rows)
            air = self._air(scene, hot, source, rows)
            if not source.fixed:
                self._improve(source, air)
            elif source.wind is not None:
                source.strength = fit_strength(air, source.wind, source.x, source.y, source.start_ms / 1000.0)

    def _of(self, quantity: Quantity) -> list[Source]:
        return [source for source in self.known if source.quantity == quantity]

    def _by_known(self, scene: Scene, hot: HotSensors, quantity: Quantity) -> None:
        """Gives hot sensors to the source that explains them best, to a fire on camera even if another has them."""
        table = hot.table
        rows = np.flatnonzero(table["quantity"] == quantity)
        x, y = scene.sensors.table["x"][table["channel"][rows]], scene.sensors.table["y"][table["channel"][rows]]
        excess = table["mean"][rows] * MICROGRAMS_PER_UNIT[quantity]
        best = np.zeros(len(rows))
        free = table["of"][rows] == NOBODY
        for source in sorted(self._of(quantity), key=lambda source: (not source.fixed, source.number)):
            can = source.explains(x, y, excess, table["first_ms"][rows]) & (source.fixed | free)
            brings = source.adds(x, y, table["last_ms"][rows])
            fits = np.minimum(brings, excess) / np.maximum(np.maximum(brings, excess), 1e-9) + source.fixed + 1e-6
            better = can & (fits > best)
            table["of"][rows[better]] = source.number
            best = np.where(better, fits, best)

    def _join(self, scene: Scene, hot: HotSensors, row: int, quantity: Quantity) -> bool:
        """Whether one source, placed anew, explains this sensor with those it has; if so it is placed there."""
        table, sensors = hot.table, scene.sensors.table
        x, y = sensors["x"][table["channel"][row]], sensors["y"][table["channel"][row]]
        for source in self._of(quantity):
            if source.fixed or source.wind is None or (source.x - x) ** 2 + (source.y - y) ** 2 > REACH_M**2:
                continue
            rows = np.append(np.flatnonzero(table["of"] == source.number), row)
            air = self._air(scene, hot, source, rows)
            fit = fit_source(air, source.wind)
            if fit.misfit[np.isfinite(air.since_s)].max() <= JOINT_MISFIT:
                table["of"][row] = source.number
                _place(source, fit)
                return True
        return False

    def _found(self, scene: Scene, hot: HotSensors, row: int) -> None:
        """A new source, explaining one sensor."""
        table, sensors = hot.table, scene.sensors.table
        channel = int(table["channel"][row])
        first_ms = int(table["first_ms"][row])
        x, y = float(sensors["x"][channel]), float(sensors["y"][channel])
        source = Source(
            self.next_number, int(table["quantity"][row]), False, x, y, 150.0, 0.0, first_ms - 60_000, first_ms
        )
        source.look(scene)
        self.next_number += 1
        self.known.append(source)
        table["of"][row] = source.number

    def see(self, number_of: dict[str, int], scene: Scene, key: str, x: float, y: float, first_ms: int) -> None:
        """Takes a fire that cameras see, as a source of dust."""
        if key not in number_of:
            number_of[key] = self.next_number
            self.next_number += 1
            source = Source(number_of[key], int(Quantity.PM2_5), True, x, y, 5.0, 0.0, first_ms, first_ms)
            source.look(scene)
            self.known.append(source)

    def _improve(self, source: Source, air: Air) -> None:
        if source.wind is not None:
            _place(source, fit_source(air, source.wind))
            return
        dirty = np.isfinite(air.since_s)
        weight = air.excess[dirty] / air.excess[dirty].sum()
        source.x, source.y = float((weight * air.x[dirty]).sum()), float((weight * air.y[dirty]).sum())

    def _air(self, scene: Scene, hot: HotSensors, source: Source, rows: Ints) -> Air:
        """What the sensors around say of one source: its own rows, and those that no source explains.

        What other sources add there is taken off, and makes the rest less certain.
        """
        table, sensors, quantity = hot.table, scene.sensors.table, Quantity(source.quantity)
        own = table["channel"][rows]
        centre = own[np.argmax(table["mean"][rows])] if len(rows) else -1
        x, y = (source.x, source.y) if centre < 0 else (float(sensors["x"][centre]), float(sensors["y"][centre]))
        at = np.sort(near(scene.sensors, scene.sensors.of(quantity), x, y, REACH_M))
        elsewhere = table["channel"][(table["of"] != NOBODY) & ~np.isin(table["channel"], own)]
        alive = scene.now_ms - sensors["last_ms"][at] <= 3.0 * np.maximum(sensors["period_ms"][at], 10_000.0)
        at = at[(np.isin(at, own) | (alive & ~np.isin(at, elsewhere))) & (sensors["n"][at] >= 4)]
        unit = MICROGRAMS_PER_UNIT[quantity]
        recent = sensors["ring"][at, -4:].mean(axis=1) - sensors["expected"][at]
        excess, since_s = np.maximum(recent, 0.0), np.full(len(at), np.nan)
        for row in rows.tolist():
            place = np.flatnonzero(at == table["channel"][row])
            excess[place], since_s[place] = table["mean"][row], table["first_ms"][row] / 1000.0
        others = np.zeros(len(at))
        for other in self._of(quantity):
            if other.number != source.number:
                others += other.adds(sensors["x"][at], sensors["y"][at], scene.now_ms)
        excess = np.maximum(excess * unit - others, 0.0)
        noise = sensors["spread"][at] * unit + 0.5 * others
        return Air(sensors["x"][at], sensors["y"][at], excess, noise, since_s, scene.now_ms / 1000.0)

    def forget(self, before_ms: int, hot: HotSensors) -> None:
        """Forgets sources that explain no sensor any more and began before a time."""
        used = np.unique(hot.table["of"]).tolist()
        self.known = [s for s in self.known if s.number in used or s.since_ms >= before_ms]


def _until_next_fit_ms(source: Source, now_ms: int) -> int:
    """Often while it is new, seldom when more readings change little."""
    return max(_FIT_EVERY_MS, (now_ms - source.since_ms) // 5)


def _place(source: Source, fit: Fit) -> None:
    source.x, source.y, source.error_m, source.strength = fit.x, fit.y, fit.error_m, fit.strength
    source.start_ms = round(1000 * fit.start_s)
