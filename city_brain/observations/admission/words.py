"""Words and units as tables: one look-up per string of a batch, then columns of codes and factors by indexing."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from city_brain.observations.vocabulary import (
    CATEGORY_CODES,
    CLASS_CODES,
    CONVERSIONS,
    MEASURES,
    MODE_CODES,
    QUANTITY_CODES,
    STATUS_CODES,
    Category,
    Mode,
    ObjectClass,
    Quantity,
    Status,
)
from city_brain.types import Indices

UNIT_CODES: Final = {unit: at for at, unit in enumerate(dict.fromkeys(unit for _, unit in CONVERSIONS))}
_LISTS: Final = (CLASS_CODES, MODE_CODES, CATEGORY_CODES, STATUS_CODES, QUANTITY_CODES, UNIT_CODES)
WORDS: Final = {text: at for at, text in enumerate(dict.fromkeys(text for codes in _LISTS for text in codes))}
"""All words of all vocabularies, numbered, so that each string of a batch is looked up once."""
OTHER_WORD, NO_WORD = len(WORDS), len(WORDS) + 1


def _vocabulary(codes: Mapping[str, int], otherwise: int) -> Indices:
    """The code of every word of `WORDS`: `otherwise` for a word of other vocabularies or of none, -1 for no word."""
    table = np.full(len(WORDS) + 2, otherwise, dtype=np.int32)
    table[[WORDS[text] for text in codes]] = list(codes.values())
    table[NO_WORD] = -1
    return table


CLASS_OF: Final = _vocabulary(CLASS_CODES, ObjectClass.OTHER)
MODE_OF: Final = _vocabulary(MODE_CODES, Mode.OTHER)
CATEGORY_OF: Final = _vocabulary(CATEGORY_CODES, Category.OTHER)
STATUS_OF: Final = _vocabulary(STATUS_CODES, len(Status))
QUANTITY_OF: Final = _vocabulary(QUANTITY_CODES, -1)
UNIT_OF: Final = _vocabulary(UNIT_CODES, -1)
"""Codes by the number of a word: `CLASS_OF[number]`, the last but one for any other word, the last for no word."""

SCALE, SHIFT = np.full((2, len(Quantity) + 1, len(UNIT_CODES) + 1), np.nan)
for (_quantity, _unit), _by in CONVERSIONS.items():
    SCALE[_quantity, UNIT_CODES[_unit]], SHIFT[_quantity, UNIT_CODES[_unit]] = _by
"""Canonical = scale * value + shift, by quantity and unit code; NaN where they do not fit, and in the last places."""
LOW: Final = np.array([*(MEASURES[quantity].low for quantity in Quantity), np.nan])
HIGH: Final = np.array([*(MEASURES[quantity].high for quantity in Quantity), np.nan])
