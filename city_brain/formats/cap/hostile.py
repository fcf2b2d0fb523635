"""XML that may be an attack, read into a small tree: no document types, no entities, nothing fetched, all bounded.

The bounds are far above what a warning needs, and are met while reading, so that an attack costs its first bytes only.
"""

from typing import Any, Final, NoReturn
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from city_brain.errors import CapError

MOST_BYTES: Final = 500_000
MOST_ELEMENTS: Final = 8_000
"""A code of an area takes three: a warning may name 2,600 of them."""
MOST_ATTRIBUTES: Final = 50
"""Of one element; CAP itself has none."""
DEEPEST: Final = 12
"""CAP needs five; signatures are deeper."""
_SHOWN = 80


class Node:
    """An element: its namespace and name, its text, and the elements in it."""

    __slots__ = ("children", "name", "namespace", "texts")

    def __init__(self, tag: str) -> None:
        namespace, _, name = tag.rpartition("}")
        self.namespace, self.name = namespace.removeprefix("{"), name
        self.children: list[Node] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        """Its own text, without spaces around it."""
        return "".join(self.texts).strip()


def read_tree(data: bytes, place: str) -> Node:
    """The root element; CapError for what is no XML in UTF-8, too large, too deep, or declares anything."""
    if len(data) > MOST_BYTES:
        raise CapError(f"{place}: wanted at most {MOST_BYTES} bytes, got {len(data)}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise CapError(f"{place}: wanted XML in UTF-8, got {wrong}") from wrong
    tree = _Tree(place)
    parser = DefusedXMLParser(target=tree, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(text)
        root: Node = parser.close()
    except DefusedXmlException as wrong:
        declared = f"{type(wrong).__name__} ({str(wrong)[:_SHOWN]})"
        raise CapError(f"{place}: wanted XML without document type and entities, got {declared}") from wrong
    except (ParseError, ValueError, LookupError) as wrong:
        raise CapError(f"{place}: wanted well-formed XML, got {str(wrong)[:_SHOWN]}") from wrong
    return root


class _Tree:
    """Builds nodes, and stops at the first bound."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._open: list[Node] = []
        self._elements = 0
        self._root: Node | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            self._too_many("elements", MOST_ELEMENTS)
        if len(attributes) > MOST_ATTRIBUTES:
            self._too_many("attributes of an element", MOST_ATTRIBUTES)
        if len(self._open) >= DEEPEST:
            self._too_many("elements within one another", DEEPEST)
        node = Node(tag)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)

    def data(self, text: str) -> None:
        """Text of the element that is open."""
        self._open[-1].texts.append(text)

    def end(self, _: Any) -> None:
        """An element ends."""
        self._open.pop()

    def close(self) -> Any:
        """The root, at the end."""
        return self._root

    def _too_many(self, what: str, most: int) -> NoReturn:
        raise CapError(f"{self._place}: wanted at most {most} {what}, got more")
