"""CAP 1.1 and 1.2 to alerts, read strictly: an unknown element, a missing one or a word of no list is a CapError.

An error names the element, what was wanted and what was found. The order of elements is not checked, since real
senders differ in it. A signature is passed over: whether it is true is for whoever holds the sender's certificate.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from city_brain.errors import CapError
from city_brain.formats.cap.alert import (
    CATEGORIES,
    CERTAINTIES,
    MESSAGE_TYPES,
    RESPONSES,
    SCOPES,
    SEVERITIES,
    STATUSES,
    URGENCIES,
    Alert,
    Area,
    Circle,
    Info,
    NamedValue,
    Reference,
    Resource,
    Ring,
)
from city_brain.formats.cap.hostile import Node, read_tree
from city_brain.formats.times import epoch_ms

NAMESPACES: Final = ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1")
MOST_POINTS: Final = 20_000
"""Positions of one polygon."""
LONGEST_TOKEN: Final = 300
"""Of a sender or an identifier."""
FARTHEST_KM: Final = 20_038.0
"""Half the way around the earth."""

_SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
_NO_TOKEN = re.compile(r"[\s,<&]")
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{0,20})?", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}", re.ASCII)
_OLD_WORDS = {"Very Likely": "Likely"}
"""Of CAP 1.0, which CAP 1.1 asks readers to understand so."""
_SHOWN = 60

Read = TypeVar("Read")


def read_alert(data: bytes, place: str = "CAP") -> Alert:
    """The alert in a file; `place` opens the message of a CapError."""
    root = read_tree(data, place)
    if root.name != "alert" or root.namespace not in NAMESPACES:
        got = f"{root.name!r} of {root.namespace!r}"
        raise CapError(f"{place}: wanted an alert of {' or '.join(NAMESPACES)}, got {got}"[:400])
    return _alert(_Element(root, f"{place}: alert"))


class _Element:
    """The elements within one, each taken once by name; what is left at the end is unknown."""

    def __init__(self, node: Node, place: str) -> None:
        self.node, self.place = node, place
        self._left: dict[str, list[Node]] = {}
        for child in node.children:
            if child.namespace == node.namespace:
                self._left.setdefault(child.name, []).append(child)
            elif child.namespace != _SIGNATURE:
                self.wrong("", "elements of CAP", f"{child.name!r} of {child.namespace!r}")
        if node.text:
            self.wrong("", "elements and no text between them", node.text)

    def wrong(self, name: str, wanted: str, got: str) -> NoReturn:
        """Raises the CapError for an element within this one."""
        place = f"{self.place}.{name}" if name else self.place
        shown = got if len(got) <= _SHOWN else got[:_SHOWN] + "…"
        raise CapError(f"{place}: wanted {wanted}, got {shown!r}" if got else f"{place}: wanted {wanted}, got nothing")

    def many(self, name: str, read: "Callable[[_Element, str, Node], Read]") -> tuple[Read, ...]:
        """All elements of a name, in their order; a place counts them where they are several."""
        found = self._left.pop(name, [])
        single = len(found) == 1
        return tuple(read(self, name if single else f"{name}[{at}]", node) for at, node in enumerate(found))

    def text(self, name: str) -> str:
        """The text of an element that may come once; empty where there is none."""
        found = self.many(name, _Element.leaf)
        if len(found) > 1:
            self.wrong(name, "one element at most", f"{len(found)} of them")
        return found[0] if found else ""

    def needed(self, name: str) -> str:
        """The same, where one must be."""
        return self.text(name) or self.wrong(name, "a text", "")

    def leaf(self, name: str, node: Node) -> str:
        """The text of an element without others in it."""
        if node.children:
            self.wrong(name, "a text", f"<{node.children[0].name}>")
        return node.text

    def within(self, name: str, node: Node) -> "_Element":
        """An element with others in it."""
        return _Element(node, f"{self.place}.{name}")

    def word(self, name: str, known: tuple[str, ...]) -> Any:
        """One of a list of words."""
        return self.one_of(name, self.needed(name), known)

    def words(self, name: str, known: tuple[str, ...]) -> Any:
        """Any number of them."""
        return tuple(self.one_of(name, word, known) for word in self.many(name, _Element.leaf))

    def one_of(self, name: str, word: str, known: tuple[str, ...]) -> str:
        """The word itself, once it is known."""
        word = _OLD_WORDS.get(word, word)
        return word if word in known else self.wrong(name, f"one of {', '.join(known)}", word)

    def token(self, name: str) -> str:
        """A short text without spaces, commas, < and &."""
        text = self.needed(name)
        if len(text) > LONGEST_TOKEN or _NO_TOKEN.search(text):
            self.wrong(name, f"at most {LONGEST_TOKEN} characters without spaces, commas, < and &", text)
        return text

    def time(self, name: str, needed: bool = False) -> str:
        """A time with its offset."""
        text = self.needed(name) if needed else self.text(name)
        if text and epoch_ms(text) is None:
            self.wrong(name, "a time such as 2026-03-01T08:00:00+08:00", text)
        return text

    def number(self, name: str) -> float | None:
        """A decimal number."""
        text = self.text(name)
        if text and not _NUMBER.fullmatch(text):
            self.wrong(name, "a decimal number", text)
        return float(text) if text else None

    def finish(self) -> None:
        """Raises where something is left that CAP does not know."""
        for name in self._left:
            self.wrong("", "an element that CAP has here", name)


def _alert(element: _Element) -> Alert:
    alert = Alert(
        identifier=element.token("identifier"),
        sender=element.token("sender"),
        sent=element.time("sent", needed=True),
        status=element.word("status", STATUSES),
        message_type=element.word("msgType", MESSAGE_TYPES),
        source=element.text("source"),
        scope=element.word("scope", SCOPES),
        restriction=element.text("restriction"),
        addresses=element.text("addresses"),
        codes=element.many("code", _Element.leaf),
        note=element.text("note"),
        references=_references(element, element.text("references")),
        incidents=element.text("incidents"),
        infos=tuple(map(_info, element.many("info", _Element.within))),
    )
    element.finish()
    if alert.message_type in ("Update", "Cancel") and not alert.references:
        element.wrong("references", f"what the {alert.message_type} refers to", "")
    return alert


def _references(element: _Element, text: str) -> tuple[Reference, ...]:
    found = []
    for triple in text.split():
        parts = triple.split(",")
        if len(parts) != 3 or not all(parts) or len(triple) > 3 * LONGEST_TOKEN or epoch_ms(parts[2]) is None:
            element.wrong("references", "sender,identifier,sent", triple)
        found.append(Reference(*parts))
    return tuple(found)


def _info(element: _Element) -> Info:
    language = element.text("language") or "en-US"
    if not _LANGUAGE.fullmatch(language):
        element.wrong("language", "a language such as zh-CN", language)
    info = Info(
        language=language,
        categories=element.words("category", CATEGORIES) or element.wrong("category", "one at least", ""),
        event=element.needed("event"),
        responses=element.words("responseType", RESPONSES),
        urgency=element.word("urgency", URGENCIES),
        severity=element.word("severity", SEVERITIES),
        certainty=element.word("certainty", CERTAINTIES),
        audience=element.text("audience"),
        event_codes=element.many("eventCode", _named),
        effective=element.time("effective"),
        onset=element.time("onset"),
        expires=element.time("expires"),
        sender_name=element.text("senderName"),
        headline=element.text("headline"),
        description=element.text("description"),
        instruction=element.text("instruction"),
        web=element.text("web"),
        contact=element.text("contact"),
        parameters=element.many("parameter", _named),
        resources=tuple(map(_resource, element.many("resource", _Element.within))),
        areas=tuple(map(_area, element.many("area", _Element.within))),
    )
    element.finish()
    return info


def _named(element: _Element, name: str, node: Node) -> NamedValue:
    inner = element.within(name, node)
    pair = NamedValue(inner.needed("valueName"), inner.text("value"))
    inner.finish()
    return pair


def _resource(element: _Element) -> Resource:
    size = element.number("size")
    resource = Resource(
        description=element.needed("resourceDesc"),
        mime_type=element.text("mimeType"),
        size=None if size is None else int(size),
        uri=element.text("uri"),
        deref_uri=element.text("derefUri"),
        digest=element.text("digest"),
    )
    element.finish()
    return resource


def _area(element: _Element) -> Area:
    area = Area(
        description=element.needed("areaDesc"),
        polygons=element.many("polygon", _polygon),
        circles=element.many("circle", _circle),
        geocodes=element.many("geocode", _named),
        altitude=element.number("altitude"),
        ceiling=element.number("ceiling"),
    )
    element.finish()
    return area


def _polygon(element: _Element, name: str, node: Node) -> Ring:
    positions = element.leaf(name, node).split()
    if not 4 <= len(positions) <= MOST_POINTS:
        element.wrong(name, f"4 to {MOST_POINTS} positions", f"{len(positions)} positions")
    ring = tuple(_position(element, name, position) for position in positions)
    if ring[0] != ring[-1]:
        element.wrong(name, "a closed border", f"{positions[0]} and {positions[-1]}")
    return ring


def _circle(element: _Element, name: str, node: Node) -> Circle:
    text = element.leaf(name, node)
    parts = text.split()
    if len(parts) != 2 or not _NUMBER.fullmatch(parts[1]) or not 0.0 <= float(parts[1]) <= FARTHEST_KM:
        element.wrong(name, "latitude,longitude and a radius in km", text)
    return Circle(*_position(element, name, parts[0]), float(parts[1]))


def _position(element: _Element, name: str, text: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) == 2 and all(map(_NUMBER.fullmatch, parts)):
        lat, lon = float(parts[0]), float(parts[1])
        if -90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0:
            return lat, lon
    return element.wrong(name, "latitude,longitude in degrees", text)
