"""Reads the properties of one feature: present, of the right kind, in range, and spelt right."""

import difflib
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from city_brain.city.datum import Datum
from city_brain.errors import MapError
from city_brain.wording.nearest import near_word, nearest, shown

LONGEST_TEXT = 200


def is_number(value: Any) -> bool:
    """A finite JSON number; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


class Fields:
    """The properties of one feature, each taken once by name; `place` opens every error."""

    __slots__ = ("_left", "_taken", "place")

    def __init__(self, place: str, properties: Mapping[str, Any]) -> None:
        self.place = place
        self._left = {key: value for key, value in properties.items() if value is not None and key != "kind"}
        self._taken: set[str] = set()

    @property
    def left(self) -> Mapping[str, Any]:
        """The properties that nobody has taken yet."""
        return self._left

    def wrong(self, name: str, wanted: str, got: Any) -> NoReturn:
        """Raises the MapError for a field."""
        raise MapError(f"{self.place}: {name}: wanted {wanted}, got {shown(got)}")

    def _missing(self, name: str, wanted: str) -> NoReturn:
        near = near_word(name, self._left)
        self._left.pop(near, None)  # said once
        raise MapError(f"{self.place}: {name}: wanted {wanted}, got nothing" + (f", but {near!r}" if near else ""))

    def _maybe(self, name: str) -> Any:
        self._taken.add(name)
        return self._left.pop(name, None)

    def text(self, name: str) -> str:
        """A required text of 1 to 200 printable characters."""
        text = self.maybe_text(name)
        return self._missing(name, "a text") if text is None else text

    def maybe_text(self, name: str) -> str | None:
        """The same, or None where absent or null."""
        value = self._maybe(name)
        if value is not None and (not isinstance(value, str) or not is_plain_text(value)):
            self.wrong(name, f"a text of 1 to {LONGEST_TEXT} printable characters", value)
        return value

    def number(self, name: str, low: float, high: float, unit: str) -> float:
        """A required number in low..high."""
        number = self.maybe_number(name, low, high, unit)
        return self._missing(name, f"a number from {low:.10g} to {high:.10g} {unit}") if number is None else number

    def maybe_number(self, name: str, low: float, high: float, unit: str) -> float | None:
        """The same, or None where absent or null."""
        value = self._maybe(name)
        if value is None:
            return None
        if not is_number(value) or not low <= value <= high:
            self.wrong(name, f"a number from {low:.10g} to {high:.10g} {unit}", value)
        return float(value)

    def position(self, name: str) -> tuple[float, float]:
        """A required [longitude, latitude]."""
        position = self.maybe_position(name)
        return self._missing(name, "[longitude, latitude]") if position is None else position

    def maybe_position(self, name: str) -> tuple[float, float] | None:
        """The same, or None where absent or null."""
        value = self._maybe(name)
        return None if value is None else read_position(f"{self.place}: {name}", value)

    def maybe_datum(self, name: str) -> Datum | None:
        """A known datum, or None where absent or null."""
        label = self.maybe_text(name)
        return None if label is None else read_datum(f"{self.place}: {name}", label)

    def maybe_matrix(self, name: str) -> list[list[float]] | None:
        """An invertible 3 × 3 matrix by rows, or None where absent or null."""
        value = self._maybe(name)
        if value is None:
            return None
        wanted = "an invertible matrix of 3 rows of 3 numbers"
        if not isinstance(value, list) or len(value) != 3:
            self.wrong(name, wanted, value)
        for row in value:
            if not isinstance(row, list) or len(row) != 3 or not all(map(is_number, row)):
                self.wrong(name, wanted, value)
        (a, b, c), (d, e, f), (g, h, i) = value
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if determinant == 0 or not math.isfinite(determinant):
            self.wrong(name, wanted, value)
        return [[float(cell) for cell in row] for row in value]

    def maybe_size(self, name: str, low: float, high: float, unit: str) -> tuple[float, float] | None:
        """[width, height], each in low..high, or None where absent or null."""
        value = self._maybe(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(is_number(n) and low <= n <= high for n in value):
            self.wrong(name, f"[width, height] of {low:.10g} to {high:.10g} {unit}", value)
        return float(value[0]), float(value[1])

    def maybe_object(self, name: str) -> "Fields | None":
        """The fields of an object within, or None where absent or null."""
        value = self._maybe(name)
        if value is not None and not isinstance(value, dict):
            self.wrong(name, "an object", value)
        return None if value is None else Fields(f"{self.place}: {name}", value)

    def finish_strictly(self) -> None:
        """Raises where anything is left: for an object of which every property is ours."""
        for key in self._left:
            known = sorted(self._taken)
            raise MapError(f"{self.place}: wanted one of {', '.join(known)}, got {shown(key)}{nearest(key, known)}")

    def finish(self) -> None:
        """Raises where an untouched property looks like a misspelt one that is absent; others are other people's."""
        for key in self._left:
            close = difflib.get_close_matches(key, sorted(self._taken), n=1, cutoff=0.85)
            if close:
                raise MapError(f"{self.place}: wanted a known property, got {shown(key)}; did you mean {close[0]!r}?")


def is_plain_text(value: str) -> bool:
    """1 to 200 printable characters, not blank, not ill-formed Unicode."""
    return 0 < len(value) <= LONGEST_TEXT and value.isprintable() and not value.isspace()


def read_datum(place: str, label: Any) -> Datum:
    """A datum by its name; raises MapError with the nearest known name."""
    known = [datum.label for datum in Datum]
    datum = Datum.from_label(label) if isinstance(label, str) else None
    if datum is None:
        hint = nearest(label, known) if isinstance(label, str) else ""
        raise MapError(f"{place}: wanted one of {', '.join(known)}, got {shown(label)}{hint}")
    return datum


def read_position(place: str, value: Any) -> tuple[float, float]:
    """[longitude, latitude] or [longitude, latitude, altitude] in degrees and metres."""
    if not isinstance(value, list) or not 2 <= len(value) <= 3 or not all(map(is_number, value)):
        raise MapError(f"{place}: wanted [longitude, latitude], got {shown(value)}")
    lon, lat = float(value[0]), float(value[1])
    if not (-180.0 <= lon <= 180.0 and -85.0 <= lat <= 85.0):
        swapped = (
            "; these look swapped, longitude comes first" if -85.0 <= lon <= 85.0 and -180.0 <= lat <= 180.0 else ""
        )
        raise MapError(f"{place}: wanted longitude -180 to 180 and latitude -85 to 85, got {shown(value)}{swapped}")
    return lon, lat
