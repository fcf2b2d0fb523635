"""A stage for tests: one signalled junction, two cameras over all of it, actors whose rows are made by the second."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from city_brain.fusion.scene import Ground
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import load_incident_types
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows, pack_lamps
from city_brain.observations.vocabulary import Colour, Kind, Mode, ObjectClass
from city_brain.pipeline import Engine
from city_brain.testing import make_rows
from city_brain.ticks.tick import TickSettings
from tests.city.city_maps import built, camera, crossing, signal, square

START_MS = 1_700_000_000_000
Place = tuple[float, float] | None
Path = Callable[[int], Place]
"""Metres east and north at a second, None while it is not seen."""


@cache
def ground(pockets: bool = True, view_from_m: float = -150.0) -> Ground:
    """A crossing of four arms with a signal, with or without pockets for turning. Two cameras see all of it, or what is
    farther east than so many metres.
    """
    view = [(max(x, view_from_m), y) for x, y in square(0.0, 0.0, 150.0)]
    features = crossing([0, 90, 180, 270])
    return Ground.of(
        built(
            *(feature for feature in features if pockets or not feature["id"].endswith("_pocket")),
            signal("sig-X", "X"),
            camera("east", 60, 0, view),
            camera("west", -60, 0, view),
        )
    )


@dataclass
class Actor:
    """Somebody on the street, seen by cameras under a track number each."""

    path: Path
    cls: ObjectClass = ObjectClass.CAR
    seen_by: Sequence[str] = ("east", "west")
    track: int = 1
    confidence: float = 0.85
    bias_m: dict[str, tuple[float, float]] = field(default_factory=dict)
    error_m: float = np.nan
    """What cameras say of their error (1 sigma); NaN: nothing."""


def straight(start: tuple[float, float], speed: tuple[float, float], first: int = 0, last: int = 10_000) -> Path:
    """A path from `start` with a constant speed (m/s), between two seconds."""
    return lambda s: (
        (start[0] + speed[0] * (s - first), start[1] + speed[1] * (s - first)) if first <= s <= last else None
    )


def rows_of(actor: Actor, second: int) -> list[Rows]:
    """The rows of an actor in a second, one per camera."""
    here, before = actor.path(second), actor.path(second - 1)
    if here is None:
        return []
    vx, vy = (here[0] - before[0], here[1] - before[1]) if before else (0.0, 0.0)
    if before is None and (after := actor.path(second + 1)) is not None:
        vx, vy = after[0] - here[0], after[1] - here[1]
    heading = float(np.degrees(np.arctan2(vx, vy)) % 360.0)
    rows = []
    for name in actor.seen_by:
        east, north = actor.bias_m.get(name, (0.0, 0.0))
        rows.append(
            make_rows(
                source=[hash63(name)],
                seq=second * 1000 + actor.track,
                event_ms=START_MS + 1000 * second + 500,
                arrival_ms=START_MS + 1000 * second + 1000,
                x=here[0] + east,
                y=here[1] + north,
                code=int(actor.cls),
                track=actor.track,
                value=actor.confidence,
                speed=float(np.hypot(vx, vy)),
                heading=heading,
                sigma=actor.error_m,
            )
        )
    return rows


def lamp_row(second: int, green: Sequence[int], mode: Mode = Mode.AUTO, all_red: bool = False) -> Rows:
    """A message of the signal: green for the arms (0 N, 2 E, 4 S, 6 W) given, red for the others."""
    colours = np.zeros((1, 24), dtype=np.uint8)
    for side in (0, 2, 4, 6):
        colours[0, 3 * side : 3 * side + 3] = Colour.GREEN if side in green and not all_red else Colour.RED
    return make_rows(
        source=[hash63("sig-X")], kind=int(Kind.SIGNAL), seq=second, event_ms=START_MS + 1000 * second + 100,
        arrival_ms=START_MS + 1000 * second + 350, lamps=pack_lamps(colours), code=int(mode), value=np.nan,
    )  # fmt: skip


def play(
    seconds: int,
    actors: Sequence[Actor],
    lamps: Callable[[int], Rows | None] = lambda s: None,
    types: tuple[str, ...] = (),
    pockets: bool = True,
    view_from_m: float = -150.0,
) -> Iterator[tuple[Engine, list[Finding]]]:
    """The engine and its findings after each closed tick of so many seconds."""
    engine = Engine(ground(pockets, view_from_m), load_incident_types(only=types or ("wrong_way",)), TickSettings())
    for second in range(seconds):
        rows = [row for actor in actors for row in rows_of(actor, second)]
        if (lamp := lamps(second)) is not None:
            rows.append(lamp)
        engine.read(0, Rows.concat(rows))
        engine.mark(0, START_MS + 1000 * (second + 1))
        for reading in engine.readings():
            yield engine, reading.findings
