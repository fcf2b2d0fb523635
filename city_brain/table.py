"""A table of growing columns: the state of everything that exists many times (tracks, objects, sources)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from city_brain.errors import StateError
from city_brain.types import Bools, Column

_SMALLEST = 16


class Table:
    """Named columns of equal length `n`, appended to and thinned in place.

    A schema entry is a dtype, or a dtype with a shape for a column of short vectors (n, k). `table["x"]` is a view of
    the live rows (writing into it writes the table) and is good until the next `append` or `keep`. Capacity doubles, so
    appending is cheap on average; memory is capacity × row width and falls when a `keep` leaves less than a quarter in
    use.
    """

    __slots__ = ("_columns", "_views", "n", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = {name: np.dtype(kind) for name, kind in schema.items()}
        self.n = 0
        self._columns: dict[str, Column] = {name: np.empty(_SMALLEST, kind) for name, kind in self.schema.items()}
        self._show(0)

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[str]:
        return iter(self.schema)

    def __getitem__(self, name: str) -> Column:
        return self._views[name]

    def __setitem__(self, name: str, values: Any) -> None:
        self._views[name][:] = values

    def append(self, count: int, **columns: Any) -> None:
        """Adds `count` rows; every column must be given, as an array (count,) or a scalar."""
        if columns.keys() != self.schema.keys():
            wrong = sorted(columns.keys() ^ self.schema.keys())
            raise StateError(f"table append: wanted columns {list(self.schema)}, got a difference in {wrong}")
        end = self.n + count
        if end > len(next(iter(self._columns.values()))):
            self._resize(max(end, 2 * self.n))
        for name, values in columns.items():
            self._columns[name][self.n : end] = values
        self._show(end)

    def keep(self, mask: Bools) -> None:
        """Drops the rows where `mask` (n,) is false; the order of the others stays."""
        kept = int(np.count_nonzero(mask))
        if kept == self.n:
            return
        for column in self._columns.values():
            column[:kept] = column[: self.n][mask]
        self._show(kept)
        if _SMALLEST < 4 * kept < len(next(iter(self._columns.values()))):
            self._resize(2 * kept)

    def columns(self) -> dict[str, Column]:
        """The live rows by name, as views."""
        return dict(self._views)

    def _resize(self, capacity: int) -> None:
        for name, column in self._columns.items():
            grown = np.empty(max(capacity, _SMALLEST), self.schema[name])
            grown[: self.n] = column[: self.n]
            self._columns[name] = grown
        self._show(self.n)

    def _show(self, n: int) -> None:
        """Makes the first `n` rows the live ones."""
        self.n = n
        self._views = {name: column[:n] for name, column in self._columns.items()}
