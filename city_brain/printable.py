"""Texts from outside as a terminal may show them: no control characters, no line ends, no turned writing direction."""

import unicodedata
from typing import Final

_ACTS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that steer a terminal or the order of letters, or cannot be written at all."""


def printable(text: str) -> str:
    """The text on one line, with each such character as its escape (`\\x1b`); every other text stays as it is."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) if unicodedata.category(character) in _ACTS else character for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
