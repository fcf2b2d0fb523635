"""What a page is told, as one JSON value: the city, its incidents in all their revisions, curves, counters and limits.

Positions are metres east and north in the frame of the map, flat lists `x, y, x, y, …`; times are epoch milliseconds.
Whatever has a limit says in `limits` how many there were, so that the page can say what it does not show.
"""

from typing import Any, Literal

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import Words

Line = list[float]

VERSION = 1
MOST_INCIDENTS = 2_000
"""In one report: about 10 MB of JSON at five revisions each; the newest are kept, those announced before the others."""
MOST_REVISIONS = 40
"""Of one incident: the first, the last, each change of state or level, then as many of the others as fit, evenly."""


class Frame(msgspec.Struct, frozen=True):
    """How degrees become metres: (lon - lon0) * per_lon east, (lat - lat0) * per_lat north."""

    lon0: float
    lat0: float
    per_lon: float
    per_lat: float


class Named(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people call a feature; left out where the map has no name."""

    id: str
    zh: str = ""
    en: str = ""


class Lane(msgspec.Struct, frozen=True):
    """A piece of lane, its centre line."""

    width_m: float
    line: Line


class Junction(Named, frozen=True, kw_only=True):
    """A junction and its outline."""

    x: float
    y: float
    outline: Line


class Camera(Named, frozen=True, kw_only=True):
    """A camera, where it looks, and the outline of the ground it sees."""

    x: float
    y: float
    heading_deg: float
    view: Line


class Signal(Named, frozen=True, kw_only=True):
    """A signal controller."""

    x: float
    y: float


class Sensor(Named, frozen=True, kw_only=True):
    """A sensor and what it measures."""

    x: float
    y: float
    quantity: str
    unit: str


class Border(Named, frozen=True, kw_only=True):
    """An area of the administrative map; its rings, holes among them."""

    rings: tuple[Line, ...]


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """The city map."""

    frame: Frame
    box: tuple[float, float, float, float]
    """West, south, east, north of everything but areas."""
    lanes: tuple[Lane, ...]
    crosswalks: tuple[Line, ...]
    junctions: tuple[Junction, ...]
    cameras: tuple[Camera, ...]
    signals: tuple[Signal, ...]
    sensors: tuple[Sensor, ...]
    areas: tuple[Border, ...]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """An incident type in words, with the thresholds of its rule."""

    version: int
    label: Words
    headline: Words
    phrases: dict[str, Words]
    magnitude: str
    prior: float
    suspect: float
    open: float
    close: float
    slope: float
    shift: float


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One incident: its revisions, how many there were in all, and the whole explanation of the newest as text."""

    revisions: tuple[Incident, ...]
    total: int
    text: Words


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Readings around an incident: of a source, or of the road that it is on.

    `what` is a quantity (noise, water_level, …), or road_speed or road_queue; `usual` is what was expected, as long as
    `values` or empty; `first_ms` is added to each of `times_ms`.
    """

    of: str
    what: str
    unit: str
    first_ms: int
    times_ms: tuple[int, ...]
    values: tuple[float, ...]
    usual: tuple[float, ...] = ()
    spread: float = 0.0
    """1 σ about what is usual; 0 where there is none."""


class Blind(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a source was known to be blind; `since_ms` is when it fell silent, None where it never spoke."""

    source_id: str
    since_ms: int | None
    known_ms: int
    until_ms: int


class Beat(msgspec.Struct, frozen=True):
    """Who spoke, from a time on."""

    at_ms: int
    live: int
    silent: int


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """What really happened and was not announced."""

    type: str
    lon: float
    lat: float
    start_ms: int


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """How good the answers are, where the truth is known."""

    real: int
    found: int
    delay_s: float | None
    off_m: float | None
    false: tuple[str, ...]
    """Ids of incidents that were announced for nothing."""
    missed: tuple[Missed, ...]


class Limit(msgspec.Struct, frozen=True):
    """How much is shown of how much there was; `what` is a word that the page knows."""

    what: Literal["incidents", "revisions", "curves", "blind", "lanes", "cameras", "signals", "sensors", "areas"]
    shown: int
    total: int


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    version: int = VERSION
    live: bool
    city: str
    zone: str
    """Of printed times, as the IANA names it."""
    program: str
    first_ms: int | None
    last_ms: int | None
    ground: Ground
    types: dict[str, Kind]
    incidents: tuple[Told, ...] = ()
    curves: dict[str, tuple[Curve, ...]] = {}
    blind: tuple[Blind, ...] = ()
    beats: tuple[Beat, ...] = ()
    counters: dict[str, int] = {}
    truth: Truth | None = None
    limits: tuple[Limit, ...] = ()


def to_json(document: Document) -> bytes:
    """The value as JSON; what has no number, such as NaN, is null."""
    return msgspec.json.encode(document)


def from_json(data: bytes) -> Any:
    """A value that was written so, as plain dictionaries and lists."""
    return msgspec.json.decode(data)
