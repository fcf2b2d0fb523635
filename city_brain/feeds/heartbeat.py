"""Signs of life: up to when the city has been judged, who speaks, where nobody looks, and what others warn of."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from city_brain.city.city_map import Camera, CityMap, Source
from city_brain.fusion.sensors.silence import Presence
from city_brain.incidents.incident import Level

MOST_READY: Final = 100
"""Pairs of an area and a warning that a heartbeat lists."""


class BlindArea(msgspec.Struct, frozen=True, kw_only=True):
    """An area that a silent source leaves unwatched."""

    source_id: str
    """The silent source, as on the city map."""
    name: str
    """Name of the place for people."""
    lon: float
    """Middle of the area, degrees WGS-84."""
    lat: float
    """Middle of the area, degrees WGS-84."""
    radius_m: float
    """Radius of the area, metres; 0 for a source that watches one point."""
    silent_since_ms: int | None = None
    """When the source fell silent, epoch ms; None where it never spoke."""


class AreaReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """What an area of the city must be ready for, since others warn of it."""

    area_code: str
    """Code of the area, as on the city map; the city's own where the map has no areas."""
    name: str
    """Name of the area for people."""
    level: Level | None
    """By the warning: I, the gravest, to IV; None where it says none."""
    event: str
    """What is warned of, in the sender's words."""
    event_codes: tuple[str, ...] = ()
    """The same as codes, such as 11B03 for a rainstorm."""
    headline: str = ""
    """What the warning says, in one line."""
    sender: str
    """Who warns, as in CAP."""
    identifier: str
    """Of the message, unique with its sender."""
    from_ms: int
    """From when on it holds, epoch ms."""
    until_ms: int
    """Up to when it holds, epoch ms."""


class Readied(msgspec.Struct, frozen=True):
    """What the areas of a city must be ready for, the gravest first, and how many pairs of area and warning in all."""

    areas: tuple[AreaReadiness, ...] = ()
    total: int = 0


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """State of the watch at the end of a tick."""

    log_time_ms: int
    """Log time, epoch ms: everything that arrived before it has been judged."""
    sources_live: int
    """Number of sources on the map that speak."""
    sources_silent: int
    """Number of the others: those that were never heard, and those that should speak and do not."""
    blind_areas: tuple[BlindArea, ...] = ()
    """Where nobody looks at present, the largest first."""
    readiness: tuple[AreaReadiness, ...] = ()
    """What areas must be ready for at present, the gravest first; at most `MOST_READY`."""
    readiness_total: int = 0
    """Number of them all, also of those that are not listed."""


def heartbeat_of(
    city: CityMap, presences: Sequence[Presence], log_time_ms: int, readied: Readied | None = None
) -> Heartbeat:
    """The heartbeat of a city from what its partitions hear; a source is live where any partition hears it."""
    count = len(city.sources)
    live = np.zeros(count, dtype=np.bool_)
    blind = np.zeros(count, dtype=np.bool_)
    since_ms = np.full(count, -1, dtype=np.int64)
    for presence in presences:
        live |= presence.is_live(count)
        for at, fell_silent_ms in presence.blind:
            blind[at] = True
            since_ms[at] = max(since_ms[at], fell_silent_ms)
    areas = [_blind_area(city, city.sources[at], int(since_ms[at])) for at in np.flatnonzero(blind & ~live)]
    areas.sort(key=lambda area: (-area.radius_m, area.source_id))
    speaking = int(np.count_nonzero(live))
    return Heartbeat(
        log_time_ms=log_time_ms,
        sources_live=speaking,
        sources_silent=len(city.sources) - speaking,
        blind_areas=tuple(areas),
        readiness=readied.areas if readied else (),
        readiness_total=readied.total if readied else 0,
    )


def _blind_area(city: CityMap, source: Source, since_ms: int) -> BlindArea:
    """A camera's view as the circle around its middle, else the point of the source; 1e-7 degrees, 0.1 m."""
    x, y, radius_m = source.x, source.y, 0.0
    if isinstance(source, Camera):
        x, y = (float(middle) for middle in np.mean(source.view, axis=0))
        east, north = source.view[:, 0] - x, source.view[:, 1] - y
        radius_m = float(np.sqrt(np.max(east * east + north * north)))
    lon, lat = city.frame.to_degrees(x, y)
    return BlindArea(
        source_id=source.id,
        name=source.name_en or source.name or "",
        lon=round(lon, 7),
        lat=round(lat, 7),
        radius_m=round(radius_m, 1),
        silent_since_ms=since_ms if since_ms >= 0 else None,
    )
