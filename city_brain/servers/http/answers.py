"""Events, lists and refusals as JSON; an incident in them is its canonical line, byte for byte.

A watch is a stream of server-sent events (WHATWG HTML, 9.2). Each has the resume token as its `id`, but for pieces of a
snapshot before the last one, whose empty `id` makes a client that breaks off among them begin anew.

    event: snapshot    {"change_number", "feed_id", "complete", "incidents": [line, …]}, in pieces
    event: change      {"change_number", "no_longer_matches": false, "incident": line}
    event: gone        the same of an incident that no longer matches
    event: heartbeat   {"change_number", "feed_id", "first_change_number", "heartbeat"}
    event: refused     {"status", "reason", "message", "field", "facts"}; then the stream ends

Canonical JSON has no line feed in it, so nothing that an incident says can end a line of the stream.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from google.rpc import code_pb2

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.explanation import Account
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Incident, incident_line
from city_brain.servers.feed.refusing import CODES
from city_brain.servers.feed.watches.telling import Bookmark, Opening, Told

STATUSES: Final[Mapping[int, int]] = MappingProxyType(
    {
        code_pb2.INVALID_ARGUMENT: 400,
        code_pb2.FAILED_PRECONDITION: 400,
        code_pb2.UNAUTHENTICATED: 401,
        code_pb2.PERMISSION_DENIED: 403,
        code_pb2.NOT_FOUND: 404,
        code_pb2.ABORTED: 409,
        code_pb2.OUT_OF_RANGE: 410,
        code_pb2.RESOURCE_EXHAUSTED: 429,
        code_pb2.UNAVAILABLE: 503,
    }
)
"""The status of HTTP for each of gRPC that a refusal may have."""
TOO_LARGE: Final = 413
RETRY_AFTER: Final = MappingProxyType({"Retry-After": "1"})
"""Of an answer to whoever may send the same again."""
RETRY: Final = b"retry: 1000\n\n"
"""How soon a client comes back that lost the stream, ms."""
HEADERS: Final = MappingProxyType(
    {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "city-brain"}
)
"""Of every answer."""
PROBLEM: Final = "application/problem+json"
"""The type of a refusal (RFC 9457)."""
_KEPT: Final = 2_000


class Answers:
    """Renders one feed; keeps the last 2 000 lines (some 5 kB each) for the next reader."""

    def __init__(self, log: ChangeLog, piece_bytes: int) -> None:
        """`piece_bytes`: size at which snapshots and lists are split; a single incident is never split or trimmed."""
        self.log = log
        self._piece_bytes = piece_bytes
        self._lines: dict[tuple[str, int], bytes] = {}

    def line(self, incident: Incident) -> bytes:
        """The canonical line of a revision."""
        key = (incident.incident_id, incident.revision)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _KEPT:
                del self._lines[next(iter(self._lines))]
            line = self._lines[key] = incident_line(incident)
        return line

    def events(self, told: Told) -> Iterator[bytes]:
        """An event of a watch as it is sent: one, or a snapshot in pieces."""
        if isinstance(told, Opening):
            yield from self._snapshot(told)
        elif isinstance(told, Delivery):
            data = _object(
                change_number=told.number, no_longer_matches=told.no_longer_matches, incident=self._raw(told.incident)
            )
            yield _event("gone" if told.no_longer_matches else "change", data, told.token)
        else:
            yield self._heartbeat(told)

    def refused(self, refusal: RefusedError) -> bytes:
        """The event with which a stream ends."""
        return b"event: refused\ndata: " + problem(refusal) + b"\n\n"

    def page(self, incidents: tuple[Incident, ...], next_tokens: tuple[str, ...], number: int) -> bytes:
        """A page of incidents, ended early where it grows beyond a piece."""
        lines: list[msgspec.Raw] = []
        size, token = 0, ""
        for incident, next_token in zip(incidents, next_tokens, strict=True):
            line = self.line(incident)
            size += len(line)
            if lines and size > self._piece_bytes:
                break
            lines.append(msgspec.Raw(line))
            token = next_token
        return _object(change_number=number, incidents=lines, next_page_token=token)

    def account(self, account: Account, text: str) -> bytes:
        """Why an incident is believed: in words, by source, and how the belief moved."""
        moved = [
            {"change_number": change.number, "revision": said.revision, "state": said.state, "level": said.level,
             "confidence": said.confidence, "updated_ms": said.updated_ms, "reason": said.reason}
            for change in account.revisions for said in (change.incident,)
        ]  # fmt: skip
        return _object(
            incident=self._raw(account.incident), text=text, contributions=account.contributions, revisions=moved
        )

    def _snapshot(self, opening: Opening) -> Iterator[bytes]:
        lines: list[msgspec.Raw] = []
        size = 0
        for incident in opening.incidents:
            line = self.line(incident)
            if lines and size + len(line) > self._piece_bytes:
                yield self._piece(lines, opening.number, "")
                lines, size = [], 0
            lines.append(msgspec.Raw(line))
            size += len(line)
        yield self._piece(lines, opening.number, opening.token)

    def _piece(self, lines: list[msgspec.Raw], number: int, token: str) -> bytes:
        data = _object(change_number=number, feed_id=self.log.feed_id, complete=bool(token), incidents=lines)
        return _event("snapshot", data, token)

    def _heartbeat(self, mark: Bookmark) -> bytes:
        data = _object(
            change_number=mark.number,
            feed_id=self.log.feed_id,
            first_change_number=self.log.resumable_number,
            heartbeat=self.log.heartbeat,
        )
        return _event("heartbeat", data, mark.token)

    def _raw(self, incident: Incident) -> msgspec.Raw:
        return msgspec.Raw(self.line(incident))


def problem(refusal: RefusedError) -> bytes:
    """A refusal as one line of JSON."""
    return _object(
        status=status_of(refusal),
        reason=refusal.reason,
        message=str(refusal),
        field=refusal.field,
        facts=dict(refusal.facts),
    )


def status_of(refusal: RefusedError) -> int:
    """The status of HTTP that answers a refusal."""
    return TOO_LARGE if refusal.reason == Reason.TOO_LARGE else STATUSES[CODES[refusal.reason]]


def headers_of(refusal: RefusedError) -> Mapping[str, str]:
    """Headers of its own that answer a refusal."""
    return RETRY_AFTER if status_of(refusal) in (429, 503) else {}


def other_problem(status: int, message: str) -> bytes:
    """What HTTP itself refuses: a path that is none, a method that is not served, an error of ours."""
    return _object(status=status, reason="HTTP", message=message, field="", facts={})


def _object(**said: object) -> bytes:
    return msgspec.json.encode(said)


def _event(name: str, data: bytes, token: str) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode("ascii"), token.encode("ascii"), data)
