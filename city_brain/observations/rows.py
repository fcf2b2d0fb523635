"""Rows: the only table of observations that the engine sees, in the city's frame and in canonical units."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from city_brain.observations.vocabulary import SIDES
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

LAMPS_PER_SIDE = 3
LAMP_SLOTS = len(SIDES) * LAMPS_PER_SIDE
LAMP_WEIGHTS: Ints = np.array([6**slot for slot in range(LAMP_SLOTS)], dtype=np.int64)
"""Weight of each (side, movement) slot in the packed lamps; 6**24 fits in 63 bits."""


class Rows(msgspec.Struct, frozen=True, eq=False):
    """Admitted observations as columns of equal length n.

    `raw_partition`, `offset`, `sub`: where the row stands in the raw logs (sub = number within its envelope).
    `arrival_ms`, `event_ms`: gateway's and source's clock, epoch ms; an absent arrival is -1 until a tick stamps it.
    `source`: hash63 of the source id. `seq`: the source's number, a content hash where it sends none.
    `x`, `y`: east and north in the city's frame, m; `sigma`: 1 σ of the position, m, NaN if unknown.
    `code`: object class | signal mode | quantity | report category, by `kind`.
    `track`: the camera's track number (hash63 of a text). `value`: confidence | canonical reading | NaN.
    `speed` m/s and `heading` degrees clockwise from north in [0, 360): NaN where the camera does not say it.
    `lamps`: sum of colour * 6 ** (3 * side + movement). `note`: index into `notes` (texts of reports), or -1.
    `home`: whether the partition that has the row counts it; neighbours get a copy that they do not count.
    """

    raw_partition: npt.NDArray[np.int16]
    offset: Ints
    sub: Indices
    arrival_ms: Ints
    event_ms: Ints
    source: Ints
    kind: Codes
    seq: Ints
    status: Codes
    x: Floats
    y: Floats
    sigma: Floats
    code: Indices
    track: Ints
    value: Floats
    speed: Floats
    heading: Floats
    lamps: Ints
    note: Indices
    home: Bools
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.offset)

    def columns(self) -> dict[str, Column]:
        """The columns by name, in the order of the fields."""
        return {name: getattr(self, name) for name in SCHEMA}

    def take(self, which: Column | slice) -> "Rows":
        """The rows at the positions, where the mask is true, or in the slice (then views); notes stay as they are."""
        taken: dict[str, Any] = {name: column[which] for name, column in self.columns().items()}
        return Rows(**taken, notes=self.notes)

    @staticmethod
    def empty() -> "Rows":
        """No rows."""
        nothing: dict[str, Any] = {name: np.empty(0, kind) for name, kind in SCHEMA.items()}
        return Rows(**nothing)

    @staticmethod
    def concat(parts: Sequence["Rows"]) -> "Rows":
        """The rows of all parts, in order; each part's notes are appended to the notes of those before it."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Rows.empty()
        joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SCHEMA}
        notes: tuple[str, ...] = ()
        at = 0
        for part in parts:
            if part.notes:
                own = joined["note"][at : at + part.n]
                own[own >= 0] += len(notes)
                notes += part.notes
            at += part.n
        return Rows(**joined, notes=notes)


SCHEMA: dict[str, np.dtype[np.generic]] = {
    "raw_partition": np.dtype(np.int16),
    "offset": np.dtype(np.int64),
    "sub": np.dtype(np.int32),
    "arrival_ms": np.dtype(np.int64),
    "event_ms": np.dtype(np.int64),
    "source": np.dtype(np.int64),
    "kind": np.dtype(np.uint8),
    "seq": np.dtype(np.int64),
    "status": np.dtype(np.uint8),
    "x": np.dtype(np.float64),
    "y": np.dtype(np.float64),
    "sigma": np.dtype(np.float64),
    "code": np.dtype(np.int32),
    "track": np.dtype(np.int64),
    "value": np.dtype(np.float64),
    "speed": np.dtype(np.float64),
    "heading": np.dtype(np.float64),
    "lamps": np.dtype(np.int64),
    "note": np.dtype(np.int32),
    "home": np.dtype(np.bool_),
}
"""Element type of every column of `Rows`, in the order of its fields."""


def pack_lamps(colours: Codes) -> Ints:
    """Colours (n, 24), slot = 3 * side + movement, to one integer each: shape (n,)."""
    return np.asarray((colours.astype(np.int64) * LAMP_WEIGHTS).sum(axis=1), dtype=np.int64)


def unpack_lamps(lamps: Ints) -> Codes:
    """The inverse of `pack_lamps`: colours (n, 24)."""
    return np.asarray(lamps[:, None] // LAMP_WEIGHTS % 6, dtype=np.uint8)
