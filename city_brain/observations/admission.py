"""Admission: what is plausible goes on in the city's frame and canonical units; what is not is refused with one reason.

Stateless, clockless and in columns: the same batch gives the same rows whoever admits it. A mapped source other than a
camera stands where the map says. What a camera sees must lie near it; what the map does not know, near the map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from city_brain.city.city_map import CityMap, Sensor, SourceKind
from city_brain.city.datum import Datum, to_wgs84
from city_brain.geo import LocalFrame
from city_brain.numerics import hash63
from city_brain.observations.columns import GROUPS, Observations
from city_brain.observations.rows import LAMP_SLOTS, SCHEMA, Rows, pack_lamps
from city_brain.observations.vocabulary import (
    CATEGORY_CODES,
    CLASS_CODES,
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
    conversion,
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


@dataclass(frozen=True)
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
        return quantity, *(conversion(quantity, source.unit) or (np.nan, np.nan))
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
    columns = batch.columns
    columns["raw_partition"][:] = raw_partition
    columns["offset"][:] = offset
    columns["sub"][:] = np.arange(batch.n) if isinstance(offset, int) else 0
    _fill_absent_sequences(batch)
    refused = np.flatnonzero(batch.reason)
    rows = Rows(**columns, notes=batch.notes)
    if len(refused):
        rows = rows.take(batch.reason == Quarantine.NONE)
    return rows, Refused(refused, batch.reason[refused])


class _Batch:
    """The batch on its way: what was sent, the columns being filled, and the first reason against each row."""

    def __init__(self, observations: Observations, table: AdmissionTable) -> None:
        self.sent, self.table = observations, table
        self.n = observations.n
        self.reason: Codes = np.zeros(self.n, dtype=np.uint8)
        self.columns: dict[str, Column] = {name: np.zeros(self.n, kind) for name, kind in SCHEMA.items()}
        for name in ("sigma", "value", "speed", "heading"):
            self.columns[name][:] = np.nan
        self.columns["note"][:] = -1
        self.notes: tuple[str, ...] = ()
        common = observations.common
        self.columns["kind"][:] = common.kind
        self.columns["event_ms"][:] = common.event_ms
        self.columns["arrival_ms"][:] = common.arrival_ms
        self.columns["seq"][:] = common.seq
        self.mapped = self.words(common.source, table.index, -1)
        self.on_map: Bools = self.mapped >= 0

    @cached_property
    def string_hash(self) -> Ints:
        """hash63 of every string, and 0 for an absent one in the last place."""
        return np.array([hash63(text) for text in self.sent.strings] + [0], dtype=np.int64)

    def words(self, column: Indices, codes: Mapping[str, int], otherwise: int) -> Indices:
        """The code of each text of a column; `otherwise` for a text without one, and -1 for an absent text."""
        strings = self.sent.strings
        used: Bools = np.zeros(len(strings) + 1, dtype=np.bool_)
        used[column] = True
        code = np.full(len(strings) + 1, -1, dtype=np.int32)
        for at in np.flatnonzero(used[:-1]).tolist():
            code[at] = codes.get(strings[at], otherwise)
        return code[column]

    def refuse(self, rows: Column, why: Quarantine) -> None:
        """Refuses rows (mask or positions) that were not refused before."""
        self.reason[rows] = np.where(self.reason[rows] == Quarantine.NONE, why, self.reason[rows])


def _status(batch: _Batch) -> None:
    common = batch.sent.common
    if (common.status < 0).all():
        return
    status = batch.words(common.status, STATUS_CODES, len(Status))
    batch.refuse(status == len(Status), Quarantine.STATUS)
    batch.columns["status"][:] = np.maximum(status, 0)


def _clock(batch: _Batch) -> None:
    common = batch.sent.common
    apart = np.abs(common.arrival_ms - common.event_ms) > CLOCK_LIMIT_MS
    batch.refuse(apart & (common.arrival_ms >= 0), Quarantine.CLOCK)


def _position(batch: _Batch) -> None:
    """Positions to metres; a mapped source's own rows must agree with the map, others must lie near it."""
    common, table, mapped, on_map = batch.sent.common, batch.table, batch.mapped, batch.on_map
    columns = batch.columns
    columns["source"][:] = _source_keys(batch)
    sigma = common.position_error_m
    bad = np.isinf(common.lon) | np.isinf(common.lat) | np.isinf(sigma)
    batch.refuse(bad, Quarantine.NUMBER)
    batch.refuse((sigma < 0.0) | (sigma > POSITION_ERROR_MAX_M), Quarantine.POSITION)
    columns["sigma"][:] = np.where(sigma > 0.0, sigma, np.nan)
    given = ~(np.isnan(common.lon) | np.isnan(common.lat))
    off_globe = (np.abs(common.lon) > 180.0) | (np.abs(common.lat) > 90.0)
    half = np.isnan(common.lon) != np.isnan(common.lat)
    batch.refuse(off_globe | half, Quarantine.POSITION)
    x, y = table.frame.to_metres(*_wgs84(batch, given & ~off_globe & ~bad))
    detection = common.kind == Kind.DETECTION
    if len(table.x):
        at = np.where(on_map, mapped, 0)
        dx, dy = x - table.x[at], y - table.y[at]
        far = dx * dx + dy * dy > table.reach_m[at] * table.reach_m[at]
        batch.refuse(on_map & given & far, Quarantine.POSITION)
        stays = on_map & ~detection
        x, y = np.where(stays, table.x[at], x), np.where(stays, table.y[at], y)
    west, south, east, north = table.box
    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    batch.refuse(~on_map & ~inside, Quarantine.POSITION)
    batch.refuse(detection & ~given, Quarantine.POSITION)
    columns["x"][:], columns["y"][:] = x, y


def _source_keys(batch: _Batch) -> Ints:
    """hash63 of each row's source id: from the map where it is on it, else computed once per source."""
    common, strings = batch.sent.common, batch.sent.strings
    keys = np.zeros(batch.n, dtype=np.int64)
    keys[batch.on_map] = batch.table.key[batch.mapped[batch.on_map]]
    unmapped = np.flatnonzero(~batch.on_map)
    if len(unmapped):
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
        labels = {text: Datum.from_label(text) for text in batch.sent.strings}
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
    numbers = (said.confidence, said.speed_mps, said.heading_deg)
    endless = np.isinf(numbers[0]) | np.isinf(numbers[1]) | np.isinf(numbers[2]) | np.isinf(said.bbox).any(axis=1)
    batch.refuse(rows[endless], Quarantine.NUMBER)
    believed = (said.confidence >= 0.0) & (said.confidence <= 1.0)
    batch.refuse(rows[~believed], Quarantine.CONFIDENCE)
    batch.refuse(rows[(said.speed_mps < 0.0) | (said.speed_mps > SPEED_MAX_MPS)], Quarantine.SPEED)
    batch.refuse(rows[(said.heading_deg < 0.0) | (said.heading_deg > 360.0)], Quarantine.HEADING)
    track = said.track
    if (said.track_text >= 0).any():
        track = np.where(said.track_text >= 0, batch.string_hash[said.track_text], track)
    columns = batch.columns
    columns["code"][rows] = batch.words(said.class_name, CLASS_CODES, ObjectClass.OTHER)
    columns["track"][rows] = track
    columns["value"][rows] = said.confidence
    columns["speed"][rows] = said.speed_mps
    columns["heading"][rows] = np.where(said.heading_deg == 360.0, 0.0, said.heading_deg)


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
    batch.refuse(rows[~np.isfinite(said.value)], Quarantine.NUMBER)
    batch.refuse(rows[quantity < 0], Quarantine.QUANTITY)
    batch.refuse(rows[np.isnan(scale)], Quarantine.UNIT)
    batch.refuse(rows[(value < _LOW[known]) | (value > _HIGH[known])], Quarantine.VALUE)
    columns = batch.columns
    columns["code"][rows] = quantity
    columns["value"][rows] = np.where((quantity == Quantity.WIND_DIRECTION) & (value == 360.0), 0.0, value)


def _units(batch: _Batch, rows: Ints, quantity: Indices) -> tuple[Floats, Floats]:
    """Scale and shift of each reading: by its unit, else by the map's unit for that sensor; NaN where neither fits."""
    said, strings = batch.sent.sensors, batch.sent.strings
    pairs, at = np.unique(quantity * np.int64(len(strings) + 1) + said.unit, return_inverse=True)
    found = []
    for pair in pairs.tolist():
        which, unit = divmod(pair + 1, len(strings) + 1)
        converts = conversion(which, strings[unit - 1]) if which >= 0 and unit > 0 else None
        found.append(converts or (np.nan, np.nan))
    scale, shift = np.array(found, dtype=np.float64)[at].T
    silent = np.flatnonzero((said.unit < 0) & batch.on_map[rows])
    mapped = batch.mapped[rows[silent]]
    silent, mapped = (part[batch.table.quantity[mapped] == quantity[silent]] for part in (silent, mapped))
    scale[silent], shift[silent] = batch.table.scale[mapped], batch.table.shift[mapped]
    return scale, shift


_SEEN: Final = np.array(LAMP_SEEN, dtype=np.uint8)


def _signals(batch: _Batch) -> None:
    said = batch.sent.signals
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.SIGNAL)
    colours = _SEEN[said.lamps.reshape(-1, len(SIDES), len(MOVEMENTS))[:, :, :3]]
    batch.columns["code"][rows] = batch.words(said.mode, MODE_CODES, Mode.OTHER)
    batch.columns["lamps"][rows] = pack_lamps(colours.reshape(-1, LAMP_SLOTS))


def _reports(batch: _Batch) -> None:
    said = batch.sent.reports
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.REPORT)
    category = batch.words(said.category, CATEGORY_CODES, Category.OTHER)
    batch.columns["code"][rows] = np.maximum(category, Category.OTHER)
    texts, note = np.unique(said.text, return_inverse=True)
    absent = int(len(texts) > 0 and texts[0] < 0)
    batch.notes = tuple(batch.sent.strings[text] for text in texts[absent:].tolist())
    batch.columns["note"][rows] = note - absent


def _fill_absent_sequences(batch: _Batch) -> None:
    """A content hash where the source numbers nothing, so that copies of a row are still known as copies.

    It covers all that the source said; the arrival belongs to the gateway.
    """
    rows = np.flatnonzero(batch.columns["seq"] < 0)
    if len(rows) == 0:
        return
    bits = np.zeros(len(rows), dtype=np.uint64)
    for name, (kind, _) in GROUPS.items():
        group = batch.sent.groups()[name]
        here = np.arange(len(rows)) if kind is None else np.flatnonzero(batch.columns["kind"][rows] == kind)
        at = rows[here] if kind is None else np.searchsorted(batch.sent.rows_of(kind), rows[here])
        for column, spec in group.specs.items():
            if column not in ("seq", "arrival_ms"):
                values = getattr(group, column)[at]
                for word in _words_of(batch.string_hash[values] if spec.text else values):
                    bits[here] = _mix(bits[here] ^ word)
    batch.columns["seq"][rows] = (bits >> np.uint64(1)).astype(np.int64)


def _words_of(values: Column) -> list[npt.NDArray[np.uint64]]:
    """A column (n,) or (n, width) as 64-bit words (n,) each; equal numbers give equal words."""
    if values.dtype == np.float64:
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
    elif values.dtype != np.uint8 or values.ndim == 1:
        values = values.astype(np.int64)
    words = np.ascontiguousarray(values).view(np.uint64).reshape(len(values), -1)
    return list(words.T)


def _mix(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014) after one step of its sequence."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
