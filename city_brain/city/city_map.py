"""The city map as values: every feature in metres of one local frame, sorted by id.

A map is built by `loading.load_city` and never changes; another map is another value.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TypeAlias

import numpy as np
import shapely

from city_brain.city.datum import Datum
from city_brain.errors import MapError
from city_brain.geo import LocalFrame
from city_brain.numerics import hash63
from city_brain.types import Codes, Floats, Ints


class SourceKind(IntEnum):
    """What a source on the map is."""

    CAMERA = 0
    SIGNAL = 1
    SENSOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call a feature; `name` in the language of the place, `name_en` in English."""

    id: str
    name: str | None = None
    name_en: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LensShape:
    """How a lens bends straight lines, by Brown's model: r_seen = r · (1 + k1·r² + k2·r⁴), r being how far it is from
    the pixel (`centre_x`, `centre_y`) in focal lengths `focal_px`, in pixels.
    """

    k1: float
    k2: float = 0.0
    focal_px: float
    centre_x: float
    centre_y: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera(Names):
    """A camera and the ground it sees.

    `view` (k, 2): counter-clockwise outline in metres, not closed. `homography` (3, 3) takes pixels to metres east
    and north of the camera, with the error `homography_error_m` (1 σ): pixels of a picture straightened by the `lens`,
    where there is one. Both are of pictures of the size `picture_px`, width and height; others are scaled to it.
    `datum` is what its own rows are given in.
    """

    x: float
    y: float
    heading_deg: float
    range_m: float
    fov_deg: float
    view: Floats
    homography: Floats | None = None
    homography_error_m: float | None = None
    lens: LensShape | None = None
    picture_px: tuple[float, float] | None = None
    datum: Datum | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intersection(Names):
    """A junction: its centre, and its counter-clockwise outline (k, 2) in metres, not closed."""

    x: float
    y: float
    outline: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal(Names):
    """A signal controller and the id of the intersection it serves."""

    x: float
    y: float
    intersection: str
    datum: Datum | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensor(Names):
    """A sensor: what it measures, in which unit, every how many seconds; and the range of its instrument in that unit,
    None where the map does not say.
    """

    x: float
    y: float
    quantity: str
    unit: str
    period_s: float
    lowest: float | None = None
    highest: float | None = None
    datum: Datum | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane(Names):
    """A piece of lane: its centre line (k, 2) in metres in the direction of travel, and the road it belongs to."""

    road: str
    width_m: float
    speed_limit_mps: float
    line: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crosswalk(Names):
    """A crosswalk: its centre line (k, 2) in metres from kerb to kerb."""

    width_m: float
    line: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Area(Names):
    """A piece of the administrative map, with its code: 6, 9 or 12 digits by GB/T 2260, or a short code of its own.

    `polygons`: each a counter-clockwise border and then its clockwise holes, rings (k, 2) in metres, not closed.
    `parent` is the code of the area that it is part of.
    """

    code: str
    polygons: tuple[tuple[Floats, ...], ...]
    parent: str | None = None

    @cached_property
    def shape(self) -> shapely.MultiPolygon:
        """All of it as one geometry, in metres."""
        return shapely.MultiPolygon([shapely.Polygon(rings[0], rings[1:]) for rings in self.polygons])


Source: TypeAlias = Camera | Signal | Sensor


@dataclass(frozen=True, kw_only=True, eq=False)
class CityMap:
    """The whole map; the tuples are sorted by id.

    `datum` is what positions on the map, and rows of sources without a datum of their own, are given in; the frame and
    all metres are WGS-84. `unread` keeps features of kinds that are known but not used yet, as their JSON text.
    """

    frame: LocalFrame
    datum: Datum
    cameras: tuple[Camera, ...] = ()
    intersections: tuple[Intersection, ...] = ()
    signals: tuple[Signal, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    lanes: tuple[Lane, ...] = ()
    crosswalks: tuple[Crosswalk, ...] = ()
    areas: tuple[Area, ...] = ()
    unread: tuple[bytes, ...] = field(default=(), repr=False)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Cameras, signals and sensors in ascending order of `source_keys`."""
        listed: list[Source] = [*self.cameras, *self.signals, *self.sensors]
        listed.sort(key=lambda source: hash63(source.id))
        return tuple(listed)

    @cached_property
    def source_ids(self) -> tuple[str, ...]:
        """Ids of the sources in ascending order of `source_keys`."""
        return tuple(source.id for source in self.sources)

    @cached_property
    def source_keys(self) -> Ints:
        """`hash63` of every source id, ascending; raises MapError where two ids share one."""
        keys = np.array([hash63(source) for source in self.source_ids], dtype=np.int64)
        clash = np.flatnonzero(keys[1:] == keys[:-1])
        if len(clash):
            first, second = self.source_ids[clash[0]], self.source_ids[clash[0] + 1]
            raise MapError(f"sources {first!r} and {second!r}: wanted ids with different hashes, got the same hash")
        return keys

    @cached_property
    def source_kind(self) -> Codes:
        """SourceKind of every source, along `source_keys`."""
        kinds: dict[type, SourceKind] = {
            Camera: SourceKind.CAMERA,
            Signal: SourceKind.SIGNAL,
            Sensor: SourceKind.SENSOR,
        }
        return np.array([kinds[type(source)] for source in self.sources], dtype=np.uint8)

    @cached_property
    def source_xy(self) -> Floats:
        """Positions (sources, 2) in metres, along `source_keys`."""
        return np.array([(source.x, source.y) for source in self.sources], dtype=np.float64).reshape(-1, 2)

    @cached_property
    def source_range_m(self) -> Floats:
        """How far from its position a source's rows may lie, along `source_keys`: a camera's range, else 0."""
        ranges = [source.range_m if isinstance(source, Camera) else 0.0 for source in self.sources]
        return np.array(ranges, dtype=np.float64)

    @cached_property
    def source_datum(self) -> Codes:
        """Datum that a source's rows are given in, along `source_keys`: its own, else the map's."""
        return np.array([self.datum if s.datum is None else s.datum for s in self.sources], dtype=np.uint8)

    @cached_property
    def area_codes(self) -> tuple[str, ...]:
        """Codes of the areas, the largest area first, ties by code."""
        return tuple(area.code for area in sorted(self.areas, key=lambda area: (-area.shape.area, area.code)))

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of everything on the map but areas, in metres; all 0 for an empty map."""
        shapes = [camera.view for camera in self.cameras]
        shapes += [intersection.outline for intersection in self.intersections]
        shapes += [lane.line for lane in self.lanes]
        shapes += [crosswalk.line for crosswalk in self.crosswalks]
        shapes.append(self.source_xy)
        points = np.concatenate(shapes)
        if len(points) == 0:
            return 0.0, 0.0, 0.0, 0.0
        (west, south), (east, north) = np.min(points, axis=0), np.max(points, axis=0)
        return float(west), float(south), float(east), float(north)
