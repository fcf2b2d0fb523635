"""The city's log of incidents as its readers take it: which revisions a tick brings, and who spoke."""

import re
from typing import Any

import msgspec

from city_brain.errors import RecordingError
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.incident import Incident
from city_brain.incidents.tick_record import TickRecord
from streams.desk import HEARTBEAT_HEADER

_QUIET = re.compile(rb'"incidents":\[\],"tick":(\d+),')
"""A tick in which nothing changed, as nearly all are: it need not be decoded."""


def changes_in(line: bytes) -> tuple[int, list[Incident], tuple[str, str] | None]:
    """Tick, revisions, and where there are any the versions of their types and map."""
    quiet = _QUIET.search(line[-4096:])
    if quiet is not None:
        return int(quiet[1]), [], None
    record = TickRecord.from_line(line)
    return record.tick, record.incidents, named(record.versions)


def named(versions: dict[str, str]) -> tuple[str, str]:
    """Versions of what gives names to filters: incident types and map."""
    return versions["types"], versions["map"]


def heartbeat_in(record: Any) -> Heartbeat:
    """Who spoke; raises RecordingError where the record does not say."""
    said = dict(record.headers).get(HEARTBEAT_HEADER, b"")
    try:
        return msgspec.json.decode(said, type=Heartbeat)
    except msgspec.MsgspecError as wrong:
        place = f"{record.topic} offset {record.offset}, header {HEARTBEAT_HEADER}"
        raise RecordingError(f"{place}: wanted a heartbeat, got {said[:80]!r} ({wrong})") from wrong
