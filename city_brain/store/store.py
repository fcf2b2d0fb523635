"""The door: open a store at its address, get feeds by name, one transaction over several of them, and secrets."""

import secrets  # noqa: TID251 - a key must not follow from content
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, inspect, select, text

from city_brain.errors import StoreError
from city_brain.incidents.incident import Incident
from city_brain.store.checking import check_all
from city_brain.store.database import WAIT_S, Database, lock_migrations
from city_brain.store.feed import Feed
from city_brain.store.ledger import insert_missing
from city_brain.store.records.records import Records
from city_brain.store.tables import FEEDS, METADATA, NEWEST, SECRETS, seal
from city_brain.store.values import StoreCheck

SECRET_BYTES: Final = 32
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Store:
    """The feeds of one city or province in one database.

    Several threads may use it, and several programs: SQLite lets one write after the other, PostgreSQL one a feed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, wait_s: float = WAIT_S) -> Self:
        """Opens a store, makes it where there is none, and brings an older one up to this version.

        Raises StoreError where that is not possible, as for a database of a newer version, and DamagedError where the
        heads of its feeds are not as they were written; `check` looks at everything.
        """
        database = Database(url, wait_s)
        try:
            with database.reading() as connection:
                version = _version(database, connection)
            if version != NEWEST:
                _migrate(database)
            database.settle()
            store = cls(database)
            for name in store.names():
                store.feed(name).head()
        except BaseException:
            database.close()
            raise
        return store

    def close(self) -> None:
        """Lets the database go."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """The address as messages show it."""
        return self._database.where

    def names(self) -> list[str]:
        """Names of the feeds, ascending."""
        with self._database.reading() as connection:
            return sorted(str(name) for name in connection.execute(select(FEEDS.c.name)).scalars())

    def feed(self, name: str, kind: type[Incident] = Incident) -> Feed:
        """A feed by its name, whose lines are of `kind`; nothing is written before the first append."""
        return Feed(self._database, self._database, name, kind)

    def records(self, room: str) -> Records:
        """What is kept by name in a room of its own."""
        return Records(self._database, self._database, room)

    @contextmanager
    def transaction(self) -> Iterator["Work"]:
        """What is done to the feeds of the Work happens at once when this ends without an error, or not at all.

        Writers that take several feeds take them in one order; else PostgreSQL ends one of them (a temporary error).
        """
        with self._database.writing() as connection:
            work = Work(self._database, connection)
            yield work
            if work.failed is not None:
                raise work.failed

    def secret(self, name: str) -> bytes:
        """32 random bytes, made when they are first asked for and the same ever after."""
        with self._database.reading() as connection:
            value = self._secret(connection, name)
        if value is not None:
            return value
        with self._database.writing() as connection:
            made = secrets.token_bytes(SECRET_BYTES)
            insert_missing(connection, SECRETS, {"name": name, "value": made, "seal": seal(name, made)})
            value = self._secret(connection, name)
        if value is None:
            raise self._database.damaged(f"wanted the secret {name!r} that was written, got none")
        return value

    def _secret(self, connection: Connection, name: str) -> bytes | None:
        row = connection.execute(select(SECRETS.c.value, SECRETS.c.seal).where(SECRETS.c.name == name)).one_or_none()
        if row is None:
            return None
        if row.seal != seal(name, row.value):
            raise self._database.damaged(f"wanted the secret {name!r} as it was written, got other bytes")
        return bytes(row.value)

    def check(self) -> StoreCheck:
        """Reads everything and compares it with its seals, leaf hashes and heads; O(n)."""
        return check_all(self._database)


class Work:
    """Feeds of one store inside one transaction.

    An error of the input leaves the transaction as it was before that call. An error of the store ends it, also where
    the caller goes on.
    """

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self.failed: StoreError | None = None

    def feed(self, name: str, kind: type[Incident] = Incident) -> Feed:
        """A feed by its name, inside the transaction."""
        return Feed(self._database, self, name, kind)

    def records(self, room: str) -> Records:
        """What is kept by name in a room of its own, inside the transaction."""
        return Records(self._database, self, room)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection of the transaction."""
        with self._failing():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The connection of the transaction, with a way back to where it is now."""
        with self._failing(), self._connection.begin_nested():
            yield self._connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if self.failed is not None:
            raise self.failed
        try:
            with self._database.guard():
                yield
        except StoreError as wrong:
            self.failed = wrong
            raise


def _version(database: Database, connection: Connection) -> str | None:
    """Version of the tables, None for an empty database."""
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none())
    if METADATA.tables.keys() & set(names):
        raise database.error("wanted a store or an empty database, got tables of the same names that are no store")
    return None


def _migrate(database: Database) -> None:
    """Brings the database to the newest version, unless another program has done so meanwhile."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with database.writing() as connection:
        lock_migrations(connection)
        version = _version(database, connection)
        if version is not None and version not in known:
            raise database.error(
                f"wanted version {NEWEST} or older, got version {version}: it was written by a newer city-brain"
            )
        if version != NEWEST:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
