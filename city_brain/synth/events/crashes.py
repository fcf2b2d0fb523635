"""Crashes: a vehicle runs into the one before it, on its way or at a stop line."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from city_brain.observations.vocabulary import Colour, ObjectClass
from city_brain.synth.events.stage import FOUR_WHEELS, Course, Event, Stage
from city_brain.synth.ground.streets import SLOTS
from city_brain.synth.life.people import MILLING, PERSON
from city_brain.types import Ints

Pairs: TypeAlias = tuple[Ints, Ints]
"""Rows (n,) of leaders, and of those that drive behind them."""

_WAITS_S: Final = 80
"""How long an event waits for vehicles that it can happen to."""
_AT_LINE_M: Final = (4.0, 14.0)
"""A vehicle whose front stands so far from its stop line is first at the signal."""
_HARD_MPS2: Final = 7.5
_NEAR_M, _STILL_NEAR_M = 22.0, 35.0
"""From one front to the next: on the way there are many pairs, at a stop line few."""


def crash(stage: Stage, event: Event, now: float) -> Course:
    """A vehicle runs into the one before it: bang, sudden stop, bodies turned, people on the lane, traffic behind."""
    yield from _crash_of(stage, event, now, 2.0, lambda: _close_pairs(stage, stage.moving_cars(least_v=6.5), _NEAR_M))


def crash_at_signal(stage: Stage, event: Event, now: float) -> Course:
    """The same at a stop line, shortly before it: the wreck stands first at the signal and does not go when it may."""
    yield from _crash_of(stage, event, now, 1.0, lambda: _pairs_at_line(stage))


def _crash_of(stage: Stage, event: Event, now: float, pause_s: float, pairs: Callable[[], Pairs]) -> Course:
    """A crash of one of the pairs, leader and follower, that there are when there are any."""
    table, chance = stage.traffic.fleet.table, stage.chance
    for _ in range(round(_WAITS_S / pause_s)):
        ahead, behind = pairs()
        if len(ahead):
            break
        now += pause_s
        yield now
    else:
        return
    pick = int(chance.integers(0, len(ahead)))
    pair = np.array([ahead[pick], behind[pick]])
    oids = table["oid"][pair].tolist()
    road = int(table["link"][pair[0]] // SLOTS)
    stage.claim(road)
    end = now + stage.uniform(180, 420)
    # The one ahead brakes hard; the one behind does not look.
    table["hold_until"][pair], table["hold_brake"][pair] = end, (stage.uniform(6, 9), 0.0)
    stage.watch(table["oid"][pair] * 4, event)
    for _ in range(8):
        now += 1
        yield now
        rows = [row for row in map(stage.row_of, oids) if row is not None]
        if len(rows) < 2 or table["s"][rows[0]] - table["size"][rows[0]] - table["s"][rows[1]] < 0.6:
            break
    if len(rows) == 2:
        _collide(stage, event, now, np.array(rows), end)
        yield from _after_crash(stage, event, now, road, end)
        yield end
    for row in map(stage.row_of, oids):
        if row is not None:
            table["yaw"][row], table["hold_until"][row] = 0.0, -1.0
    stage.release(road)


def _close_pairs(stage: Stage, rows: Ints, most_m: float) -> Pairs:
    """Leaders and followers on one lane, less than `most_m` apart, of which both drive."""
    table = stage.traffic.fleet.table
    rows = rows[np.isin(table["cls"][rows], FOUR_WHEELS)]
    key = table["link"][rows] * 16384.0 + table["s"][rows]
    order = rows[np.argsort(key, kind="stable")]
    behind, ahead = order[:-1], order[1:]
    near = (table["link"][behind] == table["link"][ahead]) & (table["s"][ahead] - table["s"][behind] < most_m)
    return ahead[near], behind[near]


def _pairs_at_line(stage: Stage) -> Pairs:
    """Close pairs of which the leader is the foremost on its lane, has green, and would come to stand by its stop line
    and in view of a camera if it braked hard now.
    """
    table, streets = stage.traffic.fleet.table, stage.streets
    ahead, behind = _close_pairs(stage, stage.moving_cars(least_v=6.5, margin_m=_AT_LINE_M[0]), _STILL_NEAR_M)
    road = (table["link"][ahead] // SLOTS).astype(np.int32)
    braking_m = table["v"][ahead] ** 2 / (2 * _HARD_MPS2)
    to_line_m = table["span"][ahead] - table["s"][ahead] - braking_m
    fit = (streets.end[road] >= 0) & (to_line_m > _AT_LINE_M[0]) & (to_line_m < _AT_LINE_M[1])
    fit &= stage.signals.colour[streets.end[road], streets.end_arm[road], table["movement"][ahead]] == Colour.GREEN
    x, y = (table[name][ahead] + table["h" + name][ahead] * braking_m for name in "xy")
    fit &= stage.visible(road, x, y)
    link, s = table["link"], table["s"]
    foremost = [not ((link == link[row]) & (s > s[row])).any() for row in ahead.tolist()]
    fit &= np.array(foremost, dtype=np.bool_)
    return ahead[fit], behind[fit]


def _collide(stage: Stage, event: Event, now: float, pair: np.ndarray, end: float) -> None:
    """Both stand at once, turned, with a bang."""
    table, chance = stage.traffic.fleet.table, stage.chance
    table["v"][pair], table["hold_brake"][pair] = 0.0, 20.0
    table["yaw"][pair] = chance.choice([-1, 1], 2) * chance.uniform(12, 60, 2)
    table["lat"][pair] += chance.normal(0, 0.5, 2)
    x, y = float(table["x"][pair].mean()), float(table["y"][pair].mean())
    stage.weather.sound(x, y, stage.uniform(122, 138), event.number)
    event.note, event.severity, event.end_s = "2 vehicles, on lane", 4, end
    event.begin(now, x, y)


def _after_crash(stage: Stage, event: Event, now: float, road: int, end: float) -> Course:
    """Perhaps a second impact; then people get out and stand about."""
    chance = stage.chance
    if chance.random() < 0.3:
        now += stage.uniform(0.6, 2.0)
        yield now
        stage.weather.sound(event.x, event.y, stage.uniform(114, 128), event.number)
    now += stage.uniform(8, 35)
    yield now
    people = int(chance.integers(2, 6))
    spot = np.array([[event.x, event.y]]) + chance.normal(0, 2.2, (people, 2))
    where = {"way": MILLING, "place": road, "x": spot[:, 0], "y": spot[:, 1], "ax": spot[:, 0], "ay": spot[:, 1]}
    until = end + chance.uniform(-20, 5, people)
    stage.watch(stage.people.add(people, PERSON, ObjectClass.PERSON, **where, wander=0.5, until=until), event)
