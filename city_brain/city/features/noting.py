"""Reads features as `Fields` and `Shapes` do, but notes what is wrong and goes on: all of it is told at once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from city_brain.city.datum import Datum
from city_brain.city.features.fields import Fields
from city_brain.city.features.shapes import Shapes
from city_brain.errors import MapError

Noted = list[str]


@contextmanager
def noting(noted: Noted) -> Iterator[None]:
    """Puts down the MapError of a block."""
    try:
        yield
    except MapError as wrong:
        noted.append(str(wrong))


class NotingFields(Fields):
    """Fields that go on with a stand-in where a property is wrong; a draft of them must not become a feature."""

    __slots__ = ("_noted",)

    def __init__(self, place: str, properties: Mapping[str, Any], noted: Noted) -> None:
        super().__init__(place, properties)
        self._noted = noted

    def text(self, name: str) -> str:
        """As `Fields`."""
        with noting(self._noted):
            return super().text(name)
        return ""

    def number(self, name: str, low: float, high: float, unit: str) -> float:
        """As `Fields`."""
        with noting(self._noted):
            return super().number(name, low, high, unit)
        return low

    def position(self, name: str) -> tuple[float, float]:
        """As `Fields`."""
        with noting(self._noted):
            return super().position(name)
        return 0.0, 0.0

    def maybe_datum(self, name: str) -> Datum | None:
        """As `Fields`."""
        with noting(self._noted):
            return super().maybe_datum(name)
        return None

    def maybe_matrix(self, name: str) -> list[list[float]] | None:
        """As `Fields`."""
        with noting(self._noted):
            return super().maybe_matrix(name)
        return None

    def maybe_size(self, name: str, low: float, high: float, unit: str) -> tuple[float, float] | None:
        """As `Fields`."""
        with noting(self._noted):
            return super().maybe_size(name, low, high, unit)
        return None

    def maybe_object(self, name: str) -> Fields | None:
        """As `Fields`; what is within is noted, too."""
        with noting(self._noted):
            found = super().maybe_object(name)
            return None if found is None else NotingFields(found.place, found.left, self._noted)
        return None

    def finish_strictly(self) -> None:
        """As `Fields`."""
        with noting(self._noted):
            super().finish_strictly()


class NotingShapes(Shapes):
    """Shapes that go on where a geometry is wrong; nothing is ever made of them."""

    __slots__ = ("_noted",)

    def __init__(self, noted: Noted) -> None:
        super().__init__()
        self._noted = noted

    def add(self, place: str, geometry: Any, kind: str) -> tuple[int, int]:
        """As `Shapes`."""
        with noting(self._noted):
            return super().add(place, geometry, kind)
        return 0, 0
