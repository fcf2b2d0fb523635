"""What a subscriber wrote down: each event with its token in one record, so both are kept or neither is.

A record that a kill cut off is no record: its work was not done, and its token was not kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from city_brain.feeds.subscription import Delivery
from city_brain.servers.client.feed_reader import Event, Interrupted, Snapshot


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One event as the subscriber worked with it."""

    kind: Literal["start", "snapshot", "change", "life", "broken"]
    number: int = 0
    token: str = ""
    held: dict[str, int] = {}
    """Of a snapshot: revision by incident."""
    incident_id: str = ""
    revision: int = 0
    dropped: bool = False
    """Of a change: no longer matches."""
    said: str = ""
    """Of a change: digest of what the incident was said to be; of a break: why."""
    anew: bool = False


def record_of(event: Event, digest: str = "") -> Record:
    """The record of an event."""
    if isinstance(event, Interrupted):
        return Record("broken", said=event.why, anew=event.anew)
    if isinstance(event, Snapshot):
        held = {incident.incident_id: incident.revision for incident in event.incidents}
        return Record("snapshot", event.number, event.token, held)
    if isinstance(event, Delivery):
        incident, gone = event.incident, event.no_longer_matches
        return Record("change", event.number, event.token, {}, incident.incident_id, incident.revision, gone, digest)
    return Record("life", event.number, event.token)


class Ledger:
    """The records of one subscriber in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        whole = 0
        self.token = ""
        """The last token that was kept; "" where none was."""
        for raw in _raw(path):
            whole += len(raw)
            self.token = msgspec.msgpack.decode(raw[4:], type=Record).token or self.token
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(whole)
        self._file.seek(whole)

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()

    def write(self, record: Record) -> None:
        """Keeps a record: from here on a kill of this process cannot take it away."""
        body = msgspec.msgpack.encode(record)
        self._file.write(len(body).to_bytes(4, "big") + body)
        self._file.flush()
        self.token = record.token or self.token


def read(path: Path) -> Iterator[Record]:
    """The whole records of a file."""
    for raw in _raw(path):
        yield msgspec.msgpack.decode(raw[4:], type=Record)


def _raw(path: Path) -> Iterator[bytes]:
    return _whole(path.read_bytes() if path.exists() else b"")


def _whole(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield data[at:end]
        at = end


class Tail:
    """Follows a file that is being written: what was read once is not read again."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0
        self.number = 0
        """Of the last record that has one."""

    def look(self) -> int:
        """Reads on, and answers the number."""
        if not self._path.exists():
            return self.number
        with self._path.open("rb") as file:
            file.seek(self._at)
            for raw in _whole(file.read()):
                self._at += len(raw)
                record = msgspec.msgpack.decode(raw[4:], type=Record)
                if record.kind in ("snapshot", "change", "life"):
                    self.number = record.number
        return self.number
