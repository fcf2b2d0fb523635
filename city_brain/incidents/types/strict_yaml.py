"""YAML read strictly: no repeated keys, no unknown fields; errors name the file, the path and the nearest word."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
import yaml

from city_brain.errors import RuleError
from city_brain.wording.nearest import shown, told
from city_brain.wording.strictly import faults

Kind = TypeVar("Kind", bound=msgspec.Struct)


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


def read_mapping(data: bytes | str, file: str) -> dict[str, Any]:
    """The one mapping that a YAML document holds; RuleError for anything else."""
    try:
        found = yaml.load(data, Loader=_Loader)  # noqa: S506 (a safe loader with one more check)
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise RuleError(_no_yaml(wrong, data, file)) from wrong
    if not isinstance(found, dict):
        raise RuleError(f"{file}: wanted a mapping of fields, such as type: crash, got {shown(found)}")
    if wild := list(_not_finite(found, "", file)):
        raise RuleError(told(wild))
    return found


def _no_yaml(wrong: Exception, data: bytes | str, file: str) -> str:
    """What is wrong with text that is no YAML: the line, and what people mean who write so."""
    mark = getattr(wrong, "problem_mark", None)
    problem = getattr(wrong, "problem", None) or str(wrong).splitlines()[0]
    if mark is None:
        return f"{file}: wanted YAML, got {problem}"
    place = f"{file}: line {mark.line + 1}"
    if "stands twice" in problem:
        return f"{place}: wanted each key once, got {problem}"
    if "'\\t'" in problem:
        return f"{place}: wanted spaces before the key, got a tab"
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    lines = text.splitlines()
    line = lines[mark.line].strip() if mark.line < len(lines) else ""
    if "mapping values are not allowed" in problem:
        problem = "it stands further in than the line above, or a text with a colon wants quotes"
    return f"{place}: wanted YAML, got {shown(line) if line else 'the end'} ({problem})"


def convert(plain: Any, kind: type[Kind], file: str, under: str = "") -> Kind:
    """`plain` as a `kind`; `under` is the key of `plain` within the file. RuleError with all that is wrong."""
    if found := faults(plain, kind, (under,) if under else ()):
        raise RuleError(told([fault.by_path(file) for fault in found]))
    return msgspec.convert(plain, kind)


def _not_finite(value: Any, path: str, file: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{file}: {path}: wanted a finite number, got {value}"
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{at}]", item) for at, item in enumerate(value)]
    for inner, item in items:
        yield from _not_finite(item, inner, file)
