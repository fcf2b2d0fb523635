"""What a live page is told of a running city before the feed: its map and its types, without any incident."""

import dataclasses
from collections.abc import Callable

from city_brain import __version__
from city_brain.fusion.scene import Ground
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.page import document as page
from city_brain.page.document import to_json
from city_brain.page.ground import ground_of
from city_brain.page.words import kinds


class LiveCity:
    """A running city as JSON, made once for each map and set of types that it has had."""

    def __init__(self, city: str, zone: str, now: Callable[[], tuple[Ground, IncidentTypes]]) -> None:
        """`now`: the map and the types that hold; `zone` of printed times."""
        self._city, self._zone, self._now = city, zone, now
        self._made: tuple[tuple[Ground, IncidentTypes], dict[bool, bytes]] | None = None

    def document(self, *, whole: bool) -> bytes:
        """The city; not `whole`: only its roads, junctions and areas, for who may not know of all its sources."""
        now = self._now()
        if self._made is None or any(was is not holds for was, holds in zip(self._made[0], now, strict=True)):
            self._made = (now, {})
        made = self._made[1]
        if whole not in made:
            made[whole] = self._json(*now, whole)
        return made[whole]

    def _json(self, ground: Ground, types: IncidentTypes, whole: bool) -> bytes:
        city = ground.city if whole else dataclasses.replace(ground.city, cameras=(), signals=(), sensors=())
        drawn, limits = ground_of(city)
        return to_json(
            page.Document(
                live=True,
                city=self._city,
                zone=self._zone,
                program=f"city-brain {__version__}",
                first_ms=None,
                last_ms=None,
                ground=drawn,
                types=kinds(types),
                limits=tuple(limits),
            )
        )
