"""The numbers of the incident types, and what each is changed to, one at a time: a fifth less, and a quarter more."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from city_brain.incidents.incident_type import IncidentType, IncidentTypes

DOWN: Final = 0.8
UP: Final = 1.25
_LEFT: Final = {"type", "version", "detector", "levels", "calibration"}
"""What decides nothing that is announced, but how it is called and how sure and how bad it is said to be."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Change:
    """One number of a type, and another value for it."""

    type: str
    path: Path
    was: float
    value: float

    @property
    def name(self) -> str:
        """The number as one would look for it in the file."""
        return ".".join(str(step) for step in self.path)

    @property
    def of_detector(self) -> bool:
        """Whether the detector reads it; what it does not read, the desk does."""
        return self.path[0] == "parameters"

    def of(self, types: IncidentTypes) -> IncidentTypes:
        """All types with the change."""
        altered = {
            kind.type: _replaced(kind, self.path, self.value) if kind.type == self.type else kind for kind in types
        }
        return IncidentTypes(altered, types.order)


def changes(types: IncidentTypes, of_types: tuple[str, ...] = ()) -> list[Change]:
    """Two changes of each number that is not zero; `of_types` restricts them. Counts move by one at least."""
    found = []
    for kind in types:
        if of_types and kind.type not in of_types:
            continue
        for path, was in _numbers(kind, ()):
            for factor in (DOWN, UP):
                value = was * factor
                if isinstance(was, int):
                    value = min(was - 1, round(value)) if factor < 1 else max(was + 1, round(value))
                found.append(Change(kind.type, path, was, value))
    return found


def _numbers(thing: Any, path: Path) -> Iterator[tuple[Path, float]]:
    if isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            if not (isinstance(thing, IncidentType) and name in _LEFT):
                yield from _numbers(getattr(thing, name), (*path, name))
    elif isinstance(thing, tuple):
        for at, each in enumerate(thing):
            yield from _numbers(each, (*path, at))
    elif isinstance(thing, int | float) and not isinstance(thing, bool) and thing:
        yield path, thing


def _replaced(thing: Any, path: Path, value: float) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        inner = _replaced(thing[step], rest, value) if rest else value
        return (*thing[:step], inner, *thing[step + 1 :])
    return msgspec.structs.replace(thing, **{step: _replaced(getattr(thing, step), rest, value) if rest else value})
