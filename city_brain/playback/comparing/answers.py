"""Incidents that were said: by a recording that is played, or as a file that was written of one says."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from city_brain.bag.container.mcap import MAGIC
from city_brain.errors import RecordingError
from city_brain.incidents.incident import Incident, read_incident
from city_brain.playback.opening import open_played
from city_brain.replay.comparing import announced


def incidents_of(path: Path, types: dict[str, bytes] | None = None) -> list[Incident]:
    """The last revision of each incident that was ever announced: of a recording, played, with `types` (file name to
    content) in place of those recorded; or of lines of incident revisions or of ticks.
    """
    if not is_recording(path):
        if types is not None:
            raise RecordingError(f"{path}: wanted a recording to try other types on, got lines")
        return announced(_of_lines(path))
    ticks = open_played(path, types).ticks()
    return announced(incident for tick in ticks for incident in tick.said.record.incidents)


def is_recording(path: Path) -> bool:
    """Whether a file begins as recordings do; raises RecordingError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a recording or lines of incidents, got: {wrong.strerror}") from wrong


class _Line(msgspec.Struct):
    incidents: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


def _of_lines(path: Path) -> Iterator[Incident]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                within = msgspec.json.decode(line, type=_Line).incidents
                revisions = [line] if within is msgspec.UNSET else list(map(bytes, within))
                yield from map(read_incident, revisions)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecordingError) as wrong:
                raise RecordingError(f"{path} line {number}: wanted an incident or a tick, got: {wrong}") from wrong
