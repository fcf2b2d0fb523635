"""The rows of one feed inside one transaction: read with their checks, written in order.

Each row is under a seal and each line under its leaf hash, and both are compared on every reading: what comes out of
here is what was written, or a DamagedError.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final, NoReturn, Protocol

import msgspec
from sqlalchemy import Connection, Row, Select, Table, and_, delete, func, insert, select, update

from city_brain.canonical import canonical_json
from city_brain.digest import leaf_hash
from city_brain.errors import StateError
from city_brain.feeds.change_log import Change, Held
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident, incident_line
from city_brain.incidents.lifecycle import OPEN
from city_brain.store.database import Database
from city_brain.store.tables import CHANGES, FEEDS, LINES, NEWEST_REVISIONS, Entry, Mark, State, seal

_IDS_AT_ONCE: Final = 500
"""Ids in one question; SQLite takes no statement with more than some thousand values."""
_PREVIOUS: Final = CHANGES.alias("previous_changes")
_PREVIOUS_LINES: Final = LINES.alias("previous_lines")


def _same(table: Any, feed: Any, number: Any) -> Any:
    """Whether a row of another table is of the same feed, and of a number."""
    return and_(table.c.feed == feed, table.c.number == number)


_WITH_PREVIOUS: Final = (
    CHANGES.outerjoin(LINES, _same(LINES, CHANGES.c.feed, CHANGES.c.number))
    .outerjoin(_PREVIOUS, _same(_PREVIOUS, CHANGES.c.feed, CHANGES.c.previous))
    .outerjoin(_PREVIOUS_LINES, _same(_PREVIOUS_LINES, CHANGES.c.feed, CHANGES.c.previous))
)
_NEWEST_LINES: Final = NEWEST_REVISIONS.outerjoin(
    CHANGES, _same(CHANGES, NEWEST_REVISIONS.c.feed, NEWEST_REVISIONS.c.number)
).outerjoin(LINES, _same(LINES, NEWEST_REVISIONS.c.feed, NEWEST_REVISIONS.c.number))


class Scope(Protocol):
    """Whoever has a connection to work on: a database, or a transaction that goes on."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one state of the database."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection on which all that is written lasts, or nothing."""


def entry_of(incident: Incident, log_time_ms: int, tick: int | None = None) -> Entry:
    """A revision with its canonical line."""
    line = incident_line(incident)
    return Entry(tick=tick, log_time_ms=log_time_ms, incident=incident, line=line, leaf=leaf_hash(line))


class Ledger:
    """One feed inside one transaction."""

    def __init__(
        self, database: Database, connection: Connection, name: str, kind: type[Incident], *, lock: bool = False
    ) -> None:
        """Reads where the feed stands; locked, no other transaction changes it until this one ends."""
        self.connection = connection
        self.where = f"store {database.where}, feed {name}"
        self._database = database
        self._kind = kind
        self._read = _decoder(kind).decode
        query = select(FEEDS).where(FEEDS.c.name == name)
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None and lock:
            empty = State(name=name)
            insert_missing(connection, FEEDS, {**msgspec.structs.asdict(empty), "seal": empty.seal()})
            row = connection.execute(query.with_for_update()).one_or_none()
        self.id, self.state = 0, State(name=name)
        if row is not None:
            self._load(row)

    def damage(self, what: str) -> NoReturn:
        """Raises DamagedError."""
        raise self._database.damaged(f"feed {self.state.name}: {what}")

    def wrong(self, what: str) -> NoReturn:
        """Raises StateError: the writer is at fault."""
        raise StateError(f"{self.where}: {what}")

    def _load(self, row: Row[Any]) -> None:
        fields = dict(row._mapping)
        self.id, written = fields.pop("id"), fields.pop("seal")
        self.state = State(**fields)
        if written != self.state.seal() or not self.state.fits():
            self.damage("wanted its row as it was written, got another one")

    def check_resume(self, after: int) -> None:
        """Raises RefusedError where the changes behind `after` are not all held."""
        state = self.state
        facts: dict[str, str | int] = {"asked": after, "first": state.first_number, "last": state.last_number}
        where = f"{self.where}: wanted the changes after {after}"
        if after > state.last_number:
            message = f"{where}, but the last one is {state.last_number}; start again from a snapshot"
            raise RefusedError(Reason.NUMBER_NOT_REACHED, message, "after_change_number", **facts)
        if after + 1 < state.first_number:
            message = f"{where}, but the history begins with {state.first_number}; start again from a snapshot"
            raise RefusedError(Reason.HISTORY_GONE, message, "after_change_number", **facts)

    def bind(self, feed_id: str) -> None:
        """Gives a new feed its identity; raises StateError where it has another one."""
        if not feed_id:
            self.wrong("wanted the id of the feed, got an empty one")
        if self.state.feed_id not in ("", feed_id):
            self.wrong(f"wanted changes of feed {self.state.feed_id}, got those of {feed_id}")
        self.state.feed_id = feed_id

    def save(self) -> None:
        """Writes the row of the feed."""
        values = {**msgspec.structs.asdict(self.state), "seal": self.state.seal()}
        self.connection.execute(update(FEEDS).where(FEEDS.c.id == self.id).values(values))

    def see(self, log_time_ms: int | None, heartbeat: Heartbeat | None) -> None:
        """Moves log time on, never back, and keeps a sign of life."""
        times = (self.state.log_time_ms, log_time_ms, heartbeat.log_time_ms if heartbeat else None)
        self.state.log_time_ms = max((time for time in times if time is not None), default=None)
        if heartbeat is not None:
            self.state.heartbeat = canonical_json(msgspec.to_builtins(heartbeat))

    def heartbeat(self) -> Heartbeat | None:
        """The last sign of life; None where it is in the form of another version, until the next one comes."""
        try:
            return msgspec.json.decode(self.state.heartbeat or b"", type=Heartbeat)
        except msgspec.MsgspecError:
            return None

    def marks(self, first: int, last: int) -> list[Mark]:
        """The changes `first`..`last`, which must all be there, without their lines."""
        query = select(CHANGES).where(CHANGES.c.number.between(first, last))
        found = [self._mark(row) for row in self._of_feed(query)]
        self._check_numbers(found, first, last)
        return found

    def marks_of_ticks(self, first: int, last: int) -> list[Mark]:
        """The changes of the ticks `first`..`last` without their lines."""
        return [self._mark(row) for row in self._of_feed(select(CHANGES).where(CHANGES.c.tick.between(first, last)))]

    def mark_of(self, incident_id: str, revision: int) -> Mark | None:
        """The change that brought a revision."""
        query = select(CHANGES).where(CHANGES.c.incident_id == incident_id, CHANGES.c.revision == revision)
        return next(map(self._mark, self._of_feed(query)), None)

    def leaves(self) -> list[bytes]:
        """The leaf hashes of all changes, which give the head of the feed when put together."""
        found = [bytes(row.leaf) for row in self._of_feed(select(CHANGES.c.leaf))]
        if len(found) != self.state.last_number:
            self.damage(f"wanted {self.state.last_number} changes, got {len(found)}")
        return found

    def line(self, mark: Mark) -> bytes:
        """The line of a change that is still held."""
        row = self._of_feed(select(LINES.c.line).where(LINES.c.number == mark.number), LINES).one_or_none()
        return self._line(mark.number, row.line if row else None, mark.leaf)

    def changes(self, first: int, last: int) -> list[Change]:
        """The changes `first`..`last`, which must all be held."""
        query = (
            select(CHANGES, LINES.c.line, _PREVIOUS.c.leaf.label("leaf_before"), _PREVIOUS_LINES.c.line.label("before"))
            .select_from(_WITH_PREVIOUS)
            .where(CHANGES.c.number.between(first, last))
        )
        found = []
        for row in self._of_feed(query):
            mark = self._mark(row)
            incident = self._incident(mark.number, row.line, mark.leaf, mark.incident_id, mark.revision)
            before = None
            if mark.previous is not None:
                before = self._incident(
                    mark.previous, row.before, row.leaf_before, mark.incident_id, mark.revision - 1
                )  # fmt: skip
            found.append(Change(number=mark.number, incident=incident, previous=before))
        self._check_numbers(found, first, last)
        return found

    def held(self, ids: Iterable[str] | None = None) -> dict[str, Held]:
        """Newest revisions by incident id in the order of their last change: of all held incidents, or of some ids."""
        query = (
            select(NEWEST_REVISIONS, CHANGES.c.leaf, CHANGES.c.revision, LINES.c.line)
            .select_from(_NEWEST_LINES)
            .order_by(NEWEST_REVISIONS.c.number)
        )
        if ids is None:
            rows: list[Row[Any]] = list(self._of_feed(query, NEWEST_REVISIONS))
            if len(rows) != self.state.incidents:
                self.damage(f"wanted {self.state.incidents} incidents, got {len(rows)}")
        else:
            rows = [
                row
                for some in _chunks(sorted(ids))
                for row in self._of_feed(query.where(NEWEST_REVISIONS.c.incident_id.in_(some)), NEWEST_REVISIONS)
            ]
        return {row.incident_id: self._held(row) for row in rows}

    def take(self, entries: Sequence[Entry]) -> list[Change]:
        """Appends revisions under the next numbers; raises StateError before anything is written."""
        held = self.held({entry.incident.incident_id for entry in entries})
        self._check_revisions(entries, held)
        tree, state, found = self.state.tree(), self.state, []
        newest: dict[str, Held] = {}
        for number, entry in enumerate(entries, state.last_number + 1):
            incident = entry.incident
            tree.add_leaf(entry.leaf)
            before = newest.get(incident.incident_id) or held.get(incident.incident_id)
            opened = before.opened_number if before else number
            newest[incident.incident_id] = Held(opened_number=opened, number=number, incident=incident)
            mark = Mark(
                number=number,
                tick=entry.tick,
                log_time_ms=entry.log_time_ms,
                incident_id=incident.incident_id,
                revision=incident.revision,
                previous=before.number if before else None,
                leaf=entry.leaf,
            )
            found.append((mark, Change(number=number, incident=incident, previous=before.incident if before else None)))
        if found:
            self._write([mark for mark, _ in found], [entry.line for entry in entries], newest, held)
        state.last_number, state.frontier = tree.size, b"".join(tree.subtrees)
        state.incidents += len(newest) - len(held)
        return [change for _, change in found]

    def forget(self, first: int) -> None:
        """Lets go what lies before the change `first`, but for what is still needed of it."""
        query = select(NEWEST_REVISIONS).where(NEWEST_REVISIONS.c.number < first)
        rows = list(self._of_feed(query, NEWEST_REVISIONS))
        for row in rows:
            self._check_newest(row)
        over = [row.incident_id for row in rows if row.closed]
        self._delete_newest(over)
        self.state.incidents -= len(over)
        self.state.first_number = first
        newest = select(NEWEST_REVISIONS.c.number).where(NEWEST_REVISIONS.c.feed == self.id)
        followed = select(CHANGES.c.previous).where(
            CHANGES.c.feed == self.id, CHANGES.c.number >= first, CHANGES.c.previous.is_not(None)
        )
        self.connection.execute(
            delete(LINES).where(
                LINES.c.feed == self.id,
                LINES.c.number < first,
                LINES.c.number.not_in(newest),
                LINES.c.number.not_in(followed),
            )
        )

    def first_since(self, log_time_ms: int) -> int:
        """Number of the first held change that is not older than a log time."""
        query = select(func.min(CHANGES.c.number)).where(
            CHANGES.c.feed == self.id,
            CHANGES.c.number >= self.state.first_number,
            CHANGES.c.log_time_ms >= log_time_ms,
        )
        return self.connection.execute(query).scalar() or self.state.last_number + 1

    def _of_feed(self, query: Select[Any], table: Table = CHANGES) -> Any:
        """Rows of this feed; those of changes and lines in the order of their numbers."""
        query = query.where(table.c.feed == self.id)
        return self.connection.execute(query if table is NEWEST_REVISIONS else query.order_by(table.c.number))

    def _mark(self, row: Row[Any]) -> Mark:
        values = (row.number, row.tick, row.log_time_ms, row.incident_id, row.revision, row.previous, row.leaf)
        if row.seal != seal(self.id, *values):
            self.damage(f"wanted the row of change {row.number} as it was written, got another one")
        return Mark(
            number=row.number,
            tick=row.tick,
            log_time_ms=row.log_time_ms,
            incident_id=row.incident_id,
            revision=row.revision,
            previous=row.previous,
            leaf=row.leaf,
        )

    def _held(self, row: Row[Any]) -> Held:
        self._check_newest(row)
        incident = self._incident(row.number, row.line, row.leaf, row.incident_id, row.revision)
        return Held(opened_number=row.opened_number, number=row.number, incident=incident)

    def _check_newest(self, row: Row[Any]) -> None:
        if row.seal != seal(self.id, row.incident_id, row.number, row.opened_number, row.closed):
            self.damage(f"wanted the row of incident {row.incident_id} as it was written, got another one")

    def _line(self, number: int, line: bytes | None, leaf: bytes | None) -> bytes:
        if not isinstance(line, bytes) or leaf_hash(line) != leaf:
            what = "none" if line is None else "one that has another hash"
            self.damage(f"wanted the line of change {number} as it was written, got {what}")
        return line

    def _incident(self, number: int, line: bytes | None, leaf: bytes | None, incident_id: str, revision: int) -> Any:
        try:
            incident = self._read(self._line(number, line, leaf))
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            self.wrong(f"change {number}: wanted a line of {self._kind.__name__}, got: {wrong}")
        if (incident.incident_id, incident.revision) != (incident_id, revision):
            self.damage(f"change {number}: wanted revision {revision} of {incident_id}, got {incident.revision}")
        return incident

    def _check_numbers(self, found: Sequence[Mark | Change], first: int, last: int) -> None:
        if [one.number for one in found] != list(range(first, last + 1)):
            self.damage(f"wanted the changes {first} to {last}, got {len(found)} of them")

    def _check_revisions(self, entries: Sequence[Entry], held: dict[str, Held]) -> None:
        newest = {incident_id: one.incident.revision for incident_id, one in held.items()}
        newest |= self._forgotten({entry.incident.incident_id for entry in entries} - newest.keys())
        for entry in entries:
            incident = entry.incident
            before = newest.get(incident.incident_id, incident.revision - 1)
            if incident.revision != before + 1:
                where = "" if entry.tick is None else f"tick {entry.tick}, "
                self.wrong(
                    f"{where}incident {incident.incident_id}: wanted revision {before + 1}, got {incident.revision}"
                )
            newest[incident.incident_id] = incident.revision

    def _forgotten(self, ids: Iterable[str]) -> dict[str, int]:
        """Newest revision of incidents that the feed has had and does not hold any more."""
        found: dict[str, int] = {}
        for some in _chunks(sorted(ids)):
            query = (
                select(CHANGES.c.incident_id, func.max(CHANGES.c.revision))
                .where(CHANGES.c.feed == self.id, CHANGES.c.incident_id.in_(some))
                .group_by(CHANGES.c.incident_id)
            )
            found.update((incident_id, revision) for incident_id, revision in self.connection.execute(query))
        return found

    def _write(
        self, marks: Sequence[Mark], lines: Sequence[bytes], newest: dict[str, Held], held: dict[str, Held]
    ) -> None:
        rows = [{"feed": self.id, **msgspec.structs.asdict(mark)} for mark in marks]
        for row in rows:
            row["seal"] = seal(*row.values())
        self.connection.execute(insert(CHANGES), rows)
        self.connection.execute(
            insert(LINES),
            [{"feed": self.id, "number": mark.number, "line": line} for mark, line in zip(marks, lines, strict=True)],
        )
        self._delete_newest(held)
        rows = [
            {
                "feed": self.id,
                "incident_id": incident_id,
                "number": one.number,
                "opened_number": one.opened_number,
                "closed": int(one.incident.state not in OPEN),
            }
            for incident_id, one in newest.items()
        ]
        for row in rows:
            row["seal"] = seal(*row.values())
        self.connection.execute(insert(NEWEST_REVISIONS), rows)

    def _delete_newest(self, ids: Iterable[str]) -> None:
        for some in _chunks(sorted(ids)):
            self.connection.execute(
                delete(NEWEST_REVISIONS).where(
                    NEWEST_REVISIONS.c.feed == self.id, NEWEST_REVISIONS.c.incident_id.in_(some)
                )
            )


def insert_missing(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Inserts a row unless there is one of the same key; waits for a transaction that is about to insert it."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        connection.execute(sqlite.insert(table).values(values).on_conflict_do_nothing())
    else:
        from sqlalchemy.dialects import postgresql  # half a second, which a city on a file need not wait

        connection.execute(postgresql.insert(table).values(values).on_conflict_do_nothing())


@cache
def _decoder(kind: type[Incident]) -> msgspec.json.Decoder[Incident]:
    return msgspec.json.Decoder(kind)


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    return (ids[at : at + _IDS_AT_ONCE] for at in range(0, len(ids), _IDS_AT_ONCE))
