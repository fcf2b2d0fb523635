"""Values by name, in rooms of their own: each is written whole, under a seal, and lasts once its transaction does."""

from sqlalchemy import Connection, delete, insert, select

from city_brain.store.database import Database
from city_brain.store.ledger import Scope
from city_brain.store.tables import RECORDS, seal


class Records:
    """The values of one room of a store."""

    def __init__(self, database: Database, scope: Scope, room: str) -> None:
        self._database = database
        self._scope = scope
        self._room = room

    def get(self, name: str) -> bytes | None:
        """The value of a name; None where it has none."""
        with self._scope.reading() as connection:
            return self._get(connection, name)

    def all(self) -> dict[str, bytes]:
        """All values by name, ascending."""
        with self._scope.reading() as connection:
            rows = connection.execute(select(RECORDS).where(RECORDS.c.room == self._room)).all()
            return dict(sorted((row.name, self._checked(row.name, row.value, row.seal)) for row in rows))

    def put(self, name: str, value: bytes) -> None:
        """Gives a name its value, whatever it was before."""
        with self._scope.writing() as connection:
            of_name = RECORDS.c.room == self._room, RECORDS.c.name == name
            connection.execute(delete(RECORDS).where(*of_name))
            row = {"room": self._room, "name": name, "value": value, "seal": seal(self._room, name, value)}
            connection.execute(insert(RECORDS).values(row))

    def remove(self, name: str) -> None:
        """Forgets a name."""
        with self._scope.writing() as connection:
            connection.execute(delete(RECORDS).where(RECORDS.c.room == self._room, RECORDS.c.name == name))

    def _get(self, connection: Connection, name: str) -> bytes | None:
        query = select(RECORDS).where(RECORDS.c.room == self._room, RECORDS.c.name == name)
        row = connection.execute(query).one_or_none()
        return None if row is None else self._checked(name, row.value, row.seal)

    def _checked(self, name: str, value: bytes, sealed: bytes) -> bytes:
        if sealed != seal(self._room, name, value):
            raise self._database.damaged(f"wanted the record {self._room}/{name} as it was written, got other bytes")
        return bytes(value)
