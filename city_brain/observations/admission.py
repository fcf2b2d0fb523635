"""Admission: what is plausible goes on in the city's frame and canonical units; what is not is refused with one reason.

Stateless, clockless and in columns: the same batch gives the same rows whoever admits it. A mapped source other than a
camera stands where the map says. What a camera sees must lie near it; what the map does not know, near the map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from city_brain.city.city_map import CityMap, Sensor, SourceKind
from city_brain.city.datum import Datum, to_wgs84
from city_brain.geo import LocalFrame
from city_brain.numerics import hash63
from city_brain.observations.columns import Observations
from city_brain.observations.content import content_hash
from city_brain.observations.rows import LAMP_SLOTS, SCHEMA, Rows, pack_lamps
from city_brain.observations.vocabulary import (
    CATEGORY_CODES,
    CLASS_CODES,
    CONVERSIONS,
    LAMP_SEEN,
    MEASURES,
    MODE_CODES,
    MOVEMENTS,
    QUANTITY_CODES,
    SIDES,
    STATUS_CODES,
    Category,
    Kind,
    Mode,
    ObjectClass,
    Quantity,
    Quarantine,
    Status,
)
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

CLOCK_LIMIT_MS: Final = 600_000
"""A row whose event and arrival times differ by more is refused: no skew that could be learnt is so large."""
MAP_MARGIN_M: Final = 3_000.0
"""How far outside the map's box a source that is not on the map may speak of."""
CAMERA_RANGES: Final = 3.0
CAMERA_MARGIN_M: Final = 50.0
"""A detection must lie within this many ranges of its camera, plus the margin."""
MAPPED_MARGIN_M: Final = 200.0
"""A row of another mapped source, if it gives a position, must give one this close to the map's."""
POSITION_ERROR_MAX_M: Final = 10_000.0
SPEED_MAX_MPS: Final = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class AdmissionTable:
    """What admission looks up, built once per map. Arrays are per mapped source.

    `index`: source id to place in the arrays. `key`: hash63 of the id. `reach_m`: how far from (`x`, `y`) its rows lie.
    `scale`, `shift`: canonical = scale * value + shift for rows without a unit (NaN: no unit known).
    `box`: west, south, east, north of the map with its margin, in metres.
    """

    frame: LocalFrame
    index: Mapping[str, int]
    key: Ints
    x: Floats
    y: Floats
    reach_m: Floats
    datum: Codes
    quantity: Indices
    scale: Floats
    shift: Floats
    box: tuple[float, float, float, float]

    @classmethod
    def from_city(cls, city: CityMap) -> "AdmissionTable":
        """The table of a map."""
        units = [_map_unit(source) for source in city.sources]
        west, south, east, north = city.box
        xy = city.source_xy
        near = CAMERA_RANGES * city.source_range_m + CAMERA_MARGIN_M
        return cls(
            frame=city.frame,
            index={name: at for at, name in enumerate(city.source_ids)},
            key=city.source_keys,
            x=xy[:, 0].copy(),
            y=xy[:, 1].copy(),
            reach_m=np.where(city.source_kind == SourceKind.CAMERA, near, MAPPED_MARGIN_M),
            datum=city.source_datum,
            quantity=np.array([unit[0] for unit in units], dtype=np.int32),
            scale=np.array([unit[1] for unit in units], dtype=np.float64),
            shift=np.array([unit[2] for unit in units], dtype=np.float64),
            box=(west - MAP_MARGIN_M, south - MAP_MARGIN_M, east + MAP_MARGIN_M, north + MAP_MARGIN_M),
        )


def _map_unit(source: object) -> tuple[int, float, float]:
    """Quantity, scale and shift of a sensor on the map; -1 and NaN where they are not known."""
    if isinstance(source, Sensor) and source.quantity in QUANTITY_CODES:
        quantity = QUANTITY_CODES[source.quantity]
        return quantity, *CONVERSIONS.get((quantity, source.unit), (np.nan, np.nan))
    return -1, np.nan, np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """Rows of a batch that were not believed: their positions (k,), ascending, and the `Quarantine` reason of each."""

    row: Ints
    reason: Codes

    def counts(self) -> dict[str, int]:
        """How many rows by reason, as words."""
        counts = np.bincount(self.reason, minlength=len(Quarantine)).tolist()
        return {Quarantine(code).name.lower(): count for code, count in enumerate(counts) if count}


def admit(
    observations: Observations, raw_partition: int, offset: int | Ints, table: AdmissionTable
) -> tuple[Rows, Refused]:
    """Checks and converts a batch of n rows.

    `offset` is the log position of the envelope that the batch came in (rows are then told apart by `sub`), or the
    positions (n,) of single lines (`sub` is then 0).
    """
    batch = _Batch(observations, table)
    for check in (_status, _clock, _position, _detections, _sensors, _signals, _reports):
        check(batch)
    common, columns = observations.common, batch.columns
    columns["raw_partition"] = np.full(batch.n, raw_partition, dtype=np.int16)
    columns["offset"] = np.full(batch.n, offset, dtype=np.int64)
    columns["sub"] = np.arange(batch.n, dtype=np.int32) if isinstance(offset, int) else np.zeros(batch.n, np.int32)
    columns["arrival_ms"], columns["event_ms"], columns["kind"] = common.arrival_ms, common.event_ms, common.kind
    columns["seq"] = common.seq
    unnumbered = np.flatnonzero(common.seq < 0)
    if len(unnumbered):
        columns["seq"] = common.seq.copy()
        columns["seq"][unnumbered] = content_hash(observations, unnumbered, batch.string_hash)
    refused = np.flatnonzero(batch.reason)
    rows = batch.rows()
    if len(refused):
        rows = rows.take(np.flatnonzero(batch.reason == 0))
    return rows, Refused(refused, batch.reason[refused])


_UNSAID: Final = {"sigma": np.nan, "value": np.nan, "speed": np.nan, "heading": np.nan, "note": -1}
"""Columns that hold something else than 0 where the row does not say."""


class _Batch:
    """The batch on its way: what was sent, the columns made so far, and the first reason against each row."""

    def __init__(self, observations: Observations, table: AdmissionTable) -> None:
        self.sent, self.table = observations, table
        self.n = observations.n
        self.reason: Codes = np.zeros(self.n, dtype=np.uint8)
        self.columns: dict[str, Any] = {}
        self.notes: tuple[str, ...] = ()
        self.mapped = self.words(observations.common.source, table.index, -1)
        self.on_map: Bools = self.mapped >= 0

    @cached_property
    def string_hash(self) -> Ints:
        """hash63 of every string, and 0 for an absent one in the last place."""
        return np.array([*map(hash63, self.sent.strings), 0], dtype=np.int64)

    def words(self, column: Indices, codes: Mapping[str, int], otherwise: int) -> Indices:
        """The code of each text of a column; `otherwise` for a text without one, and -1 for an absent text."""
        code = [codes.get(text, otherwise) for text in self.sent.strings]
        code.append(-1)
        return np.array(code, dtype=np.int32)[column]

    def refuse(self, bad: Bools, why: Quarantine, rows: Ints | None = None) -> None:
        """Refuses the rows (of those at `rows`, or of all) where `bad`, unless refused before."""
        if bad.any():
            at = np.flatnonzero(bad) if rows is None else rows[bad]
            self.reason[at[self.reason[at] == 0]] = why

    def put(self, name: str, rows: Ints, values: Column) -> None:
        """Sets a column at the rows of one kind."""
        kind = SCHEMA[name]
        if len(rows) == self.n:
            self.columns[name] = np.ascontiguousarray(values, kind)
            return
        if name not in self.columns:
            self.columns[name] = np.full(self.n, _UNSAID.get(name, 0), kind)
        self.columns[name][rows] = values

    def rows(self) -> Rows:
        """All rows of the batch, the refused ones among them."""
        for name, kind in SCHEMA.items():
            if name not in self.columns:
                self.columns[name] = np.full(self.n, _UNSAID.get(name, 0), kind)
        return Rows(**self.columns, notes=self.notes)


def _status(batch: _Batch) -> None:
    sent = batch.sent.common.status
    if (sent >= 0).any():
        status = batch.words(sent, STATUS_CODES, len(Status))
        batch.refuse(status == len(Status), Quarantine.STATUS)
        batch.columns["status"] = np.maximum(status, 0).astype(np.uint8)


def _clock(batch: _Batch) -> None:
    common = batch.sent.common
    apart = np.abs(common.arrival_ms - common.event_ms) > CLOCK_LIMIT_MS
    batch.refuse(apart & (common.arrival_ms >= 0), Quarantine.CLOCK)


def _position(batch: _Batch) -> None:
    """Positions to metres; a mapped source's own rows must agree with the map, others must lie near it."""
    common, table, mapped, on_map = batch.sent.common, batch.table, batch.mapped, batch.on_map
    batch.columns["source"] = _source_keys(batch)
    _position_error(batch)
    usable = (np.abs(common.lon) <= 180.0) & (np.abs(common.lat) <= 90.0)
    x, y = table.frame.to_metres(*_wgs84(batch, usable))
    detection = common.kind == Kind.DETECTION
    if not usable.all():
        _unusable_position(batch, usable, detection)
    if on_map.any():
        at = np.maximum(mapped, 0)
        map_x, map_y, reach_m = table.x[at], table.y[at], table.reach_m[at]
        dx, dy = x - map_x, y - map_y
        batch.refuse(on_map & (dx * dx + dy * dy > reach_m * reach_m), Quarantine.POSITION)
        stays = on_map & ~detection
        x, y = np.where(stays, map_x, x), np.where(stays, map_y, y)
    if not on_map.all():
        west, south, east, north = table.box
        inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
        batch.refuse(~on_map & ~inside, Quarantine.POSITION)
    batch.columns["x"], batch.columns["y"] = x, y


def _unusable_position(batch: _Batch, usable: Bools, detection: Bools) -> None:
    """Refuses rows whose position is no place on Earth, or whose place is wanted and not given."""
    common = batch.sent.common
    batch.refuse(np.isinf(common.lon) | np.isinf(common.lat), Quarantine.NUMBER)
    absent = np.isnan(common.lon) & np.isnan(common.lat)
    batch.refuse(~usable & (detection | ~absent), Quarantine.POSITION)


def _position_error(batch: _Batch) -> None:
    """The stated sigma; 0 is what devices send that do not know it."""
    sigma = batch.sent.common.position_error_m
    if not np.isnan(sigma).all():
        batch.refuse(np.isinf(sigma), Quarantine.NUMBER)
        batch.refuse((sigma < 0.0) | (sigma > POSITION_ERROR_MAX_M), Quarantine.POSITION)
        sigma = np.where(sigma > 0.0, sigma, np.nan)
    batch.columns["sigma"] = sigma


def _source_keys(batch: _Batch) -> Ints:
    """hash63 of each row's source id: from the map where it is on it, else computed once per source."""
    if batch.on_map.all() and batch.n:
        return batch.table.key[batch.mapped]
    common, strings = batch.sent.common, batch.sent.strings
    keys = np.zeros(batch.n, dtype=np.int64)
    keys[batch.on_map] = batch.table.key[batch.mapped[batch.on_map]]
    unmapped = np.flatnonzero(~batch.on_map)
    texts, at = np.unique(common.source[unmapped], return_inverse=True)
    keys[unmapped] = np.array([hash63(strings[text]) for text in texts.tolist()], dtype=np.int64)[at]
    return keys


def _wgs84(batch: _Batch, usable: Bools) -> tuple[Floats, Floats]:
    """Degrees in WGS-84, NaN where not usable; refuses rows whose datum is unknown or, off the map, not given."""
    common, table = batch.sent.common, batch.table
    unknown = len(Datum)
    datum = np.full(batch.n, unknown, dtype=np.int32)
    datum[batch.on_map] = table.datum[batch.mapped[batch.on_map]]
    if (common.datum >= 0).any():
        sent = np.unique(common.datum[common.datum >= 0]).tolist()
        labels = {text: Datum.from_label(text) for text in map(batch.sent.strings.__getitem__, sent)}
        codes = {text: int(found) for text, found in labels.items() if found is not None}
        own = batch.words(common.datum, codes, unknown)
        datum = np.where(own >= 0, own, datum)
    batch.refuse(datum == unknown, Quarantine.DATUM)
    lon, lat = np.where(usable, common.lon, np.nan), np.where(usable, common.lat, np.nan)
    for kind in (Datum.GCJ02, Datum.BD09):
        rows = np.flatnonzero(datum == kind)
        if len(rows):
            lon[rows], lat[rows] = to_wgs84(kind, lon[rows], lat[rows])
    return lon, lat


def _detections(batch: _Batch) -> None:
    said = batch.sent.detections
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.DETECTION)
    speed, heading = said.speed_mps, said.heading_deg
    endless = np.isinf(said.confidence) | np.isinf(speed) | np.isinf(heading) | np.isinf(said.bbox).any(axis=1)
    batch.refuse(endless, Quarantine.NUMBER, rows)
    batch.refuse(~((said.confidence >= 0.0) & (said.confidence <= 1.0)), Quarantine.CONFIDENCE, rows)
    batch.refuse((speed < 0.0) | (speed > SPEED_MAX_MPS), Quarantine.SPEED, rows)
    batch.refuse((heading < 0.0) | (heading > 360.0), Quarantine.HEADING, rows)
    track, named = said.track, said.track_text >= 0
    if named.any():
        track = np.where(named, batch.string_hash[said.track_text], track)
    batch.put("code", rows, batch.words(said.class_name, CLASS_CODES, ObjectClass.OTHER))
    batch.put("track", rows, track)
    batch.put("value", rows, said.confidence)
    batch.put("speed", rows, speed)
    batch.put("heading", rows, np.where(heading == 360.0, 0.0, heading))


_LOW: Final = np.array([MEASURES[quantity].low for quantity in Quantity])
_HIGH: Final = np.array([MEASURES[quantity].high for quantity in Quantity])


def _sensors(batch: _Batch) -> None:
    said = batch.sent.sensors
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.SENSOR)
    quantity = batch.words(said.quantity, QUANTITY_CODES, -1)
    scale, shift = _units(batch, rows, quantity)
    value = said.value * scale + shift
    known = np.maximum(quantity, 0)
    batch.refuse(~np.isfinite(said.value), Quarantine.NUMBER, rows)
    batch.refuse(quantity < 0, Quarantine.QUANTITY, rows)
    batch.refuse(np.isnan(scale), Quarantine.UNIT, rows)
    batch.refuse((value < _LOW[known]) | (value > _HIGH[known]), Quarantine.VALUE, rows)
    batch.put("code", rows, quantity)
    batch.put("value", rows, np.where((quantity == Quantity.WIND_DIRECTION) & (value == 360.0), 0.0, value))


def _units(batch: _Batch, rows: Ints, quantity: Indices) -> tuple[Floats, Floats]:
    """Scale and shift of each reading: by its unit, else by the map's unit for that sensor; NaN where neither fits."""
    said, strings = batch.sent.sensors, (*batch.sent.strings, "")
    pairs, at = np.unique(quantity * np.int64(len(strings)) + said.unit % len(strings), return_inverse=True)
    found = [divmod(pair, len(strings)) for pair in pairs.tolist()]
    converts = [CONVERSIONS.get((which, strings[unit]), (np.nan, np.nan)) for which, unit in found]
    scale, shift = np.array(converts, dtype=np.float64)[at].T
    silent = np.flatnonzero((said.unit < 0) & batch.on_map[rows])
    if len(silent):
        mapped = batch.mapped[rows[silent]]
        same = batch.table.quantity[mapped] == quantity[silent]
        scale[silent[same]], shift[silent[same]] = batch.table.scale[mapped[same]], batch.table.shift[mapped[same]]
    return scale, shift


_SEEN: Final = np.array(LAMP_SEEN, dtype=np.uint8)


def _signals(batch: _Batch) -> None:
    said = batch.sent.signals
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.SIGNAL)
    colours = _SEEN[said.lamps.reshape(-1, len(SIDES), len(MOVEMENTS))[:, :, :3]]
    batch.put("code", rows, batch.words(said.mode, MODE_CODES, Mode.OTHER))
    batch.put("lamps", rows, pack_lamps(colours.reshape(-1, LAMP_SLOTS)))


def _reports(batch: _Batch) -> None:
    said = batch.sent.reports
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.REPORT)
    category = batch.words(said.category, CATEGORY_CODES, Category.OTHER)
    batch.put("code", rows, np.maximum(category, Category.OTHER))
    texts, note = np.unique(said.text, return_inverse=True)
    absent = int(len(texts) > 0 and texts[0] < 0)
    batch.notes = tuple(batch.sent.strings[text] for text in texts[absent:].tolist())
    batch.put("note", rows, note - absent)
