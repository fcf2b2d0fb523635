"""What is to be told of a camera itself, and when: that it is down, that its picture is frozen, black, blurred, moved.

A word is told when it is first known, whenever it changes, and again every 30 s while it holds; so whoever comes late,
or missed it, knows it soon. What is not known, as of the picture of a camera that is down, is not told.
"""

from collections.abc import Collection, Mapping
from typing import Final

from city_brain.observations.vocabulary import CAMERA_BLIND, Quantity

AGAIN_AFTER_MS: Final = 30_000
PICTURE_WORDS: Final = {
    "frozen": Quantity.PICTURE_FROZEN,
    "black": Quantity.PICTURE_BLACK,
    "blurred": Quantity.PICTURE_BLURRED,
    "moved": Quantity.PICTURE_MOVED,
}
"""As the judge of pictures says them, and as they are told."""


class CameraHealth:
    """Remembers what was told of one camera."""

    def __init__(self) -> None:
        self._told: dict[Quantity, tuple[bool, int]] = {}
        self._doubtful: set[Quantity] = set()
        """Told, but perhaps in vain."""

    @property
    def holding(self) -> tuple[Quantity, ...]:
        """The words that held when they were told last."""
        return tuple(word for word, (holds, _) in self._told.items() if holds)

    def due(self, now_ms: int, known: Mapping[Quantity, bool]) -> dict[Quantity, bool]:
        """What of the `known` words is to be told at `now_ms`; it counts as told."""
        due = {word: holds for word, holds in known.items() if self._is_due(now_ms, word, holds)}
        self._told = self._told | {
            word: (holds, now_ms) for word, holds in due.items()
        }  # for whoever reads it meanwhile
        self._doubtful -= due.keys()
        return due

    def _is_due(self, now_ms: int, word: Quantity, holds: bool) -> bool:
        before, told_ms = self._told.get(word, (None, 0))
        again = word in self._doubtful or (holds and not 0 <= now_ms - told_ms < AGAIN_AFTER_MS)
        return again or holds != before

    def tell_again(self) -> None:
        """What was told may not have come through: all is told again as soon as it is known."""
        self._doubtful.update(self._told)


def picture_words(said: Collection[str]) -> dict[Quantity, bool]:
    """All words about a picture, by what the judge says of it."""
    return {word: name in said for name, word in PICTURE_WORDS.items()}


def blinds(words: Mapping[Quantity, bool]) -> bool:
    """Whether nothing can be believed of what the camera shows."""
    return any(words.get(word, False) for word in CAMERA_BLIND)
