"""Which incidents a reader wants: conditions that must all hold; an unknown name is refused with the nearest one."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeAlias, get_args

import msgspec
import shapely

from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.geo import LocalFrame
from city_brain.incidents.incident import Incident, Level, MultiLineString, State
from city_brain.wording.nearest import near_word, nearest

STATES: tuple[str, ...] = get_args(State)
LEVELS: tuple[str, ...] = get_args(Level)
"""Gravest first."""
MAX_NAMES = 100
"""Types, and areas, that one filter may name."""
MAX_VERTICES = 1000
"""Vertices of one polygon."""
MAX_RADIUS_M = 1_000_000.0
_DEGREES = "degrees, longitude -180 to 180, latitude between -90 and 90"


class Circle(msgspec.Struct, frozen=True, tag="circle"):
    """A circle on the ground: centre in degrees WGS-84, radius in metres."""

    lon: float
    lat: float
    radius_m: float


class Polygon(msgspec.Struct, frozen=True, tag="polygon"):
    """An area inside one border: (longitude, latitude) in degrees WGS-84, any winding, closed or not."""

    border: tuple[tuple[float, float], ...]


Area: TypeAlias = Circle | Polygon
Condition: TypeAlias = Callable[[Incident], bool]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions as the reader gave them; what is left out does not restrict."""

    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    minimum_level: str = ""
    minimum_confidence: float = 0.0
    area_codes: tuple[str, ...] = ()
    area: Area | None = None


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The names that filters may use: those of this city."""

    types: tuple[str, ...]
    """Incident types that this city knows."""
    area_codes: tuple[str, ...] = ()
    """Codes of the areas on the city map."""


class IncidentFilter:
    """A checked filter. Raises RefusedError on building where a condition makes no sense."""

    __slots__ = ("conditions", "wanted")

    def __init__(self, wanted: Wanted, names: Names) -> None:
        _check_count("filter.types", wanted.types)
        _check_count("filter.area_codes", wanted.area_codes)
        check_names(Reason.UNKNOWN_TYPE, "filter.types", "incident type", wanted.types, names.types)
        check_names(Reason.UNKNOWN_AREA, "filter.area_codes", "area", wanted.area_codes, names.area_codes)
        check_states_and_level(wanted)
        if not 0.0 <= wanted.minimum_confidence <= 1.0:
            raise _bad("filter.minimum_confidence", "a probability from 0 to 1", wanted.minimum_confidence)
        self.wanted = wanted
        self.conditions = tuple(_conditions(wanted))
        """The tests that an incident must pass, those that cost least first."""

    def matches(self, incident: Incident) -> bool:
        """Whether all conditions hold for this revision."""
        # A plain loop: this is asked of every change for every reader, and most fail their first test.
        for holds in self.conditions:  # noqa: SIM110
            if not holds(incident):
                return False
        return True

    @property
    def asked(self) -> tuple[Wanted, ...]:
        """All whose conditions must hold."""
        return (self.wanted,)

    def may_see(self, incident: Incident) -> bool:
        """Whether the reader may be told of this revision at all; a filter without a scope hides nothing."""
        return True


def check_states_and_level(wanted: Wanted) -> None:
    """Raises RefusedError for a state or level that does not exist; they are the same in every city."""
    check_names(Reason.UNKNOWN_STATE, "filter.states", "state", wanted.states, STATES)
    level = (wanted.minimum_level,) if wanted.minimum_level else ()
    check_names(Reason.UNKNOWN_LEVEL, "filter.minimum_level", "level", level, LEVELS)


def check_names(reason: Reason, field: str, what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raises RefusedError for the first of the `given` names that is not `known`, with the nearest of those."""
    for name in given:
        if name not in known:
            choice = ", ".join(sorted(known)) if known else f"nothing, for this city has no {what}s"
            message = f"{field}: unknown {what} {cut(name)!r}{nearest(name, known)} (known: {choice})"
            raise RefusedError(reason, message, field, name=name, nearest=near_word(name, known))


def _check_count(field: str, names: Collection[str]) -> None:
    if len(names) > MAX_NAMES:
        raise _bad(field, f"at most {MAX_NAMES} names", len(names))


def _bad(field: str, wanted: str, got: object) -> RefusedError:
    return RefusedError(Reason.BAD_REQUEST, f"{field}: wanted {wanted}, got {got}", field)


def _on_earth(lon: float, lat: float) -> bool:
    return -180.0 <= lon <= 180.0 and -90.0 < lat < 90.0


def _conditions(wanted: Wanted) -> Iterator[Condition]:
    """The tests that the conditions ask for; none for those that do not restrict."""
    if wanted.types:
        types = frozenset(wanted.types)
        yield lambda incident: incident.type in types
    if wanted.minimum_confidence > 0.0:
        least = wanted.minimum_confidence
        yield lambda incident: incident.confidence >= least
    if wanted.states:
        states = frozenset(wanted.states)
        yield lambda incident: incident.state in states
    if wanted.minimum_level:
        graver = frozenset(LEVELS[: LEVELS.index(wanted.minimum_level) + 1])
        yield lambda incident: incident.level in graver
    if wanted.area_codes:
        area_codes = frozenset(wanted.area_codes)
        yield lambda incident: not area_codes.isdisjoint(incident.place.area_codes)
    if wanted.area:
        yield _area_test(wanted.area)


def _area_test(area: Area) -> Condition:
    """A test whether position, radius or geometry of an incident touches the area, in metres around its middle."""
    frame, shape, reach_m = _circle(area) if isinstance(area, Circle) else _polygon(area)
    shapely.prepare(shape)
    round_it = isinstance(area, Circle)

    def touches(incident: Incident) -> bool:
        x, y = frame.to_metres(incident.lon, incident.lat)
        within_m = reach_m + (incident.radius_m or 0.0)
        if math.sqrt(x * x + y * y) <= within_m if round_it else shapely.dwithin(shape, shapely.Point(x, y), within_m):
            return True
        return incident.geometry is not None and bool(shapely.dwithin(shape, _lines(incident.geometry, frame), reach_m))

    return touches


def _lines(geometry: MultiLineString, frame: LocalFrame) -> shapely.Geometry:
    return shapely.MultiLineString([[frame.to_metres(lon, lat) for lon, lat in line] for line in geometry.coordinates])


def _circle(circle: Circle) -> tuple[LocalFrame, shapely.Geometry, float]:
    field = "filter.circle"
    if not _on_earth(circle.lon, circle.lat):
        raise _bad(field, f"a centre in {_DEGREES}", (circle.lon, circle.lat))
    if not 0.0 < circle.radius_m <= MAX_RADIUS_M:
        raise _bad(field, f"a radius above 0 and up to {MAX_RADIUS_M:.0f} m", circle.radius_m)
    return LocalFrame(circle.lon, circle.lat), shapely.Point(0.0, 0.0), circle.radius_m


def _polygon(polygon: Polygon) -> tuple[LocalFrame, shapely.Geometry, float]:
    field = "filter.polygon"
    border = polygon.border
    if not 3 <= len(border) <= MAX_VERTICES:
        raise _bad(field, f"3 to {MAX_VERTICES} vertices", len(border))
    for lon, lat in border:
        if not _on_earth(lon, lat):
            raise _bad(field, f"vertices in {_DEGREES}", (lon, lat))
    frame = LocalFrame(math.fsum(p[0] for p in border) / len(border), math.fsum(p[1] for p in border) / len(border))
    shape = shapely.Polygon([frame.to_metres(lon, lat) for lon, lat in border])
    if not shape.is_valid or shape.area == 0.0:
        raise _bad(field, "a border that encloses an area and does not cross itself", shapely.is_valid_reason(shape))
    return frame, shape, 0.0
