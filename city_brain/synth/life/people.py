"""Everything that is seen but does not drive: people, parked vehicles, smoke and fire, riders at the kerb, phantoms."""

from typing import Any, Final

import numpy as np

from city_brain.observations.vocabulary import Colour, ObjectClass
from city_brain.synth.ground.features import crosswalk
from city_brain.synth.ground.signals import Signals
from city_brain.synth.ground.streets import THROUGH, Streets
from city_brain.synth.life.fleet import SIZE_OF_CLASS
from city_brain.table import Table
from city_brain.types import Column, Ints

ALONG, FREE, WAITING, MILLING = range(4)
"""How an actor moves: along a road; straight on the plane; waiting to cross an arm; round an anchor."""

VEHICLE, PERSON, THING, PHANTOM = range(4)
"""Families of objects: the last two bits of an object's number."""

SCHEMA: Final[dict[str, Any]] = {
    "oid": np.int64,
    "cls": np.uint8,
    "size": np.float64,
    "way": np.uint8,
    "place": np.int32,  # row of the table of places, see Cameras.candidates
    "road": np.int32,
    "s": np.float64,
    "vs": np.float64,  # along the road, m/s; negative against it
    "lat": np.float64,
    "x": np.float64,
    "y": np.float64,
    "vx": np.float64,
    "vy": np.float64,
    "px": np.float64,
    "py": np.float64,
    "hx": np.float64,
    "hy": np.float64,
    "ax": np.float64,  # anchor of those who mill about; far end of a crossing
    "ay": np.float64,
    "wander": np.float64,
    "until": np.float64,
    "confidence": np.float64,  # mean of the detector's confidence, NaN: as usual for the class
    "camera": np.int32,  # the only camera that sees it, -1: all
    "arm": np.int32,  # junction * 4 + arm that a walker wants to cross, -1: none
}
_CROSS_CHANCE = 0.45
_PATIENCE_S = 90.0


class People:
    """The table of actors; `step` moves them by one second and lets walkers come and go."""

    def __init__(
        self, streets: Streets, per_100_m: float, parked_per_100_m: float, chance: np.random.Generator
    ) -> None:
        self.streets, self.chance = streets, chance
        self.table = Table(SCHEMA)
        self._next = 1
        self._rate = per_100_m / 80.0
        self._crowding = chance.gamma(1.2, 1 / 1.2, streets.roads)
        for second in range(-60, 0):
            self._spawn(second)
        self._park(parked_per_100_m)

    def add(self, count: int, family: int, cls: Any, **columns: Any) -> Ints:
        """Appends actors; columns not given take neutral values. Gives their object numbers."""
        neutral: dict[str, Any] = {
            "way": FREE, "road": 0, "s": 0.0, "vs": 0.0, "lat": 0.0, "x": 0.0, "y": 0.0, "vx": 0.0, "vy": 0.0,
            "hx": 0.0, "hy": 1.0, "ax": 0.0, "ay": 0.0, "wander": 0.0, "confidence": np.nan, "camera": -1, "arm": -1,
        }  # fmt: skip
        columns = {**neutral, **columns}
        cls = np.broadcast_to(np.asarray(cls, dtype=np.uint8), (count,))
        columns.setdefault("size", SIZE_OF_CLASS[cls])
        if np.all(columns["way"] == ALONG):
            road = np.broadcast_to(np.asarray(columns["road"], dtype=np.int32), (count,))
            s, lat = (np.broadcast_to(np.asarray(columns[k], dtype=np.float64), (count,)) for k in ("s", "lat"))
            x, y, ux, uy = self.streets.point(road, s, lat)
            sign = np.where(np.asarray(columns["vs"]) < 0, -1.0, 1.0)
            columns.update(x=x, y=y, hx=ux * sign, hy=uy * sign, place=road)
        columns.setdefault("px", columns["x"])
        columns.setdefault("py", columns["y"])
        oid = (self._next + np.arange(count)) * 4 + family
        self._next += count
        self.table.append(count, oid=oid, cls=cls, **columns)
        return oid

    def step(self, second: int, signals: Signals) -> None:
        """From `second` - 1 to `second`."""
        t = self.table
        t["px"], t["py"] = t["x"], t["y"]
        self._walk(second)
        self._mill()
        self._let_cross(second, signals)
        straight = np.flatnonzero(t["way"] == FREE)
        t["x"][straight] += t["vx"][straight]
        t["y"][straight] += t["vy"][straight]
        t.keep(t["until"] > second)
        self._spawn(second)

    def drop(self, oids: Column) -> None:
        """Takes actors away."""
        self.table.keep(~np.isin(self.table["oid"], oids))

    def _walk(self, second: int) -> None:
        t, streets = self.table, self.streets
        rows = np.flatnonzero((t["way"] == ALONG) & (t["vs"] != 0))
        t["s"][rows] += t["vs"][rows]
        road, s = t["road"][rows], t["s"][rows]
        x, y, ux, uy = streets.point(road, s, t["lat"][rows])
        sign = np.sign(t["vs"][rows])
        for name, value in (("x", x), ("y", y), ("hx", ux * sign), ("hy", uy * sign)):
            t[name][rows] = value
        out = (s < -4.0) | (s > streets.length[road] + 4.0)
        t["until"][rows[out & (t["arm"][rows] < 0)]] = -1e9
        self._reach_crossing(rows[out & (t["arm"][rows] >= 0)], second)

    def _reach_crossing(self, rows: Column, second: int) -> None:
        """Walkers at a junction take their place at the near end of the crosswalk and wait."""
        t, streets = self.table, self.streets
        for row in rows.tolist():
            junction, arm = divmod(int(t["arm"][row]), 4)
            outgoing = int(streets.arm_out[junction, arm])
            if outgoing < 0:
                t["until"][row] = -1e9
                continue
            ends = crosswalk(streets, outgoing)
            here = np.array([t["x"][row], t["y"][row]])
            near, far = sorted(ends, key=lambda end: float(np.hypot(*(end - here))))
            side = self.chance.normal(0, 0.9, 2)
            t["x"][row], t["y"][row] = near + side
            t["ax"][row], t["ay"][row] = far + side
            t["way"][row], t["place"][row] = WAITING, streets.roads + junction
            t["until"][row] = second + _PATIENCE_S

    def _let_cross(self, second: int, signals: Signals) -> None:
        t = self.table
        rows = np.flatnonzero(t["way"] == WAITING)
        if len(rows) == 0:
            return
        colour = signals.colour[t["arm"][rows] // 4, t["arm"][rows] % 4, THROUGH]
        going = rows[(colour == Colour.RED) & (self.chance.random(len(rows)) < 0.5)]
        dx, dy = t["ax"][going] - t["x"][going], t["ay"][going] - t["y"][going]
        away = np.maximum(np.hypot(dx, dy), 0.1)
        pace = self.chance.uniform(1.1, 1.7, len(going))
        t["vx"][going], t["vy"][going] = dx / away * pace, dy / away * pace
        t["hx"][going], t["hy"][going] = dx / away, dy / away
        t["way"][going] = FREE
        t["until"][going] = second + np.ceil(away / pace)

    def _mill(self) -> None:
        t = self.table
        rows = np.flatnonzero(t["way"] == MILLING)
        if len(rows) == 0:
            return
        for axis, speed, anchor in (("x", "vx", "ax"), ("y", "vy", "ay")):
            kick = self.chance.normal(0, 1, len(rows)) * t["wander"][rows]
            t[speed][rows] = 0.75 * t[speed][rows] + 0.5 * kick + 0.04 * (t[anchor][rows] - t[axis][rows])
            t[axis][rows] += t[speed][rows]
        pace = np.hypot(t["vx"][rows], t["vy"][rows])
        turning = rows[pace > 0.25]
        t["hx"][turning], t["hy"][turning] = t["vx"][turning] / pace[pace > 0.25], t["vy"][turning] / pace[pace > 0.25]

    def _spawn(self, second: int) -> None:
        """Walkers come onto the pavements, at a road's ends or out of a door."""
        streets, chance = self.streets, self.chance
        road = np.flatnonzero(chance.random(streets.roads) < self._rate * self._crowding).astype(np.int32)
        if len(road) == 0:
            return
        count = len(road)
        sign = np.where(chance.random(count) < 0.5, 1.0, -1.0)
        length = streets.length[road]
        start = np.where(chance.random(count) < 0.5, np.where(sign > 0, 0.0, length), length * chance.random(count))
        start += sign * 1.25 * min(0, second) * -1.0
        rider = chance.random(count) < 0.08
        junction = np.where(sign > 0, streets.end[road], streets.start[road])
        arm = np.where(sign > 0, streets.end_arm[road], streets.start_arm[road])
        turn = (arm + chance.integers(0, 4, count)) % 4
        crosses = (junction >= 0) & (chance.random(count) < _CROSS_CHANCE) & ~rider
        self.add(
            count,
            PERSON,
            np.where(rider, ObjectClass.BICYCLE, ObjectClass.PERSON),
            way=ALONG,
            road=road,
            s=np.clip(start, 0.0, length),
            vs=sign * np.where(rider, chance.uniform(3, 5.5, count), chance.normal(1.27, 0.2, count).clip(0.7, 1.9)),
            lat=streets.kerb_lateral(road) + chance.uniform(np.where(rider, 2.4, 1.9), 4.4),
            until=np.where(rider, second + 200.0, second + 1e5),
            arm=np.where(crosses, junction * 4 + turn, -1),
        )

    def _park(self, per_100_m: float) -> None:
        """Vehicles that stand at the kerb all the time."""
        streets, chance = self.streets, self.chance
        wish = chance.poisson(per_100_m * streets.length / 100 * chance.gamma(0.8, 1 / 0.8, streets.roads))
        road = np.repeat(np.arange(streets.roads, dtype=np.int32), wish)
        count = len(road)
        self.add(
            count,
            THING,
            chance.choice(
                [ObjectClass.CAR, ObjectClass.CAR, ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.MOTORCYCLE], count
            ),
            way=ALONG,
            road=road,
            s=streets.length[road] * chance.uniform(0.12, 0.82, count),
            lat=streets.kerb_lateral(road) + chance.uniform(1.7, 3.2, count),
            until=np.inf,
            confidence=chance.uniform(0.68, 0.79, count),
        )
