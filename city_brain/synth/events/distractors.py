"""Hard negatives: what looks like an incident to a single source and is none. One generator each, as for incidents."""

from typing import Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.synth.events.stage import Course, Event, Stage
from city_brain.synth.ground.signals import Overlay
from city_brain.synth.ground.streets import SLOTS
from city_brain.synth.life.people import ALONG, FREE, MILLING, PERSON, PHANTOM, THING
from city_brain.synth.life.weather import Override

_SIREN_S = 12


def _halt(stage: Stage, event: Event, now: float, rows: np.ndarray, brake: float, lasts: float, shift: float) -> Course:
    """A vehicle of `rows` brakes, stands for a while, and goes on."""
    table = stage.traffic.fleet.table
    if len(rows) == 0:
        return
    row = int(stage.chance.choice(rows))
    oid = int(table["oid"][row])
    stops = now + float(table["v"][row]) / brake
    table["hold_until"][row], table["hold_brake"][row] = stops + lasts, brake
    table["shift"][row] = shift
    event.begin(now, table["x"][row] + table["hx"][row] * 8, table["y"][row] + table["hy"][row] * 8)
    event.end_s = stops + lasts
    yield event.end_s
    found = stage.row_of(oid)
    if found is not None:
        table["shift"][found] = 0.0


def loading_stop(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle stops in the kerb lane to load, for up to 42 s."""
    rows = stage.moving_cars(least_v=4.0, least_lanes=1)
    table = stage.traffic.fleet.table
    rows = rows[(table["link"][rows] % SLOTS == 0) & (table["cls"][rows] != ObjectClass.BUS)]
    yield from _halt(stage, event, now, rows, 2.2, stage.uniform(15, 42), stage.uniform(0.3, 1.4))


def parking(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle draws in to the kerb and stays: seen arriving, but not on the lane."""
    rows = stage.moving_cars(least_v=4.0, least_lanes=1, margin_m=60)
    table = stage.traffic.fleet.table
    rows = rows[(table["link"][rows] % SLOTS == 0) & (table["cls"][rows] == ObjectClass.CAR)]
    if len(rows) == 0:
        return
    row = int(stage.chance.choice(rows))
    oid = int(table["oid"][row])
    lasts = stage.uniform(60, 200)
    table["stop_at"][row], table["dwell"][row] = table["s"][row] + 45.0, lasts
    table["shift"][row] = stage.uniform(2.3, 3.0)
    event.begin(now, table["x"][row] + table["hx"][row] * 45, table["y"][row] + table["hy"][row] * 45)
    event.end_s = now + lasts + 8
    yield event.end_s
    found = stage.row_of(oid)
    if found is not None:
        table["shift"][found] = 0.0


def hard_brake(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle brakes hard, stands for a moment, and goes on."""
    yield from _halt(
        stage,
        event,
        now,
        stage.moving_cars(least_v=8.0, least_lanes=1),
        stage.uniform(5.5, 8.0),
        stage.uniform(1, 5),
        0.0,
    )


def bus_dwell(stage: Stage, event: Event, now: float) -> Course:
    """A bus stands at its stop for a long time."""
    table, streets = stage.traffic.fleet.table, stage.streets
    for _ in range(90):
        calling = np.flatnonzero((table["cls"] == ObjectClass.BUS) & ~np.isnan(table["stop_at"]))
        if len(calling):
            break
        now += 4
        yield now
    else:
        return
    row = int(stage.chance.choice(calling))
    road = int(table["link"][row] // SLOTS)
    if not np.isfinite(streets.bus_stop[road]):
        return
    lasts = stage.uniform(30, 55)
    table["dwell"][row] = lasts
    event.begin(now, *stage.at(road, float(streets.bus_stop[road]), float(streets.lateral[road, 0])))
    event.end_s = now + lasts + 20
    yield event.end_s


def bus_queue(stage: Stage, event: Event, now: float) -> Course:
    """People wait at a bus stop."""
    streets, chance = stage.streets, stage.chance
    stops = stage.covered[np.isfinite(streets.bus_stop[stage.covered])]
    if len(stops) == 0:
        return
    road = int(chance.choice(stops))
    people, end = int(chance.integers(5, 14)), now + stage.uniform(60, 180)
    along = float(streets.bus_stop[road]) + chance.uniform(-9, 3, people)
    lateral = streets.lateral[road, 0] + chance.uniform(2.1, 4.5, people)
    x, y, _, _ = streets.point(np.full(people, road, dtype=np.int32), along, lateral)
    stage.people.add(
        people,
        PERSON,
        ObjectClass.PERSON,
        way=MILLING,
        place=road,
        x=x,
        y=y,
        ax=x,
        ay=y,
        wander=0.15,
        until=end + chance.uniform(-15, 15, people),
    )
    event.begin(now, x.mean(), y.mean())
    event.end_s = end
    yield end


def kerb_rider(stage: Stage, event: Event, now: float) -> Course:
    """A two-wheeler rides against the traffic, close to the kerb and off the lanes."""
    streets, chance = stage.streets, stage.chance
    road = stage.some_road()
    if road is None:
        return
    speed, length = stage.uniform(3.5, 6.5), float(streets.length[road])
    lateral = float(streets.lateral[road, 0]) + stage.uniform(2.3, 4.2)
    cls = int(chance.choice([ObjectClass.MOTORCYCLE, ObjectClass.BICYCLE]))
    stage.people.add(
        1, THING, cls, way=ALONG, road=road, s=length - 2, vs=-speed, lat=lateral, until=now + length / speed
    )
    event.begin(now, *stage.at(road, length / 2, lateral))
    event.end_s = now + length / speed
    yield event.end_s


def siren(stage: Stage, event: Event, now: float) -> Course:
    """An emergency vehicle sounds its siren."""
    road = stage.some_road()
    if road is None:
        return
    speed, length = stage.uniform(0, 14), float(stage.streets.length[road])
    level = stage.uniform(106, 116)
    event.begin(now, *stage.at(road, min(length, speed * _SIREN_S / 2), 0.0))
    event.end_s = now + _SIREN_S
    for tick in range(_SIREN_S):
        stage.weather.sound(*stage.at(road, min(length, speed * tick), 0.0), level)
        yield now + tick + 1


def festival_noise(stage: Stage, event: Event, now: float) -> Course:
    """Loud music for minutes: a plateau at the microphones near, and no crowd in sight."""
    road = stage.some_road()
    if road is None:
        return
    x, y = stage.at(road, float(stage.streets.length[road]) / 2, 45.0)
    level = stage.uniform(96, 106)
    event.begin(now, x, y)
    event.end_s = now + stage.uniform(90, 260)
    while now < event.end_s:
        stage.weather.sound(x, y, level + stage.uniform(-2, 2))
        now += 1
        yield now


def _some_sensor(stage: Stage, quantities: tuple[int, ...]) -> int | None:
    sensors = np.flatnonzero(np.isin(stage.sensors.quantity, quantities))
    return int(stage.chance.choice(sensors)) if len(sensors) else None


def _lie(
    stage: Stage, event: Event, now: float, quantities: tuple[int, ...], kind: str, extra: float, lasts: float
) -> Course:
    sensor = _some_sensor(stage, quantities)
    if sensor is None:
        return
    event.begin(now, stage.sensors.x[sensor], stage.sensors.y[sensor])
    event.end_s = now + lasts
    stage.weather.overrides.append(Override(sensor, kind, extra, now, event.end_s))
    yield event.end_s


def sensor_spike(stage: Stage, event: Event, now: float) -> Course:
    """One sensor sends one or two readings far too high."""
    quantities = (Quantity.PM2_5, Quantity.VOC, Quantity.NOISE, Quantity.TEMPERATURE)
    quantity = int(stage.chance.choice(quantities))
    extra = {Quantity.NOISE: 32.0, Quantity.TEMPERATURE: 25.0}.get(Quantity(quantity), 400.0) * stage.uniform(0.6, 1.5)
    yield from _lie(stage, event, now, (quantity,), "spike", extra, 10.0)


def sensor_stuck(stage: Stage, event: Event, now: float) -> Course:
    """One sensor repeats the same value for minutes."""
    quantities = (Quantity.PM2_5, Quantity.VOC, Quantity.NOISE, Quantity.WATER_LEVEL, Quantity.TEMPERATURE)
    yield from _lie(stage, event, now, quantities, "stuck", 0.0, stage.uniform(120, 300))


def truck_plume(stage: Stage, event: Event, now: float) -> Course:
    """A smoking truck passes a station: two or three high readings at one place."""
    yield from _lie(stage, event, now, (Quantity.PM2_5,), "plume", stage.uniform(40, 260), stage.uniform(18, 30))


def _phantom(stage: Stage, event: Event, now: float, cls: int, confidence: float, lasts: float, speed: float) -> Course:
    """Something that one camera alone believes to see."""
    cameras, chance = stage.cameras, stage.chance
    camera = int(chance.integers(0, cameras.count))
    road = int(cameras.road[camera])
    far = stage.uniform(15, float(cameras.range_m[camera]) * 0.8)
    turn = np.deg2rad(
        cameras.heading_deg[camera] + stage.uniform(-0.4, 0.4) * min(float(cameras.fov_deg[camera]), 180.0)
    )
    x, y = float(cameras.x[camera] + far * np.sin(turn)), float(cameras.y[camera] + far * np.cos(turn))
    drift = chance.normal(0, speed, 2)
    stage.people.add(
        1,
        PHANTOM,
        cls,
        way=FREE,
        place=road,
        x=x,
        y=y,
        vx=drift[0],
        vy=drift[1],
        camera=camera,
        confidence=confidence,
        until=now + lasts,
    )
    event.begin(now, x, y)
    event.end_s = now + lasts
    yield event.end_s


def ghost(stage: Stage, event: Event, now: float) -> Course:
    """A reflection or a poster that one camera takes for a person or a car."""
    cls = int(stage.chance.choice([ObjectClass.PERSON, ObjectClass.PERSON, ObjectClass.CAR]))
    yield from _phantom(
        stage, event, now, cls, stage.uniform(0.3, 0.52), stage.uniform(30, 110), stage.uniform(0.0, 0.5)
    )


def steam(stage: Stage, event: Event, now: float) -> Course:
    """Steam from a manhole, taken for smoke for some seconds."""
    yield from _phantom(stage, event, now, ObjectClass.SMOKE, stage.uniform(0.42, 0.6), stage.uniform(6, 16), 0.1)


def brake_light_fire(stage: Stage, event: Event, now: float) -> Course:
    """Brake lights in the wet, taken for fire for some seconds."""
    yield from _phantom(stage, event, now, ObjectClass.FIRE, stage.uniform(0.35, 0.56), stage.uniform(3, 8), 0.1)


def _signal(stage: Stage, event: Event, now: float, kind: str, lasts: float) -> Course:
    junction = stage.some_junction()
    if junction is None:
        return
    place = stage.streets.roads + junction
    stage.claim(place)
    stage.signals.overlays.append(Overlay(junction, kind, round(now), round(now + lasts)))
    event.begin(round(now), stage.streets.junction_x[junction], stage.streets.junction_y[junction])
    event.end_s = float(round(now + lasts))
    yield event.end_s
    stage.release(place)


def manual_signal(stage: Stage, event: Event, now: float) -> Course:
    """A police officer switches the lamps by hand."""
    yield from _signal(stage, event, now, "manual", stage.uniform(90, 220))


def lost_link(stage: Stage, event: Event, now: float) -> Course:
    """A controller is heard no more, and works on."""
    yield from _signal(stage, event, now, "silent", stage.uniform(40, 180))


def dry_place_water(stage: Stage, event: Event, now: float) -> Course:
    """Rain, and puddles that are no flood."""
    sensor = _some_sensor(stage, (Quantity.WATER_LEVEL,))
    if sensor is None:
        return
    event.begin(now, stage.sensors.x[sensor], stage.sensors.y[sensor])
    event.end_s = now + stage.uniform(240, 480)
    stage.weather.rains.append((now, event.end_s, stage.uniform(20, 55)))
    yield event.end_s


def camera_blink(stage: Stage, event: Event, now: float) -> Course:
    """A camera is silent for a few seconds."""
    camera = int(stage.chance.integers(0, stage.cameras.count))
    if stage.tracker.dark[camera]:
        return
    stage.tracker.dark[camera] = True
    event.begin(now, stage.cameras.x[camera], stage.cameras.y[camera])
    event.end_s = now + stage.uniform(4, 15)
    yield event.end_s
    stage.tracker.dark[camera] = False


_PLAYS: Final = (
    loading_stop,
    parking,
    hard_brake,
    bus_dwell,
    bus_queue,
    kerb_rider,
    siren,
    festival_noise,
    sensor_spike,
    sensor_stuck,
    truck_plume,
    ghost,
    steam,
    brake_light_fire,
    manual_signal,
    lost_link,
    dry_place_water,
    camera_blink,
)
DISTRACTORS: Final = {play.__name__: play for play in _PLAYS}
"""Courses by kind of hard negative."""
