"""Times as other standards write them: RFC 3339 with the offset of the city, to the second."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, TypeAlias

from city_brain.errors import RecordingError

UtcOffsets: TypeAlias = tuple[tuple[int, int], ...]
"""The clock of a city: (from epoch ms, seconds east of UTC), ascending; the first holds before its time too."""

CHINA: Final[UtcOffsets] = ((0, 28_800),)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT[0-2]\d:\d\d:\d\d[+-](\d\d):(\d\d)", re.ASCII)
_FARTHEST_H = 14
"""Offsets reach from -12:00 to +14:00."""


def local_time(moment_ms: int, offsets: UtcOffsets) -> datetime:
    """A moment on the clock of a city, cut to the second; RecordingError for a year that dates do not have."""
    offset_s = offsets[0][1]
    for start_ms, seconds in offsets:
        if start_ms <= moment_ms:
            offset_s = seconds
    zone = timezone(timedelta(minutes=offset_s // 60))
    try:
        return (_EPOCH + timedelta(seconds=moment_ms // 1000)).astimezone(zone)
    except OverflowError as wrong:
        raise RecordingError(f"time: wanted a moment of the years 1 to 9999, got {moment_ms} ms") from wrong


def rfc3339(moment_ms: int, offsets: UtcOffsets) -> str:
    """A moment as `2026-03-01T08:00:00+08:00`."""
    return local_time(moment_ms, offsets).isoformat(timespec="seconds")


def epoch_ms(text: str) -> int | None:
    """Epoch milliseconds of `2026-03-01T08:00:00+08:00`; None for any other form, and for what no calendar has."""
    found = _WRITTEN.fullmatch(text)
    if found is None or int(found[1]) > _FARTHEST_H or int(found[2]) > 59 or text[11:13] > "23":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)
