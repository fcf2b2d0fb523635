"""Printing a feed as it comes, for `city-brain watch`: incidents on one stream, signs of life on another.

Marks at the beginning of a line:

    =  an incident of the snapshot       ~  a sign of life
       a new revision                    !  the link broke, came back, or the feed began anew
    -  it no longer matches the filter
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, tzinfo
from typing import TextIO

import msgspec

from city_brain.canonical import printable
from city_brain.errors import ServiceError
from city_brain.feeds.heartbeat import AreaReadiness, Heartbeat
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.explain import Language, headline, source_name
from city_brain.incidents.incident import Incident, incident_line
from city_brain.incidents.incident_type import IncidentTypes, load_incident_types
from city_brain.servers.client.feed_reader import Event, FeedReader, Interrupted, SignOfLife, Snapshot

INTERRUPTED = 130
"""Exit code of a program that was stopped with Ctrl-C."""
FIRST_WAIT_S = 5.0
"""Without a first answer for so long nobody is there: whoever typed the address should know."""
_NAMED = 3
"""Names that a line gives before it counts the others."""
_ALL_BUT_SURE = 0.995
"""From here on a rounded probability would read 100 %, which nothing is."""
_LIFE_S = 10.0
"""Time between signs of life in a file; a terminal shows each, in one line that changes."""
_CLEAR_LINE = "\r\x1b[K"
_CLOSED, _NO_HANDSHAKE = "a closed connection", "no TLS handshake"
_UNTRUSTED = "a TLS certificate that is not trusted"
_OTHER_NAME = "a TLS certificate of another name"
_HTTP = "a server of HTTP/1.1"
_CAUSES = {
    "hostname verification": _OTHER_NAME,
    "http1.x": _HTTP,
    "alpn": _HTTP,
    "connection refused": "connection refused",
    "dns": "an unknown host",
    "domain name": "an unknown host",
    "name or service": "an unknown host",
    "wrong_version_number": _NO_HANDSHAKE,
    "certificate": _UNTRUSTED,
    "handshake": _NO_HANDSHAKE,
    "ssl": _NO_HANDSHAKE,
    "unreachable": "an unreachable host",
    "timeout": "no answer",
    "timed out": "no answer",
    "socket closed": _CLOSED,
    "reset": _CLOSED,
    "server_stopping": "a server that stops",
}
"""Words in the messages of gRPC, and what they mean; the first that is found counts."""


class Watch:
    """Prints the events of a reader: incidents to `out`, everything else to `err`."""

    def __init__(
        self,
        reader: FeedReader,
        out: TextIO,
        err: TextIO,
        *,
        as_json: bool = False,
        zone: tzinfo = UTC,
        wait_s: float = FIRST_WAIT_S,
        types: IncidentTypes | None = None,
        languages: Sequence[Language] = ("en",),
    ) -> None:
        self._reader = reader
        self._out = out
        self._err = err
        self._as_json = as_json
        self._wait_s = wait_s
        self._instant = instants_in(zone)
        self._types = types or load_incident_types()
        self._languages = languages
        self._titles: dict[str, str] = {}
        """What the city calls the incidents to be printed now whose type only it knows."""
        self._unsaid: set[str] = set()
        """Types of which it did not say that."""
        self._terminal = err.isatty()
        self._status_shown = False
        self._life_at = -_LIFE_S
        self._life_seen: Heartbeat | None = None
        self._lost: tuple[float, Interrupted] | None = None

    def run(self) -> int:
        """Prints until Ctrl-C, then says where to go on, and returns the exit code.

        Raises ServiceError where nobody answers at first, or the server refuses the request for good.
        """
        try:
            asyncio.run(self.print_all())
        except KeyboardInterrupt:
            self._tell(_where_to_go_on(self._reader))
        return INTERRUPTED

    async def print_all(self) -> None:
        """Prints without end; raises ServiceError where the first answer does not come in time."""
        why = "no answer"
        try:
            async with aclosing(self._reader.events()) as events, asyncio.timeout(self._wait_s) as first:
                async for event in events:
                    if not isinstance(event, Interrupted):
                        first.reschedule(None)
                    elif first.when() is not None:
                        why = plain_cause(event.why)
                        if event.given_up is not None:
                            self._tell(anew_line(event.given_up, event.why))
                        continue
                    await self._ask(event)
                    self._print(event)
        except TimeoutError:
            raise ServiceError(nobody_there(self._reader.address, why, self._reader.speaks_tls)) from None

    async def _ask(self, event: Event) -> None:
        """Lets the city say how it calls incidents of types of its own, which whoever only watches need not have."""
        self._titles = {}
        for incident in () if self._as_json or not isinstance(event, Snapshot | Delivery) else _incidents(event):
            if incident.type not in self._types.by_name and incident.type not in self._unsaid:
                said = await self._reader.headlines(incident)
                self._titles[incident.incident_id] = " | ".join(said[one] for one in self._languages if one in said)
                self._unsaid |= set() if said else {incident.type}

    def _print(self, event: Event) -> None:
        if isinstance(event, Interrupted):
            if self._lost is None:
                self._lost = time.monotonic(), event
                self._tell(lost_line(event, self._now()))
            return
        if self._lost is not None:
            self._tell(back_line(time.monotonic() - self._lost[0], isinstance(event, Snapshot), self._now()))
            self._lost = None
        if isinstance(event, SignOfLife):
            self._show_life(event)
            return
        self._clear_status()
        for line in json_lines(event) if self._as_json else self.lines(event):
            self._out.write(line + "\n")
        self._out.flush()

    def lines(self, event: Snapshot | Delivery) -> list[str]:
        """Lines for people, each with its mark; times are RFC 3339, to the second."""
        mark = "= "
        if isinstance(event, Delivery):
            mark = "- " if event.no_longer_matches else "  "
        return [
            mark
            + incident_text(one, self._types, self._languages, self._instant, self._titles.get(one.incident_id, ""))
            for one in _incidents(event)
        ]

    def _now(self) -> str:
        return self._instant(round(time.time() * 1000))

    def _show_life(self, event: SignOfLife) -> None:
        line = life_line(event, self._instant)
        if self._terminal:
            self._err.write(_CLEAR_LINE + line)
            self._err.flush()
            self._status_shown = True
            return
        heartbeat = event.heartbeat
        seen = msgspec.structs.replace(heartbeat, log_time_ms=0) if heartbeat else None
        if seen != self._life_seen or time.monotonic() - self._life_at >= _LIFE_S:
            self._life_seen, self._life_at = seen, time.monotonic()
            self._tell(line)

    def _tell(self, line: str) -> None:
        self._clear_status()
        self._err.write(line + "\n")
        self._err.flush()

    def _clear_status(self) -> None:
        if self._status_shown:
            self._err.write(_CLEAR_LINE)
            self._err.flush()
            self._status_shown = False


def incident_text(
    incident: Incident,
    types: IncidentTypes,
    languages: Sequence[Language],
    instant: Callable[[int], str],
    title: str = "",
) -> str:
    """When it was decided, number, state, probability, level, headline with position, sources, reason.

    `title`: the headline where others know it.
    """
    state = incident.state if incident.status == "actual" else f"{incident.state} ({incident.status.upper()})"
    parts = [
        instant(incident.updated_ms),
        incident.number,
        f"{state:9}",
        f"{sureness(incident.confidence):>4}",
        f"{incident.level or '-':3}",
        f"{title or _headline(incident, types, languages)} ({incident.lat:.5f}, {incident.lon:.5f})",
        f"seen by {some([source_name(source) for source in incident.sources])}" if incident.sources else "",
        incident.reason or "",
    ]
    return printable("  ".join(part for part in parts if part))


def sureness(probability: float) -> str:
    """A probability in percent, never rounded up to certainty."""
    return f"{probability:.0%}" if probability < _ALL_BUT_SURE else ">99%"


def some(names: Sequence[str]) -> str:
    """A few names and how many more."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return ", ".join(distinct[:_NAMED]) + more


def json_lines(event: Snapshot | Delivery) -> list[str]:
    """One JSON object per revision: change number, whether it no longer matches, and the incident's canonical line."""
    if isinstance(event, Delivery):
        return [_json(event.number, event.no_longer_matches, event.incident)]
    return [_json(event.number, False, incident) for incident in event.incidents]


def life_line(event: SignOfLife, instant: Callable[[int], str]) -> str:
    """Log time, sources live and silent, blind areas."""
    heartbeat = event.heartbeat
    if heartbeat is None:
        return f"~ change {event.number}, nothing judged yet"
    blind = [area.name or area.source_id for area in heartbeat.blind_areas]
    parts = [
        f"~ {instant(heartbeat.log_time_ms)}  change {event.number}, "
        f"{heartbeat.sources_live} sources live, {heartbeat.sources_silent} silent",
        f"blind: {some(blind)}" if blind else "",
        f"warned of: {some([_warned(item) for item in heartbeat.readiness])}" if heartbeat.readiness else "",
    ]
    return printable(", ".join(part for part in parts if part))


def readiness_text(item: AreaReadiness, instant: Callable[[int], str]) -> str:
    """Level, area, event, until when, and what the warning says."""
    area = " ".join(part for part in (item.name, item.area_code) if part)
    level = f"level {item.level}" if item.level else "no level"
    said = f"readiness {level}  {area}: {item.event} until {instant(item.until_ms)}  {item.headline}"
    return printable(said.rstrip())


def _warned(item: AreaReadiness) -> str:
    return " ".join(part for part in (item.event, item.level or "", item.name or item.area_code) if part)


def lost_line(event: Interrupted, now: str) -> str:
    """That the watch broke, and why."""
    return printable(f"! {now}  lost the feed: {plain_cause(event.why)}; trying again")


def back_line(away_s: float, anew: bool, now: str) -> str:
    """That it goes on, and from where."""
    return f"! {now}  back after {away_s:.0f} s; " + ("begins anew with a snapshot" if anew else "nothing was missed")


def anew_line(number: int, why: str) -> str:
    """That the feed cannot go on where its reader wanted to, and why, as the server has it."""
    said = why.removesuffix("; start again from a snapshot")
    return printable(f"! cannot go on behind change {number}: {said}; beginning anew")


def nobody_there(address: str, why: str, speaks_tls: bool) -> str:
    """What is said where no first answer comes: what was found, and what to do about it."""
    if why == _OTHER_NAME:
        host = address.rpartition(":")[0].strip("[]")
        return f"the certificate of {address} does not name {host}; call it by a name that is in it"
    return f"{address}: wanted an incident feed, got {why}; {_what_to_do(why, speaks_tls)}"


def _what_to_do(why: str, speaks_tls: bool) -> str:
    """What may be behind a first answer that does not come; a server says nothing of TLS to whom it does not trust."""
    if why == _HTTP:
        return "this is not a gRPC feed; `run` listens for that on another port (--listen)"
    if why == _UNTRUSTED:
        return "trust the authority of its certificate with --tls-ca, if it is the right one"
    if why == _NO_HANDSHAKE:
        return "it may speak no TLS"
    if why == _CLOSED and speaks_tls:
        return (
            "it may not take this client's TLS certificate: expired, of another authority, or none given "
            "(--tls-certificate, --tls-key)"
        )
    if why == _CLOSED:
        return "it may speak TLS (--tls, --tls-ca), and want a certificate (--tls-certificate, --tls-key)"
    return "start one with: city-brain run SITE"


def plain_cause(why: str) -> str:
    """Why a link broke, in a few words; as it was said where nothing is known of it."""
    said = why.lower()
    return next((cause for words, cause in _CAUSES.items() if words in said), why)


def instants_in(zone: tzinfo) -> Callable[[int], str]:
    """Epoch milliseconds as RFC 3339 in a zone, to the second."""
    return lambda epoch_ms: datetime.fromtimestamp(epoch_ms / 1000, zone).isoformat(timespec="seconds")


def _incidents(event: Snapshot | Delivery) -> Sequence[Incident]:
    return event.incidents if isinstance(event, Snapshot) else (event.incident,)


def _headline(incident: Incident, types: IncidentTypes, languages: Sequence[Language]) -> str:
    if incident.type not in types.by_name:
        return incident.type
    said = headline(incident, types[incident.type])
    return " | ".join(getattr(said, language) for language in languages)


def _where_to_go_on(reader: FeedReader) -> str:
    if reader.number is None:
        return "! stopped before the first snapshot"
    if reader.subscription:
        return f"! stopped; go on with --subscription {reader.subscription} and the same filter"
    return f"! stopped; go on with --after {reader.number} --feed {reader.feed_id}"


def _json(number: int, no_longer_matches: bool, incident: Incident) -> str:
    head = f'{{"change_number":{number},"no_longer_matches":{json.dumps(no_longer_matches)},"incident":'
    return head + incident_line(incident).decode() + "}"
