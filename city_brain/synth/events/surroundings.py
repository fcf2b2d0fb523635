"""Incidents of the surroundings: foul air, water on the road, fire, crowds, and cameras that go blind."""

from typing import Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass, Quantity
from city_brain.synth.events.stage import Course, Event, Stage
from city_brain.synth.life.people import MILLING, PERSON, THING
from city_brain.synth.life.weather import Flood, Source, Warmth

_FLOODED_MM = 150.0
_TIDE_S = 5.0


def pollution(stage: Stage, event: Event, now: float) -> Course:
    """Something gives off particles or vapours; the wind carries them over the stations."""
    quantity = int(stage.chance.choice([Quantity.PM2_5, Quantity.PM2_5, Quantity.VOC]))
    spot = _upwind_spot(stage, quantity)
    if spot is None:
        return
    x, y, nearest = spot
    end = now + stage.uniform(220, 400)
    rate = stage.uniform(150, 900) * np.pi * stage.weather.wind_mps * (3 + 0.16 * nearest) * (2.5 + 0.14 * nearest)
    source = Source(quantity, x, y, rate, now, end, event.number)
    stage.weather.sources.append(source)
    event.note = f"{Quantity(quantity).name.lower()}, {_wind(stage)}"
    event.radius_m, event.severity = 80.0, 3
    event.begin(now, x, y)
    event.observable_s = end
    yield from _until_clear(stage, event, now, end)


def _wind(stage: Stage) -> str:
    return f"wind to {stage.weather.wind_to_deg % 360:.0f} deg {stage.weather.wind_mps:.1f} m/s"


def _until_clear(stage: Stage, event: Event, now: float, end: float) -> Course:
    """Follows a plume until the last station is clear: the event can be seen from the first touch to the last."""
    touched, last, latest = 0, now, end + 400
    while now < latest and (now < end or now - last < 60):
        now += _TIDE_S
        yield now
        count = sum(event.seen_by.values())
        if count > touched:
            touched, last = count, now
            event.observable_s = min(event.observable_s, now - _TIDE_S)
    event.end_s = max(end, last)


def _upwind_spot(stage: Stage, quantity: int) -> tuple[float, float, float] | None:
    """A place beside a road from which the wind blows over some station: (x, y, metres to the nearest such station)."""
    stations = stage.sensors.of(quantity)
    if len(stations) == 0:
        return None
    angle = np.deg2rad(stage.weather.wind_to_deg)
    ux, uy = float(np.sin(angle)), float(np.cos(angle))
    best, best_score = None, 0.0
    for road in stage.chance.integers(0, stage.streets.roads, 40).tolist():
        x, y = stage.at(road, stage.uniform(0, float(stage.streets.length[road])), stage.uniform(8, 40))
        dx, dy = stage.sensors.x[stations] - x, stage.sensors.y[stations] - y
        down, cross = dx * ux + dy * uy, dx * uy - dy * ux
        hit = (down > 15) & (down < 700) & (np.abs(cross) < 3 + 0.16 * down)
        score = float((1 / (40 + down[hit])).sum())
        if score > best_score:
            best, best_score = (x, y, float(down[hit].min())), score
    return best


def waterlogging(stage: Stage, event: Event, now: float) -> Course:
    """Rain comes, and the drain of one low place does not."""
    sensors = stage.sensors.of(Quantity.WATER_LEVEL)
    if len(sensors) == 0:
        return
    sensor = int(stage.chance.choice(sensors))
    road = int(stage.sensors.road[sensor])
    if not stage.claim(road):
        return
    rain = stage.uniform(240, 420)
    end = now + rain + stage.uniform(260, 600)
    stage.weather.rains.append((now, end, stage.uniform(25, 65)))
    depth, tau = stage.uniform(230, 420), stage.uniform(130, 260)
    begins = now + stage.uniform(40, 120)
    stage.weather.floods.append(Flood(sensor, depth, tau, begins, end, event.number))
    crosses = begins - tau * float(np.log(1 - (_FLOODED_MM - 15) / depth))
    yield crosses
    event.radius_m, event.severity = 25.0, 3
    event.begin(crosses, stage.sensors.x[sensor], stage.sensors.y[sensor])
    event.end_s = end
    along = _along(stage, road, event.x, event.y)
    stage.traffic.zone_from[road], stage.traffic.zone_to[road], stage.traffic.zone_speed[road] = (
        along - 20,
        along + 20,
        3.0,
    )
    yield end
    stage.traffic.zone_speed[road] = np.nan
    stage.release(road)


def _along(stage: Stage, road: int, x: float, y: float) -> float:
    """How far along a road a place lies."""
    places = np.linspace(0, float(stage.streets.length[road]), 60)
    px, py, _, _ = stage.streets.point(np.full(60, road, dtype=np.int32), places, np.zeros(60))
    return float(places[np.argmin(np.hypot(px - x, py - y))])


def fire(stage: Stage, event: Event, now: float) -> Course:
    """Something burns beside the road: smoke, then flames, a plume, warmth."""
    road = stage.some_road()
    if road is None:
        return
    stage.claim(road)
    lateral = float(stage.streets.lateral[road, 0]) + stage.uniform(4, 9)
    x, y = stage.at(road, stage.along(road, 0.3, 0.9, lateral), lateral)
    end = now + stage.uniform(260, 450)
    shape = {"way": MILLING, "place": road, "x": x, "y": y, "ax": x, "ay": y, "wander": 0.25, "until": end}
    smoke = stage.people.add(1, THING, ObjectClass.SMOKE, **{**shape, "confidence": stage.uniform(0.58, 0.74)})
    stage.watch(smoke, event)
    wind = stage.weather.wind_mps
    stage.weather.sources.append(
        Source(Quantity.PM2_5, x, y, stage.uniform(300, 1500) * np.pi * wind * 12 * 9, now, end, event.number)
    )
    stage.weather.warmths.append(Warmth(x, y, stage.uniform(4, 12), now, end, event.number))
    event.radius_m, event.severity, event.end_s = 20.0, 4, end
    event.note = _wind(stage)
    event.begin(now, x, y)
    now += stage.uniform(5, 40)
    yield now
    flames = stage.people.add(1, THING, ObjectClass.FIRE, **{**shape, "confidence": stage.uniform(0.58, 0.76)})
    stage.watch(flames, event)
    yield end
    stage.release(road)


def crowd(stage: Stage, event: Event, now: float) -> Course:
    """People gather beside a road, more and more of them, and are loud."""
    chance = stage.chance
    road = stage.some_road()
    if road is None:
        return
    stage.claim(road)
    people = int(chance.integers(22, 52))
    beyond = stage.uniform(8, 13)
    lateral = float(stage.streets.lateral[road, 0]) + beyond
    x, y = stage.at(road, stage.along(road, 0.25, 0.9, lateral), lateral)
    spread = min(beyond - 2.0, 3.0 + 0.12 * people)
    end = now + stage.uniform(160, 320)
    loud = 66 + 10 * np.log10(people) + stage.uniform(0, 8)
    came = 0
    while now < end:
        fresh = min(people - came, int(chance.poisson(1.3)))
        if fresh:
            angle, far = chance.uniform(0, 2 * np.pi, fresh), spread * np.sqrt(chance.random(fresh))
            ax, ay = x + far * np.sin(angle), y + far * np.cos(angle)
            until = end + chance.uniform(-10, 30, fresh)
            where = {
                "way": MILLING,
                "place": road,
                "x": ax,
                "y": ay,
                "ax": ax,
                "ay": ay,
                "wander": 0.35,
                "until": until,
            }
            oids = stage.people.add(fresh, PERSON, ObjectClass.PERSON, **where)
            stage.watch(oids, event)
            came += fresh
            if came >= 15 and not event.happened:
                event.begin(now, x, y)
                event.note, event.radius_m, event.end_s = f"{people} persons", 20.0, end
        stage.weather.sound(x, y, loud * min(1.0, 0.85 + 0.15 * came / people), event.number)
        now += 1
        yield now
    stage.release(road)


def coverage_lost(stage: Stage, event: Event, now: float) -> Course:
    """One camera, or all of a junction's, sends nothing for minutes."""
    cameras, chance = stage.cameras, stage.chance
    one = int(chance.integers(0, cameras.count))
    blind = np.array([one])
    if chance.random() < 0.4 and cameras.junction[one] >= 0:
        blind = np.flatnonzero(cameras.junction == cameras.junction[one])
    if stage.tracker.dark[blind].any():
        return
    stage.tracker.dark[blind] = True
    end = now + stage.uniform(90, 320)
    event.note = " ".join(cameras.ids[k] for k in blind.tolist())
    event.radius_m, event.end_s = 60.0, end
    event.seen_by.update({int(k): 3 for k in blind})
    event.begin(np.floor(now), cameras.x[one], cameras.y[one])
    event.observable_s = event.start_s + 10
    yield end
    stage.tracker.dark[blind] = False
    if chance.random() < 0.5:
        for camera in blind.tolist():
            stage.channel.reboot(camera)


SURROUNDINGS: Final = {
    "pollution": pollution,
    "waterlogging": waterlogging,
    "fire": fire,
    "crowd": crowd,
    "coverage_lost": coverage_lost,
}
"""Courses by incident type."""
