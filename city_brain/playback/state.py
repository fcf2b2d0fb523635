"""Where a street stands in a recording: all that its stages remember, as bytes that others go on from."""

from pathlib import Path
from typing import Final

import msgspec
import zstandard

from city_brain.digest import TreeHead
from city_brain.errors import RecordingError, StateError
from city_brain.snapshot import from_bytes, to_bytes, unpacked

ATTACHED: Final = "street.state"
"""The attachment of a recording that does not begin with the city: where the stages stood when it begins."""
UNPACKED_BYTES_MAX: Final = 1 << 29
"""Beyond it a state is not read: the largest city measured has a fifth of it."""


class StreetState(msgspec.Struct):
    """What the stages remember when all that was read has been said.

    `series`: the recording. `log_ns`: up to which log time it was read. `due_ms`: of the last tick that was said.
    `configuration`: the version of what holds. `head`: over the lines of all ticks that were said.
    """

    series: str
    log_ns: int
    due_ms: int
    configuration: str
    head: TreeHead
    stages: dict[str, bytes]

    def to_bytes(self) -> bytes:
        """The state, packed; the same state gives the same bytes under one version of Zstandard."""
        return zstandard.ZstdCompressor(level=1).compress(to_bytes(self))

    @classmethod
    def from_bytes(cls, data: bytes, place: str) -> "StreetState":
        """Reads a state; raises StateError, which begins with `place`, where it is none."""
        try:
            return from_bytes(cls, unpacked(data, UNPACKED_BYTES_MAX))
        except StateError as wrong:
            raise StateError(f"{place}: wanted a state of a recording that is run, got: {wrong}") from wrong


def write_state(path: Path, state: StreetState) -> None:
    """Puts a state into a file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(state.to_bytes())
        part.replace(path)
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted to write a state, got: {wrong.strerror}") from wrong


def read_state(path: Path) -> StreetState:
    """The state of a file."""
    try:
        data = path.read_bytes()
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a state to go on from, got: {wrong.strerror}") from wrong
    return StreetState.from_bytes(data, str(path))
