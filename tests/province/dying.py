"""Ends of a link that die (SIGKILL) at named points, the nth time that they come by: `POINT:N`."""

import os
import signal
from collections.abc import Sequence

from city_brain.feeds.change_log import Change
from city_brain.incidents.incident import ProvincialIncident
from city_brain.province.books.city_book import CityStore
from city_brain.province.books.province_book import ProvinceStore
from city_brain.province.link.city_end import CityHead
from city_brain.province.link.province_end import Standing
from city_brain.store.feed import Feed
from city_brain.store.values import Head
from city_brain.wire.province.v1 import province_pb2

CITY_POINTS = (
    "opening",
    "changes_read",
    "window_sent",
    "acknowledgement_heard",
    "acknowledgement_stored",
    "instruction_heard",
    "instruction_stored",
)
PROVINCE_POINTS = (
    "hello_heard",
    "hello_stored",
    "changes_heard",
    "in_transaction",
    "changes_stored",
    "status_heard",
    "answer_heard",
    "answer_stored",
)


class Death:
    """Waits at one point; at no other does anything happen."""

    def __init__(self, said: str) -> None:
        self._point, _, count = said.partition(":")
        self._left = int(count or 1)

    def at(self, point: str) -> None:
        """Dies here, if this is where and when."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


DEATH = Death(os.environ.get("CITY_BRAIN_TEST_DIES_AT", ""))


class DyingCity(CityStore):
    """A city's book with a death in it."""

    def head(self) -> CityHead:
        """Also what an opening begins with."""
        DEATH.at("opening")
        return super().head()

    def changes(self, after: int, limit: int) -> list[Change]:
        """Before they are sent."""
        found = super().changes(after, limit)
        DEATH.at("changes_read")
        return found

    def passed(self, changes: Sequence[Change]) -> list[province_pb2.Answer]:
        """While they are about to be sent; the next look at the head comes after that."""
        DEATH.at("window_sent")
        return super().passed(changes)

    def acknowledge(self, number: int) -> None:
        """Before and after it is on the disk."""
        DEATH.at("acknowledgement_heard")
        super().acknowledge(number)
        DEATH.at("acknowledgement_stored")

    def instructed(self, instruction: province_pb2.Instruction) -> list[province_pb2.Answer]:
        """Before it is on the disk, and before it is answered."""
        DEATH.at("instruction_heard")
        answers = super().instructed(instruction)
        DEATH.at("instruction_stored")
        return answers


class DyingProvince(ProvinceStore):
    """A province's book with a death in it."""

    def open(self, hello: province_pb2.Hello) -> Standing:
        """Before and after it is on the disk."""
        DEATH.at("hello_heard")
        standing = super().open(hello)
        DEATH.at("hello_stored")
        return standing

    def accept(self, city: str, feed_id: str, first_number: int, lines: Sequence[tuple[bytes, int]]) -> Standing:
        """Before, and after it is on the disk and told, but not acknowledged."""
        DEATH.at("changes_heard")
        standing = super().accept(city, feed_id, first_number, lines)
        DEATH.at("changes_stored")
        return standing

    def _publish(self, own: Feed, head: Head, revisions: Sequence[ProvincialIncident], log_time_ms: int) -> None:
        super()._publish(own, head, revisions, log_time_ms)
        DEATH.at("in_transaction")

    def heard(self, city: str, status: province_pb2.CityStatus) -> None:
        """Before it is noted."""
        DEATH.at("status_heard")
        super().heard(city, status)

    def answered(self, city: str, answer: province_pb2.Answer) -> None:
        """Before and after it is on the disk."""
        DEATH.at("answer_heard")
        super().answered(city, answer)
        DEATH.at("answer_stored")
