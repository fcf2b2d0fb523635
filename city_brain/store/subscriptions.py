"""How far the named readers of a feed have got: it survives restarts, and compaction leaves what they still need."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select, update

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident
from city_brain.store.database import Database
from city_brain.store.ledger import Ledger, Scope, insert_missing
from city_brain.store.tables import SUBSCRIPTIONS, seal
from city_brain.store.values import Subscriber


class Subscriptions:
    """The registered subscribers of one feed."""

    def __init__(self, database: Database, scope: Scope, feed: str) -> None:
        self._database = database
        self._scope = scope
        self._feed = feed

    def all(self) -> list[Subscriber]:
        """Every subscriber, by name."""
        with self._scope.reading() as connection:
            ledger = Ledger(self._database, connection, self._feed, Incident)
            return read_subscribers(self._database, connection, ledger.id)

    def register(self, name: str, position: int) -> Subscriber:
        """Keeps a subscriber that has everything up to `position`; one that is known keeps the position it has.

        RefusedError where the changes behind the position are not all held.
        """
        with self._scope.writing() as connection:
            ledger = Ledger(self._database, connection, self._feed, Incident, lock=True)
            known = _find(self._database, connection, ledger.id, name)
            if known is not None:
                return known
            ledger.check_resume(position)
            fresh = Subscriber(name=name, acknowledged=position, sent=position)
            insert_missing(connection, SUBSCRIPTIONS, _row(ledger.id, fresh))
            return fresh

    def acknowledge(self, name: str, number: int) -> Subscriber:
        """The subscriber has everything up to `number`; a lower number than before changes nothing."""
        return self._move(name, number, lambda one: max(one.acknowledged, number))

    def keep(self, name: str, number: int, feed_id: str) -> Subscriber:
        """The subscriber, known from now on if it was not, has everything up to `number`, which `feed_id` counted.

        RefusedError where another feed is kept here now (OTHER_FEED), or the changes behind are not all held.
        """
        with self._scope.writing() as connection:
            ledger = Ledger(self._database, connection, self._feed, Incident, lock=True)
            if ledger.state.feed_id != feed_id:
                message = f"feed {ledger.state.feed_id}: wanted a number of this feed, got one of feed {feed_id}"
                raise RefusedError(Reason.OTHER_FEED, message, "number", feed_id=ledger.state.feed_id)
            known = _find(self._database, connection, ledger.id, name)
            if known is None:
                ledger.check_resume(number)
                known = Subscriber(name=name, acknowledged=number, sent=number)
                insert_missing(connection, SUBSCRIPTIONS, _row(ledger.id, known))
            if number <= known.acknowledged:
                return known
            moved = msgspec.structs.replace(known, acknowledged=number, sent=max(known.sent, number))
            of_key = SUBSCRIPTIONS.c.feed == ledger.id, SUBSCRIPTIONS.c.name == name
            connection.execute(update(SUBSCRIPTIONS).where(*of_key).values(_row(ledger.id, moved)))
            return moved

    def sent(self, name: str, number: int) -> Subscriber:
        """The subscriber has been sent everything up to `number`."""
        return self._move(name, number, lambda one: one.acknowledged)

    def forget(self, name: str) -> bool:
        """Lets a subscriber go, and with it what was kept for it; False where there is none of that name."""
        with self._scope.writing() as connection:
            ledger = Ledger(self._database, connection, self._feed, Incident)
            gone = delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.feed == ledger.id, SUBSCRIPTIONS.c.name == name)
            return connection.execute(gone).rowcount > 0

    def _move(self, name: str, number: int, acknowledged: Callable[[Subscriber], int]) -> Subscriber:
        with self._scope.writing() as connection:
            ledger = Ledger(self._database, connection, self._feed, Incident)
            if not 0 <= number <= ledger.state.last_number:
                message = f"{ledger.where}: subscriber {name!r}: the last change is {ledger.state.last_number}"
                facts = {"asked": number, "last": ledger.state.last_number}
                raise RefusedError(Reason.NUMBER_NOT_REACHED, f"{message}, got {number}", "number", **facts)
            known = _find(self._database, connection, ledger.id, name)
            if known is None:
                ledger.wrong(f"wanted a registered subscriber, got {name!r}")
            moved = msgspec.structs.replace(known, acknowledged=acknowledged(known), sent=max(known.sent, number))
            if moved != known:
                of_key = SUBSCRIPTIONS.c.feed == ledger.id, SUBSCRIPTIONS.c.name == name
                connection.execute(update(SUBSCRIPTIONS).where(*of_key).values(_row(ledger.id, moved)))
            return moved


def read_subscribers(database: Database, connection: Connection, feed: int) -> list[Subscriber]:
    """The subscribers of a feed by its row, by name."""
    rows = connection.execute(select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.feed == feed)).all()
    return sorted((_subscriber(database, row) for row in rows), key=lambda one: one.name)


def _find(database: Database, connection: Connection, feed: int, name: str) -> Subscriber | None:
    of_key = SUBSCRIPTIONS.c.feed == feed, SUBSCRIPTIONS.c.name == name
    row = connection.execute(select(SUBSCRIPTIONS).where(*of_key).with_for_update()).one_or_none()
    return None if row is None else _subscriber(database, row)


def _subscriber(database: Database, row: Any) -> Subscriber:
    if row.seal != seal(row.feed, row.name, row.acknowledged, row.sent):
        raise database.damaged(f"wanted the row of subscriber {row.name!r} as it was written, got another one")
    return Subscriber(name=row.name, acknowledged=row.acknowledged, sent=row.sent)


def _row(feed: int, one: Subscriber) -> dict[str, Any]:
    values = {"feed": feed, "name": one.name, "acknowledged": one.acknowledged, "sent": one.sent}
    return {**values, "seal": seal(*values.values())}
