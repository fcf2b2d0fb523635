"""Looks over a whole store: every page, seal, line, leaf hash and head, and whether the rows fit each other."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from city_brain.digest import TreeHead, leaf_hash
from city_brain.errors import StoreError
from city_brain.incidents.incident import Incident
from city_brain.incidents.lifecycle import OPEN
from city_brain.store.database import Database
from city_brain.store.ledger import Ledger
from city_brain.store.subscriptions import read_subscribers
from city_brain.store.tables import FEEDS, LINES, NEWEST_REVISIONS, RECORDS, SECRETS, Mark, seal
from city_brain.store.values import FeedCheck, StoreCheck

_AT_ONCE: Final = 5_000
"""Changes in memory at a time."""
_MOST_SAID: Final = 20
"""Sentences about one feed; a file that is cut in half would fill a screen with the same one."""


class _Line(msgspec.Struct, frozen=True):
    """What a line of whatever kind says of its incident; the rest is left unread."""

    incident_id: str
    revision: int
    state: str


class _Life(msgspec.Struct):
    """An incident as its changes tell it."""

    number: int
    revision: int
    opened_number: int


def check_all(database: Database) -> StoreCheck:
    """Reads everything; what is wrong is said, not raised, but for a database that does not answer now."""
    feeds: list[FeedCheck] = []
    damage: list[str] = []
    try:
        with database.reading() as connection:
            damage += _pages(database, connection)
            for name in sorted(str(name) for name in connection.execute(select(FEEDS.c.name)).scalars()):
                found = _check_feed(database, connection, name)
                if isinstance(found, FeedCheck):
                    feeds.append(found)
                else:
                    damage += found
            for row in connection.execute(select(SECRETS)):
                if row.seal != seal(row.name, row.value):
                    damage.append(f"secret {row.name!r}: wanted its row as it was written, got another one")
            for row in connection.execute(select(RECORDS)):
                if row.seal != seal(row.room, row.name, row.value):
                    damage.append(f"record {row.room}/{row.name}: wanted its row as it was written, got another one")
    except StoreError as wrong:
        if wrong.temporary:
            raise
        damage.append(str(wrong))
    return StoreCheck(feeds=tuple(feeds), damage=tuple(damage))


def _pages(database: Database, connection: Connection) -> Iterator[str]:
    """What SQLite finds in its file: pages, indexes against tables, references."""
    if database.is_sqlite:
        for row in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_SAID})"):
            if row[0] != "ok":
                yield f"pages: {row[0]}"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield f"table {row[0]}: wanted rows of feeds that there are, got one of another"


def _check_feed(database: Database, connection: Connection, name: str) -> FeedCheck | list[str]:
    try:
        with database.guard():
            ledger = Ledger(database, connection, name, Incident)
            found = list(_FeedCheck(ledger).run())
            read_subscribers(database, connection, ledger.id)
    except StoreError as wrong:
        if wrong.temporary:
            raise
        return [str(wrong)]
    if found:
        more = [f"feed {name}: and {len(found) - _MOST_SAID} more"] if len(found) > _MOST_SAID else []
        return [f"feed {name}: {what}" for what in found[:_MOST_SAID]] + more
    state = ledger.state
    return FeedCheck(
        name=name,
        feed_id=state.feed_id,
        first_number=state.first_number,
        last_number=state.last_number,
        last_tick=state.last_tick,
        incidents=state.incidents,
        digest=state.tree().digest().hex(),
    )


class _FeedCheck:
    """The check of one feed."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.state = ledger.state
        self.lives: dict[str, _Life] = {}
        self.needed: set[int] = set()
        """Numbers whose lines must be there."""
        self.seen: set[int] = set()
        self.closed: dict[str, bool] = {}
        """Whether an incident is over in its last held line."""

    def run(self) -> Iterator[str]:
        """What is wrong."""
        if not 1 <= self.state.first_number <= self.state.last_number + 1:
            yield f"wanted a first change of 1 to {self.state.last_number + 1}, got {self.state.first_number}"
        tree, tick = TreeHead(), None
        for first in range(1, self.state.last_number + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, self.state.last_number)
            marks = self.ledger.marks(first, last)
            yield from self._lines({mark.number: mark for mark in marks}, first, last)
            for mark in marks:
                tree.add_leaf(mark.leaf)
                yield from self._follow(mark)
                if tick is not None and (mark.tick is None or mark.tick < tick):
                    yield f"change {mark.number}: wanted tick {tick} or later, got {mark.tick}"
                tick = mark.tick
        if tree.digest() != self.state.tree().digest():
            yield "wanted changes under the head that it has, got others"
        if tick is not None and (self.state.last_tick is None or tick > self.state.last_tick):
            yield f"wanted a last tick of {tick} or later, got {self.state.last_tick}"
        yield from self._newest()
        for number in sorted(self.needed - self.seen):
            yield f"wanted the line of change {number}, got none"

    def _lines(self, marks: dict[int, Mark], first: int, last: int) -> Iterator[str]:
        query = select(LINES).where(LINES.c.feed == self.ledger.id, LINES.c.number.between(first, last))
        for row in self.ledger.connection.execute(query.order_by(LINES.c.number)):
            mark = marks[row.number]
            if not isinstance(row.line, bytes) or leaf_hash(row.line) != mark.leaf:
                yield f"wanted the line of change {row.number} as it was written, got one that has another hash"
                continue
            self.seen.add(row.number)
            said = msgspec.json.decode(row.line, type=_Line)
            self.closed[said.incident_id] = said.state not in OPEN
            if (said.incident_id, said.revision) != (mark.incident_id, mark.revision):
                yield f"change {row.number}: wanted {mark.incident_id}, revision {mark.revision}, got another one"

    def _follow(self, mark: Mark) -> Iterator[str]:
        life = self.lives.get(mark.incident_id)
        if life is not None and mark.revision != life.revision + 1:
            yield f"change {mark.number}: wanted revision {life.revision + 1}, got {mark.revision}"
        if mark.previous is not None and (life is None or mark.previous != life.number):
            yield f"change {mark.number}: wanted the change before it, got {mark.previous}"
        opened = life.opened_number if life and mark.previous is not None else mark.number
        self.lives[mark.incident_id] = _Life(number=mark.number, revision=mark.revision, opened_number=opened)
        if mark.number >= self.state.first_number:
            self.needed.add(mark.number)
            if mark.previous is not None:
                self.needed.add(mark.previous)

    def _newest(self) -> Iterator[str]:
        query = select(NEWEST_REVISIONS).where(NEWEST_REVISIONS.c.feed == self.ledger.id)
        rows: list[Any] = list(self.ledger.connection.execute(query))
        if len(rows) != self.state.incidents:
            yield f"wanted {self.state.incidents} incidents, got {len(rows)}"
        for row in rows:
            life = self.lives.get(row.incident_id)
            if row.seal != seal(self.ledger.id, row.incident_id, row.number, row.opened_number, row.closed):
                yield f"wanted the row of incident {row.incident_id} as it was written, got another one"
            elif life is None or (row.number, row.opened_number) != (life.number, life.opened_number):
                yield f"incident {row.incident_id}: wanted the numbers of its changes, got others"
            elif bool(row.closed) != self.closed.get(row.incident_id, row.closed):
                yield f"incident {row.incident_id}: wanted it to be as its last line says, got it otherwise"
            else:
                self.needed.add(row.number)
        held = {row.incident_id for row in rows}
        for incident_id in sorted(self.lives.keys() - held):
            if self.lives[incident_id].number >= self.state.first_number:
                yield f"wanted incident {incident_id}, which has changed within the history, got none"
