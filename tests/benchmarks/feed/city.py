"""A city with as many changes as one likes, and as many different filters that match the same share of them."""

import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from city_brain.feeds.change_log import Change, ChangeLog
from city_brain.feeds.filters import LEVELS, Circle, IncidentFilter, Names, Wanted
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.subscription import Subscription
from city_brain.incidents.incident import Incident, Place
from tests.benchmarks.feed.case import Case
from tests.feeds.builders import AREAS, START_MS, TYPES, an_incident, evidence

NAMES = Names(types=tuple(TYPES.by_name), area_codes=AREAS)
_OPEN = 60
"""Incidents that go on at a time."""
_GOES_ON = 0.9
"""Probability that a change is another revision of one of them."""
_SEED = 1
_SAMPLE = 1_800
"""Changes on which the share of a filter is set, at least: those of the case, and what would follow."""
_HALF_DEG = 0.05
"""Half of the width and height of the city, degrees."""
_EVIDENCE = tuple(
    evidence(
        "stopped_in_lane", (f"cam-{at}",), 0.5, distance_m=1.5 * at, rows=tuple((0, 17 * row, at) for row in range(8))
    )
    for at in range(12)
)
"""Makes a revision of some 2 kB on the wire."""


def ticks(case: Case) -> Iterator[tuple[int, list[Incident], Heartbeat]]:
    """What is appended, one after the other."""
    chance = random.Random(_SEED)
    going: list[Incident] = []
    appends = case.seconds * case.appends_per_second
    for tick in range(appends):
        count = (tick + 1) * case.changes // appends - tick * case.changes // appends
        now_ms = START_MS + 1000 * tick // case.appends_per_second
        told = [_told(chance, going, now_ms) for _ in range(count)]
        yield tick, told, Heartbeat(log_time_ms=now_ms, sources_live=60, sources_silent=2)


def _told(chance: random.Random, going: list[Incident], now_ms: int) -> Incident:
    if not going or (len(going) < _OPEN and chance.random() > _GOES_ON):
        going.append(_begins(chance, now_ms))
        return going[-1]
    at = chance.randrange(len(going))
    before = going[at]
    ends = len(going) >= _OPEN // 2 and chance.random() > _GOES_ON
    moved = min(1.0, max(0.0, before.confidence + chance.choice((-0.005, 0.0, 0.005))))
    after = msgspec.structs.replace(
        before,
        revision=before.revision + 1,
        state="ended" if ends else "active",
        ended_ms=now_ms if ends else None,
        confidence=moved,
        updated_ms=now_ms,
    )
    if ends:
        del going[at]
    else:
        going[at] = after
    return after


def _begins(chance: random.Random, now_ms: int) -> Incident:
    codes = chance.choice((AREAS, AREAS[:2], AREAS[:1]))
    return an_incident(
        f"i{chance.getrandbits(40):010x}",
        type=chance.choice(sorted(TYPES.by_name)),
        level=chance.choice((*LEVELS, None)),
        confidence=chance.random(),
        lon=117.0 + chance.uniform(-_HALF_DEG, _HALF_DEG),
        lat=36.65 + chance.uniform(-_HALF_DEG, _HALF_DEG),
        place=Place(area_codes=codes),
        evidence=_EVIDENCE,
        first_seen_ms=now_ms,
        updated_ms=now_ms,
    )


def wanted(case: Case) -> list[Wanted]:
    """A filter for each reader, all different: types, level, area or circle, and the confidence for the share."""
    longer = msgspec.structs.replace(case, seconds=max(case.seconds, _SAMPLE // case.changes_per_second))
    sample = [told for _, said, _ in ticks(longer) for told in said]
    chance = random.Random(_SEED)
    found: dict[Wanted, None] = {}
    while len(found) < case.readers:
        drawn = _drawn(chance)
        matching = IncidentFilter(drawn, NAMES)
        sure = sorted((told.confidence for told in sample if matching.matches(told)), reverse=True)
        last = math.ceil(case.share * len(sample))
        if last < len(sure):
            found[msgspec.structs.replace(drawn, minimum_confidence=max(0.0, sure[last] - chance.random() / 1e6))] = (
                None
            )
    return list(found)


def _drawn(chance: random.Random) -> Wanted:
    circle = Circle(
        117.0 + chance.uniform(-_HALF_DEG, _HALF_DEG), 36.65 + chance.uniform(-_HALF_DEG, _HALF_DEG), 5_000.0
    )
    by_circle = chance.random() < 0.1
    return Wanted(
        types=tuple(sorted(chance.sample(sorted(TYPES.by_name), chance.randrange(1, 4)))),
        minimum_level=chance.choice(("", *LEVELS)),
        area_codes=() if by_circle else (chance.choice(AREAS),),
        area=circle if by_circle else None,
    )


def expected(case: Case, filters: Sequence[Wanted]) -> Iterator[list[int]]:
    """The numbers of the changes that each filter's reader must be told."""
    changes = logged(case)
    for one in filters:
        reader = Subscription(ChangeLog(feed_id=""), IncidentFilter(one, NAMES))
        yield [delivery.number for delivery in reader.passed(changes)]


def share(case: Case, filters: Sequence[Wanted]) -> float:
    """Of the changes, what a filter matches, on average."""
    changes = logged(case)
    matching = [IncidentFilter(one, NAMES) for one in filters]
    matched = sum(one.matches(change.incident) for one in matching for change in changes)
    return matched / len(changes) / len(matching)


def logged(case: Case) -> list[Change]:
    """All changes under their numbers."""
    log = ChangeLog(feed_id="bench", capacity=case.changes + 1)
    for tick, told, heartbeat in ticks(case):
        log.append(tick, told, heartbeat)
    return log.changes
