"""A district for tests: a grid of instruments, three cameras, and readings made second by second from functions."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from city_brain.fusion.scene import Ground
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import IncidentTypes, load_incident_types
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind, ObjectClass, Quantity
from city_brain.pipeline import Engine
from city_brain.testing import make_rows
from city_brain.ticks.tick import Tick, TickSettings
from city_brain.types import Floats
from tests.city.city_maps import built, camera, degrees, feature, square

START_MS = 1_700_000_000_000
SPACING_M = 150.0
SIDE = 6
PERIOD_S = {
    Quantity.PM2_5: 10, Quantity.TEMPERATURE: 10, Quantity.NOISE: 5, Quantity.WATER_LEVEL: 10,
    Quantity.RAIN: 20, Quantity.WIND_SPEED: 20, Quantity.WIND_DIRECTION: 20,
}  # fmt: skip
_UNIT = {
    Quantity.PM2_5: "ug/m3", Quantity.TEMPERATURE: "degC", Quantity.NOISE: "dB", Quantity.WATER_LEVEL: "mm",
    Quantity.RAIN: "mm/h", Quantity.WIND_SPEED: "m/s", Quantity.WIND_DIRECTION: "deg",
}  # fmt: skip

Read = Callable[[int, float, float], float | None]
"""What an instrument at (x, y) metres reads at a second; None where it says nothing."""

Seen = tuple[str, int, ObjectClass, float, float, float]
"""Camera, track, class, x, y, confidence of one row."""


@cache
def instruments() -> list[tuple[str, Quantity, float, float]]:
    """Name, quantity and place of every instrument: dust on a grid, the others in its middle."""
    places = [(SPACING_M * (k % SIDE), SPACING_M * (k // SIDE)) for k in range(SIDE * SIDE)]
    dust = [(f"dust-{k:02}", Quantity.PM2_5, x, y) for k, (x, y) in enumerate(places)]
    middle = SPACING_M * (SIDE - 1) / 2
    others = [quantity for quantity in PERIOD_S if quantity != Quantity.PM2_5]
    return dust + [(quantity.name.lower(), quantity, middle, middle) for quantity in others]


@cache
def ground() -> Ground:
    """The district: instruments, and three cameras of which two see the same square."""
    sensors = [
        feature(
            "sensor", name, "Point", degrees(x, y), quantity=quantity.name.lower(), unit=_UNIT[quantity],
            period_s=PERIOD_S[quantity],
        )
        for name, quantity, x, y in instruments()
    ]  # fmt: skip
    middle = SPACING_M * (SIDE - 1) / 2
    view = square(middle, middle, 100.0)
    cameras = [camera("one", middle - 60, middle, view), camera("two", middle + 60, middle, view)]
    return Ground.of(built(*sensors, *cameras, camera("far", 0, 0, square(0, 0, 60.0))))


@cache
def wobble(name: str) -> Floats:
    """Errors of an instrument, second by second: normal with 1 sigma 1."""
    return np.random.default_rng(hash63(name)).normal(0.0, 1.0, 4096)


USUAL: dict[Quantity, tuple[float, float]] = {
    Quantity.PM2_5: (60.0, 2.0), Quantity.TEMPERATURE: (17.0, 0.1), Quantity.NOISE: (62.0, 2.0),
    Quantity.WATER_LEVEL: (2.0, 1.0), Quantity.RAIN: (0.0, 0.0), Quantity.WIND_SPEED: (2.0, 0.2),
    Quantity.WIND_DIRECTION: (270.0, 6.0),
}  # fmt: skip
"""Mean and 1 sigma of what instruments read when nothing happens; the wind blows towards the east."""


def readings(second: int, read: dict[Quantity, Read]) -> Rows:
    """What the instruments send in a second; `read` replaces the usual value of a quantity."""
    said: list[tuple[int, int, float, float, float]] = []
    for number, (name, quantity, x, y) in enumerate(instruments()):
        if (second + number) % PERIOD_S[quantity] == 0:
            mean, sigma = USUAL[quantity]
            value = read[quantity](second, x, y) if quantity in read else mean
            if value is not None:
                said.append((hash63(name), int(quantity), x, y, value + sigma * float(wobble(name)[second])))
    if not said:
        return Rows.empty()
    source, code, x, y, value = (list(column) for column in zip(*said, strict=True))
    return make_rows(
        source=source, kind=int(Kind.SENSOR), seq=second, event_ms=START_MS + 1000 * second + 500,
        arrival_ms=START_MS + 1000 * second + 750, x=x, y=y, code=code, value=value,
    )  # fmt: skip


def sights(second: int, seen: Sequence[Seen]) -> list[Rows]:
    """What cameras send in a second."""
    return [
        make_rows(
            source=[hash63(name)], seq=1000 * second + track, event_ms=START_MS + 1000 * second + 500,
            arrival_ms=START_MS + 1000 * second + 1000, x=x, y=y, code=int(cls), track=track, value=confidence,
            speed=0.1, heading=0.0,
        )
        for name, track, cls, x, y, confidence in seen
    ]  # fmt: skip


def tick_of(second: int, rows: Rows) -> Tick:
    """A tick that holds rows as they are, ordered by event time."""
    rows = rows.take(np.argsort(rows.event_ms, kind="stable"))
    start_ms = START_MS + 1000 * second
    late = rows.event_ms < start_ms
    return Tick(start_ms // 1000, start_ms, start_ms + 1000, start_ms + 3000, rows, rows.event_ms, late)


def play(
    seconds: int,
    kind: str = "waterlogging",
    read: dict[Quantity, Read] | None = None,
    seen: Callable[[int], Sequence[Seen]] = lambda s: (),
    more: Callable[[int], Sequence[Rows]] = lambda s: (),
    types: IncidentTypes | None = None,
) -> Iterator[tuple[int, Engine, list[Finding]]]:
    """Seconds since the start, the engine, and its findings of one type, after each closed tick."""
    engine = Engine(ground(), types or load_incident_types(only=(kind,)), TickSettings())
    for second in range(seconds):
        rows = [readings(second, read or {}), *sights(second, seen(second)), *more(second)]
        engine.read(0, Rows.concat(rows))
        engine.mark(0, START_MS + 1000 * (second + 1))
        for reading in engine.readings():
            yield second, engine, reading.findings


def announced(kind: str, played: Iterator[tuple[int, Engine, list[Finding]]]) -> dict[str, tuple[int, Finding]]:
    """Findings that reached the log-odds of an announcement: key to the second in which, and the last one."""
    opens = load_incident_types(only=(kind,))[kind].open_log_odds
    found: dict[str, tuple[int, Finding]] = {}
    for second, _, findings in played:
        for finding in findings:
            if finding.key in found:
                found[finding.key] = (found[finding.key][0], finding)
            elif finding.log_odds >= opens:
                found[finding.key] = (second, finding)
    return found
