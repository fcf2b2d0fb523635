"""Sources together: every hot sensor is given to one source, and every source its best place.

What other sources add is taken off before a source is fitted. Whether a further sensor belongs to a source that is
known, placed anew, or to one of its own, is decided by the evidence for either: the likelihood, integrated over all
places.
"""

import math

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.places import Places
from city_brain.incidents.detectors.environment.plume.fit import Air, Fit, fit_source, fit_strength
from city_brain.incidents.detectors.environment.plume.hot import MICROGRAMS_PER_UNIT, NOBODY, HotSensors
from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across
from city_brain.incidents.detectors.environment.plume.source import LATE_MS, STILL_GIVES, Source
from city_brain.incidents.detectors.environment.readings import near
from city_brain.observations.vocabulary import Quantity
from city_brain.types import Ints

REACH_M = 1_000.0
"""Sensors farther from a plume's strongest sensor say nothing about its source."""

JOINT_MISFIT = 9.0
"""Squared misfit of a hot sensor beyond which a source does not explain it."""

SECOND_SOURCE_LOG_ODDS = -3.0
"""A further source within reach and minutes of a known one is so unlikely beforehand."""

SAME_FIRE_M = 30.0


class Sources(msgspec.Struct):
    """All sources of the last minutes in order of discovery."""

    known: list[Source]
    next_number: int

    def explain(self, scene: Scene, hot: HotSensors, quantity: Quantity) -> None:
        """Gives every lasting hot sensor of a quantity a source, and every source its best place and strength."""
        table = hot.table
        for source in self._of(quantity):
            source.look(scene)
            self._look_for_end(scene, hot, source)
        self._by_fires(scene, hot, quantity)
        unexplained = (table["quantity"] == quantity) & (table["of"] == NOBODY) & table["hot"] & hot.lasting()
        for row in np.flatnonzero(unexplained).tolist():
            if not (self._join(scene, hot, row, quantity) or self._account(scene, hot, row, quantity)):
                self._found(scene, hot, row)
        for source in self._of(quantity):
            rows = hot.telling(source.number)
            if table["hot"][rows].any() and source.fit_is_due(scene.now_ms, len(rows)):
                self._improve(scene, hot, source, rows)
                self._unite(scene, hot, source)

    def see(self, scene: Scene, fires: Places, which: list[int]) -> None:
        """Takes those of the `fires` that cameras surely see or saw as sources of dust."""
        seen: dict[int, list[Source]] = {}
        for source in self.known:
            if source.fixed:
                seen.setdefault(source.since_ms, []).append(source)
        for place in which:
            x, y, first_ms, last_ms = (fires.table[name][place].item() for name in ("x", "y", "first_ms", "last_ms"))
            for source in seen.get(first_ms, []):
                if abs(source.x - x) + abs(source.y - y) < SAME_FIRE_M:
                    break
            else:
                source = Source(self.next_number, int(Quantity.PM2_5), True, x, y, 5.0, 0.0, first_ms, first_ms)
                source.look(scene)
                self.next_number += 1
                self.known.append(source)
                seen.setdefault(first_ms, []).append(source)
            source.end_ms = STILL_GIVES if scene.now_ms - last_ms < LATE_MS else last_ms

    def forget(self, before_ms: int, hot: HotSensors) -> None:
        """Forgets sources that explain no sensor any more and began before a time."""
        used = dict.fromkeys(hot.table["of"].tolist())
        self.known = [s for s in self.known if s.number in used or s.since_ms >= before_ms]

    def _of(self, quantity: Quantity) -> list[Source]:
        return [source for source in self.known if source.quantity == quantity]

    def _look_for_end(self, scene: Scene, hot: HotSensors, source: Source) -> None:
        rows = hot.telling(source.number)
        if source.fixed or source.wind is None or len(rows) == 0:
            return
        channel = hot.table["channel"][rows]
        dx, dy = scene.sensors.table["x"][channel] - source.x, scene.sensors.table["y"][channel] - source.y
        along, _ = along_across(dx, dy, source.wind)
        source.look_for_end(along, hot.table["hot"][rows], hot.table["last_ms"][rows])

    def _by_fires(self, scene: Scene, hot: HotSensors, quantity: Quantity) -> None:
        """Gives hot sensors to the fire on camera that explains them, even where another source has them."""
        table, sensors = hot.table, scene.sensors.table
        fires = [source for source in self._of(quantity) if source.fixed]
        rows = np.flatnonzero((table["quantity"] == quantity) & ~np.isin(table["of"], [fire.number for fire in fires]))
        x, y = sensors["x"][table["channel"][rows]], sensors["y"][table["channel"][rows]]
        excess = table["mean"][rows] * MICROGRAMS_PER_UNIT[quantity]
        for fire in reversed(fires):
            explained = rows[fire.explains(x, y, excess, table["first_ms"][rows])]
            table["of"][explained], table["tells"][explained] = fire.number, True

    def _join(self, scene: Scene, hot: HotSensors, row: int, quantity: Quantity) -> bool:
        """Gives a sensor to a source that explains it, placed anew, better than a further source would."""
        table, sensors = hot.table, scene.sensors.table
        channel = int(table["channel"][row])
        x, y = float(sensors["x"][channel]), float(sensors["y"][channel])
        best, chosen, place = 0.0, None, None
        for source in self._of(quantity):
            if source.fixed or source.end_ms != STILL_GIVES:
                continue
            if (source.x - x) ** 2 + (source.y - y) ** 2 > REACH_M**2:
                continue
            wind = source.wind
            if wind is None:
                continue
            own = hot.telling(source.number)
            if len(own) == 0:
                continue
            together = self._fit(scene, hot, source, np.append(own, row), wind)
            if together.worst > JOINT_MISFIT:
                continue
            apart = self._fit(scene, hot, source, own, wind), self._fit(scene, hot, source, np.array([row]), wind)
            gain = together.log_evidence - math.fsum(fit.log_evidence for fit in apart) - SECOND_SOURCE_LOG_ODDS
            if gain > best:
                best, chosen, place = gain, source, together
        if chosen is None or place is None:
            return False
        table["of"][row], table["tells"][row] = chosen.number, True
        chosen.place(place)
        return True

    def _account(self, scene: Scene, hot: HotSensors, row: int, quantity: Quantity) -> bool:
        """Gives a sensor that fits nowhere to a source that may account for it all the same: far off, wind turns."""
        table, sensors = hot.table, scene.sensors.table
        channel = table["channel"][row : row + 1]
        excess = table["mean"][row : row + 1] * MICROGRAMS_PER_UNIT[quantity]
        x, y, first_ms = sensors["x"][channel], sensors["y"][channel], table["first_ms"][row : row + 1]
        for source in self._of(quantity):
            if source.may_reach(float(x[0]), float(y[0])) and source.explains(x, y, excess, first_ms)[0]:
                table["of"][row], table["tells"][row] = source.number, False
                return True
        return False

    def _unite(self, scene: Scene, hot: HotSensors, source: Source) -> None:
        """Makes an older source and this one a single source where that explains their sensors better than two."""
        wind, table = source.wind, hot.table
        rows = hot.telling(source.number)
        if source.fixed or wind is None or len(rows) == 0:
            return
        for older in self._of(Quantity(source.quantity)):
            if older.number >= source.number or older.fixed or older.end_ms != STILL_GIVES:
                continue
            if (source.x - older.x) ** 2 + (source.y - older.y) ** 2 > (2.0 * REACH_M) ** 2:
                continue
            theirs = hot.telling(older.number)
            if len(theirs) == 0:
                continue
            together = self._fit(scene, hot, older, np.append(theirs, rows), wind, source.number)
            apart = older.log_evidence + source.log_evidence + SECOND_SOURCE_LOG_ODDS
            if together.worst <= JOINT_MISFIT and together.log_evidence > apart:
                table["of"][table["of"] == source.number] = older.number
                older.place(together)
                self.known = [each for each in self.known if each.number != source.number]
                return

    def _found(self, scene: Scene, hot: HotSensors, row: int) -> None:
        """A new source, explaining one sensor."""
        table, sensors = hot.table, scene.sensors.table
        channel, first_ms, quantity = (int(table[name][row]) for name in ("channel", "first_ms", "quantity"))
        x, y = float(sensors["x"][channel]), float(sensors["y"][channel])
        source = Source(self.next_number, quantity, False, x, y, 150.0, 0.0, first_ms - 60_000, first_ms, channel)
        source.look(scene)
        self.next_number += 1
        self.known.append(source)
        table["of"][row], table["tells"][row] = source.number, True

    def _improve(self, scene: Scene, hot: HotSensors, source: Source, rows: Ints) -> None:
        """Places a source anew, and lets go of the sensor that it explains worst if it does not explain it."""
        wind, table = source.wind, hot.table
        if source.fixed and wind is not None:
            air = self._air(scene, hot, source, rows)
            source.strength = fit_strength(air, wind, source.x, source.y, source.start_ms / 1000.0)
        elif wind is not None:
            fit = self._fit(scene, hot, source, rows, wind)
            source.place(fit)
            if len(rows) > 1 and fit.worst > JOINT_MISFIT:
                table["of"][rows[table["channel"][rows] == fit.worst_channel]] = NOBODY
        elif len(rows):
            channel, weight = table["channel"][rows], table["mean"][rows] / table["mean"][rows].sum()
            source.x = float((weight * scene.sensors.table["x"][channel]).sum())
            source.y = float((weight * scene.sensors.table["y"][channel]).sum())

    def _fit(self, scene: Scene, hot: HotSensors, source: Source, rows: Ints, wind: Wind, besides: int = NOBODY) -> Fit:
        return fit_source(self._air(scene, hot, source, rows, besides), wind)

    def _air(self, scene: Scene, hot: HotSensors, source: Source, rows: Ints, besides: int = NOBODY) -> Air:
        """What the sensors around say of a source that explains the hot sensors `rows`: these, and the clean ones.

        What other sources add there, but for the one `besides`, is taken off, and makes the rest less certain.
        """
        table, sensors, quantity = hot.table, scene.sensors.table, Quantity(source.quantity)
        own = table["channel"][rows]
        centre = own[np.argmax(table["mean"][rows])] if len(rows) else -1
        x, y = (source.x, source.y) if centre < 0 else (float(sensors["x"][centre]), float(sensors["y"][centre]))
        at = near(scene.sensors, scene.sensors.of(quantity), x, y, REACH_M)
        clean = scene.now_ms - sensors["last_ms"][at] <= 3.0 * np.maximum(sensors["period_ms"][at], 10_000.0)
        warm = np.zeros(scene.sensors.table.n, dtype=np.bool_)
        warm[table["channel"]] = True
        clean &= (sensors["n"][at] >= 4) & ~warm[at] & ~sensors["flat"][at]
        at = np.unique(np.append(at[clean], own))
        unit = MICROGRAMS_PER_UNIT[quantity]
        recent = sensors["ring"][at, -4:].mean(axis=1) - sensors["expected"][at]
        excess, since_s = np.maximum(recent, 0.0), np.full(len(at), np.nan)
        for row in rows.tolist():
            place = np.flatnonzero(at == table["channel"][row])
            excess[place], since_s[place] = table["mean"][row], table["first_ms"][row] / 1000.0
        others = np.zeros(len(at))
        for other in self._of(quantity):
            if other.number not in (source.number, besides) and other.may_reach(x, y):
                others += other.adds(sensors["x"][at], sensors["y"][at], scene.now_ms)
        excess = np.maximum(excess * unit - others, 0.0)
        noise = sensors["spread"][at] * unit + 0.5 * others
        return Air(
            at, sensors["x"][at], sensors["y"][at], excess, noise, since_s, scene.now_ms / 1000.0, scene.ground.city.box
        )
