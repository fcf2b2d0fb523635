"""Values of raw records, opened so that faults can change single rows: envelopes and lines of the JSON twin."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from city_brain.errors import ObservationError
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope, to_envelope
from city_brain.observations.json_twin import from_lines, to_lines
from city_brain.observations.vocabulary import Kind
from city_brain.types import Bools, Ints

_ENVELOPE_BEGINS: Final = b"\x08"


@dataclass(frozen=True, slots=True)
class Opened:
    """The rows (n,) of a value. Where it is lines, these are all of them, those too that are no rows, and `line` (n,)
    says which one each row is.
    """

    observations: Observations
    lines: tuple[bytes, ...] | None
    line: Ints

    def sources(self) -> list[str]:
        """The source of each row."""
        strings = self.observations.strings
        return [strings[at] for at in self.observations.common.source.tolist()]

    def of(self, observations: Observations) -> bytes:
        """The value with other rows, as many: lines that do not change stay as they stood."""
        if self.lines is None:
            return to_envelope(observations)
        lines = list(self.lines)
        before, after = to_lines(self.observations), to_lines(observations)
        for at, old, new in zip(self.line.tolist(), before, after, strict=True):
            if old != new:
                lines[at] = new
        return b"\n".join(lines)

    def without(self, gone: Bools) -> bytes | None:
        """The value without the rows where `gone` (n,) is true; None where nothing is left of it."""
        if self.lines is None:
            return None if gone.all() else to_envelope(self.observations.take(~gone))
        lost = set(self.line[gone].tolist())
        left = [line for at, line in enumerate(self.lines) if at not in lost]
        return b"\n".join(left) if any(left) else None


def open_value(value: bytes | None) -> Opened | None:
    """What a value holds; None where it is no rows at all."""
    if not value:
        return None
    if value.startswith(_ENVELOPE_BEGINS):
        try:
            observations = from_envelope(value)
        except ObservationError:
            return None
        return Opened(observations, None, np.arange(observations.n, dtype=np.int64))
    lines = tuple(value.split(b"\n"))
    parsed = from_lines(lines)
    return Opened(parsed.observations, lines, parsed.line)


def skewed(observations: Observations, which: Bools, offset_ms: int, drift_ppm: float, since_ms: int) -> Observations:
    """The rows with event times (epoch ms) as other clocks have them."""
    event_ms = observations.common.event_ms
    shift_ms = np.full(len(event_ms), offset_ms, dtype=np.int64)
    if drift_ppm:
        shift_ms += np.rint((event_ms - since_ms) * (drift_ppm / 1e6)).astype(np.int64)
    moved = np.where(which, np.maximum(event_ms + shift_ms, 0), event_ms)
    return replace(observations, common=replace(observations.common, event_ms=moved))


def stuck(observations: Observations, which: Bools, first: dict[tuple[str, str], float]) -> Observations:
    """The sensor rows with the value that `first` holds for source and quantity; it learns those it does not know."""
    strings, sensors = observations.strings, observations.sensors
    value = sensors.value.copy()
    for k, row in enumerate(observations.rows_of(Kind.SENSOR).tolist()):
        if which[row]:
            place = (strings[observations.common.source[row]], strings[sensors.quantity[k]])
            value[k] = first.setdefault(place, float(value[k]))
    return replace(observations, sensors=replace(sensors, value=value))
