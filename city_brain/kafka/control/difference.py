"""What one configuration changes of another, in lines for people."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from city_brain.pipeline.configuration import Configuration

_NAMED: Final = 5
"""Ids that a line gives before it counts the others."""


def differences(before: Configuration, after: Configuration) -> list[str]:
    """A line for each kind of thing that was added, removed or changed; empty where nothing was."""
    old, new = _features(before.city_map), _features(after.city_map)
    lines = [
        line for kind in sorted(old.keys() | new.keys()) for line in _lines(kind, old.get(kind, {}), new.get(kind, {}))
    ]
    lines += _lines("incident type", before.types, after.types)
    settings = (msgspec.to_builtins(configuration.desk) for configuration in (before, after))
    lines += _lines("setting of the desk", *settings)
    if not lines and before.city_map != after.city_map:
        lines.append("map: written otherwise, or its head")
    return lines


def _features(city_map: bytes) -> dict[str, dict[str, Any]]:
    """Features by kind and id."""
    found: dict[str, dict[str, Any]] = {}
    for feature in msgspec.json.decode(city_map).get("features", ()):
        kind = str(feature.get("properties", {}).get("kind", "feature"))
        found.setdefault(kind, {})[str(feature.get("id"))] = feature
    return found


def _lines(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    groups = (
        ("added", sorted(new.keys() - old.keys())),
        ("removed", sorted(old.keys() - new.keys())),
        ("changed", sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
    )
    for word, names in groups:
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield f"{what} {word}: {', '.join(names[:_NAMED])}{more}"
