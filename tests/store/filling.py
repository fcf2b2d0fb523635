"""Ticks for stores: lives of incidents, drawn by seed, and the lines that a feed must then hold."""

import random
from collections.abc import Iterator
from typing import Any

from city_brain.digest import TreeHead
from city_brain.incidents.incident import Incident, incident_line
from city_brain.store.values import TickChanges
from tests.feeds.builders import START_MS, a_heartbeat, an_incident

FEED_ID = "jinan-1"


def a_tick(tick: int, *incidents: Incident) -> TickChanges:
    """A tick of one second."""
    return TickChanges(
        tick=tick, log_time_ms=START_MS + 1000 * tick, incidents=incidents, heartbeat=a_heartbeat(tick)
    )  # fmt: skip


def ticks(count: int, changes: int, seed: int = 1, **said: Any) -> Iterator[TickChanges]:
    """Ticks of so many changes each: incidents open, go on for a few revisions, and close."""
    chance = random.Random(seed)
    going: dict[str, int] = {}
    opened = 0
    for tick in range(count):
        incidents = []
        for _ in range(changes):
            if not going or chance.random() < 0.3:
                opened += 1
                going[f"i{opened:06}"] = 0
            incident_id = chance.choice(sorted(going))
            going[incident_id] += 1
            state = "ended" if going[incident_id] > 4 else "active"
            incidents.append(an_incident(incident_id, going[incident_id], state=state, **said))
            if state == "ended":
                del going[incident_id]
        yield a_tick(tick, *incidents)


def digest(given: list[TickChanges]) -> str:
    """The digest of a feed that holds these ticks."""
    head = TreeHead()
    for tick in given:
        for incident in tick.incidents:
            head.add(incident_line(incident))
    return head.digest().hex()
