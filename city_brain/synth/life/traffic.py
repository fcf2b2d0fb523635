"""Traffic of a synthetic city: car following, signals, gaps for left turns, lane changes, inflow and outflow.

Car following is the intelligent driver model (Treiber, Hennecke, Helbing 2000) in half-second steps over all vehicles
at once: vehicles are sorted by link and place, so that the leader of each is the next row.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.observations.vocabulary import Colour
from city_brain.synth.ground.signals import Signals
from city_brain.synth.ground.streets import LEFT, MOST_LANES, SLOTS, STRIP, THROUGH, Streets
from city_brain.synth.life.fleet import Fleet
from city_brain.synth.life.lanes import change_lanes
from city_brain.types import Bools, Column, Floats, Ints

_STEP_S = 0.5
_COMFORT = 2.4
"""Comfortable deceleration, m/s²."""
_STANDSTILL_M = 1.9
_QUEUED_MPS, _QUEUE_GAP_M = 2.2, 3.2
_FREE = 1.0e6
_SERVED_S = 4
"""How long drivers of one arm go before the next when the lamps are out."""
_SURVEY_S = 5


@dataclass(slots=True)
class Order:
    """The fleet sorted by (link, place): `rows` in that order, their links, and which are foremost on theirs."""

    rows: Ints
    link: Ints
    head: Bools

    @staticmethod
    def of(link: Ints, s: Floats) -> "Order":
        """The order of vehicles at places `s` of links."""
        rows = np.argsort(link * 16384.0 + s, kind="stable")
        ordered = link[rows]
        head = np.ones(len(rows), dtype=np.bool_)
        head[:-1] = ordered[1:] != ordered[:-1]
        return Order(rows, ordered, head)

    def tails(self, links: Ints) -> Ints:
        """The hindmost vehicle of each link, -1 where it is empty."""
        if len(self.rows) == 0:
            return np.full(len(links), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.link, links), len(self.link) - 1)
        return np.where(self.link[at] == links, self.rows[at], -1)


@dataclass(frozen=True, slots=True)
class Violation:
    """A vehicle that passed a stop line at red."""

    second: int
    road: int
    oid: int


class Traffic:
    """The moving city. `step` takes it one second on; events steer it through the public columns.

    `violations` are those of the last step. `zone_*` (R,): stretch of a road where speed is limited, NaN where there is
    none. `defiance` (R,): chance that a driver who arrives at red goes on. `lawless` (J,): the lamps are ignored and
    drivers cross by turns. `attraction` (R,): how many more drivers than usual want to go there.
    """

    def __init__(self, streets: Streets, signals: Signals, demand_per_lane: float, chance: np.random.Generator) -> None:
        self.streets, self.signals, self.chance = streets, signals, chance
        self.fleet = Fleet(streets, chance)
        self.demand = demand_per_lane
        self.zone_from = np.full(streets.roads, np.nan)
        self.zone_to = np.full(streets.roads, np.nan)
        self.zone_speed = np.full(streets.roads, np.nan)
        self.defiance = np.zeros(streets.roads)
        self.attraction = np.ones(streets.roads)
        self.lawless = np.zeros(streets.junctions, dtype=np.bool_)
        self.violations: list[Violation] = []
        self._served = np.zeros(streets.junctions, dtype=np.int64)
        self._red_since = np.full((streets.junctions, 4, 3), -1e9)
        ends = np.maximum(streets.end, 0)
        self._facing = np.where(streets.end >= 0, streets.arm_in[ends, (streets.end_arm + 2) % 4], -1)
        entry = np.flatnonzero(streets.start < 0)
        self._entry_links = np.concatenate(
            [entry[streets.lanes[entry] > slot] * SLOTS + slot for slot in range(3)] + [entry * SLOTS + STRIP]
        )
        self.fleet.fill(demand_per_lane / 7.0)

    def step(self, second: int) -> None:
        """From `second` - 1 to `second`; signals must stand at `second` - 1."""
        self.violations.clear()
        red = self.signals.colour == Colour.RED
        self._red_since = np.where(red, np.where(self._red_since < -1e8, float(second), self._red_since), -1e9)
        if second % _SERVED_S == 0 and self.lawless.any():
            self._served = (self._served + self.chance.integers(1, 4, len(self._served))) % 4
        if second % _SURVEY_S == 0:
            shunned = np.where(self.attraction > 1, 0.0, self.queue_cover())
            self.fleet.appeal = self.attraction / (1.0 + (shunned / 0.2) ** 2)
        self._enter()
        change_lanes(self.fleet, self.chance, second)
        for half in range(2):
            self._drive(second - 1 + half * _STEP_S)
        self.fleet.settle()

    def _enter(self) -> None:
        """Vehicles come in over the border where the lane has room."""
        links = self._entry_links
        rate = self.demand * self.attraction[links // SLOTS] * np.where(links % SLOTS == STRIP, 0.35, 1.0)
        rate = rate * np.where(self.streets.lanes[links // SLOTS] == 1, 0.75, 1.0) * self.fleet.appeal[links // SLOTS]
        coming = links[self.chance.random(len(links)) < rate]
        table = self.fleet.table
        tails = Order.of(table["link"], table["s"]).tails(coming)
        room = tails < 0
        room[~room] = table["s"][tails[~room]] > 18.0
        if room.any():
            self.fleet.add(coming[room], np.zeros(int(room.sum())), 0.75)

    def _drive(self, now: float) -> None:
        """One half-second step of every vehicle."""
        t = self.fleet.table
        order = Order.of(t["link"], t["s"])
        s, v = t["s"], t["v"]
        gap, ahead_v = np.full(t.n, _FREE), np.zeros(t.n)
        behind = order.rows[:-1][~order.head[:-1]]
        leader = order.rows[1:][~order.head[:-1]]
        gap[behind] = s[leader] - t["size"][leader] - s[behind]
        ahead_v[behind] = v[leader]
        self._heads(order, order.rows[order.head], gap, ahead_v)
        planned = t["stop_at"] - s
        stopping = planned < gap
        gap[stopping], ahead_v[stopping] = np.maximum(planned[stopping] + _STANDSTILL_M, 0.2), 0.0
        limit = self._limits()
        free = np.maximum(t["accel"] * (1 - (v / limit) ** 4), -_COMFORT)
        wish = _STANDSTILL_M + np.maximum(
            0.0, v * t["headway"] + v * (v - ahead_v) / (2 * np.sqrt(t["accel"] * _COMFORT))
        )
        push = np.clip(free - t["accel"] * (wish / np.maximum(gap, 0.3)) ** 2, -8.0, t["accel"])
        held = t["hold_until"] > now
        push[held] = -t["hold_brake"][held]
        slower = np.maximum(v + push * _STEP_S, 0.0)
        moved = np.minimum((v + slower) / 2 * _STEP_S, np.maximum(gap - 0.3, 0.0))
        t["v"] = np.where(moved <= 0.0, 0.0, slower)
        t["s"] = s + moved
        self._dwell(now)
        self._sidle(moved)
        self._cross(now)

    def _limits(self) -> Floats:
        """The speed each driver wants: limit times pace, less for turns ahead and in zones."""
        t, streets = self.fleet.table, self.streets
        road = self.fleet.road(t["link"])
        wanted = streets.limit[road] * t["pace"]
        turn_v = np.array([7.5, 99.0, 5.5])[t["movement"]]
        inside = ~self.fleet.on_road(t["link"])
        to_turn = np.where(inside, 0.0, t["span"] - t["s"])
        wanted = np.minimum(wanted, np.sqrt(turn_v**2 + 2 * 1.6 * to_turn))
        if np.isfinite(self.zone_speed).any():
            to_zone = np.maximum(self.zone_from[road] - t["s"], 0.0)
            slow = (t["s"] <= self.zone_to[road]) & ~inside
            capped = np.sqrt(self.zone_speed[road] ** 2 + 2 * 1.5 * to_zone)
            wanted = np.where(slow, np.fmin(wanted, capped), wanted)
        return np.maximum(wanted, 0.5)

    def _heads(self, order: Order, heads: Ints, gap: Floats, ahead_v: Floats) -> None:
        """What the foremost vehicle of each link has before it: a red light, or the last vehicle of what follows."""
        fleet, t = self.fleet, self.fleet.table
        on_road = fleet.on_road(t["link"][heads])
        inside, first = heads[~on_road], heads[on_road]
        self._follow(inside, order.tails(t["landing"][inside]), t["span"][inside] - t["s"][inside], gap, ahead_v)
        first = first[self.streets.end[fleet.road(t["link"][first])] >= 0]
        to_line = t["span"][first] - t["s"][first]
        path_tail = order.tails(fleet.links + 3 * t["link"][first] + t["movement"][first])
        road = fleet.road(t["link"][first])
        target = self.streets.next_road[road, t["movement"][first]].astype(np.int64)
        beyond = order.tails(
            target * SLOTS
            + np.where(
                t["movement"][first] == LEFT,
                self.streets.lanes[target] - 1,
                np.minimum(t["link"][first] % SLOTS, STRIP),
            )
        )
        may, full = self._may_go(order, first, to_line, road, beyond)
        self._follow(
            first,
            np.where(path_tail >= 0, path_tail, beyond),
            to_line + np.where(path_tail >= 0, 0.0, 18.0),
            gap,
            ahead_v,
        )
        stop = first[~may]
        gap[stop] = np.minimum(gap[stop], np.maximum(to_line[~may] + 0.6, 0.2))
        ahead_v[stop] = 0.0
        stuck = first[full & (self.chance.random(len(first)) < 0.02)]
        if len(stuck):
            t["movement"][stuck] = fleet.choose_movement(t["link"][stuck])

    def _follow(self, rows: Ints, leader: Ints, distance: Floats, gap: Floats, ahead_v: Floats) -> None:
        t = self.fleet.table
        has = leader >= 0
        rows, leader = rows[has], leader[has]
        gap[rows] = np.minimum(gap[rows], distance[has] + t["s"][leader] - t["size"][leader])
        ahead_v[rows] = t["v"][leader]

    def _may_go(self, order: Order, first: Ints, to_line: Floats, road: Column, beyond: Ints) -> tuple[Bools, Bools]:
        """Whether the first vehicle of each lane may pass its stop line, and whether only a full exit stops it."""
        t, streets, signals = self.fleet.table, self.streets, self.signals
        junction, arm = streets.end[road], streets.end_arm[road]
        movement, v = t["movement"][first], t["v"][first]
        colour = signals.colour[junction, arm, movement]
        red, yellow = colour == Colour.RED, colour == Colour.YELLOW
        braking = v * v / (2 * np.where(red, 5.5, 3.0))
        allowed = (colour == Colour.GREEN) | ((red | yellow) & (to_line < braking))
        allowed |= (colour == Colour.OFF) | (colour == Colour.FLASHING)
        arrives = self._arrival_times(first, to_line, road, colour)
        facing = self._facing[road]
        oncoming = np.where(facing >= 0, arrives[np.maximum(facing, 0)], 99.0)
        yields = (movement == LEFT) & signals.permissive[junction]
        waited = yellow & yields & (to_line < 4.0)
        allowed = (allowed & ~(yields & (oncoming < 4.2))) | waited
        self._decide_on_red(first, to_line, road, colour)
        allowed |= red & (t["temper"][first] == 2)
        lawless = self.lawless[junction]
        turn = (self._served[junction] == arm) & (to_line < 12.0)
        allowed = np.where(lawless, turn, allowed)
        full = beyond >= 0
        full[full] = (t["s"][beyond[full]] - t["size"][beyond[full]] < t["size"][first[full]] + 3.0) & (
            t["v"][beyond[full]] < 3.0
        )
        return allowed & ~full, allowed & full & (v < 0.2)

    def _arrival_times(self, first: Ints, to_line: Floats, road: Column, colour: Column) -> Floats:
        """(R,) seconds until traffic that goes straight or right reaches the junction, 99 where none comes."""
        t = self.fleet.table
        arrives = np.full(self.streets.roads, 99.0)
        comes = (t["movement"][first] != LEFT) & (colour == Colour.GREEN) & (t["link"][first] % SLOTS != STRIP)
        np.minimum.at(arrives, road[comes], to_line[comes] / np.maximum(t["v"][first][comes], 3.0))
        inside = (t["link"] >= self.fleet.links) & (t["movement"] == THROUGH) & (t["s"] < 0.6 * t["span"])
        arrives[self.fleet.road(t["link"][inside])] = 0.0
        return arrives

    def _decide_on_red(self, first: Ints, to_line: Floats, road: Column, colour: Column) -> None:
        """Drivers who arrive at red within its first seconds decide once whether to obey."""
        bold = self.defiance[road]
        if not bold.any():
            return
        t = self.fleet.table
        near = (bold > 0) & (colour == Colour.RED) & (to_line < 45) & (t["v"][first] > 4) & (t["temper"][first] == 0)
        rows = first[near]
        t["temper"][rows] = np.where(self.chance.random(len(rows)) < bold[near], 2, 1)

    def _dwell(self, now: float) -> None:
        """Planned stops: count down once standing, then go on."""
        t = self.fleet.table
        waits = np.flatnonzero((np.abs(t["stop_at"] - t["s"]) < 4.0) & (t["v"] < 0.3))
        t["dwell"][waits] -= _STEP_S
        done = waits[t["dwell"][waits] <= 0]
        t["stop_at"][done], t["shift"][done] = np.nan, 0.0

    def _sidle(self, moved: Floats) -> None:
        """Moves sideways towards the lane's centre, at most a quarter of the way travelled and one metre per second."""
        t = self.fleet.table
        lane = self.fleet.lane_link(t["link"])
        on_road = self.fleet.on_road(t["link"])
        goal = self.streets.lateral[lane // SLOTS, lane % SLOTS] + t["wobble"] + t["shift"]
        most = np.minimum(0.25 * moved, 1.0 * _STEP_S)
        t["lat"] = np.where(on_road, t["lat"] + np.clip(goal - t["lat"], -most, most), t["lat"])

    def _cross(self, now: float) -> None:
        """Vehicles past the end of their link go on to the next; at the border they leave."""
        fleet, t = self.fleet, self.fleet.table
        over = np.flatnonzero(t["s"] > t["span"])
        on_road = fleet.on_road(t["link"][over])
        fleet.come_out(over[~on_road])
        roads = over[on_road]
        road = fleet.road(t["link"][roads])
        inner = self.streets.end[road] >= 0
        self._note_violations(roads[inner], road[inner], now)
        fleet.turn_in(roads[inner])
        gone = np.ones(t.n, dtype=np.bool_)
        gone[roads[~inner]] = False
        t.keep(gone)

    def _note_violations(self, rows: Ints, road: Column, now: float) -> None:
        t = self.fleet.table
        since = self._red_since[self.streets.end[road], self.streets.end_arm[road], t["movement"][rows]]
        ran = (since > -1e8) & (now - since > 1.0) & (t["temper"][rows] == 2)
        for k in np.flatnonzero(ran).tolist():
            self.violations.append(Violation(int(now), int(road[k]), int(t["oid"][rows[k]])))

    def queue_cover(self) -> Floats:
        """(R,) share of each road's lanes that is covered by queue."""
        t, streets = self.fleet.table, self.streets
        on = np.flatnonzero(self.fleet.on_road(t["link"]) & (t["link"] % SLOTS < MOST_LANES))
        slow = np.where(t["v"][on] < _QUEUED_MPS, t["size"][on] + _QUEUE_GAP_M, 0.0)
        queued = np.bincount(self.fleet.road(t["link"][on]), weights=slow, minlength=streets.roads)
        return np.asarray(queued / (streets.lanes * streets.length))
