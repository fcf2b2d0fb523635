"""Structs to JSON Schema: msgspec says the types, the text below each field what it means, its ending the unit."""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any, Final

import msgspec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

UNITS: Final = {
    "_log_odds": "log-odds", "_mps2": "metres per second squared", "_mps": "metres per second", "_ms": "milliseconds",
    "_bytes": "bytes", "_days": "days", "_deg": "degrees", "_px": "pixels", "_db": "decibels", "_km": "kilometres",
    "_h": "hours", "_m": "metres", "_s": "seconds",
}  # fmt: skip
"""The unit of a number by the ending of its name."""


def schema_of_struct(kind: Any) -> Schema:
    """The schema of a struct or a union of them, with everything below in `$defs`."""
    plain = msgspec.to_builtins(msgspec.json.schema(kind))
    structs = {struct.__name__: struct for struct in _structs(kind)}
    for name, definition in plain.get("$defs", {}).items():
        if name in structs:
            _describe(definition, structs[name])
    plain.pop("discriminator", None)
    return {"$schema": DIALECT, **plain}


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    """All structs that a type leads to."""
    found: dict[type[msgspec.Struct], None] = {}

    def visit(info: msgspec.inspect.Type) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                return
            found[info.cls] = None
            for field in info.fields:
                visit(field.type)
        for name in ("type", "item_type", "value_type"):
            if isinstance(inner := getattr(info, name, None), msgspec.inspect.Type):
                visit(inner)
        for name in ("types", "item_types"):
            for inner in getattr(info, name, ()):
                visit(inner)

    visit(msgspec.inspect.type_info(kind))
    return list(found)


def _describe(definition: Schema, struct: type[msgspec.Struct]) -> None:
    said = field_texts(struct)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    if "description" in definition:
        definition["description"] = _one_line(definition["description"])
    for key, property_ in definition.get("properties", {}).items():
        text = described(said.get(names.get(key, key), ""), key)
        if text and "$ref" not in property_:
            property_["description"] = text


def described(text: str, key: str) -> str:
    """What a key means, with its unit where its name ends in one."""
    unit = next((unit for ending, unit in UNITS.items() if key.endswith(ending)), "")
    if not unit or unit in text.lower():
        return text
    return f"{text} In {unit}." if text else f"In {unit}."


@cache
def field_texts(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The text below each field of a struct and of those that it extends."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct and base.__module__ != "builtins":
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            found |= _texts(body) if isinstance(body, ast.ClassDef) else {}
    return found


def _texts(body: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = _one_line(below.value.value)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())
