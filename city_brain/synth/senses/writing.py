"""Messages in the two forms of observations: JSON twin lines, and columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from city_brain.observations.columns import LAMP_COLUMNS, Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import (
    LAMPS,
    MOVEMENTS,
    SIDES,
    Category,
    Kind,
    Mode,
    ObjectClass,
    Quantity,
    Status,
)
from city_brain.synth.ground.sensors import UNIT_NAMES
from city_brain.synth.senses.channel import Roster
from city_brain.synth.senses.garbage import in_columns, spoil
from city_brain.types import Codes, Column, Indices

_CLASS: Final = tuple(word.name.lower() for word in ObjectClass)
_MODE: Final = tuple(word.name.lower() for word in Mode)
_QUANTITY: Final = tuple(word.name.lower() for word in Quantity)
_CATEGORY: Final = tuple(word.name.lower() for word in Category)
_STATUS: Final = tuple(word.name.lower() for word in Status)
_SOURCE_KINDS: Final = ("camera", "signal_controller", "sensor", "hotline")
_ARMS, _TURNS = 4, 3
DATUM: Final = "WGS-84"
CHANNELS: Final = ("phone", "app", "patrol")


@dataclass(frozen=True, slots=True)
class Books:
    """The names that messages need: ids of sources, junctions with their arms, sensors' quantities and units, texts."""

    roster: Roster
    source_ids: tuple[str, ...]
    junction_ids: tuple[str, ...]
    arm_side: Indices
    """(J, 4), -1 where there is no arm."""
    quantity: Codes
    unit: tuple[str, ...]
    texts: list[str]

    def text(self, note: int) -> str:
        """The text of a report; texts before the oldest that can still be under way are gone."""
        return self.texts[note % len(self.texts)] if self.texts else ""


def lamps_of(packed: Column) -> Codes:
    """(n, 4, 3) colours of the packed lamps."""
    weights = 6 ** np.arange(_ARMS * _TURNS, dtype=np.int64)
    return np.asarray(packed[:, None] // weights % 6, dtype=np.uint8).reshape(-1, _ARMS, _TURNS)


def pack_arms(colour: Codes) -> Column:
    """The inverse of `lamps_of`."""
    weights = 6 ** np.arange(_ARMS * _TURNS, dtype=np.int64)
    return np.asarray((colour.reshape(-1, _ARMS * _TURNS).astype(np.int64) * weights).sum(axis=1))


def to_lines(messages: Column, books: Books) -> list[bytes]:
    """One JSON twin line per message, without line ends; flawed ones as garbage."""
    lines: list[bytes] = [b""] * len(messages)
    for kind, write in (
        (Kind.DETECTION, _detections),
        (Kind.SIGNAL, _signals),
        (Kind.SENSOR, _sensors),
        (Kind.REPORT, _reports),
    ):
        at = np.flatnonzero(messages["kind"] == kind)
        if len(at):
            for place, line in zip(at.tolist(), write(messages[at], books), strict=True):
                lines[place] = line
    for place in np.flatnonzero(messages["flaw"]).tolist():
        lines[place] = spoil(int(messages["flaw"][place]), lines[place], int(messages["seq"][place]))
    return lines


def _heads(messages: Column, books: Books, kind: str) -> list[str]:
    """Everything before the payload."""
    word = _SOURCE_KINDS[Kind[kind.upper()]]
    ids = books.source_ids
    columns = (
        messages[name].tolist() for name in ("source", "seq", "event_ms", "arrival_ms", "lon", "lat", "sigma", "status")
    )
    return [
        f'{{"kind":"{kind}","source_id":"{ids[source]}","source_kind":"{word}","seq":{seq},"event_time_ms":{event},'
        f'"arrival_time_ms":{arrival},"lon":{lon!r},"lat":{lat!r},'
        + (f'"position_error_m":{sigma!r},' if sigma == sigma else "")
        + (f'"status":"{_STATUS[status]}",' if status else "")
        for source, seq, event, arrival, lon, lat, sigma, status in zip(*columns, strict=True)
    ]


def _detections(messages: Column, books: Books) -> list[bytes]:
    columns = (messages[name].tolist() for name in ("track", "code", "value", "speed", "heading", "bbox"))
    return [
        f'{head}"payload":{{"track_id":{track},"class":"{_CLASS[code]}","confidence":{value!r},"speed_mps":{speed!r},'
        f'"heading_deg":{heading!r},"bbox":[{box[0]},{box[1]},{box[2]},{box[3]}]}}}}'.encode()
        for head, track, code, value, speed, heading, box in zip(
            _heads(messages, books, "detection"), *columns, strict=True
        )
    ]


def _signals(messages: Column, books: Books) -> list[bytes]:
    lines = []
    lamps = lamps_of(messages["lamps"]).tolist()
    junctions = (messages["source"] - books.roster.cameras).tolist()
    for head, junction, code, arms in zip(
        _heads(messages, books, "signal"), junctions, messages["code"].tolist(), lamps, strict=True
    ):
        sides = books.arm_side[junction].tolist()
        approaches = ",".join(
            f'"{SIDES[side]}":{{' + ",".join(f'"{MOVEMENTS[m]}":"{LAMPS[c]}"' for m, c in enumerate(arm) if c) + "}"
            for side, arm in zip(sides, arms, strict=True)
            if side >= 0 and any(arm)
        )
        name = books.junction_ids[junction]
        said = f'"intersection_id":"{name}","mode":"{_MODE[code]}","approaches":{{{approaches}}}'
        lines.append(f'{head}"payload":{{{said}}}}}'.encode())
    return lines


def _sensors(messages: Column, books: Books) -> list[bytes]:
    first = books.roster.cameras + books.roster.signals
    which = (messages["source"] - first).tolist()
    quantities, values = books.quantity[which].tolist(), messages["value"].tolist()
    return [
        f'{head}"payload":{{"quantity":"{_QUANTITY[quantity]}","value":{value!r},"unit":"{books.unit[k]}"}}}}'.encode()
        for head, k, quantity, value in zip(_heads(messages, books, "sensor"), which, quantities, values, strict=True)
    ]


def _reports(messages: Column, books: Books) -> list[bytes]:
    columns = (messages[name].tolist() for name in ("note", "code", "track"))
    return [
        f'{head}"datum":"{DATUM}","payload":{{"text":"{books.text(note)}","category":"{_CATEGORY[code]}",'
        f'"channel":"{CHANNELS[channel]}"}}}}'.encode()
        for head, note, code, channel in zip(_heads(messages, books, "report"), *columns, strict=True)
    ]


_UNITS: Final = tuple(dict.fromkeys(name for pair in UNIT_NAMES for name in pair))
_VOCABULARY: Final = (*_SOURCE_KINDS, *_CLASS, *_MODE, *_QUANTITY, *_CATEGORY, *_STATUS, *CHANNELS, *_UNITS, DATUM)
_WORDS: Final = tuple(dict.fromkeys(_VOCABULARY))
_NUMBER: Final = {word: number for number, word in enumerate(_WORDS)}


def _numbers(words: tuple[str, ...]) -> Indices:
    """Dictionary indices of a vocabulary, which stands before all names."""
    return np.array([_NUMBER[word] for word in words], dtype=np.int32)


_KIND_WORDS, _CLASS_WORDS, _MODE_WORDS = _numbers(_SOURCE_KINDS), _numbers(_CLASS), _numbers(_MODE)
_QUANTITY_WORDS, _CATEGORY_WORDS, _STATUS_WORDS = _numbers(_QUANTITY), _numbers(_CATEGORY), _numbers(_STATUS)
_CHANNEL_WORDS = _numbers(CHANNELS)


class _Names:
    """The dictionary of a batch: the vocabulary, then the names that occur."""

    def __init__(self) -> None:
        self.strings: list[str] = list(_WORDS)

    def add(self, which: Column, names: Sequence[str]) -> Indices:
        """Dictionary indices of names[which]."""
        used, place = np.unique(which, return_inverse=True)
        first = len(self.strings)
        self.strings.extend(map(names.__getitem__, used.tolist()))
        return np.asarray(first + place, dtype=np.int32)


def to_columns(messages: Column, books: Books) -> Observations:
    """The messages as columns; garbage that no row can hold is left out, the rest is as in the lines."""
    holds = in_columns(messages["flaw"])
    names = _Names()
    kind, status = messages["kind"][holds], messages["status"][holds]
    common = Common(
        kind=kind,
        source=names.add(messages["source"][holds], books.source_ids),
        source_kind=_KIND_WORDS[kind],
        status=np.where(status > 0, _STATUS_WORDS[status], -1).astype(np.int32),
        datum=np.where(kind == Kind.REPORT, _NUMBER[DATUM], -1).astype(np.int32),
        **{name: messages[name][holds] for name in ("seq", "event_ms", "arrival_ms", "lon", "lat")},
        position_error_m=messages["sigma"][holds],
    )
    parts: dict[str, Any] = {kind.name: messages[holds & (messages["kind"] == kind)] for kind in Kind}
    return Observations(
        common=common,
        detections=_detection_columns(parts["DETECTION"]),
        signals=_signal_columns(parts["SIGNAL"], books, names),
        sensors=_sensor_columns(parts["SENSOR"], books),
        reports=_report_columns(parts["REPORT"], books, names),
        strings=tuple(names.strings),
    )


def _detection_columns(messages: Column) -> Detections:
    return Detections(
        track=np.ascontiguousarray(messages["track"]),
        track_text=np.full(len(messages), -1, dtype=np.int32),
        class_name=_CLASS_WORDS[messages["code"]],
        confidence=np.ascontiguousarray(messages["value"]),
        speed_mps=np.ascontiguousarray(messages["speed"]),
        heading_deg=np.ascontiguousarray(messages["heading"]),
        bbox=messages["bbox"].astype(np.float64),
    )


def _signal_columns(messages: Column, books: Books, names: _Names) -> Signals:
    junction = messages["source"] - books.roster.cameras
    lamps = np.zeros((len(messages), LAMP_COLUMNS), dtype=np.uint8)
    colour = lamps_of(messages["lamps"])
    rows = np.arange(len(messages))
    for arm in range(_ARMS):
        side = books.arm_side[junction, arm]
        has = side >= 0
        for movement in range(_TURNS):
            lamps[rows[has], side[has] * len(MOVEMENTS) + movement] = colour[has, arm, movement]
    intersection = names.add(junction, books.junction_ids)
    return Signals(intersection=intersection, mode=_MODE_WORDS[messages["code"]], lamps=lamps)


def _sensor_columns(messages: Column, books: Books) -> Sensors:
    which = messages["source"] - (books.roster.cameras + books.roster.signals)
    return Sensors(
        quantity=_QUANTITY_WORDS[books.quantity[which]],
        value=np.ascontiguousarray(messages["value"]),
        unit=np.array([_NUMBER[books.unit[k]] for k in which.tolist()], dtype=np.int32),
    )


def _report_columns(messages: Column, books: Books, names: _Names) -> Reports:
    return Reports(
        text=names.add(messages["note"] % max(1, len(books.texts)), books.texts),
        category=_CATEGORY_WORDS[messages["code"]],
        channel=_CHANNEL_WORDS[messages["track"]],
    )
