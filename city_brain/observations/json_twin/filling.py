"""Decoded lines to columns: attribute by attribute over the whole batch, the only step in Python per row."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, compress
from typing import Any, Final

import numpy as np

from city_brain.observations.columns import (
    LAMP_COLUMNS,
    Common,
    Detections,
    Observations,
    Reports,
    Sensors,
    Signals,
)
from city_brain.observations.json_twin.lines import KIND_OF, Detection, Report, Sensor, Signal
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, Kind
from city_brain.types import Codes, Floats, Indices, Ints


class _Dictionary(dict[str | None, int]):
    """Strings in the order of their first use; None is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1})

    def __missing__(self, text: str | None) -> int:
        self[text] = code = len(self) - 1
        return code

    def codes(self, texts: Sequence[str | None]) -> Indices:
        """The index of each text, -1 for None."""
        if texts and texts.count(texts[0]) == len(texts):
            return np.full(len(texts), self[texts[0]], dtype=np.int32)
        return np.fromiter(map(self.__getitem__, texts), np.int32, len(texts))

    def strings(self) -> tuple[str, ...]:
        return tuple(text for text in self if text is not None)


def columns_of(rows: Sequence[Any]) -> Observations:
    """The batch of rows (of the types in `KIND_OF`), in order."""
    words = _Dictionary()
    kinds = bytes(map(KIND_OF.__getitem__, map(type, rows)))
    common = Common(
        kind=np.frombuffer(kinds, np.uint8),
        source=words.codes([row.source_id for row in rows]),
        source_kind=words.codes([row.source_kind for row in rows]),
        status=words.codes([row.status for row in rows]),
        datum=words.codes([row.datum for row in rows]),
        seq=_integers([row.seq for row in rows]),
        event_ms=_integers([row.event_time_ms for row in rows]),
        arrival_ms=_integers([row.arrival_time_ms for row in rows]),
        lon=_numbers([row.lon for row in rows]),
        lat=_numbers([row.lat for row in rows]),
        position_error_m=_numbers([row.position_error_m for row in rows]),
    )
    payloads = [row.payload for row in rows]
    said = [_of_kind(payloads, kinds, kind) for kind in Kind]
    detections, signals = _detections(said[Kind.DETECTION], words), _signals(said[Kind.SIGNAL], words)
    sensors, reports = _sensors(said[Kind.SENSOR], words), _reports(said[Kind.REPORT], words)
    return Observations(words.strings(), common, detections, signals, sensors, reports)


def _of_kind(payloads: list[Any], kinds: bytes, kind: Kind) -> list[Any]:
    """The payloads of the rows of one kind."""
    rows = kinds.count(kind)
    if rows in (0, len(kinds)):
        return payloads if rows else []
    return list(compress(payloads, kinds.translate(_IS_KIND[kind])))


_IS_KIND: Final = tuple(bytes(kind == byte for byte in range(256)) for kind in Kind)
"""For each kind, the table by which `bytes.translate` marks it with 1 and all others with 0."""

_NO_BOX: Final = (np.nan,) * 4


def _detections(said: list[Detection], words: _Dictionary) -> Detections:
    tracks = [row.track_id for row in said]
    names = [track if isinstance(track, str) else None for track in tracks]
    numbers = tracks if names.count(None) == len(names) else [-1 if isinstance(name, str) else name for name in tracks]
    boxes = [row.bbox or _NO_BOX for row in said]
    return Detections(
        track=_integers(numbers),
        track_text=words.codes(names),
        class_name=words.codes([row.class_name for row in said]),
        confidence=_numbers([row.confidence for row in said]),
        speed_mps=_numbers([row.speed_mps for row in said]),
        heading_deg=_numbers([row.heading_deg for row in said]),
        bbox=_numbers(list(chain.from_iterable(boxes))).reshape(-1, 4),
    )


_LAMP_COLUMN: Final = {
    (side, movement): len(MOVEMENTS) * s + m for s, side in enumerate(SIDES) for m, movement in enumerate(MOVEMENTS)
}
_LAMP_CODE: Final = {colour: code for code, colour in enumerate(LAMPS_AS_SENT)}


def _signals(said: list[Signal], words: _Dictionary) -> Signals:
    places: list[int] = []
    codes: list[int] = []
    for start, row in zip(range(0, LAMP_COLUMNS * len(said), LAMP_COLUMNS), said, strict=True):
        for side, movements in row.approaches.items():
            for movement, colour in movements.items():
                places.append(start + _LAMP_COLUMN[side, movement])
                codes.append(_LAMP_CODE[colour])
    lamps: Codes = np.zeros(LAMP_COLUMNS * len(said), dtype=np.uint8)
    lamps[places] = codes
    return Signals(
        intersection=words.codes([row.intersection_id for row in said]),
        mode=words.codes([row.mode for row in said]),
        lamps=lamps.reshape(-1, LAMP_COLUMNS),
    )


def _sensors(said: list[Sensor], words: _Dictionary) -> Sensors:
    return Sensors(
        quantity=words.codes([row.quantity for row in said]),
        value=_numbers([row.value for row in said]),
        unit=words.codes([row.unit for row in said]),
    )


def _reports(said: list[Report], words: _Dictionary) -> Reports:
    return Reports(
        text=words.codes([row.text for row in said]),
        category=words.codes([row.category for row in said]),
        channel=words.codes([row.channel for row in said]),
    )


def _numbers(values: Sequence[float | None]) -> Floats:
    """The numbers as a column, None as NaN."""
    if values and values.count(None) == len(values):
        return np.full(len(values), np.nan)
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}d", *values), np.float64)  # twice as fast as fromiter
    except struct.error:
        return np.array(values, dtype=np.float64)


def _integers(values: list[Any]) -> Ints:
    """The integers and moments as a column, None as -1."""
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}q", *values), np.int64)
    except struct.error:
        return np.array([-1 if value is None else epoch_ms(value) for value in values], dtype=np.int64)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def epoch_ms(value: int | datetime) -> int:
    """Epoch milliseconds, rounded down."""
    return value if isinstance(value, int) else (value - _EPOCH) // _MILLISECOND
