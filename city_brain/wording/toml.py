"""TOML read strictly as a struct of settings: all that is wrong in one error, each with its table, and where a key that
stands in the wrong table belongs.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from city_brain.errors import SettingsError
from city_brain.wording.nearest import shown, told
from city_brain.wording.strictly import Fault, dotted, faults

Settings = TypeVar("Settings", bound=msgspec.Struct)

_AT = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)


def settings_from(data: bytes, kind: type[Settings], file: str) -> Settings:
    """The settings in a file's bytes; `file` is its name, for messages. SettingsError with all that is wrong."""
    plain = plain_toml(data, file)
    if found := faults(plain, kind):
        raise SettingsError(told([_homed(fault, kind).by_table(file) for fault in found]))
    return msgspec.convert(plain, kind)


def plain_toml(data: bytes, file: str) -> dict[str, Any]:
    """What TOML says; SettingsError with line and column where it is none."""
    try:
        text = data.decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise SettingsError(f"{file}, line {line}: wanted UTF-8, got byte 0x{data[wrong.start]:02x}") from wrong
    except RecursionError as wrong:
        raise SettingsError(f"{file}: wanted TOML, got lists or tables nested too deep") from wrong
    except tomllib.TOMLDecodeError as wrong:
        found = _AT.fullmatch(str(wrong))
        what = found["what"] if found else str(wrong)
        number = int(found["line"]) if found and found["line"] else text.count("\n") + 1
        lines = text.split("\n")
        found_there = shown(lines[number - 1].strip()) if number <= len(lines) else "the end"
        where = f"line {number}" + (f", column {found['column']}" if found and found["column"] else "")
        raise SettingsError(
            f"{file}, {where}: wanted TOML, got {found_there} ({what[:1].lower()}{what[1:]})"
        ) from wrong


def _homed(fault: Fault, kind: type[msgspec.Struct]) -> Fault:
    """The fault of an unknown key with the tables that know it."""
    homes = [table for table, keys in _tables(kind, ()) if fault.key in keys] if fault.unknown else []
    if not homes:
        return fault
    where = " or ".join(f"in [{dotted(home)}]" if home else "above the first [table]" for home in homes)
    return msgspec.structs.replace(fault, got=f"{shown(fault.key)}, which belongs {where}")


def _tables(kind: type[msgspec.Struct], table: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every table with a fixed name, and its keys."""
    fields = msgspec.structs.fields(kind)
    yield table, [field.encode_name for field in fields]
    for field in fields:
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _tables(field.type, (*table, field.encode_name))
