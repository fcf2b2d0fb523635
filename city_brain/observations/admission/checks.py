"""The checks of admission, one per part of a row; each fills its columns and refuses what it does not believe."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Any, Final

import numpy as np

from city_brain.city.datum import Datum, to_wgs84
from city_brain.numerics import hash63
from city_brain.observations.admission.table import NO_DATUM, AdmissionTable
from city_brain.observations.admission.words import (
    CATEGORY_OF,
    CLASS_OF,
    HIGH,
    LOW,
    MODE_OF,
    NO_WORD,
    OTHER_WORD,
    QUANTITY_OF,
    SCALE,
    SHIFT,
    STATUS_OF,
    UNIT_OF,
    WORDS,
)
from city_brain.observations.columns import Observations
from city_brain.observations.content import content_hash
from city_brain.observations.rows import LAMP_SLOTS, SCHEMA, Rows, pack_lamps
from city_brain.observations.vocabulary import (
    LAMP_SEEN,
    MOVEMENTS,
    SIDES,
    Kind,
    Quantity,
    Quarantine,
    Status,
)
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

CLOCK_LIMIT_MS: Final = 600_000
"""A row whose event and arrival times differ by more is refused: no skew that could be learnt is so large."""
POSITION_ERROR_MAX_M: Final = 10_000.0
SPEED_MAX_MPS: Final = 120.0


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
    observations: Observations,
    raw_partition: int,
    offset: int | Ints,
    table: AdmissionTable,
    stamp_ms: int = -1,
    sub: Indices | None = None,
) -> tuple[Rows, Refused]:
    """Checks and converts a batch of n rows.

    `offset` is the log position of the envelope that the batch came in (rows are then told apart by `sub`), or the
    positions (n,) of the rows (`sub` (n,) is then the number of each in its record, 0 unless given). `stamp_ms` is the
    log's time stamp of the record, the arrival of rows that bring none of their own; without either, the clock of a row
    cannot be checked here.
    """
    batch = _Batch(observations, table, stamp_ms)
    for check in (_status, _clock, _position, _detections, _sensors, _signals, _reports):
        check(batch)
    common, columns = observations.common, batch.columns
    columns["raw_partition"] = np.full(batch.n, raw_partition, dtype=np.int16)
    columns["offset"] = np.full(batch.n, offset, dtype=np.int64)
    if sub is None:
        sub = np.arange(batch.n, dtype=np.int32) if isinstance(offset, int) else np.zeros(batch.n, np.int32)
    columns["sub"] = sub
    columns["event_ms"], columns["kind"], columns["seq"] = common.event_ms, common.kind, common.seq
    unnumbered = np.flatnonzero(common.seq < 0)
    if len(unnumbered):
        columns["seq"] = common.seq.copy()
        columns["seq"][unnumbered] = content_hash(observations, unnumbered, batch.string_hash)
    refused = np.flatnonzero(batch.reason)
    rows = batch.rows()
    if len(refused):
        rows = rows.take(np.flatnonzero(batch.reason == 0))
    return rows, Refused(refused, batch.reason[refused])


_UNSAID: Final = {"value": np.nan, "speed": np.nan, "heading": np.nan, "note": -1, "home": True}
"""Columns that hold something else than 0 where the row does not say."""


class _Batch:
    """The batch on its way: what was sent, the columns made so far, and the first reason against each row.

    `mapped` (n,): place of the row's source in the table, -1 off the map.
    """

    def __init__(self, observations: Observations, table: AdmissionTable, stamp_ms: int) -> None:
        self.sent, self.table = observations, table
        self.n = observations.n
        self.reason: Codes = np.zeros(self.n, dtype=np.uint8)
        arrival_ms = observations.common.arrival_ms
        self.columns: dict[str, Any] = {"arrival_ms": np.where(arrival_ms < 0, np.int64(stamp_ms), arrival_ms)}
        self.notes: tuple[str, ...] = ()
        strings = observations.strings
        place = np.fromiter(chain(map(table.index.get, strings, repeat(-1)), (-1,)), np.int32, len(strings) + 1)
        self.mapped: Indices = place[observations.common.source]
        self.on_map: Bools = self.mapped >= 0

    @cached_property
    def string_hash(self) -> Ints:
        """hash63 of every string, and 0 for an absent one in the last place."""
        return np.array([*map(hash63, self.sent.strings), 0], dtype=np.int64)

    def codes(self, column: Indices, vocabulary: Indices) -> Indices:
        """The code of each text of a column, by one of the vocabularies of `words`; few texts stand in it, often."""
        strings = self.sent.strings
        said = np.zeros(len(strings) + 1, dtype=np.bool_)
        said[column] = True
        code = np.full(len(strings) + 1, vocabulary[NO_WORD])
        for at in np.flatnonzero(said[:-1]).tolist():
            code[at] = vocabulary[WORDS.get(strings[at], OTHER_WORD)]
        return code[column]

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
        status = batch.codes(sent, STATUS_OF)
        batch.refuse(status == len(Status), Quarantine.STATUS)
        batch.columns["status"] = np.maximum(status, 0).astype(np.uint8)


def _clock(batch: _Batch) -> None:
    arrival_ms = batch.columns["arrival_ms"]
    apart = np.abs(arrival_ms - batch.sent.common.event_ms) > CLOCK_LIMIT_MS
    batch.refuse(apart & (arrival_ms >= 0), Quarantine.CLOCK)


def _position(batch: _Batch) -> None:
    """Positions to metres; a mapped source's own rows must agree with the map, others must lie near it."""
    common, table, mapped, on_map = batch.sent.common, batch.table, batch.mapped, batch.on_map
    batch.columns["source"] = _source_keys(batch)
    batch.columns["sigma"] = _position_error(batch)
    detection = common.kind == int(Kind.DETECTION)
    usable = (np.abs(common.lon) <= 180.0) & (np.abs(common.lat) <= 90.0)
    if not usable.all():
        unsaid = np.isnan(common.lon) & np.isnan(common.lat)
        batch.refuse(~usable & (detection | ~unsaid), Quarantine.POSITION)
    x, y = table.frame.to_metres(*_wgs84(batch, usable))
    map_x, map_y, reach_m = table.x[mapped], table.y[mapped], table.reach_m[mapped]
    dx, dy = x - map_x, y - map_y
    batch.refuse(dx * dx + dy * dy > reach_m * reach_m, Quarantine.POSITION)
    if not on_map.all():
        west, south, east, north = table.box
        inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
        batch.refuse(~(on_map | inside), Quarantine.POSITION)
    stays = on_map & ~detection
    batch.columns["x"], batch.columns["y"] = np.where(stays, map_x, x), np.where(stays, map_y, y)


def _position_error(batch: _Batch) -> Floats:
    """The stated sigma; NaN for 0, which devices send that do not know it."""
    sigma = batch.sent.common.position_error_m
    if np.isnan(sigma).all():
        return sigma
    batch.refuse((sigma < 0.0) | (sigma > POSITION_ERROR_MAX_M), Quarantine.POSITION)
    return np.where(sigma > 0.0, sigma, np.nan)


def _source_keys(batch: _Batch) -> Ints:
    """hash63 of each row's source id: from the map where it is on it, else computed once per source."""
    keys = batch.table.key[batch.mapped]
    unmapped = np.flatnonzero(~batch.on_map)
    if len(unmapped):
        texts, at = np.unique(batch.sent.common.source[unmapped], return_inverse=True)
        hashes = [hash63(batch.sent.strings[text]) for text in texts.tolist()]
        keys[unmapped] = np.array(hashes, dtype=np.int64)[at]
    return keys


def _wgs84(batch: _Batch, usable: Bools) -> tuple[Floats, Floats]:
    """Degrees in WGS-84, NaN where not usable; refuses rows whose datum is unknown or, off the map, not given."""
    common = batch.sent.common
    datum = batch.table.datum[batch.mapped]
    said = np.flatnonzero(common.datum >= 0)
    if len(said):
        texts, at = np.unique(common.datum[said], return_inverse=True)
        found = [Datum.from_label(batch.sent.strings[text]) for text in texts.tolist()]
        datum[said] = np.array([NO_DATUM if kind is None else kind for kind in found], dtype=np.int32)[at]
    batch.refuse(datum == NO_DATUM, Quarantine.DATUM)
    if usable.all() and (datum <= Datum.CGCS2000).all():
        return common.lon, common.lat
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
    confidence, speed, heading = said.confidence, said.speed_mps, said.heading_deg
    batch.refuse(~((confidence >= 0.0) & (confidence <= 1.0)), Quarantine.CONFIDENCE, rows)
    batch.refuse((speed < 0.0) | (speed > SPEED_MAX_MPS), Quarantine.SPEED, rows)
    batch.refuse((heading < 0.0) | (heading > 360.0), Quarantine.HEADING, rows)
    track, named = said.track, said.track_text >= 0
    if named.any():
        track = np.where(named, batch.string_hash[said.track_text], track)
    batch.put("code", rows, batch.codes(said.class_name, CLASS_OF))
    batch.put("track", rows, track)
    batch.put("value", rows, confidence)
    batch.put("speed", rows, speed)
    batch.put("heading", rows, np.where(heading == 360.0, 0.0, heading))


def _sensors(batch: _Batch) -> None:
    """Readings in canonical units: by the unit sent, else by the map's unit where the map knows that quantity."""
    said = batch.sent.sensors
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.SENSOR)
    mapped, quantity = batch.mapped[rows], batch.codes(said.quantity, QUANTITY_OF)
    own = batch.table.quantity[mapped] == quantity
    by_map = (said.unit < 0) & own
    unit = np.where(by_map, batch.table.unit[mapped], batch.codes(said.unit, UNIT_OF))
    scale = SCALE[quantity, unit]
    value = np.where(np.isinf(said.value), np.nan, said.value) * scale + SHIFT[quantity, unit]
    batch.refuse(quantity < 0, Quarantine.QUANTITY, rows)
    batch.refuse(np.isnan(scale), Quarantine.UNIT, rows)
    low, high = (
        np.where(own, batch.table.low[mapped], LOW[quantity]),
        np.where(own, batch.table.high[mapped], HIGH[quantity]),
    )
    batch.refuse(~((value >= low) & (value <= high)), Quarantine.VALUE, rows)
    batch.put("code", rows, quantity)
    batch.put("value", rows, np.where((quantity == int(Quantity.WIND_DIRECTION)) & (value == 360.0), 0.0, value))


_SEEN: Final = np.array(LAMP_SEEN, dtype=np.uint8)


def _signals(batch: _Batch) -> None:
    said = batch.sent.signals
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.SIGNAL)
    colours = _SEEN[said.lamps.reshape(-1, len(SIDES), len(MOVEMENTS))[:, :, :3]]
    batch.put("code", rows, batch.codes(said.mode, MODE_OF))
    batch.put("lamps", rows, pack_lamps(colours.reshape(-1, LAMP_SLOTS)))


def _reports(batch: _Batch) -> None:
    said = batch.sent.reports
    if said.n == 0:
        return
    rows = batch.sent.rows_of(Kind.REPORT)
    batch.put("code", rows, np.maximum(batch.codes(said.category, CATEGORY_OF), 0))
    texts, note = np.unique(said.text, return_inverse=True)
    absent = int(texts[0] < 0)
    batch.notes = tuple(batch.sent.strings[text] for text in texts[absent:].tolist())
    batch.put("note", rows, note - absent)
