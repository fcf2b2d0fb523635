"""Which incidents may lie near another one: a grid over the ground, so that a province need not look at all it has.

Every incident stands in the cells that it may touch: its place with its error and extent. What is too wide for that
stands in a list of its own, and is always looked at.
"""

import math
from collections.abc import Iterator
from typing import Final

from city_brain.geo import METRES_PER_DEGREE
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentType
from city_brain.province.joining.nearness import SIGMAS
from city_brain.province.joining.uniting import Key

CELL_DEG: Final = 0.02
"""Some 2 km: few incidents of a city share a cell, and nearly all fit into four."""
CELLS_MAX: Final = 64
"""An incident that may touch more is wide."""

_Cell = tuple[str, str, int, int]


class Nearby:
    """Incidents by where they may be; withdrawn ones are nowhere."""

    def __init__(self) -> None:
        self._cells: dict[_Cell, dict[Key, None]] = {}
        self._wide: dict[tuple[str, str], dict[Key, None]] = {}
        self._places: dict[Key, tuple[_Cell, ...]] = {}

    def put(self, key: Key, incident: Incident) -> None:
        """Takes an incident, or where it is now."""
        self.drop(key)
        if incident.state == "withdrawn":
            return
        kind = (incident.type, incident.status)
        cells = tuple((*kind, *cell) for cell in _cells(incident, 0.0))
        if cells:
            self._places[key] = cells
            for cell in cells:
                self._cells.setdefault(cell, {})[key] = None
        else:
            self._wide.setdefault(kind, {})[key] = None

    def drop(self, key: Key) -> None:
        """Forgets an incident."""
        for cell in self._places.pop(key, ()):
            del self._cells[cell][key]
            if not self._cells[cell]:
                del self._cells[cell]
        for wide in self._wide.values():
            wide.pop(key, None)

    def around(self, incident: Incident, kind: IncidentType) -> list[Key]:
        """Incidents of the same type and status that may be within the reach of this one, each once."""
        same = (incident.type, incident.status)
        found = dict(self._wide.get(same, {}))
        cells = list(_cells(incident, kind.join_radius_m))
        if not cells:
            found.update((key, None) for key, places in self._places.items() if places[0][:2] == same)
        for cell in cells:
            found.update(self._cells.get((*same, *cell), {}))
        return list(found)


def _cells(incident: Incident, more_m: float) -> Iterator[tuple[int, int]]:
    """The cells that an incident may touch, with so much around it; none where they are too many."""
    lons, lats = [incident.lon], [incident.lat]
    for line in incident.geometry.coordinates if incident.geometry else ():
        lons += [lon for lon, _ in line]
        lats += [lat for _, lat in line]
    around_m = more_m + SIGMAS * incident.position_error_m + (incident.radius_m or 0.0)
    north = around_m / METRES_PER_DEGREE
    # A little more than the sphere says: frames that distances are measured in are a little off.
    east = 1.01 * north / max(math.cos(math.radians(max(map(abs, lats)))), 0.01)
    first_x, last_x = math.floor((min(lons) - east) / CELL_DEG), math.floor((max(lons) + east) / CELL_DEG)
    first_y, last_y = math.floor((min(lats) - north) / CELL_DEG), math.floor((max(lats) + north) / CELL_DEG)
    if (last_x - first_x + 1) * (last_y - first_y + 1) <= CELLS_MAX:
        for x in range(first_x, last_x + 1):
            for y in range(first_y, last_y + 1):
                yield x, y
