"""Everything that is wrong with a city map, feature by feature; `load_city` stops at the first of it."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from city_brain.city.features.areas import area_faults
from city_brain.city.features.fields import read_datum, read_position
from city_brain.city.features.noting import Noted, NotingFields, NotingShapes, noting
from city_brain.city.loading import (
    READERS,
    RESERVED_KINDS,
    Draft,
    clashes,
    collection_of,
    feature_of,
    kind_and_id,
    load_city,
    strays,
)
from city_brain.errors import MapError


def map_faults(data: bytes, name: str) -> list[str]:
    """All that `load_city` would refuse in a map, in the order of its features; `name` is that of the file.

    What only shows once the features lie on one ground (how far apart they are, flat outlines) is told when all else
    is right.
    """
    noted: Noted = []
    try:
        collection = collection_of(data, name)
    except MapError as wrong:
        return [str(wrong)]
    with noting(noted):
        read_datum(f"{name}: datum", collection.datum)
    with noting(noted):
        if collection.origin is not None:
            read_position(f"{name}: origin", collection.origin)
    drafts: dict[str, list[Draft]] = {kind: [] for kind in READERS}
    for number, raw in enumerate(collection.features):
        with noting(noted):
            _note_feature(raw, f"{name}: feature number {number}", name, drafts, noted)
    whole = [str(wrong) for wrong in chain(clashes(drafts), strays(drafts), area_faults(drafts["area"]))]
    found = [*noted, *whole]
    return found or list(_as_a_whole(data, name))


def _note_feature(raw: msgspec.Raw, place: str, name: str, drafts: dict[str, list[Draft]], noted: Noted) -> None:
    feature = feature_of(raw, place)
    kind, place, identity = kind_and_id(feature, place, name)
    if kind in RESERVED_KINDS:
        return
    fields = NotingFields(place, feature["properties"], noted)
    draft: dict[str, Any] = {"id": identity}
    try:
        for named in ("name", "name_en"):
            fields.maybe_text(named)
        draft |= READERS[kind](fields, feature.get("geometry"), NotingShapes(noted))
        fields.finish()
    finally:
        if kind != "area" or "code" in draft:
            drafts[kind].append((place, draft))


def _as_a_whole(data: bytes, name: str) -> Iterator[str]:
    try:
        load_city(data, name=name)
    except MapError as wrong:
        yield str(wrong)
