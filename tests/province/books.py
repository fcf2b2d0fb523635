"""Books in memory, and a link between them that may be cut: the ends are tried on them before disks and networks."""

import random
from collections import deque
from collections.abc import Sequence

import msgspec

from city_brain.digest import TreeHead
from city_brain.feeds.change_log import Change
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import incident_line
from city_brain.province.link.city_end import CityEnd, CityHead
from city_brain.province.link.province_end import ProvinceEnd, Standing
from city_brain.wire.province.v1 import province_pb2
from tests.feeds.builders import START_MS, an_incident

CITY = "370100"


def an_order(instruction_id: str) -> province_pb2.Instruction:
    """A follow-up of an incident."""
    return province_pb2.Instruction(
        instruction_id=instruction_id, follow_up=province_pb2.FollowUp(incident_id="a", text="look")
    )


class CityMemory:
    """The book of a city, whose feed grows as the test says."""

    def __init__(self, feed_id: str = "feed-1") -> None:
        self.feed_id = feed_id
        self.all: list[Change] = []
        self.acknowledged = 0
        self.told: dict[str, province_pb2.Instruction] = {}

    def append(self, count: int = 1) -> None:
        """So many more incidents."""
        for _ in range(count):
            number = len(self.all) + 1
            incident = an_incident(f"i{number}", updated_ms=START_MS + number)
            self.all.append(Change(number=number, incident=incident, previous=None))

    def head(self) -> CityHead:
        """See CityBook."""
        return CityHead(feed_id=self.feed_id, first_number=1, last_number=len(self.all), log_time_ms=START_MS)

    def changes(self, after: int, limit: int) -> list[Change]:
        """See CityBook."""
        return self.all[after : after + limit]

    def tree(self, number: int) -> TreeHead:
        """See CityBook."""
        tree = TreeHead()
        for change in self.all[:number]:
            tree.add(incident_line(change.incident))
        return tree

    def acknowledge(self, number: int) -> None:
        """See CityBook."""
        self.acknowledged = max(self.acknowledged, number)

    def instructed(self, instruction: province_pb2.Instruction) -> list[province_pb2.Answer]:
        """See CityBook."""
        self.told.setdefault(instruction.instruction_id, instruction)
        done = province_pb2.INSTRUCTION_PROGRESS_DONE
        return [province_pb2.Answer(instruction_id=instruction.instruction_id, progress=done)]

    def passed(self, changes: Sequence[Change]) -> list[province_pb2.Answer]:
        """See CityBook."""
        return []


class ProvinceMemory:
    """The book of a province, which counts what it takes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.taken = 0
        """Lines that were not there already, over all batches."""
        self.largest = 0
        self.agreed: list[bool] = []
        self.orders: list[province_pb2.Instruction] = []
        self.answers: dict[str, int] = {}

    def standing(self, number: int | None = None) -> Standing:
        """Where the first `number` lines stand; all where it is not said."""
        tree = TreeHead()
        for line in self.lines[:number]:
            tree.add(line)
        return Standing(number=tree.size, digest=tree.digest())

    def open(self, hello: province_pb2.Hello) -> Standing:
        """See ProvinceBook."""
        if hello.city_code != CITY:
            raise RefusedError(Reason.NO_SUCH_CITY, f"wanted {CITY}, got {hello.city_code}")
        return self.standing()

    def accept(self, city: str, feed_id: str, first_number: int, lines: Sequence[tuple[bytes, int]]) -> Standing:
        """See ProvinceBook."""
        if not 1 <= first_number <= len(self.lines) + 1:
            raise RefusedError(Reason.OUT_OF_STEP, f"wanted {len(self.lines) + 1}, got {first_number}")
        for number, (line, _) in enumerate(lines, first_number):
            if number <= len(self.lines):
                if self.lines[number - 1] != line:
                    raise RefusedError(Reason.OUT_OF_STEP, f"change {number}: wanted the same line, got another one")
            else:
                self.lines.append(line)
                self.taken += 1
        self.largest = max(self.largest, len(lines))
        return self.standing()

    def heard(self, city: str, status: province_pb2.CityStatus) -> None:
        """See ProvinceBook."""
        self.agreed.append(self.standing(status.compared_change_number).digest == status.digest)

    def answered(self, city: str, answer: province_pb2.Answer) -> None:
        """See ProvinceBook."""
        self.answers[answer.instruction_id] = self.answers.get(answer.instruction_id, 0) + 1

    def instructions(self, city: str) -> list[province_pb2.Instruction]:
        """See ProvinceBook."""
        return [order for order in self.orders if order.instruction_id not in self.answers]


class Refused(msgspec.Struct, frozen=True):
    """A link that the province ended, and why."""

    reason: str


class LossyLink:
    """Both ends and what is on the way between them; a cut loses it, or lets it come late, on the old link."""

    def __init__(self, city: CityMemory, province: ProvinceMemory, window: tuple[int, int] = (3, 1 << 20)) -> None:
        self.city_book, self.province_book, self._window = city, province, window
        self.most_in_flight = 0
        self.delivered = 0
        self.refused: list[Refused] = []
        self._late: list[tuple[ProvinceEnd, province_pb2.CityMessage]] = []
        self.province_end: ProvinceEnd | None = None
        self.connect()

    def connect(self) -> None:
        """Begins another link; what was on the way upwards comes late or never."""
        if self.province_end is not None:
            self._late += [(self.province_end, message) for message in self.up]
            self.province_end.end(RefusedError(Reason.LINK_REPLACED, "another link"))
        self.city_end = CityEnd(self.city_book, CITY, "Jinan")
        self.province_end = ProvinceEnd(self.province_book, CITY, self._window)
        self.up: deque[province_pb2.CityMessage] = deque([self.city_end.opening()])
        self.down: deque[province_pb2.ProvinceMessage] = deque()

    def step(self, upwards: bool, twice: bool = False) -> bool:
        """Delivers the next message of a direction; False where there is none."""
        assert self.province_end is not None
        queue = self.up if upwards else self.down
        if not queue:
            return False
        self.delivered += 1
        if upwards:
            message = self.up.popleft()
            times = 2 if twice and message.WhichOneof("message") != "hello" else 1
            for _ in range(times):
                self.down += self.province_end.received(message)
        else:
            said = self.down.popleft()
            times = 2 if twice and said.WhichOneof("message") != "welcome" else 1
            for _ in range(times):
                self.up += self.city_end.received(said)
        self.most_in_flight = max(self.most_in_flight, self.city_end.in_flight)
        return True

    def poll(self) -> None:
        """Both ends look for something to say."""
        assert self.province_end is not None
        self.up += self.city_end.poll()
        self.down += self.province_end.poll()
        self.most_in_flight = max(self.most_in_flight, self.city_end.in_flight)

    def late(self, chance: random.Random) -> None:
        """One message of an old link arrives."""
        if self._late:
            end, message = self._late.pop(chance.randrange(len(self._late)))
            try:
                end.received(message)
            except RefusedError as refusal:
                self.refused.append(Refused(str(refusal.reason)))

    def settle(self) -> None:
        """Delivers until nothing is on the way and nobody has anything to say."""
        while self.up or self.down:
            while self.step(True) or self.step(False):
                pass
            self.poll()
