"""Phase plans: which controller of an event log is which source, where it stands, and what its phases serve (TOML).

    [1136]                                   # DeviceId in the log
    source = "signal-main-and-5th"           # default: signal-1136
    lon = 117.1201                           # both wanted where a map is made
    lat = 36.6512
    phases = { 2 = "W:through,right", 5 = "W:left" }
    overlaps = { 1 = "W:right" }

A phase or overlap serves movements (left, through, right, uturn) from one side, which is the arm of the junction by its
direction from the centre. Without `phases` the usual eight of NEMA hold, without `overlaps` none.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from city_brain.city.city_map import CityMap, Intersection, Signal
from city_brain.city.datum import Datum, to_wgs84
from city_brain.city.features.fields import read_position
from city_brain.errors import MapError, SettingsError
from city_brain.geo import LocalFrame
from city_brain.observations.vocabulary import MOVEMENTS, SIDES
from city_brain.sources.signal_events import NEMA_PHASES, Junction, Movements
from city_brain.types import Floats
from city_brain.wording.nearest import nearest

HALF_WIDTH_M: Final = 15.0
"""Event logs know no outlines: a square of this half width stands in for the junction on the map."""


@dataclass(frozen=True, slots=True)
class PlannedJunction:
    """A controller: how to read its events, and [longitude, latitude] where known."""

    junction: Junction
    position: tuple[float, float] | None = None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    source: str = ""
    lon: float | None = None
    lat: float | None = None
    phases: dict[str, str] | None = None
    overlaps: dict[str, str] = {}


def read_plan(path: Path) -> dict[int, PlannedJunction]:
    """The controllers of a plan by DeviceId; raises SettingsError with file, table, key, wanted and got."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as wrong:
        raise SettingsError(f"{path}: wanted a phase plan in TOML, got: {wrong}") from wrong
    planned = {
        _number(f"{path} [{key}]", key): _planned(f"{path} [{key}]", key, table) for key, table in tables.items()
    }
    sources = [entry.junction.source_id for entry in planned.values()]
    for key, source in zip(tables, sources, strict=True):
        if sources.count(source) > 1:
            raise SettingsError(f"{path} [{key}] source: wanted a name of its own, got {source!r} again")
    return planned


def read_movements(place: str, items: Iterable[tuple[str, str]]) -> dict[int, Movements]:
    """What phases or overlaps serve, from pairs such as ("2", "W:through,right"); `place` opens every error."""
    return {_number(f"{place} {number}", number): _movements(f"{place} {number}", text) for number, text in items}


def read_place(place: str, lon: float | None, lat: float | None) -> tuple[float, float] | None:
    """[longitude, latitude], None where neither is given; `place` opens every error."""
    if lon is None and lat is None:
        return None
    try:
        return read_position(place, [lon, lat])
    except MapError as wrong:
        raise SettingsError(str(wrong)) from wrong


def junctions_map(planned: Iterable[PlannedJunction], datum: Datum) -> CityMap:
    """A city that is nothing but the controllers and their junctions; positions are in `datum`.

    Raises SettingsError where a controller has no place.
    """
    placed = sorted(planned, key=lambda entry: entry.junction.source_id)
    degrees = [entry.position for entry in placed if entry.position is not None]
    if not placed or len(degrees) < len(placed):
        without = ", ".join(entry.junction.source_id for entry in placed if entry.position is None) or "no controller"
        raise SettingsError(f"a map: wanted the longitude and latitude of every controller, got none for {without}")
    lon, lat = to_wgs84(datum, *np.array(degrees).T)
    frame = LocalFrame(float(lon.mean()), float(lat.mean()))
    x, y = frame.to_metres(lon, lat)
    intersections, signals = [], []
    for entry, east, north in zip(placed, x.tolist(), y.tolist(), strict=True):
        name = entry.junction.source_id
        junction = f"junction-of-{name}"
        intersections.append(Intersection(id=junction, x=east, y=north, outline=_SQUARE + np.array([east, north])))
        signals.append(Signal(id=name, x=east, y=north, intersection=junction))
    return CityMap(frame=frame, datum=datum, intersections=tuple(intersections), signals=tuple(signals))


_SQUARE: Final[Floats] = HALF_WIDTH_M * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _planned(place: str, key: str, table: object) -> PlannedJunction:
    try:
        entry = msgspec.convert(table, _Entry)
    except msgspec.ValidationError as wrong:
        keys = ", ".join(_Entry.__struct_fields__)
        raise SettingsError(f"{place}: wanted a table of {keys}, got: {wrong}") from wrong
    phases = NEMA_PHASES if entry.phases is None else read_movements(f"{place} phases", entry.phases.items())
    overlaps = read_movements(f"{place} overlaps", entry.overlaps.items())
    position = read_place(f"{place} lon, lat", entry.lon, entry.lat)
    return PlannedJunction(Junction(entry.source or f"signal-{key}", phases, overlaps), position)


def _number(place: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{place}: wanted a whole number, got {text!r}")
    return int(text)


def _movements(place: str, text: str) -> Movements:
    side, _, moves = text.partition(":")
    movements = tuple(move.strip() for move in moves.split(","))
    if side not in SIDES or not movements[0]:
        raise SettingsError(f"{place}: wanted a side ({', '.join(SIDES)}), a colon and movements, got {text!r}")
    for move in movements:
        if move not in MOVEMENTS:
            raise SettingsError(
                f"{place}: wanted movements {', '.join(MOVEMENTS)}, got {move!r}{nearest(move, MOVEMENTS)}"
            )
    return side, movements
