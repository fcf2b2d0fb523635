"""YAML read strictly: no repeated keys, no unknown fields; errors name the file, the path and the nearest word."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
import yaml

from city_brain.errors import RuleError

Kind = TypeVar("Kind", bound=msgspec.Struct)

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")
_FIELD = re.compile(r"field `([^`]*)`")


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def nearest(word: str, words: Iterable[str]) -> str:
    """`"; nearest: 'crash'"`, or nothing where no word is near."""
    found = difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.5)
    return f"; nearest: {found[0]!r}" if found else ""


def read_mapping(data: bytes | str, file: str) -> dict[str, Any]:
    """The one mapping that a YAML document holds; RuleError for anything else."""
    try:
        found = yaml.load(data, Loader=_Loader)  # noqa: S506 (a safe loader with one more check)
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        mark = getattr(wrong, "problem_mark", None)
        place = f"{file}: line {mark.line + 1}" if mark is not None else file
        problem = getattr(wrong, "problem", None) or str(wrong).splitlines()[0]
        raise RuleError(f"{place}: wanted YAML with unique keys, got {problem}") from wrong
    if not isinstance(found, dict):
        raise RuleError(f"{file}: wanted a mapping of fields, got {_shown(found)}")
    _refuse_not_finite(found, "", file)
    return found


def convert(plain: Any, kind: type[Kind], file: str, under: str = "") -> Kind:
    """`plain` as a `kind`; `under` is the path of `plain` within the file."""
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as wrong:
        raise RuleError(f"{file}: {explained(str(wrong), plain, kind, under)}") from wrong


def _refuse_not_finite(value: Any, path: str, file: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise RuleError(f"{file}: {path}: wanted a finite number, got {value}")
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{at}]", item) for at, item in enumerate(value)]
    for inner, item in items:
        _refuse_not_finite(item, inner, file)


def explained(message: str, plain: Any, kind: type, under: str = "") -> str:
    """msgspec's message on `plain` as `path: wanted …, got …; nearest: …`; also for what comes from TOML."""
    match = _AT.match(message)
    what, at = (match["what"], match["path"] or "$") if match else (message, "$")
    node, value, walked = _walk(msgspec.inspect.type_info(kind), plain, at)
    path = (under + walked).lstrip(".") or "the file"
    field = _FIELD.search(what)
    if field and isinstance(node, msgspec.inspect.StructType):
        names = [known.name for known in node.fields]
        inner = f"{path}.{field[1]}" if path != "the file" else field[1]
        if "missing" in what:
            return f"{inner}: wanted a value, got none"
        return f"{inner}: wanted one of {', '.join(names) or 'no fields'}, got {field[1]!r}{nearest(field[1], names)}"
    if isinstance(node, msgspec.inspect.LiteralType):
        words = [str(word) for word in node.values]
        return f"{path}: wanted one of {', '.join(words)}, got {_shown(value)}{nearest(str(value), words)}"
    wanted = what.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    return f"{path}: wanted {wanted}, got {_shown(value)}"


def _walk(node: msgspec.inspect.Type, value: Any, at: str) -> tuple[msgspec.inspect.Type, Any, str]:
    """Declared type, found value and full path at a path like `$.levels[0].level` or `$.phrases[...].en`."""
    path = ""
    for name, index in _STEP.findall(at):
        if name and isinstance(node, msgspec.inspect.StructType):
            node = next(field.type for field in node.fields if field.encode_name == name)
            value = value.get(name) if isinstance(value, dict) else None
            path += f".{name}"
        elif index and isinstance(node, msgspec.inspect.VarTupleType):
            node, value = node.item_type, value[int(index)]
            path += f"[{index}]"
        elif isinstance(node, msgspec.inspect.DictType):
            key = _first_bad(node.value_type, value)
            node, value = node.value_type, value[key]
            path += f".{key}"
    return node, value, path


def _first_bad(node: msgspec.inspect.Type, found: dict[str, Any]) -> str:
    """The key of a mapping under which the first mistake stands: msgspec does not name it."""
    kind = str if isinstance(node, msgspec.inspect.StrType) else getattr(node, "cls", Any)
    for key, item in found.items():
        try:
            msgspec.convert(item, kind)
        except msgspec.ValidationError:
            return key
    return next(iter(found))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
