"""Everything that is wrong with a plain value that should be a struct: unknown keys, missing ones, wrong values.

msgspec stops at the first mistake; whoever wrote a file by hand wants all of them. So structs, mappings and lists are
walked here, and msgspec judges what stands in them.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from city_brain.errors import CityBrainError
from city_brain.wording.nearest import near_word, parts, shown

Path = tuple[str | int, ...]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. `table`: the keys and indices that lead to the struct; `key`: that within it, "" for all of it."""

    table: Path
    key: str
    wanted: str
    got: str
    unknown: bool = False
    """The key itself is the mistake."""

    def by_path(self, file: str) -> str:
        """As `type.yaml: levels[0].level: wanted …, got …`."""
        place = dotted((*self.table, self.key) if self.key else self.table) or "the file"
        return f"{file}: {place}: wanted {self.wanted}, got {self.got}"

    def by_table(self, file: str) -> str:
        """As `site.toml, [feed]: address: wanted …, got …`."""
        table = f", [{dotted(self.table)}]" if self.table else ""
        key = f": {self.key}" if self.key and not self.unknown else ""
        return f"{file}{table}{key}: wanted {self.wanted}, got {self.got}"


def dotted(path: Path) -> str:
    """Keys behind dots, indices in brackets."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def faults(plain: Any, kind: Any, table: Path = ()) -> list[Fault]:
    """All that is wrong with `plain` as a `kind` (a struct), in the order of its keys; empty where it converts."""
    return list(_faults(plain, kind, (), table))


def _faults(value: Any, kind: Any, path: Path, table: Path) -> Iterator[Fault]:
    """`path` leads from `table`, a struct, to the value."""
    bare = _bare(kind, value)
    origin, arguments = get_origin(bare), get_args(bare)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(value, dict):
        within = list(_of_struct(value, bare, (*table, *path)))
        yield from within or _as_a_whole(value, bare, (*table, *path))
        return
    if origin is dict and isinstance(value, dict):
        for key in value:
            if _refused(key, arguments[0]) is not None:
                wanted = f"keys that are {wanted_of(arguments[0])}"
                yield Fault(table=table, key=dotted(path), wanted=wanted, got=shown(key))
                return
        below = [(key, item, arguments[1]) for key, item in value.items()]
    elif origin in (tuple, list) and isinstance(value, list) and arguments[1:] in ((), (...,)):
        below = [(at, item, arguments[0]) for at, item in enumerate(value)]
    else:
        below = []
    within = [fault for key, item, inner in below for fault in _faults(item, inner, (*path, key), table)]
    yield from within
    if not within and (why := _refused(value, kind)) is not None:
        wanted = wanted_of(kind) if not below and isinstance(why, msgspec.ValidationError) else str(why)
        yield Fault(table=table, key=dotted(path), wanted=wanted, got=_got(value, kind))


def _of_struct(value: dict[str, Any], kind: type[msgspec.Struct], table: Path) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    meant = set[str]()
    for key, item in value.items():
        if key in fields:
            yield from _faults(item, fields[key].type, (key,), table)
        elif kind.__struct_config__.forbid_unknown_fields:
            known = ", ".join(fields) or "no keys at all"
            hint = hint_for(key, fields)
            meant.add(near_word(str(key), fields))
            yield Fault(table=table, key=str(key), wanted=f"one of {known}", got=shown(key) + hint, unknown=True)
    for key, field in fields.items():
        if field.required and key not in value and key not in meant:
            yield Fault(table=table, key=key, wanted=wanted_of(field.type), got="nothing")


def hint_for(word: Any, known: Any) -> str:
    """The hint after an unknown word of any type."""
    near = near_word(word, known) if isinstance(word, str) else ""
    return f"; did you mean {near!r}?" if near else ""


def _as_a_whole(value: Any, kind: Any, table: Path) -> Iterator[Fault]:
    """What the struct itself refuses though all its keys are right."""
    why = _refused(value, kind)
    if why is None:
        return
    said = parts(str(why).split(" - at `$")[0].removeprefix(f"{dotted(table)}."))
    wanted = said.wanted or "keys and values that fit together"
    hint = f"; did you mean {said.did_you_mean!r}?" if said.did_you_mean else ""
    yield Fault(table=table, key=said.place, wanted=wanted, got=said.got + hint)


def _refused(value: Any, kind: Any) -> Exception | None:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, CityBrainError, OverflowError, RecursionError) as wrong:
        return wrong
    return None


def _bare(kind: Any, value: Any) -> Any:
    """The type without its notes; of several the one for mappings or lists where the value is one."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType) and isinstance(value, dict | list):
        inner = [_bare(one, value) for one in get_args(kind) if one is not type(None)]
        return inner[0] if len(inner) == 1 else kind
    return kind


def wanted_of(kind: Any) -> str:
    """What a type takes, in words."""
    return _words(inspect.type_info(kind))


_PLAIN: Final[dict[type, str]] = {
    inspect.BoolType: "true or false",
    inspect.DictType: "a table of keys and values",
    inspect.StructType: "a table of keys and values",
    inspect.NoneType: "nothing",
    inspect.AnyType: "a value",
    inspect.DateTimeType: "a time",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
}


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.IntType():
            return "a whole number" + _range(info)
        case inspect.FloatType():
            return "a number" + _range(info)
        case inspect.StrType(pattern=str(pattern)):
            return f"a text that matches {pattern}"
        case inspect.StrType(min_length=least) if least:
            return "a text that is not empty"
        case inspect.StrType():
            return "a text"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
        case inspect.UnionType(types=several):
            return " or ".join(_words(one) for one in several if not isinstance(one, inspect.NoneType))
        case inspect.TupleType(item_types=items):
            return f"a list of {len(items)}: " + ", ".join(map(_words, items))
        case inspect.VarTupleType(min_length=least) if least:
            return f"a list of at least {least}"
        case _:
            return _PLAIN.get(type(info), "another value")


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    low, high = info.ge, info.le
    if low is not None and high is not None:
        return f" from {low:,g} to {high:,g}".replace(",", "")
    edges = [("of at least", info.ge), ("above", info.gt), ("of at most", info.le), ("below", info.lt)]
    said = [f"{word} {edge:g}" for word, edge in edges if edge is not None]
    return " " + " and ".join(said) if said else ""


def _got(value: Any, kind: Any) -> str:
    """What was found, and what people mean by it who write so."""
    info = inspect.type_info(_bare(kind, value))
    one_of = info.values if isinstance(info, inspect.LiteralType) else ()
    if one_of:
        return shown(value) + hint_for(value, [str(word) for word in one_of])
    if isinstance(value, str) and isinstance(info, inspect.IntType | inspect.FloatType):
        try:
            float(value)
        except ValueError:
            return shown(value)
        return f"{shown(value)}, which is a text: write it without quotes"
    if isinstance(value, bool) and isinstance(info, inspect.StrType):
        return f"{str(value).lower()}, which is no text: yes, no, on, off, true and false want quotes"
    if isinstance(value, int | float) and isinstance(info, inspect.StrType):
        return f"{shown(value)}, which is a number: write it in quotes"
    return shown(value)
