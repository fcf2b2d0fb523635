"""Columns to lines."""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.json_twin.lines import (
    Detection,
    DetectionRow,
    Mark,
    Report,
    ReportRow,
    Row,
    Sensor,
    SensorRow,
    Signal,
    SignalRow,
    WarningLine,
)
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES
from city_brain.types import Floats, Indices, Ints

_encode = msgspec.json.Encoder().encode

_LINE_OF: Final[tuple[type[Row], ...]] = (DetectionRow, SignalRow, SensorRow, ReportRow)
"""The line of each `Kind`."""


def to_lines(observations: Observations) -> list[bytes]:
    """The lines (without line ends) that `from_lines` reads as these rows.

    An infinite number, which only an envelope can bring, has no JSON and is written as null.
    """
    texts = _Texts(observations.strings)
    payloads: tuple[Iterator[Any], ...] = (
        _detections(observations.detections, texts),
        _signals(observations.signals, texts),
        _sensors(observations.sensors, texts),
        _reports(observations.reports, texts),
    )
    kinds = observations.common.kind.tolist()
    heads = _heads(observations.common, texts)
    return [
        _encode(_LINE_OF[kind](**head, payload=next(payloads[kind]))) for kind, head in zip(kinds, heads, strict=True)
    ]


def mark_line(time_ms: int) -> bytes:
    """The line (without its end) of a mark at `time_ms`, epoch ms."""
    return _encode(Mark(arrival_time_ms=time_ms))


def warning_line(cap: str, arrival_ms: int | None = None) -> bytes:
    """The line (without its end) of a message of CAP, with its arrival (epoch ms) for recordings that no log stamps."""
    return _encode(WarningLine(cap=cap, arrival_time_ms=arrival_ms))


def _heads(common: Common, texts: "_Texts") -> Iterator[dict[str, Any]]:
    columns = {
        "source_id": texts.of(common.source),
        "source_kind": texts.of(common.source_kind),
        "seq": _counts(common.seq),
        "event_time_ms": common.event_ms.tolist(),
        "arrival_time_ms": _counts(common.arrival_ms),
        "lon": _numbers(common.lon),
        "lat": _numbers(common.lat),
        "position_error_m": _numbers(common.position_error_m),
        "status": texts.of(common.status),
        "datum": texts.of(common.datum),
    }
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _detections(said: Detections, texts: "_Texts") -> Iterator[Detection]:
    columns = zip(
        said.track.tolist(),
        texts.of(said.track_text),
        texts.of(said.class_name),
        said.confidence.tolist(),
        _numbers(said.speed_mps),
        _numbers(said.heading_deg),
        said.bbox.tolist(),
        strict=True,
    )
    for track, name, class_name, confidence, speed_mps, heading_deg, box in columns:
        yield Detection(
            track_id=track if name is None else name,
            class_name=class_name,
            confidence=confidence,
            speed_mps=speed_mps,
            heading_deg=heading_deg,
            bbox=tuple(box) if not math.isnan(box[0]) else None,
        )


def _signals(said: Signals, texts: "_Texts") -> Iterator[Signal]:
    columns = zip(texts.of(said.intersection), texts.of(said.mode), said.lamps.tolist(), strict=True)
    for intersection, mode, lamps in columns:
        yield Signal(intersection_id=intersection, mode=mode, approaches=_approaches(lamps))


def _approaches(lamps: list[int]) -> Any:
    approaches: dict[str, dict[str, str]] = {}
    for at, code in enumerate(lamps):
        if code:
            movements = approaches.setdefault(SIDES[at // len(MOVEMENTS)], {})
            movements[MOVEMENTS[at % len(MOVEMENTS)]] = LAMPS_AS_SENT[code]
    return approaches


def _sensors(said: Sensors, texts: "_Texts") -> Iterator[Sensor]:
    columns = zip(texts.of(said.quantity), said.value.tolist(), texts.of(said.unit), strict=True)
    return (Sensor(quantity=quantity, value=value, unit=unit) for quantity, value, unit in columns)


def _reports(said: Reports, texts: "_Texts") -> Iterator[Report]:
    columns = zip(texts.of(said.text), texts.of(said.category), texts.of(said.channel), strict=True)
    return (Report(text=text, category=category, channel=channel) for text, category, channel in columns)


class _Texts:
    """A dictionary in which -1 is None."""

    def __init__(self, strings: tuple[str, ...]) -> None:
        self._texts: tuple[Any, ...] = (*strings, None)

    def of(self, column: Indices) -> list[Any]:
        """The text of each index."""
        return [self._texts[at] for at in column.tolist()]


def _counts(column: Ints) -> list[int | None]:
    return [None if value < 0 else value for value in column.tolist()]


def _numbers(column: Floats) -> list[float | None]:
    return [value if not math.isnan(value) else None for value in column.tolist()]
