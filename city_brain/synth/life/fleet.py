"""The vehicles of a synthetic city as one table, how they come in, and where they are on the plane."""

from typing import Any, Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.synth.ground.streets import LEFT, POCKET, RIGHT, SLOTS, STRIP, THROUGH, Streets, lane_allows
from city_brain.table import Table
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

SCHEMA: Final[dict[str, Any]] = {
    "oid": np.int64,
    "cls": np.uint8,
    "size": np.float64,  # length, m
    "link": np.int64,  # road * SLOTS + slot, or links + 3 * that + movement inside a junction
    "s": np.float64,  # place of the front along the link, m
    "span": np.float64,  # length of the link, m
    "v": np.float64,
    "lat": np.float64,
    "pace": np.float64,  # of the speed limit
    "accel": np.float64,
    "headway": np.float64,
    "wobble": np.float64,  # how far from the lane's centre this driver keeps
    "shift": np.float64,  # passing wish to be further right
    "movement": np.uint8,
    "landing": np.int64,  # link after the junction
    "hold_until": np.float64,  # stands by force until this second
    "hold_brake": np.float64,
    "yaw": np.float64,  # degrees the body is turned from its path
    "stop_at": np.float64,  # place of a planned stop, NaN if none
    "dwell": np.float64,
    "temper": np.uint8,  # at a red light: 0 undecided, 1 obeys, 2 runs it
    "x": np.float64,
    "y": np.float64,
    "hx": np.float64,
    "hy": np.float64,
    "px": np.float64,  # one second ago
    "py": np.float64,
    "p0x": np.float64,  # control points of the path through a junction
    "p0y": np.float64,
    "p1x": np.float64,
    "p1y": np.float64,
    "p2x": np.float64,
    "p2y": np.float64,
}

_CLASSES: Final = np.array(
    [ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.BUS, ObjectClass.MOTORCYCLE, ObjectClass.BICYCLE], dtype=np.uint8
)
_SHARES: Final = np.array([0.73, 0.08, 0.05, 0.11, 0.03])
_SIZES: Final = {
    ObjectClass.CAR: 4.4,
    ObjectClass.TRUCK: 7.6,
    ObjectClass.BUS: 11.5,
    ObjectClass.MOTORCYCLE: 2.0,
    ObjectClass.BICYCLE: 1.8,
}
SIZE_OF_CLASS: Final[Floats] = np.array([_SIZES.get(ObjectClass(code), 0.5) for code in ObjectClass])
_TWO_WHEELED: Final = (ObjectClass.MOTORCYCLE, ObjectClass.BICYCLE)
_WISH: Final = np.array([[0.07, 0.78, 0.15], [0.18, 0.62, 0.2]])
"""Left, through, right: on roads of one lane, and on wider ones."""


class Fleet:
    """The table of vehicles with the geometry of their links."""

    def __init__(self, streets: Streets, chance: np.random.Generator) -> None:
        self.streets = streets
        self.chance = chance
        self.table = Table(SCHEMA)
        self.links = streets.roads * SLOTS
        self.next_oid = 1
        self.appeal = np.ones(streets.roads)
        """(R,) how willingly drivers turn into a road; falls as queues cover it."""

    def on_road(self, link: Ints) -> Bools:
        """Whether each link is a lane of a road, not a path through a junction."""
        return np.asarray(link < self.links)

    def lane_link(self, link: Ints) -> Ints:
        """The lane of a link: itself, or the lane from which the path through a junction comes."""
        return np.where(link < self.links, link, (link - self.links) // 3)

    def road(self, link: Ints) -> Indices:
        """The road of a link: its own, or the one from which the path through a junction comes."""
        return (self.lane_link(link) // SLOTS).astype(np.int32)

    def place(self, link: Ints) -> Indices:
        """Row of the table of places: the road, or roads + junction."""
        road = self.road(link)
        return np.where(self.on_road(link), road, self.streets.roads + self.streets.end[road]).astype(np.int32)

    def choose_movement(self, link: Ints) -> Codes:
        """A turn at the end of each lane, among those its arrows allow."""
        if len(link) == 0:
            return np.empty(0, dtype=np.uint8)
        road, slot = (link // SLOTS).astype(np.int32), (link % SLOTS).astype(np.int32)
        allowed = lane_allows(self.streets, road, slot)
        inner = (self.streets.pocket[road] > 0) & (slot == self.streets.lanes[road] - 1)
        allowed[:, LEFT] |= inner & (self.streets.next_road[road, LEFT] >= 0)
        allowed[slot == STRIP, LEFT] &= ~allowed[slot == STRIP][:, [THROUGH, RIGHT]].any(axis=1)
        onward = self.streets.next_road[road]
        pull = np.where(onward >= 0, self.streets.lanes[np.maximum(onward, 0)] ** 1.4 * self.appeal[onward], 0.0)
        weight = np.cumsum(allowed * _WISH[np.minimum(self.streets.lanes[road], 2) - 1] * pull, axis=1)
        draw = self.chance.random(len(link)) * weight[:, -1]
        return np.asarray(np.minimum((draw[:, None] >= weight).sum(axis=1), 2), dtype=np.uint8)

    def add(self, link: Ints, s: Floats, v_fraction: float) -> None:
        """Vehicles at places `s` of lanes; those on a strip are two-wheelers."""
        count = len(link)
        chance, streets = self.chance, self.streets
        road, slot = (link // SLOTS).astype(np.int32), (link % SLOTS).astype(np.int32)
        cls = chance.choice(_CLASSES, count, p=_SHARES)
        wheels = np.where(chance.random(count) < 0.75, ObjectClass.MOTORCYCLE, ObjectClass.BICYCLE)
        cls = np.where(slot == STRIP, wheels, np.where(cls == ObjectClass.BICYCLE, ObjectClass.CAR, cls)).astype(
            np.uint8
        )
        pace = np.clip(chance.normal(0.97, 0.09, count), 0.7, 1.25)
        pace[cls == ObjectClass.BICYCLE] *= 0.38
        pace[slot == STRIP] *= 0.85
        heavy = (cls == ObjectClass.TRUCK) | (cls == ObjectClass.BUS)
        self.table.append(
            count,
            oid=np.arange(self.next_oid, self.next_oid + count),
            cls=cls,
            size=SIZE_OF_CLASS[cls] * chance.uniform(0.93, 1.08, count),
            link=link,
            s=s,
            span=streets.length[road],
            v=streets.limit[road] * pace * v_fraction,
            lat=streets.lateral[road, slot],
            pace=pace,
            accel=np.where(heavy, 1.0, chance.uniform(1.4, 2.4, count)),
            headway=chance.uniform(0.95, 1.6, count),
            wobble=np.where(np.isin(cls, _TWO_WHEELED), chance.normal(0.25, 0.2, count), chance.normal(0, 0.17, count)),
            shift=0.0,
            movement=self.choose_movement(link),
            landing=-1,
            hold_until=-1.0,
            hold_brake=3.0,
            yaw=0.0,
            stop_at=np.nan,
            dwell=0.0,
            temper=0,
            **dict.fromkeys(("x", "y", "hx", "hy", "px", "py", "p0x", "p0y", "p1x", "p1y", "p2x", "p2y"), 0.0),
        )
        self.next_oid += count
        self._plan_bus_stops(np.arange(self.table.n - count, self.table.n))
        fresh = slice(self.table.n - count, self.table.n)
        x, y, hx, hy = self.positions(np.arange(self.table.n)[fresh])
        table = self.table
        table["x"][fresh], table["y"][fresh], table["hx"][fresh], table["hy"][fresh] = x, y, hx, hy
        table["px"][fresh], table["py"][fresh] = x - hx * table["v"][fresh], y - hy * table["v"][fresh]

    def fill(self, density: float) -> None:
        """A first population: `density` vehicles per metre of lane, at least ten metres apart."""
        streets = self.streets
        roads = np.repeat(np.arange(streets.roads), SLOTS)
        slots = np.tile(np.arange(SLOTS), streets.roads)
        real = ((slots < streets.lanes[roads]) | (slots == STRIP)) & (streets.length[roads] > 30)
        link = roads[real] * SLOTS + slots[real]
        beads = int(streets.length.max() // 12)
        place = (np.arange(beads) + 0.5) * 12.0
        rate = density * 12.0 * np.where(slots[real] == STRIP, 0.35, 1.0)
        taken = (self.chance.random((len(link), beads)) < rate[:, None]) & (
            place < streets.length[roads[real], None] - 12
        )
        which, bead = np.nonzero(taken)
        self.add(link[which], place[bead] + self.chance.uniform(-0.7, 0.7, len(bead)), 0.6)

    def turn_in(self, which: Column) -> None:
        """Moves vehicles that passed a stop line onto their paths through the junction."""
        if len(which) == 0:
            return
        t, streets = self.table, self.streets
        link, movement = t["link"][which], t["movement"][which]
        road = (link // SLOTS).astype(np.int32)
        slot = (link % SLOTS).astype(np.int32)
        target = streets.next_road[road, movement]
        landing_slot = _landing(streets, slot, movement, target)
        x0, y0, ux, uy = streets.point(road, streets.length[road], t["lat"][which])
        landed_lat = streets.lateral[target, landing_slot] + t["wobble"][which]
        x2, y2, wx, wy = streets.point(target, np.zeros(len(target)), landed_lat)
        # The control point is where both tangents meet; for a straight crossing the middle serves.
        cross = ux * wy - uy * wx
        bent = np.abs(cross) > 0.2
        reach = np.where(bent, ((x2 - x0) * wy - (y2 - y0) * wx) / np.where(bent, cross, 1.0), 0.0)
        x1 = np.where(bent, x0 + ux * reach, (x0 + x2) / 2)
        y1 = np.where(bent, y0 + uy * reach, (y0 + y2) / 2)
        chord = np.hypot(x2 - x0, y2 - y0)
        legs = np.hypot(x1 - x0, y1 - y0) + np.hypot(x2 - x1, y2 - y1)
        t["s"][which] -= t["span"][which]
        t["span"][which] = (2 * chord + legs) / 3
        t["link"][which] = self.links + 3 * link + movement
        t["landing"][which] = target.astype(np.int64) * SLOTS + landing_slot
        for name, value in (
            ("p0x", x0),
            ("p0y", y0),
            ("p1x", x1),
            ("p1y", y1),
            ("p2x", x2),
            ("p2y", y2),
            ("lat", landed_lat),
        ):
            t[name][which] = value

    def come_out(self, which: Column) -> None:
        """Moves vehicles that crossed a junction onto the lane beyond."""
        if len(which) == 0:
            return
        t = self.table
        link = t["landing"][which]
        t["s"][which] -= t["span"][which]
        t["span"][which] = self.streets.length[link // SLOTS]
        t["link"][which] = link
        t["movement"][which] = self.choose_movement(link)
        t["temper"][which] = 0
        self._plan_bus_stops(which)

    def _plan_bus_stops(self, which: Column) -> None:
        t = self.table
        road, slot = t["link"][which] // SLOTS, t["link"][which] % SLOTS
        stop = self.streets.bus_stop[road]
        calls = (t["cls"][which] == ObjectClass.BUS) & (slot == 0) & (stop > t["s"][which] + 25)
        calls &= self.chance.random(len(calls)) < 0.7
        t["stop_at"][which] = np.where(calls, stop, np.nan)
        t["dwell"][which] = np.where(calls, self.chance.uniform(12, 42, len(calls)), 0.0)
        t["shift"][which] = 0.0

    def positions(self, which: Column) -> tuple[Floats, Floats, Floats, Floats]:
        """(x, y, heading x, heading y) of the middle of each vehicle."""
        t = self.table
        link = t["link"][which]
        middle = t["s"][which] - t["size"][which] / 2
        road = self.road(link)
        x, y, hx, hy = self.streets.point(road, middle, t["lat"][which])
        inside = np.flatnonzero(~self.on_road(link))
        if len(inside):
            rows = np.asarray(which)[inside]
            x[inside], y[inside], hx[inside], hy[inside] = self._on_path(rows, middle[inside])
        yaw = np.deg2rad(t["yaw"][which])
        turned = yaw != 0
        if turned.any():
            sin, cos = np.sin(yaw), np.cos(yaw)
            hx, hy = hx * cos + hy * sin, hy * cos - hx * sin
        return x, y, hx, hy

    def _on_path(self, rows: Column, middle: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        t = self.table
        p0x, p0y, p1x, p1y, p2x, p2y = (t[name][rows] for name in ("p0x", "p0y", "p1x", "p1y", "p2x", "p2y"))
        u = middle / t["span"][rows]
        # Before the path begins the vehicle's middle is still on the straight line behind its first point.
        inside = np.maximum(u, 0.0)
        dx = 2 * (1 - inside) * (p1x - p0x) + 2 * inside * (p2x - p1x)
        dy = 2 * (1 - inside) * (p1y - p0y) + 2 * inside * (p2y - p1y)
        norm = np.maximum(np.hypot(dx, dy), 1e-9)
        back = np.minimum(middle, 0.0)
        x = (1 - inside) ** 2 * p0x + 2 * inside * (1 - inside) * p1x + inside**2 * p2x + back * dx / norm
        y = (1 - inside) ** 2 * p0y + 2 * inside * (1 - inside) * p1y + inside**2 * p2y + back * dy / norm
        return x, y, dx / norm, dy / norm

    def settle(self) -> None:
        """Takes the positions of this second, keeping those of the last."""
        t = self.table
        t["px"], t["py"] = t["x"], t["y"]
        t["x"], t["y"], t["hx"], t["hy"] = self.positions(np.arange(t.n))


def _landing(streets: Streets, slot: Indices, movement: Codes, target: Indices) -> Indices:
    """The lane of the target road in which a turn ends."""
    inner = streets.lanes[target] - 1
    through = np.minimum(np.where(slot == POCKET, inner, slot), inner)
    landed = np.select([movement == LEFT, movement == RIGHT], [inner, np.zeros_like(inner)], through)
    return np.asarray(np.where(slot == STRIP, STRIP, landed), dtype=np.int32)
