"""What a city says of a past day: its incidents, and how long it looked."""

from collections.abc import Iterable

import msgspec

from city_brain.errors import RecordingError
from city_brain.incidents.incident import Incident
from city_brain.incidents.tick_record import TickRecord
from city_brain.replay.comparing import announced
from city_brain.scoring import Answer, Truth, read_answers

_MS_PER_HOUR = 3_600_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The incidents that were announced, after their last revision, in order of announcement; `truth` where known."""

    place: str
    """The recording."""
    hours: float
    incidents: tuple[Incident, ...]
    answers: tuple[Answer, ...]
    """The same, as scores want them."""
    truth: Truth | None = None


def hear(place: str, records: Iterable[TickRecord], truth: Truth | None = None) -> Said:
    """Takes the ticks of a recording; raises RecordingError where there are fewer than two."""
    lines: list[bytes] = []
    revisions: list[Incident] = []
    first = last = None
    for record in records:
        first, last = first if first is not None else record.due_ms, record.due_ms
        lines += record.lines
        revisions += record.incidents
    if first is None or last is None or last <= first:
        raise RecordingError(f"{place}: wanted a recording of two ticks or more, got a shorter one")
    return Said(
        place=place, hours=(last - first) / _MS_PER_HOUR, incidents=tuple(announced(revisions)),
        answers=tuple(read_answers(lines)), truth=truth,
    )  # fmt: skip
