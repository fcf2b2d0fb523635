"""The book of a province: a mirror of each city's feed, and its own feed of provincial incidents, in one store.

A batch of a city's changes, and what follows from it for the province, is one transaction. What the joining needs is in
the store; it is built anew where another program has written meanwhile, or where a transaction failed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from city_brain.canonical import content_id
from city_brain.errors import StateError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident, ProvincialIncident
from city_brain.incidents.incident_type import IncidentType
from city_brain.incidents.lifecycle import OPEN
from city_brain.province.books.instructions import Instructions
from city_brain.province.books.plausible import check_line, check_time
from city_brain.province.joining.joining import Joining, withdrawn_as_replaced
from city_brain.province.joining.uniting import Held
from city_brain.province.link.province_end import Standing
from city_brain.servers.codec.incidents import optional_ms
from city_brain.store.feed import Feed
from city_brain.store.store import Store, Work
from city_brain.store.values import Head
from city_brain.wire.province.v1 import province_pb2

FEED: Final = "province"
ROOM: Final = "cities"
_IDENTITY: Final = "feed identity"
"""The secret that makes the id of the feed that of this store: in another store, numbers count other changes."""
_DAY_MS: Final = 86_400_000
_AT_ONCE: Final = 500
"""Revisions that are read at a time."""


class CityRecord(msgspec.Struct, kw_only=True):
    """Which feeds of a city the province has mirrored."""

    feeds: list[str] = []
    """Their ids, in the order in which they began; the last one is that which the city reports now."""
    replaced: bool = True
    """Whether what only the feeds before knew has been withdrawn, which waits until the last one has caught up."""


class Heard(msgspec.Struct, kw_only=True):
    """What a city said last of where it stands."""

    log_time_ms: int | None
    reached_ms: int | None
    """Log time up to which the province knows what the city said: that of the city where nothing is missing."""
    last_number: int
    compared: int
    digest: bytes
    agrees: bool | None
    """Whether the province has the same lines; None where it has not that many."""


class ProvinceStore:
    """The store of a province, as its ends of links use it; all calls block, and come from one thread at a time.

    `told` is given each batch of provincial revisions once it is on the disk, and the number behind which it stands.
    """

    def __init__(
        self,
        store: Store,
        cities: Mapping[str, str],
        types: Mapping[str, IncidentType],
        code: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._cities, self._types, self._now_ms = store, cities, types, now_ms
        self.feed_id = self.feed().head().feed_id or content_id("province", code, store.secret(_IDENTITY).hex())
        self.orders = Instructions(store, now_ms)
        self.told: Callable[[int, Sequence[ProvincialIncident]], None] = lambda after, revisions: None
        self.heard_of: dict[str, Heard] = {}
        self._joining: tuple[int, Joining] | None = None

    def feed(self) -> Feed:
        """The province's own feed."""
        return self._store.feed(FEED, ProvincialIncident)

    def after(self, number: int) -> list[ProvincialIncident]:
        """The next revisions behind a number, whoever wrote them; none where it is the last."""
        return [_provincial(change.incident) for change in self.feed().changes(number, _AT_ONCE)]

    def open(self, hello: province_pb2.Hello) -> Standing:
        """See ProvinceBook."""
        city = hello.city_code
        self._check_city(city)
        with self._store.transaction() as work:
            record = _record(work, city)
            if hello.feed_id not in record.feeds[-1:]:
                if hello.feed_id in record.feeds:
                    record.feeds.remove(hello.feed_id)  # a city that goes back to a feed that it had before
                record.feeds.append(hello.feed_id)
                record.replaced = len(record.feeds) == 1
                work.records(ROOM).put(city, msgspec.json.encode(record))
                self.heard_of.pop(city, None)
                self._joining = None
            return _standing(work.feed(mirror_name(city, hello.feed_id)).head())

    def accept(self, city: str, feed_id: str, first_number: int, lines: Sequence[tuple[bytes, int]]) -> Standing:
        """See ProvinceBook."""
        self._check(lines)
        last_ms = max(log_time_ms for _, log_time_ms in lines)
        with self._renewing(), self._store.transaction() as work:
            own = work.feed(FEED, ProvincialIncident)
            joined, head = self._joined(work, own)
            mirror = work.feed(mirror_name(city, feed_id))
            before = mirror.lock().last_number
            try:
                last = mirror.mirror(feed_id, first_number, lines)
            except StateError as wrong:
                raise RefusedError(Reason.OUT_OF_STEP, str(wrong), "changes.lines", last=before) from wrong
            revisions = [
                revision
                for change in (mirror.changes(before, last - before) if last > before else ())
                for revision in joined.take(
                    Held(city=city, feed_id=feed_id, number=change.number, incident=change.incident)
                )
            ]
            self._publish(own, head, revisions, last_ms)
            standing = _standing(mirror.head())
        if city in self.heard_of:
            self.heard_of[city].reached_ms = max(last_ms, self.heard_of[city].reached_ms or 0)
        self._done(head, revisions, joined)
        return standing

    def _check(self, lines: Sequence[tuple[bytes, int]]) -> None:
        try:
            for line, log_time_ms in lines:
                check_time(log_time_ms, self._now_ms())
                check_line(line)
        except StateError as wrong:
            raise RefusedError(Reason.OUT_OF_STEP, str(wrong), "changes.lines") from wrong

    def heard(self, city: str, status: province_pb2.CityStatus) -> None:
        """See ProvinceBook; a new feed of a city that has judged as far as the one before replaces it."""
        record = _record(self._store, city)
        mirror = self._store.feed(mirror_name(city, record.feeds[-1]))
        head = mirror.head()
        compared, log_time_ms = status.compared_change_number, optional_ms(status, "log_time")
        try:
            check_time(log_time_ms or 0, self._now_ms())
        except StateError as wrong:
            raise RefusedError(Reason.BAD_REQUEST, str(wrong), "status.log_time") from wrong
        agrees = None
        if compared <= head.last_number:
            here = head.digest if compared == head.last_number else mirror.head_of(compared)
            agrees = here == status.digest.hex()
        self.heard_of[city] = Heard(
            log_time_ms=log_time_ms,
            reached_ms=log_time_ms if head.last_number >= status.last_change_number else head.log_time_ms,
            last_number=status.last_change_number,
            compared=compared,
            digest=status.digest,
            agrees=agrees,
        )
        if not record.replaced and agrees and head.last_number >= status.last_change_number:
            reached = [self._store.feed(mirror_name(city, feed)).head().log_time_ms or 0 for feed in record.feeds[:-1]]
            if (self.heard_of[city].log_time_ms or 0) >= max(reached):
                self._replace(city, record)

    def answered(self, city: str, answer: province_pb2.Answer) -> None:
        """See ProvinceBook."""
        self.orders.answered(city, answer)

    def instructions(self, city: str) -> list[province_pb2.Instruction]:
        """See ProvinceBook."""
        return self.orders.due(city)

    def instruct(self, city: str, instruction: province_pb2.Instruction, issuer: str) -> province_pb2.InstructionState:
        """Stores an instruction; raises RefusedError for an unknown city or an id that was given to another one."""
        self._check_city(city)
        return self.orders.send(city, instruction, issuer)

    def mirror_of(self, city: str) -> tuple[str, Head]:
        """Id of the feed that a city reports, "" before the first, and where its mirror stands."""
        feeds = _record(self._store, city).feeds
        feed_id = feeds[-1] if feeds else ""
        return feed_id, self._store.feed(mirror_name(city, feed_id)).head()

    def compact(self, history_days: float) -> int:
        """Forgets what is over and older than the history; returns how many changes went.

        The province's own feed counts from the city that lags most, so that nothing is forgotten which that city may
        still go on with. Mirrors keep what the held provincial incidents are made of.
        """
        history_ms = round(history_days * _DAY_MS)
        with self._store.transaction() as work:
            own = work.feed(FEED, ProvincialIncident)
            head = own.lock()
            records = {city: _record(work, city) for city in self._cities}
            mirrors = {
                (city, feed): work.feed(mirror_name(city, feed))
                for city, record in records.items()
                for feed in record.feeds
            }
            heads = [mirror.head() for (city, feed), mirror in mirrors.items() if feed == records[city].feeds[-1]]
            reached = [one.log_time_ms for one in heads if one.log_time_ms is not None]
            if head.log_time_ms is None or not reached:
                return 0
            gone = own.compact(history_ms + max(head.log_time_ms - min(reached), 0)).forgotten
            kept: dict[str, int] = {}
            held = own.held()
            for one in held:
                for member in _provincial(one.incident).members:
                    kept[member.city] = min(member.number, kept.get(member.city, member.number))
            for (city, _), mirror in mirrors.items():
                gone += mirror.compact(history_ms, kept[city] - 1 if city in kept else None).forgotten
        if self._joining is not None:
            self._joining[1].keep_only({one.incident.incident_id for one in held})
        self.orders.forget(history_ms)
        return gone

    def _check_city(self, city: str) -> None:
        if city not in self._cities:
            message = f"city_code: wanted a city of this province ({', '.join(sorted(self._cities))}), got {city!r}"
            raise RefusedError(Reason.NO_SUCH_CITY, message, "city_code")

    def _replace(self, city: str, record: CityRecord) -> None:
        """Withdraws what only the feeds before the last one knew."""
        with self._renewing(), self._store.transaction() as work:
            own = work.feed(FEED, ProvincialIncident)
            joined, head = self._joined(work, own)
            revisions = joined.replaced(city, record.feeds[-1])
            record.replaced = True
            work.records(ROOM).put(city, msgspec.json.encode(record))
            self._publish(own, head, revisions, head.log_time_ms or 0)
        self._done(head, revisions, joined)

    def _joined(self, work: Work, own: Feed) -> tuple[Joining, Head]:
        """The joining as of the province's last change, which nobody else adds to until the transaction ends."""
        head = own.lock()
        if self._joining is not None and self._joining[0] == head.last_number:
            return self._joining[1], head
        held: list[Held] = []
        for city in self._cities:
            record = _record(work, city)
            for feed_id in record.feeds:
                over = record.replaced and feed_id != record.feeds[-1]
                for one in work.feed(mirror_name(city, feed_id)).held():
                    member = Held(city=city, feed_id=feed_id, number=one.number, incident=one.incident)
                    held.append(withdrawn_as_replaced(member) if over and one.incident.state in OPEN else member)
        published = [(one.opened_number, _provincial(one.incident)) for one in own.held()]
        return Joining.restored(self._types, published, held), head

    def _publish(self, own: Feed, head: Head, revisions: Sequence[ProvincialIncident], log_time_ms: int) -> None:
        if revisions:
            own.add(self.feed_id, revisions, max(log_time_ms, head.log_time_ms or 0))

    def _done(self, head: Head, revisions: Sequence[ProvincialIncident], joined: Joining) -> None:
        self._joining = (head.last_number + len(revisions), joined)
        if revisions:
            self.told(head.last_number, revisions)

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Where a transaction fails, what the joining took from it is not believed."""
        try:
            yield
        except BaseException:
            self._joining = None
            raise


def mirror_name(city: str, feed_id: str) -> str:
    """Name of the mirror of one feed of a city."""
    return f"{city}/{feed_id}"


def _record(store: Store | Work, city: str) -> CityRecord:
    kept = store.records(ROOM).get(city)
    return CityRecord() if kept is None else msgspec.json.decode(kept, type=CityRecord)


def _standing(head: Head) -> Standing:
    return Standing(number=head.last_number, digest=bytes.fromhex(head.digest))


def _provincial(incident: Incident) -> ProvincialIncident:
    if not isinstance(incident, ProvincialIncident):
        raise StateError(f"feed {FEED}: wanted provincial incidents, got {type(incident).__name__}")
    return incident
