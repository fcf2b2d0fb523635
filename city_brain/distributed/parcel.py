"""The parcel: what a stretch of one raw partition means for one partition of fusion, as a record of `observations`.

A parcel covers the raw offsets after `after` up to `upto`. Those of one raw partition reach a partition of fusion in
order and without gaps between them; after a crash of ingest a stretch may come again, cut otherwise.
"""

import msgspec

from city_brain.errors import ObservationError, StateError
from city_brain.observations.rows import SCHEMA, Rows
from city_brain.snapshot import from_bytes, to_bytes


class Refusals(msgspec.Struct, frozen=True, array_like=True):
    """Rows (or lines, or whole records) of one raw record that go no further, by reason. Counted at one partition."""

    offset: int
    stamp_ms: int
    quarantined: dict[str, int] = {}
    dead_lettered: dict[str, int] = {}

    @property
    def rows(self) -> int:
        """How many in all."""
        return sum(self.reasons.values())

    @property
    def reasons(self) -> dict[str, int]:
        """Rows by counter and reason, as `quarantined.speed`."""
        groups = (("quarantined", self.quarantined), ("dead_lettered", self.dead_lettered))
        return {f"{counter}.{reason}": rows for counter, reasons in groups for reason, rows in reasons.items()}


class Announced(msgspec.Struct, frozen=True, array_like=True):
    """A record of `control`, at its raw offset, and from when on (epoch ms of log time) it is to hold."""

    offset: int
    since_ms: int
    record: bytes


class StampedAlert(msgspec.Struct, frozen=True, array_like=True):
    """A warning of others, packed, and offset and stamp of its raw record; for the first partition of fusion alone."""

    offset: int
    stamp_ms: int
    packed: bytes


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """See the module. `marks_ms`: the times of the marks in it, in their order. Rows behind one of them bear its time
    or a later one, so it makes no difference that marks are taken behind all rows.
    """

    raw_partition: int
    after: int
    upto: int
    marks_ms: tuple[int, ...] = ()
    rows: Rows | None = None
    refusals: tuple[Refusals, ...] = ()
    changes: tuple[Announced, ...] = ()
    alerts: tuple[StampedAlert, ...] = ()

    def to_bytes(self) -> bytes:
        """The record."""
        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Parcel":
        """Reads a record; raises ObservationError where it is none."""
        try:
            parcel = from_bytes(cls, data)
        except StateError as wrong:
            raise ObservationError(f"parcel: {wrong}") from wrong
        if parcel.rows is not None:
            _check(parcel.rows)
        return parcel


def _check(rows: Rows) -> None:
    for name, column in rows.columns().items():
        if column.dtype != SCHEMA[name] or column.shape != (rows.n,):
            wanted = f"{SCHEMA[name]} of shape ({rows.n},)"
            raise ObservationError(f"parcel, column {name}: wanted {wanted}, got {column.dtype} of {column.shape}")
