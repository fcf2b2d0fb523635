"""In what the incident types of two sides differ: parameter by parameter, however their files are written."""

import msgspec

from city_brain.incidents.incident_type import IncidentTypes
from city_brain.playback.comparing.differing import ABSENT, Field, fields_of


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an incident type that has another value: `path` as in its file."""

    type: str
    path: str
    before: str
    after: str


def parameters(left: IncidentTypes, right: IncidentTypes) -> list[Parameter]:
    """All in which they differ, by type; of a type that one side alone has, that it has it."""
    found: list[Parameter] = []
    for name in sorted(left.by_name.keys() | right.by_name.keys()):
        one, other = left.by_name.get(name), right.by_name.get(name)
        fields = list(fields_of(one, other)) if one and other else [
            Field(path="type", before=name if one else ABSENT, after=name if other else ABSENT)
        ]  # fmt: skip
        found += [Parameter(type=name, path=field.path, before=field.before, after=field.after) for field in fields]
    return found
