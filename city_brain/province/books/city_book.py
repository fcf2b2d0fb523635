"""The book of a city: reads what it reports out of its own store, and remembers what the province told it."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from city_brain.canonical import printable
from city_brain.digest import TreeHead
from city_brain.errors import ServiceError
from city_brain.feeds.change_log import Change
from city_brain.feeds.filters import IncidentFilter, Names
from city_brain.feeds.refusals import RefusedError
from city_brain.incidents.incident import Incident, incident_line
from city_brain.incidents.lifecycle import OPEN
from city_brain.province.books.plausible import SHOWN_BYTES, within
from city_brain.province.link.city_end import CityHead
from city_brain.servers.codec.feeds import wanted_from_proto
from city_brain.servers.codec.incidents import LEVELS, to_timestamp
from city_brain.store.feed import Feed
from city_brain.store.store import Store
from city_brain.store.values import Head
from city_brain.wire.province.v1 import province_pb2

logger = logging.getLogger("city_brain")

SUBSCRIPTION: Final = "province"
"""Name of the subscription that holds back the history for the province."""
ROOM: Final = "instructions"
SHOWN: Final = 100
"""Most incidents that the answer to a query shows."""
_RECEIVED = province_pb2.INSTRUCTION_PROGRESS_RECEIVED
_DONE = province_pb2.INSTRUCTION_PROGRESS_DONE
_REFUSED = province_pb2.INSTRUCTION_PROGRESS_REFUSED


class CityStore:
    """The store of a city, as its end of a link uses it; all calls block.

    `feed` gives the feed that is fed at present, None before the first tick; `names`: what its filters may name.
    """

    def __init__(self, store: Store, feed: Callable[[], Feed | None], names: Callable[[], Names]) -> None:
        self._now = feed
        self._records = store.records(ROOM)
        self._names = names
        self._followed: dict[str, list[str]] | None = None
        self._registered = ""

    def head(self) -> CityHead:
        """See CityBook."""
        feed = self._now()
        head = feed.head() if feed is not None else Head(digest="")
        return CityHead(
            feed_id=head.feed_id,
            first_number=head.first_number,
            last_number=head.last_number,
            log_time_ms=head.log_time_ms,
        )

    def changes(self, after: int, limit: int) -> list[Change]:
        """See CityBook."""
        return self._feed.changes(after, limit)

    def tree(self, number: int) -> TreeHead:
        """See CityBook."""
        return self._feed.tree_of(number)

    def acknowledge(self, number: int) -> None:
        """See CityBook."""
        feed = self._feed
        if self._registered != feed.name:
            feed.subscriptions.register(SUBSCRIPTION, number)
            self._registered = feed.name
        feed.subscriptions.acknowledge(SUBSCRIPTION, number)

    def hold_back(self) -> None:
        """Keeps the history from now on, before the province has been reached for the first time."""
        feed = self._feed
        feed.subscriptions.register(SUBSCRIPTION, feed.head().first_number - 1)
        self._registered = feed.name

    @property
    def _feed(self) -> Feed:
        feed = self._now()
        if feed is None:
            raise ServiceError("city: wanted a feed that has begun, got none yet")
        return feed

    def instructed(self, instruction: province_pb2.Instruction) -> list[province_pb2.Answer]:
        """See CityBook. The instruction is on the disk before anything is said to it."""
        if self._records.get(instruction.instruction_id) is None:
            self._records.put(instruction.instruction_id, instruction.SerializeToString(deterministic=True))
            logger.warning("province, by %s: %s", printable(instruction.issuer), _words(instruction))
        match instruction.WhichOneof("order"):
            case "follow_up":
                return self._follow(instruction)
            case "query":
                return [self._count(instruction)]
            case "readiness":
                return [self._ready(instruction)]
        return [self._answer(instruction.instruction_id, _REFUSED, "this city does not know such an instruction")]

    def passed(self, changes: Sequence[Change]) -> list[province_pb2.Answer]:
        """See CityBook: a follow-up is done once its incident is over."""
        followed = self._follow_ups()
        over = [change.incident for change in changes if change.incident.state not in OPEN]
        return [
            self._over(instruction_id, incident)
            for incident in over
            for instruction_id in followed.pop(incident.incident_id, [])
        ]

    def _follow_ups(self) -> dict[str, list[str]]:
        """Instructions by the incident that they wait for."""
        if self._followed is None:
            self._followed = {}
            for value in self._records.all().values():
                instruction = province_pb2.Instruction.FromString(value)
                if instruction.HasField("follow_up"):
                    self._wait_for(instruction)
        return self._followed

    def _wait_for(self, instruction: province_pb2.Instruction) -> None:
        waiting = self._follow_ups().setdefault(instruction.follow_up.incident_id, [])
        if instruction.instruction_id not in waiting:
            waiting.append(instruction.instruction_id)

    def _follow(self, instruction: province_pb2.Instruction) -> list[province_pb2.Answer]:
        incident_id, instruction_id = instruction.follow_up.incident_id, instruction.instruction_id
        incident = next((one.incident for one in self._feed.held() if one.incident.incident_id == incident_id), None)
        if incident is None:
            return [self._answer(instruction_id, _REFUSED, f"incident {incident_id!r}: this city does not hold it")]
        said = f"{incident.number}: {incident.state}, revision {incident.revision}"
        received = self._answer(instruction_id, _RECEIVED, said, [incident])
        if incident.state in OPEN:
            self._wait_for(instruction)
            return [received]
        return [received, self._over(instruction_id, incident)]

    def _over(self, instruction_id: str, incident: Incident) -> province_pb2.Answer:
        said = f"{incident.number}: {incident.state} with revision {incident.revision}"
        return self._answer(instruction_id, _DONE, said, [incident])

    def _count(self, instruction: province_pb2.Instruction) -> province_pb2.Answer:
        try:
            wanted = IncidentFilter(wanted_from_proto(instruction.query.filter), self._names())
        except RefusedError as refusal:
            return self._answer(instruction.instruction_id, _REFUSED, str(refusal))
        found = [one.incident for one in self._feed.held() if wanted.matches(one.incident)]
        answer = self._answer(instruction.instruction_id, _DONE, "", found[:SHOWN])
        answer.count = len(found)
        return answer

    def _ready(self, instruction: province_pb2.Instruction) -> province_pb2.Answer:
        return self._answer(instruction.instruction_id, _DONE, "readiness recorded")

    def _answer(
        self, instruction_id: str, progress: int, text: str, incidents: Sequence[Incident] = ()
    ) -> province_pb2.Answer:
        return province_pb2.Answer(
            instruction_id=instruction_id,
            progress=progress,  # type: ignore[arg-type]
            text=text,
            time=to_timestamp(self._feed.head().log_time_ms),
            lines=within(SHOWN_BYTES, (incident_line(incident) for incident in incidents)),
        )


def _words(instruction: province_pb2.Instruction) -> str:
    """An instruction in a line, for whoever is on duty in the city."""
    match instruction.WhichOneof("order"):
        case "follow_up":
            order = instruction.follow_up
            due = f", due {order.due_time.ToJsonString()}" if order.HasField("due_time") else ""
            return printable(f"attend to incident {order.incident_id}{due}: {order.text}")
        case "query":
            return "asks which incidents there are"
        case "readiness":
            ready = instruction.readiness
            level = LEVELS.word_or_number(ready.level)
            where = f" in {', '.join(ready.area_codes)}" if ready.area_codes else ""
            return printable(f"readiness {level}{where} until {ready.until_time.ToJsonString()}: {ready.text}")
    return "says what this city does not know"
