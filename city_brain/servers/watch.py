"""Printing a feed as it comes, for `city-brain watch`: incidents on one stream, signs of life on another.

Marks at the beginning of a line:

    =  an incident of the snapshot       ~  a sign of life
       a new revision                    !  the link broke, or the feed began anew
    -  it no longer matches the filter
"""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TextIO

from city_brain.canonical import printable
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Incident, incident_line
from city_brain.servers.feed_reader import FeedReader, Interrupted, SignOfLife, Snapshot

INTERRUPTED = 130
"""Exit code of a program that was stopped with Ctrl-C."""
_NAMED = 3
"""Sources and blind areas that a line names before it counts the others."""
_ALL_BUT_SURE = 0.995
"""From here on a rounded probability would read 100 %, which nothing is."""
_LIFE_S = 10.0
"""Time between signs of life in a file; a terminal shows each, in one line that changes."""
_CLEAR_LINE = "\r\x1b[K"


class Watch:
    """Prints the events of a reader: incidents to `out`, everything else to `err`."""

    def __init__(
        self, reader: FeedReader, out: TextIO, err: TextIO, *, as_json: bool = False, zone: tzinfo = UTC
    ) -> None:
        self._reader = reader
        self._out = out
        self._err = err
        self._as_json = as_json
        self._zone = zone
        self._terminal = err.isatty()
        self._status_shown = False
        self._life_at = -_LIFE_S
        self._life_seen: tuple[object, ...] = ()

    def run(self) -> int:
        """Prints until Ctrl-C, then says where to go on, and returns the exit code.

        Raises ServiceError where the server refuses the request for good.
        """
        try:
            asyncio.run(self.print_all())
        except KeyboardInterrupt:
            self._tell(_where_to_go_on(self._reader))
        return INTERRUPTED

    async def print_all(self) -> None:
        """Prints without end."""
        async for event in self._reader.events():
            match event:
                case Snapshot() | Delivery():
                    self._clear_status()
                    for line in json_lines(event) if self._as_json else lines(event, self._zone):
                        self._out.write(line + "\n")
                    self._out.flush()
                case SignOfLife():
                    self._show_life(event)
                case Interrupted():
                    self._tell(interrupted_line(event))

    def _show_life(self, event: SignOfLife) -> None:
        if self._terminal:
            self._err.write(_CLEAR_LINE + life_line(event, self._zone))
            self._err.flush()
            self._status_shown = True
            return
        heartbeat = event.heartbeat
        seen = (heartbeat.sources_live, heartbeat.sources_silent, heartbeat.blind_areas) if heartbeat else ()
        if seen != self._life_seen or time.monotonic() - self._life_at >= _LIFE_S:
            self._life_seen, self._life_at = seen, time.monotonic()
            self._tell(life_line(event, self._zone))

    def _tell(self, line: str) -> None:
        self._clear_status()
        self._err.write(line + "\n")
        self._err.flush()

    def _clear_status(self) -> None:
        if self._status_shown:
            self._err.write(_CLEAR_LINE)
            self._err.flush()
            self._status_shown = False


def lines(event: Snapshot | Delivery, zone: tzinfo = UTC) -> list[str]:
    """Lines for people: when it was decided, number, state, type, place, level, probability, sources.

    Times are RFC 3339 in `zone`, to the second.
    """
    if isinstance(event, Delivery):
        return [("- " if event.no_longer_matches else "  ") + _line(event.incident, zone)]
    return ["= " + _line(incident, zone) for incident in event.incidents]


def json_lines(event: Snapshot | Delivery) -> list[str]:
    """One JSON object per revision: change number, whether it no longer matches, and the incident's canonical line."""
    if isinstance(event, Delivery):
        return [_json(event.number, event.no_longer_matches, event.incident)]
    return [_json(event.number, False, incident) for incident in event.incidents]


def life_line(event: SignOfLife, zone: tzinfo = UTC) -> str:
    """Log time, sources live and silent, blind areas."""
    heartbeat = event.heartbeat
    if heartbeat is None:
        return f"~ change {event.number}, nothing judged yet"
    blind = [area.name or area.source_id for area in heartbeat.blind_areas]
    text = (
        f"~ {_instant(heartbeat.log_time_ms, zone)}  change {event.number}, "
        f"{heartbeat.sources_live} sources live, {heartbeat.sources_silent} silent"
    )
    return printable(f"{text}, blind: {_some(blind)}") if blind else text


def interrupted_line(event: Interrupted) -> str:
    """Why the watch broke, and how it goes on."""
    how = "begins anew with a snapshot" if event.anew else "resumes"
    return printable(f"! {event.why}; {how} in {event.pause_s:.1f} s")


def _where_to_go_on(reader: FeedReader) -> str:
    if reader.number is None:
        return "! stopped before the first snapshot"
    return f"! stopped; go on with --after {reader.number} --feed {reader.feed_id}"


def _line(incident: Incident, zone: tzinfo) -> str:
    parts = [
        _instant(incident.updated_ms, zone),
        incident.number,
        incident.state if incident.status == "actual" else f"{incident.state} ({incident.status.upper()})",
        incident.type,
        _place(incident),
        f"level {incident.level}" if incident.level else "",
        f"{incident.confidence:.0%}" if incident.confidence < _ALL_BUT_SURE else ">99%",
        f"seen by {_some(incident.sources)}" if incident.sources else "",
        incident.reason or "",
    ]
    return printable("  ".join(part for part in parts if part))


def _place(incident: Incident) -> str:
    names = incident.place.names
    known = names.get("en") or names.get("zh") or incident.place.intersection or incident.place.road
    where = f"{incident.lat:.5f},{incident.lon:.5f}"
    return f"{known} ({where})" if known else where


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _instant(epoch_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, zone).isoformat(timespec="seconds")


def _json(number: int, no_longer_matches: bool, incident: Incident) -> str:
    head = f'{{"change_number":{number},"no_longer_matches":{json.dumps(no_longer_matches)},"incident":'
    return head + incident_line(incident).decode() + "}"
