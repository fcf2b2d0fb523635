"""The city's end of a link: says who it is, sends what the province lacks, and compares what both have.

One `CityEnd` is one link; the next link is another one. It is told what comes (`received`) and asked when there may be
something to send (`poll`, `status`).
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from google.protobuf import timestamp_pb2

from city_brain.digest import TreeHead, leaf_hash
from city_brain.errors import ServiceError
from city_brain.feeds.change_log import Change
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import incident_line
from city_brain.wire.province.v1 import province_pb2


class CityHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the feed of a city stands."""

    feed_id: str
    first_number: int
    """Number of the oldest change that can be sent."""
    last_number: int
    log_time_ms: int | None


class CityBook(Protocol):
    """What the city keeps; its calls may block and may raise StoreError."""

    def head(self) -> CityHead:
        """Where the feed stands."""

    def changes(self, after: int, limit: int) -> list[Change]:
        """The next changes behind a number."""

    def tree(self, number: int) -> TreeHead:
        """Merkle tree over the lines of the first `number` changes."""

    def acknowledge(self, number: int) -> None:
        """The province has everything up to a number: before, nothing behind it may be forgotten."""

    def instructed(self, instruction: province_pb2.Instruction) -> list[province_pb2.Answer]:
        """Stores an instruction, unless it is there already, and says what there is to say to it now."""

    def passed(self, changes: Sequence[Change]) -> list[province_pb2.Answer]:
        """What these changes, now sent, let the city say to instructions that it has."""


class CityEnd:
    """One link, as the city sees it; raises ServiceError where the province says what it cannot say."""

    def __init__(self, book: CityBook, city_code: str, name: str) -> None:
        self._book, self._code, self._name = book, city_code, name
        self._feed_id = ""
        self._window_changes, self._window_bytes = 1, 1
        self._tree: TreeHead | None = None
        self._in_flight: list[bytes] = []
        self._here = TreeHead()
        self._there = b""
        self.acknowledged: int | None = None
        """Number up to which the province has the changes; None before it has said so."""
        self.disagreement = ""
        """Where both ends hold different lines under the same numbers; then nothing more is sent."""

    @property
    def in_flight(self) -> int:
        """Number of changes that are sent and not acknowledged."""
        return len(self._in_flight)

    def opening(self) -> province_pb2.CityMessage:
        """The first message."""
        head = self._book.head()
        self._feed_id = head.feed_id
        hello = province_pb2.Hello(
            city_code=self._code,
            name=self._name,
            feed_id=head.feed_id,
            first_change_number=head.first_number,
            last_change_number=head.last_number,
        )
        return province_pb2.CityMessage(hello=hello)

    def received(self, message: province_pb2.ProvinceMessage) -> list[province_pb2.CityMessage]:
        """Takes a message; returns what is to be sent."""
        match message.WhichOneof("message"):
            case "welcome":
                return self._welcomed(message.welcome)
            case "acknowledgement":
                return self._acknowledged(message.acknowledgement)
            case "instruction":
                answers = self._book.instructed(message.instruction)
                return [province_pb2.CityMessage(answer=answer) for answer in answers]
        return []  # a newer province says something that this version does not know

    def poll(self) -> list[province_pb2.CityMessage]:
        """The next changes, where there are any and nothing is on the way."""
        if self.acknowledged is None or self._in_flight or self.disagreement:
            return []
        head = self._book.head()
        if head.feed_id != self._feed_id:
            raise ServiceError(f"link of {self._code}: wanted feed {self._feed_id}, got {head.feed_id}: it began anew")
        if self._tree is None and not self._catch_up(head):
            return [self.status()] if self.disagreement else []
        if head.last_number <= self.acknowledged:
            return []
        if head.first_number > self.acknowledged + 1:
            message = (
                f"link of {self._code}: wanted the changes after {self.acknowledged}, which the province lacks, "
                f"but the history begins with {head.first_number}"
            )
            raise RefusedError(Reason.HISTORY_GONE, message, asked=self.acknowledged, first=head.first_number)
        return self._window(self._book.changes(self.acknowledged, self._window_changes))

    def status(self) -> province_pb2.CityMessage:
        """A sign of life, with the digest of what the province is known to have."""
        head = self._book.head()
        status = province_pb2.CityStatus(
            log_time=_timestamp(head.log_time_ms),
            last_change_number=head.last_number,
            compared_change_number=self._here.size,
            digest=self._here.digest(),
        )
        return province_pb2.CityMessage(status=status)

    def _welcomed(self, welcome: province_pb2.Welcome) -> list[province_pb2.CityMessage]:
        if self.acknowledged is not None:
            raise ServiceError(f"link of {self._code}: wanted one welcome, got another one")
        self.acknowledged = welcome.acknowledged_change_number
        self._there = welcome.digest
        self._window_changes, self._window_bytes = max(1, welcome.window_changes), max(1, welcome.window_bytes)
        self._catch_up(self._book.head())
        return [self.status(), *self.poll()]

    def _catch_up(self, head: CityHead) -> bool:
        """Compares what the province had at the beginning, as soon as the city has that much.

        A city that was set back computes the same changes again; until it has them there is nothing to compare.
        """
        if self.acknowledged is None or head.last_number < self.acknowledged:
            return False
        self._tree = self._book.tree(self.acknowledged)
        self._here = TreeHead(self._tree.size, list(self._tree.subtrees))
        self._compare(self.acknowledged, self._there)
        if not self.disagreement:
            self._book.acknowledge(self.acknowledged)
        return not self.disagreement

    def _window(self, changes: Sequence[Change]) -> list[province_pb2.CityMessage]:
        sent: list[Change] = []
        lines: list[bytes] = []
        size = 0
        for change in changes:
            line = incident_line(change.incident)
            size += len(line)
            if lines and size > self._window_bytes:
                break
            sent.append(change)
            lines.append(line)
        self._in_flight = [leaf_hash(line) for line in lines]
        message = province_pb2.Changes(
            first_change_number=sent[0].number,
            lines=lines,
            log_times=[_moment(change.incident.updated_ms) for change in sent],
        )
        answers = self._book.passed(sent)
        return [
            province_pb2.CityMessage(changes=message),
            *(province_pb2.CityMessage(answer=answer) for answer in answers),
        ]

    def _acknowledged(self, said: province_pb2.Acknowledgement) -> list[province_pb2.CityMessage]:
        if self.acknowledged is None:
            raise ServiceError(f"link of {self._code}: wanted a welcome first, got an acknowledgement")
        if said.change_number <= self.acknowledged:
            return []  # the answer to a status, or the same again
        fresh = said.change_number - self.acknowledged
        if self._tree is None or fresh > len(self._in_flight):
            last = self.acknowledged + len(self._in_flight)
            raise ServiceError(
                f"link of {self._code}: wanted an acknowledgement up to {last}, got {said.change_number}"
            )
        for leaf in self._in_flight[:fresh]:
            self._tree.add_leaf(leaf)
        del self._in_flight[:fresh]
        self.acknowledged = said.change_number
        self._here = TreeHead(self._tree.size, list(self._tree.subtrees))
        self._compare(said.change_number, said.digest)
        if not self.disagreement:
            self._book.acknowledge(said.change_number)
        return [self.status(), *self.poll()]

    def _compare(self, number: int, there: bytes) -> None:
        here = self._here.digest()
        if here != there:
            self.disagreement = (
                f"link of {self._code}, feed {self._feed_id}, changes 1 to {number}: wanted digest {here.hex()} at the "
                f"province, got {there.hex()}"
            )


def _timestamp(epoch_ms: int | None) -> timestamp_pb2.Timestamp | None:
    return None if epoch_ms is None else _moment(epoch_ms)


def _moment(epoch_ms: int) -> timestamp_pb2.Timestamp:
    seconds, ms = divmod(epoch_ms, 1000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=ms * 1_000_000)
