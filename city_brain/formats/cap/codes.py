"""Codes of areas by GB/T 2260: what a code of 6, 9 or 12 digits means, and which area holds which.

Two digits are the province, two the city, two the county, three the street, three the village; zeros at the end stand
for all that is in it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

_FULL: Final = 12
_LENGTHS: Final = (6, 9, 12)
_CUTS: Final = (0, 2, 4, 6, 9)
"""Where a code ends that names the country, a province, a city, a county, a street."""


def is_national(code: str) -> bool:
    """Whether a code is one of GB/T 2260: 6, 9 or 12 digits."""
    return len(code) in _LENGTHS and code.isascii() and code.isdigit()


def full(code: str) -> str:
    """A national code in 12 digits, as warnings write it."""
    return code.ljust(_FULL, "0")


def stem(code: str) -> str:
    """What a code says without the zeros that stand for all within: `370100` is `3701`; others are as they are."""
    if not is_national(code):
        return code
    whole = full(code)
    return next((whole[:cut] for cut in _CUTS if not whole[cut:].strip("0")), whole)


def holds(outer: str, inner: str) -> bool:
    """Whether the area of one code holds that of another; codes of a city's own hold only themselves."""
    if not (is_national(outer) and is_national(inner)):
        return outer == inner
    return stem(inner).startswith(stem(outer))


def narrowest(codes: Sequence[str]) -> tuple[str, ...]:
    """The codes that hold no other one of them, in their order: a district without its city."""
    return tuple(code for code in codes if not _holds_another(code, codes))


def _holds_another(code: str, codes: Iterable[str]) -> bool:
    return any(holds(code, other) and not holds(other, code) for other in codes)
