"""Canonical JSON (RFC 8785): one value, one line of bytes; and ids made from content.

Numbers are written as ECMAScript writes them, keys are sorted by their UTF-16 code units, nothing is escaped that need
not be. Faster than the `rfc8785` package (which the tests hold it against), because whole strings go through the C
encoder of the standard library.
"""

import hashlib
import math
import unicodedata
from json.encoder import encode_basestring
from typing import Any, Final

from city_brain.errors import CityBrainError

_LARGEST_INTEGER = 2**53 - 1
"""The range in which every reader of JSON keeps integers exact (RFC 7493)."""


class CanonicalError(CityBrainError):
    """A value has no canonical JSON: NaN, an infinity, an integer beyond 2**53 - 1, a lone surrogate, another type."""


def canonical_json(value: Any) -> bytes:
    """The canonical line (without its line feed) of None, bool, int, float, str, list, tuple and dict with str keys."""
    parts: list[str] = []
    _write(value, parts)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as wrong:
        raise CanonicalError(f"canonical JSON: wanted Unicode text, got a lone surrogate ({wrong})") from wrong


def content_id(*parts: Any) -> str:
    """An id of 26 characters (130 bits, base 32 in lower case) from content: the same on every machine, for ever."""
    digest = hashlib.blake2b(canonical_json(parts), digest_size=17).digest()
    number = int.from_bytes(digest, "big") >> 6
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's alphabet: no letters that are read as digits."""


def _write(value: Any, parts: list[str]) -> None:
    kind = type(value)
    if kind is str:
        parts.append(_escape(value))
    elif value is None or kind is bool:
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif kind is int:
        if not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
            raise CanonicalError(f"canonical JSON: wanted an integer within 2**53 - 1, got {value}")
        parts.append(str(value))
    elif kind is float:
        parts.append(_number(value))
    elif kind is dict:
        _write_object(value, parts)
    elif kind is list or kind is tuple:
        mark = "["
        for item in value:
            parts.append(mark)
            _write(item, parts)
            mark = ","
        parts.append("]" if value else "[]")
    else:
        raise CanonicalError(f"canonical JSON: wanted null, bool, number, string, list or object, got {kind.__name__}")


def _write_object(value: dict[Any, Any], parts: list[str]) -> None:
    mark = "{"
    for key in _sorted_keys(value):
        parts.append(mark)
        parts.append(_escape(key))
        parts.append(":")
        _write(value[key], parts)
        mark = ","
    parts.append("}" if value else "{}")


def _sorted_keys(value: dict[Any, Any]) -> list[str]:
    for key in value:
        if type(key) is not str:
            raise CanonicalError(f"canonical JSON: wanted keys that are strings, got {key!r}")
    if all(map(str.isascii, value)):
        return sorted(value)
    return sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))


def _escape(text: str) -> str:
    return encode_basestring(text)  # type: ignore[no-any-return, unused-ignore]


def _number(value: float) -> str:
    """ECMA-262 Number::toString: the shortest digits that read back, plain between 1e-6 and 1e21."""
    if not math.isfinite(value):
        raise CanonicalError(f"canonical JSON: wanted a finite number, got {value}")
    if value == 0:
        return "0"
    text = repr(value)
    if "e" not in text:
        return text.removesuffix(".0")
    digits, exponent = text.split("e")
    power = int(exponent)
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    if 0 < power < 21:
        return f"{sign}{whole}{fraction.ljust(power, '0')}"
    if -7 < power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{whole}{fraction}"
    point = f".{fraction}" if fraction else ""
    return f"{sign}{whole}{point}e{power:+d}"


_ACTS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that steer a terminal or the order of letters, or cannot be written at all."""


def printable(text: str) -> str:
    """A text from outside as a terminal may show it: on one line, what acts on a terminal as its escape (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(_visible(character) if unicodedata.category(character) in _ACTS else character for character in text)


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode()
