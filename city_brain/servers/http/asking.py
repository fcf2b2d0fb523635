"""What a query string asks for: strictly read, and refused in the words of the query."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.wording.nearest import near_word, nearest

if TYPE_CHECKING:
    from multidict import MultiMapping

Query: TypeAlias = "MultiMapping[str]"

MANY = ("type", "state", "area")
FILTER = (*MANY, "level", "confidence")
"""Parameters that filter; those of MANY may come repeatedly, and any of them is enough."""
LAST_EVENT_ID = "last_event_id"
WATCHING = (*FILTER, LAST_EVENT_ID)
LISTING = (*FILTER, "page_size", "page_token")
EXPLAINING = ("language",)
_PARAMETERS = {
    "filter.types": "type",
    "filter.states": "state",
    "filter.area_codes": "area",
    "filter.minimum_level": "level",
    "filter.minimum_confidence": "confidence",
    "resume_token": LAST_EVENT_ID,
    "after_change_number": LAST_EVENT_ID,
    "language_code": "language",
    "name": "id",
}
"""Fields as the feed calls them, to what a query calls them."""
_LONGEST = 9
"""Digits of a number."""
_FIGURE = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
"""A number as JSON writes it; Python's own reading knows digits of all scripts, and underscores."""


def check_known(query: Query, known: Collection[str]) -> None:
    """Raises RefusedError for a parameter that is not known, or that comes more often than it may."""
    for name in query:
        if name not in known:
            choice = ", ".join(sorted(known)) or "none"
            message = f"query: unknown parameter {name[:100]!r}{nearest(name, known)} (known: {choice})"
            raise RefusedError(Reason.BAD_REQUEST, message, name[:100], nearest=near_word(name, known))
        if name not in MANY and len(query.getall(name)) > 1:
            raise _bad(name, "one value", f"{len(query.getall(name))}")


def wanted_in(query: Query) -> Wanted:
    """The filter of a query; names in it are checked with those of the city."""
    said = query.get("confidence", "0")
    if _FIGURE.fullmatch(said) is None:
        raise _bad("confidence", "a probability from 0 to 1", repr(said[:100]))
    return Wanted(
        types=tuple(query.getall("type", [])),
        states=tuple(query.getall("state", [])),
        minimum_level=query.get("level", ""),
        minimum_confidence=float(said),
        area_codes=tuple(query.getall("area", [])),
    )


def size_in(query: Query) -> int:
    """How many a page may hold; 0 where the query says nothing."""
    said = query.get("page_size", "0")
    if not said.isascii() or not said.isdigit() or len(said) > _LONGEST:
        raise _bad("page_size", "a whole number", repr(said[:100]))
    return int(said)


def in_query_words(refusal: RefusedError) -> RefusedError:
    """The same refusal, with the parameter's name for the field's."""
    name = _PARAMETERS.get(refusal.field)
    if name is None:
        return refusal
    message = str(refusal).replace(f"{refusal.field}:", f"{name}:", 1)
    return RefusedError(refusal.reason, message, name, **refusal.facts)


def _bad(name: str, wanted: str, got: str) -> RefusedError:
    return RefusedError(Reason.BAD_REQUEST, f"{name}: wanted {wanted}, got {got}", name)
