"""Observations: a batch of rows as sources sent them, without loss, in columns with one string dictionary beside them.

Every row has the `Common` columns; what only one kind of row has stands in that kind's own table, whose k-th row
belongs to the k-th row of that kind. Absent values: NaN in floats, -1 in dictionary indices, `seq` and `arrival_ms`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, Kind
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

LAMP_COLUMNS: Final = len(SIDES) * len(MOVEMENTS)
"""Width of the lamps column: colour codes at 4 * side + movement."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One column: element type, value that means absent, elements per row, least and greatest value allowed.

    `text` marks dictionary indices; their greatest value follows from the dictionary.
    """

    kind: np.dtype[Any]
    absent: float
    width: int = 1
    low: int | None = None
    high: int | None = None
    text: bool = False

    def shape(self, n: int) -> tuple[int, ...]:
        """The shape of the column over n rows."""
        return (n,) if self.width == 1 else (n, self.width)

    def allows(self, column: Column, texts: int) -> bool:
        """Whether every value is allowed, with a dictionary of so many `texts`."""
        if column.size == 0 or self.low is None:
            return True
        high = texts - 1 if self.text else self.high
        if high is None:
            return bool(np.minimum.reduce(column) >= self.low)
        above: Column = column if self.low == 0 else column - self.low
        # As unsigned numbers, values below the least are far above the greatest: one comparison sees both.
        return bool(np.maximum.reduce(above.view(above.dtype.str.replace("i", "u")), axis=None) <= high - self.low)


TEXT: Final = Spec(np.dtype("<i4"), -1, low=-1, text=True)
TEXT_REQUIRED: Final = Spec(np.dtype("<i4"), -1, low=0, text=True)
NUMBER: Final = Spec(np.dtype("<f8"), np.nan)
COUNT: Final = Spec(np.dtype("<i8"), -1, low=-1)


class Group:
    """Columns of equal length, described by `specs` in the order of the fields."""

    __slots__ = ()
    specs: ClassVar[dict[str, Spec]]

    @property
    def n(self) -> int:
        """How many rows."""
        return len(getattr(self, next(iter(self.specs))))

    def take(self, which: Column | slice) -> Self:
        """The rows at the positions, or where the mask is true; those of a slice without a copy."""
        return type(self)(**{name: getattr(self, name)[which] for name in self.specs})

    @classmethod
    def absent(cls, n: int, **given: Column) -> Self:
        """n rows with the `given` columns; the others hold their absent value."""
        for name, spec in cls.specs.items():
            if name not in given:
                given[name] = np.full(spec.shape(n), spec.absent, spec.kind)
        return cls(**given)

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
        "kind": Spec(np.dtype("u1"), 255, low=0, high=len(Kind) - 1),
        "source": TEXT_REQUIRED,
        "source_kind": TEXT,
        "status": TEXT,
        "datum": TEXT,
        "seq": COUNT,
        "event_ms": Spec(np.dtype("<i8"), -1, low=0),
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
        "track": Spec(np.dtype("<i8"), -1),
        "track_text": TEXT,
        "class_name": TEXT_REQUIRED,
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
        "mode": TEXT_REQUIRED,
        "lamps": Spec(np.dtype("u1"), 0, width=LAMP_COLUMNS, low=0, high=len(LAMPS_AS_SENT) - 1),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Sensors(Group):
    """What a sensor read, in the unit it sent."""

    quantity: Indices
    value: Floats
    unit: Indices

    specs: ClassVar[dict[str, Spec]] = {"quantity": TEXT_REQUIRED, "value": NUMBER, "unit": TEXT}


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
    def concat(parts: Sequence["Observations"], distinct: bool = True) -> "Observations":
        """The rows of all parts, in order, over one dictionary. Unless it is to be `distinct`, a text stands in it as
        often as in the parts: that is cheaper than to find out.
        """
        index: dict[str, int] = {}
        strings: list[str] = []
        moved: dict[str, list[Group]] = {name: [] for name in GROUPS}
        for part in parts:
            fresh = np.arange(len(strings), len(strings) + len(part.strings) + 1, dtype=np.int32)
            if distinct:
                fresh[:-1] = [index.setdefault(text, len(index)) for text in part.strings]
            else:
                strings.extend(part.strings)
            fresh[-1] = -1
            for name, group in part.groups().items():
                moved[name].append(_renumbered(group, fresh))
        joined: dict[str, Any] = {
            name: group.concat(moved[name]) if parts else group.absent(0) for name, (_, group) in GROUPS.items()
        }
        return Observations(tuple(index if distinct else strings), **joined)


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
