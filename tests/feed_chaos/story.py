"""A city's incidents told by a seed: what a feed is given, and therefore what its readers must be told."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.incident import Incident, Place
from tests.feeds.builders import AREAS, START_MS, TYPES, an_incident

STATES_AFTER: Final = {
    "suspected": ("suspected", "suspected", "active", "withdrawn"),
    "active": ("active", "active", "active", "ended", "withdrawn"),
    "ended": ("active",),
    "withdrawn": ("suspected",),
}
OPEN_AT_A_TIME: Final = 40
_LEVELS: Final = ("I", "II", "III", "IV", None)


@dataclass(frozen=True)
class Story:
    """As many ticks as one likes, the same for each seed."""

    seed: int = 1
    changes: int = 100_000
    a_tick: int = 25
    """Changes of a tick, on average."""

    def ticks(self) -> Iterator[tuple[int, list[Incident]]]:
        """Ticks with their revisions in order, until all changes are told."""
        chance = random.Random(self.seed)
        going: dict[str, Incident] = {}
        tick = told = born = 0
        while told < self.changes:
            said: list[Incident] = []
            for _ in range(min(chance.randrange(2 * self.a_tick + 1), self.changes - told)):
                if len(going) < OPEN_AT_A_TIME or chance.random() < 0.05:
                    born += 1
                    incident = self._begins(chance, f"i{born:06d}", tick)
                else:
                    incident = self._goes_on(chance, going[chance.choice(sorted(going))], tick)
                said.append(incident)
                going[incident.incident_id] = incident
                if incident.state in ("ended", "withdrawn") and chance.random() < 0.9:
                    del going[incident.incident_id]  # the others may return
            told += len(said)
            yield tick, said
            tick += 1

    def _begins(self, chance: random.Random, incident_id: str, tick: int) -> Incident:
        return self._drawn(chance, an_incident(incident_id, 1), chance.choice(("suspected", "active")), tick)

    def _goes_on(self, chance: random.Random, before: Incident, tick: int) -> Incident:
        revised = an_incident(before.incident_id, before.revision + 1, type=before.type, place=before.place)
        return self._drawn(chance, revised, chance.choice(STATES_AFTER[before.state]), tick, anew=False)

    def _drawn(self, chance: random.Random, incident: Incident, state: str, tick: int, anew: bool = True) -> Incident:
        said: dict[str, object] = {
            "state": state,
            "confidence": chance.randrange(0, 1001) / 1000,
            "level": chance.choice(_LEVELS),
            "lon": 117.0 + chance.randrange(-500, 501) / 10_000,
            "lat": 36.65 + chance.randrange(-500, 501) / 10_000,
            "updated_ms": START_MS + 1000 * tick,
        }
        if anew:
            codes = chance.choice(((AREAS[0], AREAS[1], AREAS[2]), (AREAS[0], AREAS[1]), (AREAS[0],)))
            said |= {"type": chance.choice(sorted(TYPES.by_name)), "place": Place(area_codes=codes)}
        return an_incident(
            incident.incident_id, incident.revision, **({"type": incident.type, "place": incident.place} | said)
        )


def heartbeat(tick: int) -> Heartbeat:
    """The sign of life of a tick."""
    return Heartbeat(log_time_ms=START_MS + 1000 * (tick + 1), sources_live=60, sources_silent=2)
