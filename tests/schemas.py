"""Schemas as they are published and as they were promised, and what breaks a promise between two of them.

`python -m tests.schemas write` writes protos/schemas/*.json anew; `… promise` promises them as they are, with a
release, or where a break is meant; `… check` compares, and exits with 1 where something breaks.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from city_brain.schemas import DOCUMENTS, schema_of
from tests.house import ROOT

PUBLISHED = ROOT / "protos" / "schemas"
PROMISED = PUBLISHED / "promised"
OUTPUTS = ("incident",)
"""Documents that this program writes and others read; of the others it is the other way round."""

Schema = Any


def text_of(name: str) -> str:
    """The file of a schema."""
    return json.dumps(schema_of(name), ensure_ascii=False, indent=1) + "\n"


def breaks(name: str, promised: Schema, now: Schema) -> list[str]:
    """What of a promise does not hold any more, each with its place.

    Of an input: every document that was right must stay right. Of an output: every document that is written now must be
    one that its readers were promised; keys that are new they leave out.
    """
    old, new = (now, promised) if name in OUTPUTS else (promised, now)
    loose = name in OUTPUTS
    return [f"{name}{said}" for said in _compare(old, old, new, new, "", loose, frozenset())]


def _compare(
    old: Schema, old_root: Schema, new: Schema, new_root: Schema, at: str, loose: bool, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    """Why something that `old` takes might be refused by `new`; `loose`: keys that `new` does not know are none."""
    if new is True or old is False:
        return
    if old is True or new is False:
        if new:
            old = {}
        else:
            yield f"{at}: nothing is taken there any more"
            return
    link = (old.get("$ref", ""), new.get("$ref", ""))
    if all(link) and link in seen:
        return
    seen |= {link}
    old, new = _resolved(old, old_root), _resolved(new, new_root)

    def deeper(a: Schema, b: Schema, where: str) -> list[str]:
        return list(_compare(a, old_root, b, new_root, where, loose, seen))

    olds, news = old.get("anyOf", [old]), new.get("anyOf", [new])
    if len(olds) > 1 or len(news) > 1:
        for branch in olds:
            tries = [deeper(branch, other, at) for other in news]
            if all(tries):
                yield from min(tries, key=len)
        return
    yield from _values(olds[0], news[0], at)
    yield from _limits(olds[0], news[0], at)
    yield from _below(olds[0], news[0], at, loose, deeper)


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _values(old: Schema, new: Schema, at: str) -> Iterator[str]:
    words = [schema.get("enum", [schema["const"]] if "const" in schema else None) for schema in (old, new)]
    if words[1] is not None:
        if words[0] is None:
            yield f"{at}: only {words[1]} now"
            return
        if gone := [word for word in words[0] if word not in words[1]]:
            yield f"{at}: {gone} are gone"
    kinds = [schema.get("type") for schema in (old, new)]
    taken = [set([kind] if isinstance(kind, str) else kind) if kind else None for kind in kinds]
    if taken[1] is None or words[0] is not None:
        return
    wide = taken[1] | ({"integer"} if "number" in taken[1] else set())
    if taken[0] is None or not taken[0] <= wide:
        yield f"{at}: was {kinds[0] or 'anything'}, is {kinds[1]}"


_LOW = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_HIGH = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_SAME = ("pattern", "format")


def _limits(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for key in _LOW:
        if key in new and (key not in old or old[key] < new[key]) and "enum" not in old:
            yield f"{at}: {key} was {old.get(key, 'none')}, is {new[key]}"
    for key in _HIGH:
        if key in new and (key not in old or old[key] > new[key]) and "enum" not in old:
            yield f"{at}: {key} was {old.get(key, 'none')}, is {new[key]}"
    for key in _SAME:
        if key in new and old.get(key) != new[key] and "enum" not in old:
            yield f"{at}: {key} was {old.get(key, 'none')}, is {new[key]}"


def _below(old: Schema, new: Schema, at: str, loose: bool, deeper: Any) -> Iterator[str]:
    for key in new.get("required", []):
        if key not in old.get("required", []):
            yield f"{at}.{key}: is required"
    olds, news = old.get("properties", {}), new.get("properties", {})
    others = new.get("additionalProperties", True)
    for key, inner in olds.items():
        if key in news:
            yield from deeper(inner, news[key], f"{at}.{key}")
        elif others is False and not loose:
            yield f"{at}.{key}: is gone"
    if old.get("additionalProperties", True) is not False and "type" in old and not loose:
        yield from deeper(old.get("additionalProperties", True), others, f"{at}.*")
    if "items" in new:
        yield from deeper(old.get("items", True), new["items"], f"{at}[]")
    for place, inner in enumerate(new.get("prefixItems", [])):
        before = old.get("prefixItems", [])
        yield from deeper(before[place] if place < len(before) else True, inner, f"{at}[{place}]")
    conditions = {json.dumps(part.get("if"), sort_keys=True): part for part in old.get("allOf", [])}
    for part in new.get("allOf", []):
        known = conditions.get(json.dumps(part.get("if"), sort_keys=True))
        if known is None:
            continue  # of a kind that is new, or that `enum` tells of
        yield from deeper(known["then"], part["then"], at)


def main(words: list[str]) -> int:
    """Writes, promises or compares."""
    match words:
        case ["write"]:
            _write(PUBLISHED)
        case ["promise"]:
            _write(PUBLISHED)
            _write(PROMISED)
        case ["check"]:
            found = [said for name in DOCUMENTS for said in breaks(name, promised(name), schema_of(name))]
            print("\n".join(found) or "the schemas break nothing that was promised")
            return int(bool(found))
        case _:
            print("wanted write, promise or check, got", *words, file=sys.stderr)
            return 2
    return 0


def promised(name: str) -> Schema:
    """The schema as it was promised; one that was not yet promised breaks nothing."""
    path = PROMISED / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else schema_of(name)


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (folder / f"{name}.json").write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
