"""Readers in a process of their own, `python -m tests.benchmarks.feed.audience`, which stamp what comes to them.

Spoken to on standard input: a `Plan` as a line of JSON, then the number of the last change as another. Says `ready`
once every reader has its snapshot, and at the end a `Heard`.
"""

import selectors
import sys
import time
from collections.abc import Iterator

import msgspec

from city_brain.feeds.filters import Wanted
from city_brain.servers.codec.feeds import wanted_to_proto
from city_brain.wire.feed.v1 import feed_pb2
from tests.benchmarks.feed.http2 import Connection

WATCH = "/citybrain.feed.v1.FeedService/WatchIncidents"
_SNAPSHOT, _CHANGE, _HEARTBEAT = 0x0A, 0x12, 0x1A
_NUMBER = 0x08
_PATIENCE_S = 60.0
"""How long readers wait for what should still come."""


class Plan(msgspec.Struct, frozen=True):
    """What the readers of one process want, a filter each."""

    address: str
    connections: int
    filters: tuple[Wanted, ...]


class Heard(msgspec.Struct):
    """What they were told: for each delivery the reader, the number, and when (ns, monotonic clock of the machine)."""

    readers: list[int] = []
    numbers: list[int] = []
    at_ns: list[int] = []
    messages: int = 0
    ended: int = 0
    """Watches that the server ended."""
    cpu_s: float = 0.0


class Audience:
    """All readers of this process."""

    def __init__(self, plan: Plan) -> None:
        self._selector = selectors.DefaultSelector()
        self._readers: dict[tuple[int, int], int] = {}
        self._connections = [Connection(plan.address) for _ in range(plan.connections)]
        self.held: list[int] = [-1] * len(plan.filters)
        """Up to which number each reader has been told; -1 before its snapshot."""
        self.heard = Heard()
        for at, connection in enumerate(self._connections):
            self._selector.register(connection.socket, selectors.EVENT_READ, at)
        for reader, wanted in enumerate(plan.filters):
            at = reader % plan.connections
            opening = feed_pb2.WatchIncidentsRequest(filter=wanted_to_proto(wanted)).SerializeToString()
            self._readers[at, self._connections[at].call(WATCH, opening)] = reader

    def listen(self, seconds: float) -> bool:
        """Takes what comes within a time; whether standard input says something, where that is listened to."""
        called = False
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                called = True
                continue
            for reader, kind, number, now_ns in self._come(key.data):
                self.held[reader] = max(self.held[reader], number)
                self.heard.messages += 1
                if kind == _CHANGE:
                    self.heard.readers.append(reader)
                    self.heard.numbers.append(number)
                    self.heard.at_ns.append(now_ns)
        return called

    def until(self, number: int) -> None:
        """Listens until every reader has been told all changes up to a number, or for a minute."""
        limit = time.monotonic() + _PATIENCE_S
        while min(self.held) < number and time.monotonic() < limit:
            self.listen(0.1)

    def until_called(self) -> None:
        """Listens until standard input says something."""
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        while not self.listen(1.0):
            pass
        self._selector.unregister(sys.stdin)

    def _come(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        connection = self._connections[at]
        now_ns = 0
        for stream, message in connection.read():
            now_ns = now_ns or time.monotonic_ns()
            yield self._readers[at, stream], message[0], number_of(message), now_ns
        self.heard.ended += len(connection.ended)
        connection.ended.clear()


def number_of(message: bytes) -> int:
    """The number of a change or heartbeat, which is the first field of either; of a snapshot 0 once it is complete."""
    at = 1
    while message[at] & 0x80:  # the length of the event
        at += 1
    if message[0] == _SNAPSHOT:
        return 0 if feed_pb2.WatchIncidentsResponse.FromString(message).snapshot.complete else -1
    if message[0] not in (_CHANGE, _HEARTBEAT):
        raise ValueError(f"wanted a message that opens with its event, got field {message[0] >> 3}")
    at += 1
    if at >= len(message) or message[at] != _NUMBER:
        return 0  # of a heartbeat before the first change
    number = shift = 0
    while True:
        at += 1
        number |= (message[at] & 0x7F) << shift
        shift += 7
        if not message[at] & 0x80:
            return number


def main() -> None:
    """Reads what the plan says."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    audience = Audience(plan)
    audience.until(0)
    print("ready", flush=True)
    began_s = time.process_time()
    audience.until_called()
    audience.until(int(sys.stdin.readline()))
    audience.heard.cpu_s = time.process_time() - began_s
    sys.stdout.buffer.write(msgspec.json.encode(audience.heard) + b"\n")


if __name__ == "__main__":
    main()
