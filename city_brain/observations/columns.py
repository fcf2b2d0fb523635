"""Observations: a batch of rows as sources sent them, without loss, in columns with one string dictionary beside them.

Every row has the `Common` columns; what only one kind of row has stands in that kind's own table, whose k-th row
belongs to the k-th row of that kind. Absent values: NaN in floats, -1 in dictionary indices, `seq` and `arrival_ms`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from city_brain.errors import ObservationError
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, Kind
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

LAMP_COLUMNS: Final = len(SIDES) * len(MOVEMENTS)
"""Width of the lamps column: colour codes at 4 * side + movement."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One column: element type, elements per row, value that means absent; `text` marks dictionary indices."""

    kind: np.dtype[Any]
    absent: float
    width: int = 1
    text: bool = False

    def shape(self, n: int) -> tuple[int, ...]:
        """The shape of the column over n rows."""
        return (n,) if self.width == 1 else (n, self.width)


TEXT: Final = Spec(np.dtype("<i4"), -1, text=True)
NUMBER: Final = Spec(np.dtype("<f8"), np.nan)
COUNT: Final = Spec(np.dtype("<i8"), -1)


class Group:
    """Columns of equal length, described by `specs` in the order of the fields."""

    __slots__ = ()
    specs: ClassVar[dict[str, Spec]]

    @property
    def n(self) -> int:
        """How many rows."""
        return len(getattr(self, next(iter(self.specs))))

    def take(self, which: Column) -> Self:
        """The rows at the positions, or where the mask is true."""
        return type(self)(**{name: getattr(self, name)[which] for name in self.specs})

    @classmethod
    def absent(cls, n: int, **given: Column) -> Self:
        """n rows with the `given` columns; the others hold their absent value."""
        columns = {name: np.full(spec.shape(n), spec.absent, spec.kind) for name, spec in cls.specs.items()}
        return cls(**(columns | given))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, in order."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.specs})


@dataclass(frozen=True, slots=True, eq=False)
class Common(Group):
    """What every row has: who said it, when, where. `position_error_m` is 1 σ; `arrival_ms` the gateway's clock."""

    kind: Codes
    source: Indices
    source_kind: Indices
    status: Indices
    datum: Indices
    seq: Ints
    event_ms: Ints
    arrival_ms: Ints
    lon: Floats
    lat: Floats
    position_error_m: Floats

    specs: ClassVar[dict[str, Spec]] = {
        "kind": Spec(np.dtype("u1"), 0),
        "source": TEXT,
        "source_kind": TEXT,
        "status": TEXT,
        "datum": TEXT,
        "seq": COUNT,
        "event_ms": COUNT,
        "arrival_ms": COUNT,
        "lon": NUMBER,
        "lat": NUMBER,
        "position_error_m": NUMBER,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Detections(Group):
    """What a camera saw. `track` is its number for the object, -1 if `track_text` names it; `bbox` x, y, w, h in px."""

    track: Ints
    track_text: Indices
    class_name: Indices
    confidence: Floats
    speed_mps: Floats
    heading_deg: Floats
    bbox: Floats

    specs: ClassVar[dict[str, Spec]] = {
        "track": COUNT,
        "track_text": TEXT,
        "class_name": TEXT,
        "confidence": NUMBER,
        "speed_mps": NUMBER,
        "heading_deg": NUMBER,
        "bbox": Spec(np.dtype("<f8"), np.nan, width=4),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Signals(Group):
    """What a signal controller shows: `lamps` (n, 32) holds codes of `LAMPS_AS_SENT` at 4 * side + movement."""

    intersection: Indices
    mode: Indices
    lamps: Codes

    specs: ClassVar[dict[str, Spec]] = {
        "intersection": TEXT,
        "mode": TEXT,
        "lamps": Spec(np.dtype("u1"), 0, width=LAMP_COLUMNS),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Sensors(Group):
    """What a sensor read, in the unit it sent."""

    quantity: Indices
    value: Floats
    unit: Indices

    specs: ClassVar[dict[str, Spec]] = {"quantity": TEXT, "value": NUMBER, "unit": TEXT}


@dataclass(frozen=True, slots=True, eq=False)
class Reports(Group):
    """What a person said, through which channel, filed under which category."""

    text: Indices
    category: Indices
    channel: Indices

    specs: ClassVar[dict[str, Spec]] = {"text": TEXT, "category": TEXT, "channel": TEXT}


GROUPS: Final[dict[str, tuple[Kind | None, type[Group]]]] = {
    "common": (None, Common),
    "detections": (Kind.DETECTION, Detections),
    "signals": (Kind.SIGNAL, Signals),
    "sensors": (Kind.SENSOR, Sensors),
    "reports": (Kind.REPORT, Reports),
}
"""The tables of `Observations` by name, with the kind of row that each belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """A batch of n rows; `strings` is the dictionary of every text column."""

    strings: tuple[str, ...]
    common: Common
    detections: Detections
    signals: Signals
    sensors: Sensors
    reports: Reports

    @property
    def n(self) -> int:
        """How many rows."""
        return self.common.n

    def rows_of(self, kind: Kind) -> Ints:
        """Positions of the rows of a kind, ascending: the k-th belongs to the k-th row of that kind's table."""
        return np.flatnonzero(self.common.kind == kind)

    def groups(self) -> dict[str, Group]:
        """The tables by name."""
        return {name: getattr(self, name) for name in GROUPS}

    def check(self) -> None:
        """Raises ObservationError unless lengths, dictionary indices and codes fit together, as decoders must prove."""
        counts = np.bincount(self.common.kind, minlength=len(Kind))
        if len(counts) > len(Kind):
            raise ObservationError(f"observations: wanted a kind below {len(Kind)}, got {int(self.common.kind.max())}")
        for name, (kind, group) in GROUPS.items():
            table = getattr(self, name)
            wanted = self.n if kind is None else int(counts[kind])
            for column, spec in group.specs.items():
                values = getattr(table, column)
                if values.shape != spec.shape(wanted):
                    raise ObservationError(f"{name}.{column}: wanted shape {spec.shape(wanted)}, got {values.shape}")
                if spec.text and not _within(values, -1, len(self.strings) - 1):
                    raise ObservationError(f"{name}.{column}: wanted indices below {len(self.strings)}, got others")
        if not _within(self.signals.lamps, 0, len(LAMPS_AS_SENT) - 1):
            raise ObservationError(f"signals.lamps: wanted codes below {len(LAMPS_AS_SENT)}, got others")

    def take(self, which: Column) -> "Observations":
        """The rows at the (ascending) positions, or where the mask is true; strings no longer used are dropped."""
        keep: Bools = np.zeros(self.n, dtype=np.bool_)
        keep[which] = True
        parts = {
            name: getattr(self, name).take(keep if kind is None else keep[self.common.kind == kind])
            for name, (kind, _) in GROUPS.items()
        }
        return _with_used_strings(self.strings, parts)

    @staticmethod
    def concat(parts: Sequence["Observations"]) -> "Observations":
        """The rows of all parts, in order, over one dictionary."""
        index: dict[str, int] = {}
        moved: dict[str, list[Group]] = {name: [] for name in GROUPS}
        for part in parts:
            fresh = np.array([index.setdefault(text, len(index)) for text in part.strings] + [-1], dtype=np.int32)
            for name, group in part.groups().items():
                moved[name].append(_renumbered(group, fresh))
        joined: dict[str, Any] = {
            name: group.concat(moved[name]) if parts else group.absent(0) for name, (_, group) in GROUPS.items()
        }
        return Observations(tuple(index), **joined)


def _within(values: Column, low: int, high: int) -> bool:
    return values.size == 0 or bool(values.min() >= low and values.max() <= high)


def _renumbered(group: Group, fresh: Indices) -> Group:
    """The group with dictionary indices replaced by fresh[index]; fresh[-1] is -1."""
    columns = {name: getattr(group, name) for name in group.specs}
    texts = {name: fresh[column] for name, column in columns.items() if group.specs[name].text}
    return type(group)(**(columns | texts))


def _with_used_strings(strings: tuple[str, ...], parts: dict[str, Group]) -> Observations:
    used: Bools = np.zeros(len(strings) + 1, dtype=np.bool_)
    for group in parts.values():
        for name, spec in group.specs.items():
            if spec.text:
                used[getattr(group, name)] = True
    used[-1] = False
    fresh = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
    kept: dict[str, Any] = {name: _renumbered(group, fresh) for name, group in parts.items()}
    return Observations(tuple(strings[at] for at in np.flatnonzero(used).tolist()), **kept)
