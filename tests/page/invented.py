"""Cities and incidents made up for the page: as many as one likes, with names as hostile as one likes."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from city_brain.city.city_map import Camera, CityMap, Intersection, Lane, Sensor
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.incidents.incident import Evidence, Incident, Level, Place, State
from city_brain.incidents.incident_type import Words, load_incident_types
from city_brain.page import document as page
from city_brain.page.ground import ground_of
from city_brain.page.words import kinds

FRAME = LocalFrame(117.0, 36.65)
START_MS = 1_790_208_000_000
BLOCK_M = 400.0
LEVELS: tuple[Level | None, ...] = ("I", "II", "III", "IV", None)
STATES: tuple[State, ...] = ("active", "suspected", "ended", "withdrawn")
TYPES = load_incident_types()


def a_city(cameras: int = 12, name: str = "") -> CityMap:
    """Streets in a square grid with cameras at their corners; `name` is what every junction is called."""
    side = max(2, math.ceil(math.sqrt(cameras / 4)) + 1)
    corners = [(east * BLOCK_M, north * BLOCK_M) for east in range(side) for north in range(side)]
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    junctions = [
        Intersection(id=f"J{k:04d}", name=name or f"路口{k}", name_en=name or f"Corner {k}", x=x, y=y,
                     outline=np.array([x, y]) + 18 * ring)
        for k, (x, y) in enumerate(corners)
    ]  # fmt: skip
    length = (side - 1) * BLOCK_M
    lines = [np.array([[0, k * BLOCK_M + at], [length, k * BLOCK_M + at]]) for k in range(side) for at in (-2.0, 2.0)]
    lines += [line[:, ::-1] for line in lines]
    lanes = [Lane(id=f"L{k}", road=f"R{k}", width_m=3.5, speed_limit_mps=14.0, line=a) for k, a in enumerate(lines)]
    return CityMap(
        frame=FRAME,
        datum=Datum.WGS84,
        cameras=tuple(_camera(k, corners[k // 4 % len(corners)]) for k in range(cameras)),
        intersections=tuple(junctions),
        sensors=tuple(
            Sensor(id=f"noise-{k}", x=x + 30, y=y + 30, quantity="noise", unit="dB", period_s=1.0)
            for k, (x, y) in enumerate(corners)
        ),
        lanes=tuple(lanes),
    )


def _camera(number: int, at: tuple[float, float]) -> Camera:
    heading = 90.0 * (number % 4) + 20
    turn = np.radians(np.linspace(heading - 40, heading + 40, 14))
    arc = np.stack([np.sin(turn), np.cos(turn)], axis=1) * 120 + np.array(at)
    view = np.concatenate([[at], arc[::-1]])
    return Camera(id=f"cam-{number:04d}", x=at[0], y=at[1], heading_deg=heading, range_m=120, fov_deg=80, view=view)


def an_incident(number: int, at: tuple[float, float], name: str = "", revision: int = 1) -> Incident:
    """One revision of an incident of a type, level and state that its number says."""
    kinds_of = sorted(TYPES.by_name)
    kind, state = kinds_of[number % len(kinds_of)], STATES[number % 7 % 4]
    lon, lat = FRAME.to_degrees(*at)
    began = START_MS + 1000 * (number % 600)
    evidence = tuple(
        Evidence(
            what=f"finding_{k}", sources=(f"cam-{(number + k) % 12:04d}",), weight=weight, first_ms=began,
            last_ms=began + 4000, distance_m=1.5 * k, rows=(), note={"text": name} if name else {"figure": 0.4},
            rule=kind, version=1,
        )
        for k, weight in enumerate((2.5, 1.2, -0.7))
    )  # fmt: skip
    return Incident(
        incident_id=f"invented-{number:05d}",
        revision=revision,
        number=f"0924-{number:03d}",
        type=kind,
        status="actual",
        state=state,
        reason=None,
        confidence=round(0.5 + 0.49 * math.sin(number) ** 2, 3),
        level=LEVELS[number % 5],
        lon=round(lon, 7),
        lat=round(lat, 7),
        position_error_m=2.0,
        radius_m=20.0 if number % 3 == 0 else None,
        geometry=None,
        first_seen_ms=began,
        detected_ms=None if state == "suspected" else began + 8000,
        updated_ms=began + 10_000 * revision,
        ended_ms=began + 10_000 if state == "ended" else None,
        sources=tuple(item.sources[0] for item in evidence),
        place=Place(
            intersection="J0000", names={"zh": name or "经一路与纬二路路口", "en": name or "Jing 1 Road and Wei 2 Road"}
        ),
        evidence=evidence,
    )


def a_document(
    incidents: int = 20, cameras: int = 12, names: Sequence[str] = ("",), limits: tuple[page.Limit, ...] = ()
) -> page.Document:
    """What a page may be told; incidents lie all over the city, and take its names in turn."""
    city = a_city(cameras, names[0])
    ground, _ = ground_of(city)
    west, south, east, north = city.box
    chance = np.random.default_rng(7)
    places = zip(chance.uniform(west, east, incidents), chance.uniform(south, north, incidents), strict=True)
    said = [an_incident(k, (float(x), float(y)), names[k % len(names)]) for k, (x, y) in enumerate(places)]
    return page.Document(
        live=False,
        city=names[0] or "invented",
        zone="Asia/Shanghai",
        program="city-brain",
        first_ms=START_MS,
        last_ms=START_MS + 620_000,
        ground=ground,
        types=kinds(TYPES),
        incidents=tuple(page.Told(revisions=(item,), total=1, text=Words(zh=names[0], en=names[0])) for item in said),
        blind=(
            page.Blind(
                source_id="cam-0003", since_ms=START_MS, known_ms=START_MS + 60_000, until_ms=START_MS + 620_000
            ),
        ),
        limits=limits,
    )


def changed(document: page.Document, **parts: object) -> page.Document:
    """The same with other parts."""
    return msgspec.structs.replace(document, **parts)
