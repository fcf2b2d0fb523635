"""A city's incidents told by a seed: what a feed is given, and therefore what its readers must be told.

A long story is begun anew whenever the feed's server was killed. Bookmarks spare it what was told long ago.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

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

    def ticks(self, since: "Bookmark | None" = None) -> Iterator[tuple[int, list[Incident]]]:
        """Ticks with their revisions in order, from a bookmark on, until all changes are told."""
        telling = Telling(self, since)
        while not telling.is_over:
            yield telling.next_tick()


class Bookmark(msgspec.Struct, frozen=True):
    """Where a story stands before a tick."""

    tick: int
    told: int
    born: int
    going: dict[str, Incident]
    chance: tuple[Any, ...]


class Telling:
    """A story as it is told; `tick`: the next one."""

    def __init__(self, story: Story, since: Bookmark | None = None) -> None:
        self._story = story
        self._chance = random.Random(story.seed)
        self._going: dict[str, Incident] = {}
        self.tick = self._told = self._born = 0
        if since is not None:
            self.tick, self._told, self._born = since.tick, since.told, since.born
            self._going = dict(since.going)
            version, words, gauss = since.chance
            self._chance.setstate((version, tuple(words), gauss))

    @property
    def is_over(self) -> bool:
        """Whether all changes are told."""
        return self._told >= self._story.changes

    def bookmark(self) -> Bookmark:
        """Where it stands."""
        return Bookmark(self.tick, self._told, self._born, dict(self._going), self._chance.getstate())

    def next_tick(self) -> tuple[int, list[Incident]]:
        """The next tick and its revisions."""
        chance, going, tick = self._chance, self._going, self.tick
        said: list[Incident] = []
        for _ in range(min(chance.randrange(2 * self._story.a_tick + 1), self._story.changes - self._told)):
            if len(going) < OPEN_AT_A_TIME or chance.random() < 0.05:
                self._born += 1
                incident = self._begins(chance, f"i{self._born:06d}", tick)
            else:
                incident = self._goes_on(chance, going[chance.choice(sorted(going))], tick)
            said.append(incident)
            going[incident.incident_id] = incident
            if incident.state in ("ended", "withdrawn") and chance.random() < 0.9:
                del going[incident.incident_id]  # the others may return
        self._told += len(said)
        self.tick += 1
        return tick, said

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
