"""The sources of a run, one by one: how each speaks, how far its clock and its places are off, what was lost."""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from city_brain.city.city_map import Camera, Sensor, Signal, Source
from city_brain.inquiry.health.tallies import REPORTS, UNKNOWN, Tallies, Tally
from city_brain.inquiry.spells import Spells
from city_brain.numerics import find_sorted, hash63
from city_brain.observations.vocabulary import Kind
from city_brain.pipeline import Engine
from city_brain.ticks.skew import USUAL_SHORTEST_DELAY_MS

_KINDS: Final = {Camera: ("camera", Kind.DETECTION), Signal: ("signal", Kind.SIGNAL), Sensor: ("sensor", Kind.SENSOR)}


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it stands at the end of a run; epoch ms.

    `skew_ms`: how far its clock is ahead of the common one, negative: behind; None while nothing was learnt.
    `bias_east_m`, `bias_north_m`: how far a camera places things too far east and north. `stuck`: a sensor whose value
    no longer moves. `blind`: when it was silent, or said that it sees nothing; the end is None where that goes on.
    """

    source_id: str
    kind: str
    quantity: str = ""
    on_map: bool = True
    rows: Tally
    first_ms: int | None = None
    last_ms: int | None = None
    rows_per_min: float = 0.0
    skew_ms: int | None = None
    restarts: int = 0
    bias_east_m: float | None = None
    bias_north_m: float | None = None
    stuck: bool = False
    blind: tuple[tuple[int, int | None], ...] = ()

    @property
    def is_blind(self) -> bool:
        """Whether it is silent or blind at the end."""
        return any(until is None for _, until in self.blind)

    @property
    def trouble(self) -> tuple[bool, bool, bool, float, int, float]:
        """Orders sources, the worst highest: blind now, never heard, stuck, per cent lost, silent for how long, share
        late or twice.
        """
        rows, read = self.rows, max(self.rows.read, 1)
        never = self.on_map and self.last_ms is None
        silent_ms = sum(until - since for since, until in self.blind if until is not None)
        return (
            self.is_blind,
            never,
            self.stuck,
            round(rows.lost / read, 2),
            silent_ms,
            (rows.late + rows.duplicate) / read,
        )


def source_states(tallies: Tallies, spells: Spells) -> list[SourceState]:
    """All sources of the map and all others that were heard, by kind and id; what cannot be attributed comes last."""
    on_map = {source.id: source for source in tallies.runner.ground.city.sources}
    found = [_state(name, tally, on_map.get(name), tallies, spells) for name, tally in tallies.of.items()]
    order = {"camera": 0, "signal": 1, "sensor": 2, "": 4}
    return sorted(found, key=lambda state: (order.get(state.kind, 3), state.source_id))


def worst_first(states: Iterable[SourceState]) -> list[SourceState]:
    """The same, those in most trouble first."""
    ordered = sorted(states, key=lambda state: state.source_id)
    return sorted(ordered, key=lambda state: state.trouble, reverse=True)


def _state(name: str, tally: Tally, source: Source | None, tallies: Tallies, spells: Spells) -> SourceState:
    kind, rows_of = _KINDS[type(source)] if source is not None else ("unknown", None)
    said: dict[str, object] = {}
    if source is None:
        kind = {UNKNOWN: "", REPORTS: "people"}.get(name, kind)
        said = {"on_map": False}
    if isinstance(source, Camera):
        at = tallies.runner.ground.city.cameras.index(source)
        said = _bias(tallies.runner.engines, at)
    if isinstance(source, Sensor):
        said = {"quantity": source.quantity, "stuck": _is_stuck(tallies.runner.engines, source.id)}
    blind = [(spell.since_ms, None if spells.goes_on(spell) else spell.until_ms) for spell in spells.of(name)]
    clock = _clock(tallies, name, rows_of)
    return msgspec.convert(
        {"source_id": name, "kind": kind, "rows": tally, "blind": tuple(blind), **said, **clock}, SourceState
    )


def _clock(tallies: Tallies, name: str, kind: Kind | None) -> dict[str, object]:
    """What the clocks know of a source; of the partition that heard it most."""
    known: dict[str, object] = {}
    most = 0
    for engine in tallies.runner.engines:
        table = engine.ticker.state.clocks.table
        at = int(find_sorted(table["source"], np.array([hash63(name)]))[0])
        if at < 0 or int(table["rows"][at]) <= most:
            continue
        most = int(table["rows"][at])
        first_ms, last_ms = int(table["first_arrival_ms"][at]), int(table["last_arrival_ms"][at])
        known = {"first_ms": first_ms, "last_ms": last_ms, "restarts": int(table["restarts"][at])}
        if last_ms > first_ms:
            known["rows_per_min"] = round(60_000.0 * (most - 1) / (last_ms - first_ms), 2)
        least_ms = float(table["least_ms"][at])
        if kind is not None and np.isfinite(least_ms):
            known["skew_ms"] = round(float(USUAL_SHORTEST_DELAY_MS[kind]) - least_ms)
    return known


def _bias(engines: Iterable[Engine], camera: int) -> dict[str, object]:
    """Of the partition that has learnt most of a camera."""
    books = [engine.books.tracks.bias for engine in engines]
    best = max(books, key=lambda bias: float(bias.nn[camera, 0] + bias.nn[camera, 2]))
    if float(best.nn[camera, 0] + best.nn[camera, 2]) == 0.0:
        return {}
    east_m, north_m = float(best.east_m[camera]), float(best.north_m[camera])
    return {"bias_east_m": round(east_m, 2), "bias_north_m": round(north_m, 2)}


def _is_stuck(engines: Iterable[Engine], name: str) -> bool:
    key = hash63(name)
    tables = [engine.books.sensors.table for engine in engines]
    return any(bool(table["flat"][table["source"] == key].any()) for table in tables)
