"""The province's end of a link: knows the city, takes its changes into the book, and says up to where it has them."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.wire.province.v1 import province_pb2

WINDOW_CHANGES: Final = 500
WINDOW_BYTES: Final = 1 << 20
"""Most that a city may have on the way: half a second of work for the province, and what a message may hold."""

_FEED_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a city's feed the province has."""

    number: int
    digest: bytes
    """Merkle tree head over the lines of the changes 1..number."""


class ProvinceBook(Protocol):
    """What the province keeps; its calls may block and may raise StoreError."""

    def open(self, hello: province_pb2.Hello) -> Standing:
        """Begins or goes on with the feed that a city reports; raises RefusedError for an unknown city."""

    def accept(self, city: str, feed_id: str, first_number: int, lines: Sequence[tuple[bytes, int]]) -> Standing:
        """Takes lines with their log times (epoch ms): once this returns they are on the disk.

        What is there already is compared, not taken again; RefusedError where it differs, or something is missing.
        """

    def heard(self, city: str, status: province_pb2.CityStatus) -> None:
        """Takes note of where a city stands, and of what it compared."""

    def answered(self, city: str, answer: province_pb2.Answer) -> None:
        """Takes an answer; one that is known already changes nothing."""

    def instructions(self, city: str) -> list[province_pb2.Instruction]:
        """What the city is still to be told, or to answer, in the order of issue; those now count as sent."""


class ProvinceEnd:
    """One link, as the province sees it; raises RefusedError where the city must be turned away.

    `caller`: the code of the city that its certificate names; None where anybody may call for any city.
    """

    def __init__(
        self, book: ProvinceBook, caller: str | None, window: tuple[int, int] = (WINDOW_CHANGES, WINDOW_BYTES)
    ) -> None:
        self._book, self._caller = book, caller
        self._window_changes, self._window_bytes = window
        self._sent: set[str] = set()
        self._standing = Standing(number=0, digest=b"")
        self._over: RefusedError | None = None
        self.city = ""
        """Code of the city, once it has said hello."""
        self.feed_id = ""

    def end(self, why: RefusedError) -> None:
        """Nothing that this link still brings is taken."""
        self._over = why

    def received(self, message: province_pb2.CityMessage) -> list[province_pb2.ProvinceMessage]:
        """Takes a message; returns what is to be answered."""
        if self._over is not None:
            raise self._over
        kind = message.WhichOneof("message")
        if (kind == "hello") == bool(self.city):
            wanted = "no second hello" if self.city else "a hello first"
            raise RefusedError(
                Reason.BAD_REQUEST, f"link: wanted {wanted}, got {kind or 'an empty message'}", "message"
            )
        match kind:
            case "hello":
                return [self._welcome(message.hello)]
            case "changes":
                return [self._take(message.changes)]
            case "status":
                self._book.heard(self.city, message.status)
                return [self._acknowledgement()]
            case "answer":
                self._book.answered(self.city, message.answer)
        return []

    def poll(self) -> list[province_pb2.ProvinceMessage]:
        """Instructions that have not gone over this link yet."""
        if not self.city or self._over is not None:
            return []
        due = [order for order in self._book.instructions(self.city) if order.instruction_id not in self._sent]
        self._sent.update(order.instruction_id for order in due)
        return [province_pb2.ProvinceMessage(instruction=order) for order in due]

    def _welcome(self, hello: province_pb2.Hello) -> province_pb2.ProvinceMessage:
        if self._caller is not None and hello.city_code != self._caller:
            message = f"hello.city_code: wanted {self._caller}, as the certificate says, got {hello.city_code!r}"
            raise RefusedError(Reason.NOT_THIS_CITY, message, "hello.city_code")
        if not _FEED_ID.fullmatch(hello.feed_id):
            message = f"hello.feed_id: wanted the id of a feed, 1 to 64 letters and digits, got {hello.feed_id[:80]!r}"
            raise RefusedError(Reason.BAD_REQUEST, message, "hello.feed_id")
        self._standing = self._book.open(hello)
        if hello.first_change_number > self._standing.number + 1:
            first = hello.first_change_number
            message = (
                f"hello: wanted a feed that can send the changes after {self._standing.number}, got one whose history "
                f"begins with {first}"
            )
            raise RefusedError(Reason.HISTORY_GONE, message, "hello.first_change_number", first=first)
        self.city, self.feed_id = hello.city_code, hello.feed_id
        welcome = province_pb2.Welcome(
            acknowledged_change_number=self._standing.number,
            digest=self._standing.digest,
            window_changes=self._window_changes,
            window_bytes=self._window_bytes,
        )
        return province_pb2.ProvinceMessage(welcome=welcome)

    def _take(self, changes: province_pb2.Changes) -> province_pb2.ProvinceMessage:
        count = len(changes.lines)
        if not 1 <= count <= self._window_changes or count != len(changes.log_times):
            message = (
                f"changes: wanted 1 to {self._window_changes} lines with as many times, got {count} with "
                f"{len(changes.log_times)}"
            )
            raise RefusedError(Reason.BAD_REQUEST, message, "changes.lines")
        times = [moment.seconds * 1000 + moment.nanos // 1_000_000 for moment in changes.log_times]
        lines = list(zip(changes.lines, times, strict=True))
        self._standing = self._book.accept(self.city, self.feed_id, changes.first_change_number, lines)
        return self._acknowledgement()

    def _acknowledgement(self) -> province_pb2.ProvinceMessage:
        said = province_pb2.Acknowledgement(change_number=self._standing.number, digest=self._standing.digest)
        return province_pb2.ProvinceMessage(acknowledgement=said)
