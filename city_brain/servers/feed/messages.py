"""Changes, snapshots and heartbeats as messages, each built once for all readers."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Incident
from city_brain.servers.codec.feeds import heartbeat_to_proto
from city_brain.servers.codec.incidents import incident_to_proto
from city_brain.wire.feed.v1 import feed_pb2
from city_brain.wire.incident.v1 import incident_pb2

_KEPT = 2_000
_TOKEN_TAG = bytes((feed_pb2.WatchIncidentsResponse.RESUME_TOKEN_FIELD_NUMBER << 3 | 2,))
"""Of a field with a length (Protocol Buffers encoding, wire type 2)."""
Key = TypeVar("Key")
Message = TypeVar("Message")


class Messages:
    """Builds the messages of one feed; keeps the last 2 000 of each kind (some 10 kB each) for the next reader."""

    def __init__(self, log: ChangeLog, piece_bytes: int) -> None:
        self.log = log
        self._piece_bytes = piece_bytes
        self._incidents: _Kept[tuple[str, int], incident_pb2.Incident] = _Kept()
        self._changes: _Kept[tuple[int, int, bool], bytes] = _Kept()
        self._heartbeats: _Kept[tuple[int, int | None], bytes] = _Kept()

    def incident(self, incident: Incident) -> incident_pb2.Incident:
        """The incident, trimmed where it is larger than a piece."""
        key = (incident.incident_id, incident.revision)
        kept = self._incidents.get(key)
        return kept or self._incidents.put(key, trimmed(incident_to_proto(incident), self._piece_bytes))

    def change(self, delivery: Delivery) -> bytes:
        """One change as a reader is told it, serialized."""
        # With the revision: a reader who may not see this change is told the revision before, under the same number.
        key = (delivery.number, delivery.incident.revision, delivery.no_longer_matches)
        kept = self._changes.get(key)
        if kept is not None:
            return kept
        change = feed_pb2.IncidentChange(
            change_number=delivery.number,
            incident=self.incident(delivery.incident),
            no_longer_matches=delivery.no_longer_matches,
        )
        return self._changes.put(key, feed_pb2.WatchIncidentsResponse(change=change).SerializeToString())

    def heartbeat(self, number: int) -> bytes:
        """The state of the watch, serialized, for a reader that has been told everything up to `number`."""
        key = (number, self.log.last_tick)
        kept = self._heartbeats.get(key)
        if kept is not None:
            return kept
        heartbeat = heartbeat_to_proto(number, self.log.feed_id, self.log.heartbeat)
        heartbeat.first_change_number = self.log.resumable_number
        return self._heartbeats.put(key, feed_pb2.WatchIncidentsResponse(heartbeat=heartbeat).SerializeToString())

    def snapshot(self, incidents: Iterable[Incident], number: int) -> Iterator[feed_pb2.WatchIncidentsResponse]:
        """The snapshot in pieces, at least one."""
        piece = feed_pb2.Snapshot(change_number=number, feed_id=self.log.feed_id)
        size = 0
        for incident in incidents:
            message = self.incident(incident)
            if size and size + message.ByteSize() > self._piece_bytes:
                yield feed_pb2.WatchIncidentsResponse(snapshot=piece)
                piece = feed_pb2.Snapshot(change_number=number, feed_id=self.log.feed_id)
                size = 0
            piece.incidents.append(message)
            size += message.ByteSize()
        piece.complete = True
        yield feed_pb2.WatchIncidentsResponse(snapshot=piece)


def with_token(message: bytes, token: str) -> bytes:
    """A serialized message and its reader's own token: serialized fields that stand side by side are one message."""
    return message + _TOKEN_TAG + _varint(len(token)) + token.encode("ascii")


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes((low | 0x80,)) + _varint(high) if high else bytes((low,))


def trimmed(incident: incident_pb2.Incident, limit: int) -> incident_pb2.Incident:
    """The incident itself where it fits into `limit` bytes, else without rows of evidence, else without evidence."""
    if incident.ByteSize() <= limit:
        return incident
    incident.trimmed = True
    for piece in incident.evidence:
        piece.ClearField("rows")
    if incident.ByteSize() > limit:
        incident.ClearField("evidence")
    return incident


class _Kept(Generic[Key, Message]):
    """The last messages by key, in the order of their making."""

    def __init__(self) -> None:
        self._messages: dict[Key, Message] = {}

    def get(self, key: Key) -> Message | None:
        return self._messages.get(key)

    def put(self, key: Key, message: Message) -> Message:
        if len(self._messages) >= _KEPT:
            del self._messages[next(iter(self._messages))]
        self._messages[key] = message
        return message
