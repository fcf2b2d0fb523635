"""Paths in a file of settings: one that is not absolute belongs to the folder of the file that names it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import msgspec

FORMAT: Final = {"format": "path"}
"""What the schema of a field says that names a file; "" names none. `Meta(extra_json_schema=FORMAT)`"""
Settings = TypeVar("Settings", bound=msgspec.Struct)


def placed(settings: Settings, folder: Path) -> Settings:
    """The settings with every path in them absolute, from `folder` on; in the tables below, too."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, msgspec.Struct):
            found[field.name] = placed(value, folder)
        elif value and _names_a_file(field.type):
            found[field.name] = str(folder.absolute() / value)
    return msgspec.structs.replace(settings, **found) if found else settings


def files_in(settings: msgspec.Struct, under: str = "") -> Iterator[tuple[str, str]]:
    """Every path in settings that is not empty, behind its key (`feed.tls_key`); in the tables below, too."""
    for field in msgspec.structs.fields(settings):
        value, key = getattr(settings, field.name), f"{under}.{field.name}".lstrip(".")
        if isinstance(value, msgspec.Struct):
            yield from files_in(value, key)
        elif value and _names_a_file(field.type):
            yield key, value


def _names_a_file(kind: Any) -> bool:
    return any(isinstance(part, msgspec.Meta) and part.extra_json_schema == FORMAT for part in get_args(kind)[1:])
