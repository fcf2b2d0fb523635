"""Records of closed ticks, one per tick and program, empty ones included: what travels, and what replays compare.

A partition's record carries findings and is MessagePack, for programs. The city's record carries incidents and is one
canonical line of JSON (RFC 8785), for everybody.
"""

import msgspec

from city_brain.canonical import canonical_json
from city_brain.errors import RecordingError
from city_brain.fusion.sensors.silence import Presence
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident import Incident, incident_line, read_incident


class PartitionTick(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one partition of fusion makes of one tick."""

    tick: int
    due_ms: int
    partition: int
    versions: dict[str, str]
    begins_with: bytes = b""
    """Where a configuration holds from this tick on: its record of `control`, from partition 0 alone."""
    counters: dict[str, int]
    """Where the rows of this partition have ended so far, by counter and reason."""
    failures: dict[str, int] = {}
    """In how many ticks so far a detector has raised and was skipped, by incident type."""
    presence: Presence = Presence()
    findings: tuple[Finding, ...]
    alerts: tuple[bytes, ...] | msgspec.UnsetType = msgspec.UNSET
    """Warnings of others that arrived by this tick, packed; from partition 0 alone, left out where there are none."""

    def to_bytes(self) -> bytes:
        """The record; the same content gives the same bytes."""
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PartitionTick":
        """Reads what `to_bytes` wrote; raises RecordingError."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise RecordingError(f"tick record of a partition: wanted MessagePack of a tick, got {wrong}") from wrong


class TickRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a city says in one tick: the incidents that are new or have changed, each as its canonical line."""

    tick: int
    due_ms: int
    city: str
    versions: dict[str, str]
    """Of all that decides: incident types, map, settings."""
    counters: dict[str, int]
    lines: tuple[bytes, ...]
    """Canonical lines of incident revisions, in the order in which they were decided."""

    @property
    def incidents(self) -> list[Incident]:
        """The revisions, decoded."""
        return [read_incident(line) for line in self.lines]

    def to_line(self) -> bytes:
        """The canonical line (RFC 8785), without its line feed; the incidents' lines stand in it byte for byte."""
        head = canonical_json({"city": self.city, "counters": self.counters, "due_ms": self.due_ms})
        tail = canonical_json({"tick": self.tick, "versions": self.versions})
        return head[:-1] + b',"incidents":[' + b",".join(self.lines) + b"]," + tail[1:]

    @classmethod
    def from_line(cls, line: bytes | str) -> "TickRecord":
        """Reads a line that `to_line` wrote; raises RecordingError, also where it or an incident is not canonical."""
        data = line.encode() if isinstance(line, str) else line
        try:
            read = msgspec.json.decode(data, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise RecordingError(f"tick record of a city: wanted one line of a tick, got {wrong}") from wrong
        lines = tuple(incident_line(incident) for incident in read.incidents)
        record = cls(
            tick=read.tick,
            due_ms=read.due_ms,
            city=read.city,
            versions=read.versions,
            counters=read.counters,
            lines=lines,
        )
        if record.to_line() != data:
            raise RecordingError(
                f"tick record of a city: wanted a canonical line of tick {read.tick}, got another form"
            )
        return record


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a TickRecord."""

    tick: int
    due_ms: int
    city: str
    versions: dict[str, str]
    counters: dict[str, int]
    incidents: list[Incident]


_encoder = msgspec.msgpack.Encoder(order="deterministic")
