"""One feed of a store: append, read, prove, forget."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection

from city_brain.digest import TreeHead, inclusion_proof, leaf_hash
from city_brain.errors import StateError
from city_brain.feeds.change_log import Change, Held
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.incidents.incident import Incident
from city_brain.store.database import Database
from city_brain.store.ledger import Ledger, Scope, entry_of
from city_brain.store.subscriptions import Subscriptions, read_subscribers
from city_brain.store.tables import Entry, Mark
from city_brain.store.values import Compaction, Head, Proof, TickChanges


class Feed:
    """The numbered changes of one feed, whose lines are revisions of `kind`.

    Every call is one transaction, or part of the one that the feed was got from. An append that failed, or whose answer
    got lost, is repeated as it was: it ends as if it had been made once.
    """

    def __init__(self, database: Database, scope: Scope, name: str, kind: type[Incident]) -> None:
        self.name = name
        self.subscriptions = Subscriptions(database, scope, name)
        self._database = database
        self._scope = scope
        self._kind = kind

    def head(self) -> Head:
        """Where the feed stands."""
        with self._scope.reading() as connection:
            return _head(self._look(connection))

    def lock(self) -> Head:
        """Where the feed stands, and no other writer moves it until the transaction ends."""
        with self._scope.writing() as connection:
            return _head(self._lock(connection))

    def append(self, feed_id: str, ticks: Sequence[TickChanges]) -> list[Change]:
        """Takes closed ticks in one transaction; returns their changes under their numbers.

        A tick that the feed has is compared and not taken again; its changes are among those returned as far as they
        are still held. Other lines than the feed has, a gap in ticks or in revisions: StateError, nothing is taken.
        """
        entries = {
            tick.tick: [entry_of(self._of_kind(incident), tick.log_time_ms, tick.tick) for incident in tick.incidents]
            for tick in ticks
        }
        if not ticks:
            return []
        with self._scope.writing() as connection:
            ledger = self._lock(connection)
            ledger.bind(feed_id)
            state = ledger.state
            if state.last_tick is None and state.last_number:
                ledger.wrong(f"wanted changes by number, got tick {ticks[0].tick}")
            reached = state.last_tick
            known = [tick for tick in ticks if reached is not None and tick.tick <= reached]
            fresh = ticks[len(known) :]
            for tick in fresh:
                if tick.tick != (tick.tick if reached is None else reached + 1):
                    ledger.wrong(f"wanted tick {(reached or 0) + 1}, got {tick.tick}")
                reached = tick.tick
            held = self._compare(ledger, {tick.tick: entries[tick.tick] for tick in known}) if known else []
            if not fresh:
                return held
            taken = ledger.take([entry for tick in fresh for entry in entries[tick.tick]])
            state.last_tick = reached
            for tick in fresh:
                ledger.see(tick.log_time_ms, tick.heartbeat)
            ledger.save()
            return held + taken

    def add(
        self, feed_id: str, incidents: Sequence[Incident], log_time_ms: int, heartbeat: Heartbeat | None = None
    ) -> list[Change]:
        """Takes revisions under the next numbers, for a feed without ticks; returns their changes.

        Revisions that the feed has taken together before are compared and not taken again.
        """
        entries = [entry_of(self._of_kind(incident), log_time_ms) for incident in incidents]
        with self._scope.writing() as connection:
            ledger = self._lock(connection)
            ledger.bind(feed_id)
            if ledger.state.last_tick is not None:
                ledger.wrong(f"wanted tick {ledger.state.last_tick + 1}, got changes without a tick")
            first = ledger.mark_of(incidents[0].incident_id, incidents[0].revision) if incidents else None
            if first is not None:
                last = min(first.number + len(entries) - 1, ledger.state.last_number)
                _check_same(ledger, ledger.marks(first.number, last), entries)
                return ledger.changes(max(first.number, ledger.state.first_number), last)
            taken = ledger.take(entries)
            ledger.see(log_time_ms, heartbeat)
            ledger.save()
            return taken

    def mirror(
        self,
        feed_id: str,
        first_number: int,
        lines: Sequence[tuple[bytes, int]],
        heartbeat: Heartbeat | None = None,
    ) -> int:
        """Takes lines with their log times (epoch ms) as the changes from `first_number` on; returns the last number.

        A number that is held must have the same bytes, and none may be left out: else StateError, nothing is taken.
        """
        entries = [self._entry(line, log_time_ms) for line, log_time_ms in lines]
        with self._scope.writing() as connection:
            ledger = self._lock(connection)
            ledger.bind(feed_id)
            state = ledger.state
            if state.last_tick is not None:
                ledger.wrong(f"wanted tick {state.last_tick + 1}, got changes by number")
            if not 1 <= first_number <= state.last_number + 1:
                ledger.wrong(f"wanted change {state.last_number + 1} or one before, got {first_number}")
            known = entries[: state.last_number + 1 - first_number]
            if known:
                _check_same(ledger, ledger.marks(first_number, first_number + len(known) - 1), known)
            fresh = entries[len(known) :]
            if fresh or heartbeat is not None:
                ledger.take(fresh)
                ledger.see(fresh[-1].log_time_ms if fresh else None, heartbeat)
                ledger.save()
            return state.last_number

    def changes(self, after: int, limit: int) -> list[Change]:
        """The first `limit` changes behind `after`, each with the revision before it.

        RefusedError where they are not all held any more (HISTORY_GONE) or not there yet (NUMBER_NOT_REACHED).
        """
        with self._scope.reading() as connection:
            ledger = self._look(connection)
            ledger.check_resume(after)
            return ledger.changes(after + 1, min(after + limit, ledger.state.last_number))

    def held(self) -> list[Held]:
        """The newest revision of each incident that is open or was closed within the history, by its last change."""
        with self._scope.reading() as connection:
            return list(self._look(connection).held().values())

    def newest(self, incident_ids: Iterable[str]) -> list[Incident]:
        """The newest revision of each of these incidents that is open or was closed within the history."""
        with self._scope.reading() as connection:
            return [held.incident for held in self._look(connection).held(incident_ids).values()]

    def compact(self, history_ms: int, keep_after: int | None = None, now_ms: int | None = None) -> Compaction:
        """Forgets the changes older than the history (log time), but none behind the slowest registered subscriber.

        Nor any behind `keep_after`, where it is given. Leaf hashes stay, so digests and proofs do. `now_ms`: log time
        (epoch ms) where it has gone on without this feed.
        """
        with self._scope.writing() as connection:
            ledger = self._lock(connection)
            state, before = ledger.state, ledger.state.first_number
            first = before
            if state.log_time_ms is not None:
                first = ledger.first_since(max(state.log_time_ms, now_ms or 0) - history_ms)
            if keep_after is not None:
                first = min(first, keep_after + 1)
            readers = read_subscribers(self._database, connection, ledger.id)
            slowest = min(readers, key=lambda reader: (reader.acknowledged, reader.name), default=None)
            kept_for = ""
            if slowest is not None and slowest.acknowledged + 1 < first:
                first, kept_for = slowest.acknowledged + 1, slowest.name
            if first > before:
                ledger.forget(first)
                ledger.save()
            return Compaction(first_before=before, first_after=max(first, before), kept_for=kept_for)

    def proof(self, incident_id: str, revision: int | None = None) -> Proof:
        """Shows that a revision (the newest held one, unless said) is among the changes under the head. O(n).

        RefusedError where the feed has never had it (NO_SUCH_INCIDENT) or has forgotten its line (HISTORY_GONE).
        """
        with self._scope.reading() as connection:
            ledger = self._look(connection)
            if revision is None:
                held = ledger.held([incident_id]).get(incident_id)
                revision = held.incident.revision if held else 0
            mark = ledger.mark_of(incident_id, revision)
            if mark is None:
                message = f"{ledger.where}: incident {cut(incident_id)!r}, revision {revision or 'newest'}: not found"
                raise RefusedError(Reason.NO_SUCH_INCIDENT, message, "name", incident_id=incident_id)
            line = self._line(ledger, mark)
            proof = Proof(
                number=mark.number,
                size=ledger.state.last_number,
                line=line,
                path=tuple(inclusion_proof(ledger.leaves(), mark.number - 1)),
                head=ledger.state.tree().digest(),
            )
            if not proof.holds():
                ledger.damage("wanted leaf hashes that give the head of the feed, got others")
            return proof

    def head_of(self, number: int) -> str:
        """Merkle tree head over the first `number` changes: how two ends compare what both have. O(n)."""
        return self.tree_of(number).digest().hex()

    def tree_of(self, number: int) -> TreeHead:
        """The Merkle tree over the first `number` changes, to go on from. O(n)."""
        with self._scope.reading() as connection:
            ledger = self._look(connection)
            state = ledger.state
            if not 0 <= number <= state.last_number:
                message = f"{ledger.where}: wanted a number of 0 to {state.last_number}, got {number}"
                raise RefusedError(Reason.NUMBER_NOT_REACHED, message, "number", asked=number, last=state.last_number)
            if number == state.last_number:
                return state.tree()
            tree, asked = TreeHead(), TreeHead()
            for leaf in ledger.leaves():
                tree.add_leaf(leaf)
                if tree.size == number:
                    asked = TreeHead(number, list(tree.subtrees))
            if tree.digest() != state.tree().digest():
                ledger.damage("wanted leaf hashes that give the head of the feed, got others")
            return asked

    def _look(self, connection: Connection) -> Ledger:
        return Ledger(self._database, connection, self.name, self._kind)

    def _lock(self, connection: Connection) -> Ledger:
        return Ledger(self._database, connection, self.name, self._kind, lock=True)

    def _compare(self, ledger: Ledger, known: dict[int, list[Entry]]) -> list[Change]:
        """Holds ticks against what the feed has of them; returns their changes as far as they are still held."""
        marks = [mark for mark in ledger.marks_of_ticks(min(known), max(known)) if mark.tick in known]
        for tick, entries in known.items():
            _check_same(ledger, [mark for mark in marks if mark.tick == tick], entries, f"tick {tick}: ")
        numbers = [mark.number for mark in marks if mark.number >= ledger.state.first_number]
        if not numbers:
            return []
        return [change for change in ledger.changes(numbers[0], numbers[-1]) if change.number in set(numbers)]

    def _line(self, ledger: Ledger, mark: Mark) -> bytes:
        held = ledger.held([mark.incident_id]).get(mark.incident_id)
        if mark.number < ledger.state.first_number and not (held and held.number == mark.number):
            message = f"{ledger.where}: wanted the line of change {mark.number}, but the history begins with "
            facts = {"asked": mark.number, "first": ledger.state.first_number, "last": ledger.state.last_number}
            raise RefusedError(Reason.HISTORY_GONE, f"{message}{ledger.state.first_number}", "name", **facts)
        return ledger.line(mark)

    def _of_kind(self, incident: Incident) -> Incident:
        if type(incident) is not self._kind:
            raise StateError(
                f"feed {self.name}: wanted revisions as {self._kind.__name__}, got {type(incident).__name__}"
            )
        return incident

    def _entry(self, line: bytes, log_time_ms: int) -> Entry:
        try:
            incident = msgspec.json.decode(line, type=self._kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise StateError(f"feed {self.name}: wanted a line of {self._kind.__name__}, got: {wrong}") from wrong
        return Entry(tick=None, log_time_ms=log_time_ms, incident=incident, line=bytes(line), leaf=leaf_hash(line))


def _head(ledger: Ledger) -> Head:
    state = ledger.state
    return Head(
        feed_id=state.feed_id,
        last_number=state.last_number,
        first_number=state.first_number,
        last_tick=state.last_tick,
        log_time_ms=state.log_time_ms,
        heartbeat=ledger.heartbeat(),
        digest=state.tree().digest().hex(),
    )


def _check_same(ledger: Ledger, marks: Sequence[Mark], entries: Sequence[Entry], place: str = "") -> None:
    """Raises StateError where a feed has other lines than those that are given to it again."""
    if len(marks) != len(entries):
        ledger.wrong(f"{place}wanted the {len(marks)} lines that it has, got {len(entries)}")
    for mark, entry in zip(marks, entries, strict=True):
        if mark.leaf != entry.leaf:
            ledger.wrong(f"{place}wanted the line of change {mark.number} that it has, got another one")
