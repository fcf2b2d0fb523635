"""Lane changes of a synthetic city: into the turning pocket, round what stands, and at whim."""

import numpy as np

from city_brain.synth.ground.streets import LEFT, POCKET, SLOTS, STRIP
from city_brain.synth.life.fleet import Fleet
from city_brain.types import Bools, Floats, Ints

_WHIM = 0.004
"""Lane changes per vehicle and second without a reason."""
_SEE_BLOCK_M = 75.0
_KEEP_FROM_LINE_M = 35.0


def change_lanes(fleet: Fleet, chance: np.random.Generator, now: int) -> None:
    """Moves at most one vehicle into each lane, where the gap allows."""
    t, streets = fleet.table, fleet.streets
    if t.n < 2:
        return
    key = t["link"] * 16384.0 + t["s"]
    order = np.argsort(key, kind="stable")
    to_block = _distance_to_block(fleet, order, now)
    on_road = fleet.on_road(t["link"]) & (t["link"] % SLOTS != STRIP)
    road, slot = fleet.road(t["link"]), t["link"] % SLOTS
    to_line = t["span"] - t["s"]
    free = (t["hold_until"] <= now) & np.isnan(t["stop_at"]) & on_road
    draw = chance.random(t.n)
    pocket = free & (t["movement"] == LEFT) & (streets.pocket[road] > to_line) & (slot == streets.lanes[road] - 1)
    blocked = free & (to_block < _SEE_BLOCK_M) & (draw < 0.6) & (slot < streets.lanes[road])
    whim = free & (draw < _WHIM) & (to_line > _KEEP_FROM_LINE_M) & (t["v"] > 4) & (slot < streets.lanes[road])
    wanting = np.flatnonzero(pocket | ((blocked | whim) & (streets.lanes[road] > 1)))
    step = np.where(chance.random(len(wanting)) < 0.5, 1, -1)
    to = slot[wanting] + step
    last = streets.lanes[road[wanting]] - 1
    to = np.where(to < 0, 1, np.where(to > last, last - 1, to))
    to = np.where(pocket[wanting], POCKET, to)
    link = road[wanting].astype(np.int64) * SLOTS + to
    fits = _fits(fleet, order, key[order], wanting, link)
    wanting, link = wanting[fits], link[fits]
    _, one = np.unique(link, return_index=True)
    movers = wanting[one]
    t["link"][movers] = link[one]
    stays = pocket[movers]
    t["movement"][movers[~stays]] = fleet.choose_movement(link[one][~stays])
    missed = np.flatnonzero(
        free & (t["movement"] == LEFT) & (streets.pocket[road] > 0) & (t["link"] % SLOTS != POCKET) & (to_line < 10)
    )
    if len(missed):
        t["movement"][missed] = _straight_on(fleet, t["link"][missed])


def _straight_on(fleet: Fleet, link: Ints) -> Ints:
    """Another movement for drivers who did not reach the pocket, if there is any."""
    exists = fleet.streets.movements((link // SLOTS).astype(np.int32))
    return np.where(exists[:, 1], 1, np.where(exists[:, 2], 2, LEFT))


def _distance_to_block(fleet: Fleet, order: Ints, now: int) -> Floats:
    """Distance to the nearest vehicle ahead in the lane that stands for long; huge where there is none."""
    t = fleet.table
    stands = (t["hold_until"] > now + 3) | (~np.isnan(t["stop_at"]) & (t["v"] < 1.0))
    place = np.where(stands[order], np.arange(t.n), t.n)
    ahead = np.minimum.accumulate(place[::-1])[::-1]
    ahead = np.append(ahead[1:], t.n)
    has = ahead < t.n
    block = order[np.minimum(ahead, t.n - 1)]
    same = has & (t["link"][order] == t["link"][block])
    distance = np.full(t.n, 1e9)
    distance[order[same]] = t["s"][block[same]] - t["s"][order[same]]
    return distance


def _fits(fleet: Fleet, order: Ints, sorted_key: Floats, wanting: Ints, link: Ints) -> Bools:
    """Whether the gap in the wanted lane takes the vehicle without making the one behind brake hard."""
    t = fleet.table
    at = np.searchsorted(sorted_key, link * 16384.0 + t["s"][wanting])
    lead, lag = order[np.minimum(at, len(order) - 1)], order[np.maximum(at - 1, 0)]
    has_lead = (at < len(order)) & (t["link"][lead] == link)
    has_lag = (at > 0) & (t["link"][lag] == link)
    s, v, size = t["s"][wanting], t["v"][wanting], t["size"][wanting]
    room_ahead = t["s"][lead] - t["size"][lead] - s
    room_behind = s - size - t["s"][lag]
    return np.asarray(
        (~has_lead | (room_ahead > 1.5 + 0.3 * v)) & (~has_lag | (room_behind > 1.5 + 0.45 * t["v"][lag]))
    )
