"""Incidents of traffic: their physical courses, one generator each.

A course sets up what it needs, yields the second at which it wants to go on, and leaves its record in the event.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from city_brain.observations.vocabulary import Colour, ObjectClass
from city_brain.synth.events.crashes import crash
from city_brain.synth.events.stage import FOUR_WHEELS, Course, Event, Stage
from city_brain.synth.ground.cameras import ROUND
from city_brain.synth.ground.signals import Overlay
from city_brain.synth.ground.streets import SLOTS
from city_brain.synth.life.people import ALONG, PERSON, THING
from city_brain.types import Ints

_TRIES = 40
_PLAIN_MPS2 = 2.4
_PLAIN_M: Final = (25.0, 40.0)
"""Of a camera on a mast: nearer the picture ends, farther away a car is a few pixels wide."""
_MIDDLE = 0.7
"""Share of the angle of view that is the middle of it."""
_CLUSTER_S = 90
"""Two vehicles within this time are more than one driver's fault."""
FAULTS: Final = ("all_red", "dark", "dark_silent", "stuck", "flashing")


def stopped_vehicle(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle breaks down on its lane and stands there for minutes."""
    yield from _breakdown(stage, event, now, stage.moving_cars)


def stopped_before_camera(stage: Stage, event: Event, now: float) -> Course:
    """The same, so near before a camera that looks one way that its pictures show it plainly."""
    yield from _breakdown(stage, event, now, lambda: _plain(stage, stage.moving_cars(margin_m=90.0)), _PLAIN_MPS2)


def _breakdown(
    stage: Stage, event: Event, now: float, choice: Callable[[], Ints], brake: float | None = None
) -> Course:
    """A breakdown of one of the vehicles (rows) to choose from, as soon as there are any; it brakes with m/s²."""
    table = stage.traffic.fleet.table
    for _ in range(_TRIES):
        rows = choice()
        rows = rows[np.isin(table["cls"][rows], FOUR_WHEELS)]
        if len(rows):
            break
        now += 2
        yield now
    else:
        return
    row = int(stage.chance.choice(rows))
    oid, road = int(table["oid"][row]), int(table["link"][row] // SLOTS)
    stage.claim(road)
    end = now + stage.uniform(150, 400)
    table["hold_until"][row], table["hold_brake"][row] = end, brake or stage.uniform(1.6, 3.2)
    for _ in range(20):
        now += 1
        yield now
        found = stage.row_of(oid)
        if found is None:
            break
        if table["v"][found] < 0.2:
            stage.watch(oid * 4, event)
            event.begin(now, table["x"][found], table["y"][found])
            event.note, event.end_s = "breakdown on lane", end
            break
    yield end
    stage.release(road)


def _plain(stage: Stage, rows: Ints) -> Ints:
    """Those of some vehicles that would come to stand in the middle of the view of a camera, neither below nor far."""
    table, cameras = stage.traffic.fleet.table, stage.cameras
    ahead_m = table["v"][rows] ** 2 / (2 * _PLAIN_MPS2)
    x, y = (table[name][rows] + table["h" + name][rows] * ahead_m for name in "xy")
    dx, dy = x[:, None] - cameras.x, y[:, None] - cameras.y
    away_m, turn = np.hypot(dx, dy), np.deg2rad(cameras.heading_deg)
    middle = dx * np.sin(turn) + dy * np.cos(turn) >= away_m * np.cos(np.deg2rad(cameras.fov_deg * _MIDDLE / 2))
    plain = middle & (away_m >= _PLAIN_M[0]) & (away_m <= _PLAIN_M[1]) & (cameras.kind != ROUND)
    shown: Ints = rows[plain.any(axis=1)]
    return shown


def wrong_way(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle drives along a lane against its direction; those who meet it slow down and draw aside."""
    streets, table, chance = stage.streets, stage.traffic.fleet.table, stage.chance
    for _ in range(_TRIES):
        road = stage.some_road(least_lanes=2, least_m=110)
        if road is not None:
            slot = int(streets.lanes[road]) - 1
            near_end = (table["link"] == road * SLOTS + slot) & (table["s"] > streets.length[road] - 70)
            if not near_end.any():
                break
        now += 2
        yield now
    else:
        return
    stage.claim(road)
    speed = stage.uniform(6, 12)
    length, lateral = float(streets.length[road]), float(streets.lateral[road, slot]) + stage.uniform(-0.4, 0.4)
    cls = int(chance.choice([ObjectClass.CAR, ObjectClass.CAR, ObjectClass.CAR, ObjectClass.MOTORCYCLE]))
    oid = stage.people.add(
        1,
        THING,
        cls,
        way=ALONG,
        road=road,
        s=length + 4,
        vs=-speed,
        lat=lateral,
        until=now + length / speed + 2,
        confidence=0.84,
    )
    stage.watch(oid, event)
    stage.traffic.zone_from[road], stage.traffic.zone_to[road], stage.traffic.zone_speed[road] = 0.0, length, 5.0
    event.note, event.severity = f"speed {speed:.1f} m/s", 4
    event.begin(now, *stage.at(road, length, lateral))
    event.extent = [stage.at(road, along, lateral) for along in np.linspace(length, 0, 13)]
    end = now + length / speed
    event.end_s = end
    while now < end:
        meets = np.flatnonzero(table["link"] == road * SLOTS + slot)
        table["shift"][meets] = 1.9
        now += 1
        yield now
    table["shift"][table["link"] // SLOTS == road] = 0.0
    stage.traffic.zone_speed[road] = np.nan
    stage.release(road)


def pedestrian_on_carriageway(stage: Stage, event: Event, now: float) -> Course:
    """Somebody leaves the pavement and walks along a lane."""
    streets, chance = stage.streets, stage.chance
    road = stage.some_road(least_m=120)
    if road is None:
        return
    stage.claim(road)
    length, speed = float(streets.length[road]), stage.uniform(0.25, 1.35)
    lasts = stage.uniform(40, 95)
    sign = 1.0 if chance.random() < 0.6 else -1.0
    way = min(speed * lasts, length - 80)
    lasts = way / speed
    kerb = float(streets.lateral[road, 0])
    low, high = (30.0, length - 40 - way) if sign > 0 else (30 + way, length - 40)
    along = stage.along(road, low / length, max(low + 1, high) / length, kerb)
    slot = int(chance.integers(0, streets.lanes[road]))
    goal = float(streets.lateral[road, slot]) + stage.uniform(-0.8, 0.6)
    oid = int(
        stage.people.add(
            1,
            PERSON,
            ObjectClass.PERSON,
            way=ALONG,
            road=road,
            s=along,
            vs=0.3 * sign,
            lat=kerb + 2.4,
            until=now + lasts + 30,
        )[0]
    )
    walkers = stage.people.table
    stage.watch(oid, event)
    lateral = kerb + 2.4
    while lateral > goal + 0.05:
        lateral = max(goal, lateral - 1.1)
        mine = walkers["oid"] == oid
        walkers["lat"][mine] = lateral
        if not event.happened and lateral < kerb + 1.3:
            event.begin(now, *stage.at(road, along, lateral))
        now += 1
        yield now
    walkers["vs"][walkers["oid"] == oid] = speed * sign
    last = along + speed * sign * lasts
    stage.traffic.zone_from[road], stage.traffic.zone_to[road], stage.traffic.zone_speed[road] = (
        min(along, last) - 6,
        max(along, last) + 6,
        6.0,
    )
    event.note, event.radius_m, event.severity = f"speed {speed:.1f} m/s", 10.0, 3
    event.extent = [stage.at(road, place, goal) for place in np.linspace(along, last, 13)]
    end = now + lasts
    event.end_s = end
    yield end
    stage.people.drop(np.array([oid]))
    stage.traffic.zone_speed[road] = np.nan
    stage.release(road)


def congestion(stage: Stage, event: Event, now: float) -> Course:
    """Roadworks at the end of a road to which many want; the jam that forms is recorded by `Jams`."""
    streets, traffic = stage.streets, stage.traffic
    road = _busy_approach(stage)
    if road is None:
        return
    stage.claim(road)
    length = float(streets.length[road])
    traffic.zone_from[road], traffic.zone_to[road] = length - 40, length - 22
    traffic.zone_speed[road] = stage.uniform(0.2, 0.4)
    traffic.attraction[road] = 4.0
    enough, full, give_up = stage.uniform(90, 200), 0.0, now + 480
    while full < enough and now < give_up:
        now += 5
        yield now
        full += 5 if traffic.queue_cover()[road] > 0.5 else 0
    traffic.zone_speed[road], traffic.attraction[road] = np.nan, 1.0
    yield now + 90
    stage.release(road)


def _busy_approach(stage: Stage) -> int | None:
    """A covered road to a junction, the likelier the more vehicles are on it."""
    streets, fleet = stage.streets, stage.traffic.fleet
    roads = stage.covered[(streets.end[stage.covered] >= 0) & (streets.length[stage.covered] > 110)]
    roads = roads[[not stage.busy[int(road)] for road in roads]] if len(roads) else roads
    if len(roads) == 0:
        return None
    on_lanes = fleet.on_road(fleet.table["link"])
    load = np.bincount(fleet.road(fleet.table["link"][on_lanes]), minlength=streets.roads)[roads] ** 2 + 0.2
    return int(stage.chance.choice(roads, p=load / load.sum()))


def red_light_running(stage: Stage, event: Event, now: float) -> Course:
    """For some minutes drivers on one approach do not stop at red."""
    streets, traffic = stage.streets, stage.traffic
    road = _busy_approach(stage)
    if road is None:
        return
    junction = int(streets.end[road])
    if not stage.claim(streets.roads + junction):
        return
    stage.claim(road)
    traffic.defiance[road] = 0.85
    before = -1e9
    event.note, event.radius_m = "cluster", 30.0
    end = now + stage.uniform(160, 290)
    while now < end:
        now += 1
        yield now
        for violation in [seen for seen in traffic.violations if seen.road == road]:
            stage.watch(violation.oid * 4, event)
            event.end_s = now
            if not event.happened:
                event.begin(violation.second, streets.junction_x[junction], streets.junction_y[junction])
                event.ignore = True
            elif event.ignore and violation.second - before < _CLUSTER_S:
                event.observable_s, event.ignore = violation.second, False
            before = violation.second
    traffic.defiance[road] = 0.0
    event.end_s += 30
    stage.release(road)
    stage.release(streets.roads + junction)


def signal_fault(stage: Stage, event: Event, now: float) -> Course:
    """A controller shows all red, nothing, flashing, or the same for ever; after a while drivers help themselves."""
    streets, signals = stage.streets, stage.signals
    junction = stage.some_junction()
    if junction is None or not stage.claim(streets.roads + junction):
        return
    kind = str(stage.chance.choice(FAULTS, p=[0.25, 0.2, 0.2, 0.2, 0.15]))
    start, end = round(now), round(now + stage.uniform(180, 340))
    signals.overlays.append(Overlay(junction, kind, start, end))
    event.note, event.radius_m, event.severity, event.end_s = kind, 30.0, 3, float(end)
    event.begin(start, streets.junction_x[junction], streets.junction_y[junction])
    stage.lamps_watched[junction] = event.number
    if kind == "stuck":
        yield start + 1
        event.observable_s = start + 1 + _longest_wait(stage, junction)
    patience = {"all_red": stage.uniform(50, 90), "stuck": stage.uniform(70, 120)}.get(kind, 1.0)
    yield start + patience
    stage.traffic.lawless[junction] = True
    if kind == "dark_silent":
        cameras = stage.cameras.candidates[streets.roads + junction]
        event.seen_by.update({int(camera): 5 for camera in cameras[cameras >= 0]})
        event.observable_s = start + 15
    yield end
    stage.traffic.lawless[junction] = False
    stage.release(streets.roads + junction)


def _longest_wait(stage: Stage, junction: int) -> float:
    """How long the lamps that are green now may stay so, if all were well."""
    signals = stage.signals
    green = (signals.colour[junction] == Colour.GREEN) & (signals.windows.opens[junction] > -1)
    span = signals.windows.shuts[junction] - signals.windows.opens[junction]
    return float(span[green].max()) if green.any() else float(signals.cycle[junction]) / 2


INCIDENTS: Final = {
    "stopped_vehicle": stopped_vehicle,
    "crash": crash,
    "wrong_way": wrong_way,
    "pedestrian_on_carriageway": pedestrian_on_carriageway,
    "congestion": congestion,
    "red_light_running": red_light_running,
    "signal_fault": signal_fault,
}
"""Courses by incident type; `Jams` records what `congestion` brings about."""
