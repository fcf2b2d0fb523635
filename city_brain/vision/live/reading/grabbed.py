"""A frame of a stream that has come and is not unpacked yet: many come that nobody looks at."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

from city_brain.vision.letterbox import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Grabbed:
    """`media_ms` counts from the first frame of the connection; `unpack` may be called until the next one comes."""

    media_ms: int
    unpack: Callable[[], Frame]


Stream: TypeAlias = Generator[Grabbed | None, None, None]
"""None where nothing has come yet and all is well."""


def epoch_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000
