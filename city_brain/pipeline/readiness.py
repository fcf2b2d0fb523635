"""Readiness: warnings of others come in as records of raw logs, and say what areas must be ready for.

Input: alerts with the arrival of their record. State: those that wait for their tick, and the book of what holds.
Output: what each area of the map must be ready for, at every tick. An alert belongs to the first tick that is due after
its arrival, whoever reads it; of one tick they are taken by arrival, raw partition and offset.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, islice
from typing import Final

import msgspec
import shapely

from city_brain.city.city_map import CityMap
from city_brain.errors import StateError
from city_brain.feeds.heartbeat import MOST_READY, AreaReadiness, Readied
from city_brain.formats.cap.alert import Alert
from city_brain.formats.cap.codes import holds
from city_brain.formats.cap.readiness import Readiness, ReadinessBook
from city_brain.formats.cap.reading import read_alert
from city_brain.ticks.arrival import LogTime

COMMON_BORDER: Final = 0.001
"""Two areas that overlap by no more of the smaller one are neighbours whose border was drawn twice."""
EVENT_LENGTH: Final = 60
HEADLINE_LENGTH: Final = 200
"""Characters that are told on: senders write what they like, and a heartbeat goes to everybody."""
MOST_EVENT_CODES: Final = 5


TICK_BYTES: Final = 4 << 20
"""Packed alerts that one tick takes, and at least one; the others wait for the next."""
WAITING_BYTES: Final = 32 << 20
"""Packed alerts that may wait beyond their tick; the last ones are let go, and counted. Weather services send some
hundred kB in an hour.
"""


class ArrivedAlert(msgspec.Struct, frozen=True, array_like=True):
    """An alert, packed, the place of its record in the raw logs, and when (epoch ms of log time) that arrived."""

    arrival_ms: int
    raw_partition: int
    offset: int
    packed: bytes


class DueAlerts(msgspec.Struct, frozen=True):
    """What a tick takes, packed, in the order in which it counts; `let_go`: how many were, since too much waits."""

    packed: tuple[bytes, ...] = ()
    let_go: int = 0


class AlertQueue(msgspec.Struct):
    """Alerts that wait for their tick."""

    waiting: list[ArrivedAlert] = []

    def take(self, log_time: LogTime, raw_partition: int, offset: int, stamp_ms: int, packed: bytes) -> None:
        """Takes the next alert of a raw partition, behind its last mark; its arrival is that of a row."""
        arrival_ms = max(stamp_ms, log_time.last_mark_ms[raw_partition])
        self.waiting.append(ArrivedAlert(arrival_ms, raw_partition, offset, packed))

    def due(self, due_ms: int) -> DueAlerts:
        """Takes out what arrived before a tick was due, as far as one tick takes it."""
        if not self.waiting:
            return _NOTHING
        ready = [item for item in self.waiting if item.arrival_ms < due_ms]
        later = [item for item in self.waiting if item.arrival_ms >= due_ms]
        ready.sort(key=lambda item: (item.arrival_ms, item.raw_partition, item.offset))
        now = max(_fitting(ready, TICK_BYTES), min(len(ready), 1))
        kept = now + _fitting(ready[now:], WAITING_BYTES)
        self.waiting = ready[now:kept] + later
        return DueAlerts(tuple(item.packed for item in ready[:now]), len(ready) - kept)


_NOTHING: Final = DueAlerts()


def _fitting(items: Sequence[ArrivedAlert], limit: int) -> int:
    """How many of the first ones weigh no more than a limit together."""
    return sum(size <= limit for size in accumulate(len(item.packed) for item in items))


def packed_alert(cap: bytes) -> bytes:
    """A message of CAP, read and packed; raises CapError."""
    return msgspec.msgpack.encode(read_alert(cap))


def unpack_alert(packed: bytes) -> Alert:
    """Reads what `packed_alert` gave; raises StateError."""
    try:
        return msgspec.msgpack.decode(packed, type=Alert)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise StateError(f"alert: wanted a packed one, got {wrong}") from wrong


class ReadinessDesk:
    """What areas must be ready for, tick by tick; its whole memory is the book."""

    def __init__(self, city_name: str, book: ReadinessBook | None = None) -> None:
        self.book = ReadinessBook() if book is None else book
        self._city_name = city_name
        self._city: CityMap | None = None
        self._areas: list[_Area] = []
        self._meant: dict[int, tuple[Readiness, list[_Area]]] = {}
        self._holds_until_ms = 0
        self._now = Readied()

    def step(self, city: CityMap, due_ms: int, packed: Iterable[bytes] = ()) -> Readied:
        """Takes the alerts of a tick; what areas must be ready for when it was due, the gravest first, then by area."""
        taken = [self.book.take(unpack_alert(alert), due_ms) for alert in packed]
        if city is not self._city:
            self._city, self._areas = city, _areas(city, self._city_name)
            self._meant, self._holds_until_ms = {}, 0
        if taken or due_ms >= self._holds_until_ms:
            self._now = self._readiness(city, due_ms)
            self._holds_until_ms = self.book.changes_after(due_ms)
        return self._now

    def _readiness(self, city: CityMap, due_ms: int) -> Readied:
        in_force = self.book.in_force(due_ms)
        before = self._meant
        # By identity: a warning stays the same object for as long as it is kept here.
        self._meant = {id(item): before.get(id(item)) or (item, self._areas_of(item, city)) for item in in_force}
        pairs = ((item, area) for item, areas in self._meant.values() for area in areas)
        told = tuple(_told(item, area) for item, area in islice(pairs, MOST_READY))
        return Readied(told, sum(len(areas) for _, areas in self._meant.values()))

    def _areas_of(self, item: Readiness, city: CityMap) -> "list[_Area]":
        """The areas that a warning is about."""
        shapes = _shapes(item, city)
        return [area for area in self._areas if area.is_meant(item, shapes)]


class _Area(msgspec.Struct, frozen=True):
    """An area of the map as warnings may mean it."""

    code: str
    name: str
    shape: shapely.Geometry

    def is_meant(self, item: Readiness, shapes: Sequence[shapely.Geometry]) -> bool:
        """Whether a warning names it, what it is part of or a part of it, or has a shape that reaches into it."""
        if any(holds(code, self.code) or holds(self.code, code) for code in item.area_codes):
            return True
        return any(self._is_reached(shape) for shape in shapes)

    def _is_reached(self, shape: shapely.Geometry) -> bool:
        if not shape.intersects(self.shape):
            return False
        smaller = min(shape.area, self.shape.area)
        return smaller == 0.0 or bool(shape.intersection(self.shape).area > COMMON_BORDER * smaller)


def _told(item: Readiness, area: _Area) -> AreaReadiness:
    return AreaReadiness(
        area_code=area.code,
        name=area.name,
        level=item.level,
        event=item.event[:EVENT_LENGTH],
        event_codes=tuple(code[:EVENT_LENGTH] for code in item.event_codes[:MOST_EVENT_CODES]),
        headline=item.headline[:HEADLINE_LENGTH],
        sender=item.sender,
        identifier=item.identifier,
        from_ms=item.from_ms,
        until_ms=item.until_ms,
    )


def _areas(city: CityMap, city_name: str) -> list[_Area]:
    """The areas of a map by code; of one that has none the city, by its name, as far as the map reaches."""
    if not city.areas:
        return [_Area(city_name, "", shapely.box(*city.box))]
    areas = sorted(city.areas, key=lambda area: area.code)
    return [_Area(area.code, area.name or area.name_en or "", area.shape) for area in areas]


def _shapes(item: Readiness, city: CityMap) -> list[shapely.Geometry]:
    """Where a warning holds, in metres; of a border that crosses itself the hull, since what is meant is unknown and
    taking it apart costs with the square of its length.
    """
    shapes = []
    for ring in item.polygons:
        border = shapely.Polygon([city.frame.to_metres(lon, lat) for lat, lon in ring])
        shapes.append(border if border.is_valid else border.convex_hull)
    for circle in item.circles:
        centre = shapely.Point(*city.frame.to_metres(circle.lon, circle.lat))
        shapes.append(centre.buffer(1000.0 * circle.radius_km) if circle.radius_km else centre)
    return shapes
