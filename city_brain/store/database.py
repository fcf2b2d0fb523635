"""SQLite or PostgreSQL behind an address: transactions that last once they are over, and what their errors mean.

SQLite writes ahead (WAL) with synchronous=FULL, takes its lock when a writing transaction begins, and waits for others
up to WAIT_S. PostgreSQL commits before it answers (synchronous_commit is never off), and readers see one state of the
database in all of a transaction (REPEATABLE READ).

A commit that fails counts as not done. Whether it was done after all (a connection lost while the answer was under way)
shows when the caller repeats it: what is held already is compared, not written twice.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.pool import StaticPool

from city_brain.errors import DamagedError, SettingsError, StoreError

WAIT_S: Final = 10.0
"""How long one transaction waits for another: no transaction of ours lasts longer than a second or so."""
STUCK_S: Final = 60.0
"""A transaction that does nothing for so long is ended by the server: its program stands still and holds a lock."""
_ALIVE: Final = {
    "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000,
}  # fmt: skip
"""A server that fell silent (a cut link sends no word) is given up within half a minute; libpq's words, s and ms."""
_SQLITE: Final = "sqlite"
_POSTGRESQL: Final = "postgresql+psycopg"

_TEMPORARY_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
"""Primary result codes that say nothing about the file; what else can come of statements that are right is damage."""
_SHORT_READ: Final = sqlite3.SQLITE_IOERR | 2 << 8
_CORRUPT_FILE_SYSTEM: Final = sqlite3.SQLITE_IOERR | 33 << 8
_CANNOT_GROW: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
)
"""Why a checkpoint may stay away without harm: nothing that it would write is missing where it is."""

_TEMPORARY_STATES: Final = ("08", "40", "53", "57", "58", "25006", "55")
"""How SQLSTATE begins where trying again later can help: connection, conflict, resources, shutdown, I/O, lock."""
_DAMAGED_STATES: Final = ("XX001", "XX002", "22", "23", "42P01", "42703")
"""Damaged pages and indexes; rows or tables that are not as our own statements leave them."""


def store_url(address: str, folder: Path) -> str:
    """The URL of a store that a setting names: a path, or a relative sqlite URL, begins at `folder`."""
    if "://" not in address:
        return URL.create(_SQLITE, database=str(folder.absolute() / address)).render_as_string()
    url = _parsed(address)
    if url.get_backend_name() == _SQLITE and url.database and not url.database.startswith((":", "file:")):
        url = url.set(database=str(folder.absolute() / url.database))
    return url.render_as_string(hide_password=False)


class _File:
    """The file of a SQLite database, which must stay the one that was opened: SQLite itself writes on into a file that
    was deleted or replaced, and says nothing.

    It is never opened here: to close it again would take SQLite's locks away.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._log = self._path.with_name(f"{self._path.name}-wal")
        self._opened: tuple[int, int] | None = None
        self._bytes = 0
        self._logs = False

    def opened(self, *, logs: bool) -> None:
        """A connection has opened it; the first one says which file it is. `logs`: whether writes go to a log."""
        self._logs = logs
        if self._opened is None:
            with suppress(OSError):
                found = self._path.stat()
                self._opened, self._bytes = (found.st_dev, found.st_ino), found.st_size

    def wrong(self, *, written: bool = False) -> str:
        """What was found instead of it; "" where nothing is wrong. `written`: a transaction has written to its log."""
        if self._opened is None:
            return ""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "none: it was deleted or moved away"
        except OSError:  # a disk that fails, of which SQLite says more
            return ""
        if (found.st_dev, found.st_ino) != self._opened:
            return "another one in its place"
        if found.st_size < self._bytes and (said := self._cut() if found.st_size else "nothing"):
            return f"{found.st_size} bytes of {self._bytes} ({' '.join(said.split())})"
        if written and self._logs and not self._log.exists():
            return f"no {self._log.name} beside it: it was deleted or moved away"
        self._bytes = found.st_size
        return ""

    def _cut(self) -> str:
        """Why a file that became shorter is not whole; "" where it was only cleared of pages that held nothing."""
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            try:
                (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.DatabaseError as wrong:
                said = str(wrong)
        return "" if said == "ok" else str(said)


class Database:
    """A database by its URL. All errors come as StoreError, with the address but never with its password."""

    def __init__(self, address: str, wait_s: float = WAIT_S) -> None:
        url = _parsed(address)
        self.is_sqlite = url.get_backend_name() == _SQLITE
        self.where = _shown(url)
        self._hidden = [value for value in _secrets_of(url) if value]
        memory = self.is_sqlite and url.database in (None, "", ":memory:")
        # A database in memory is one connection, which takes one transaction at a time.
        self._alone: AbstractContextManager[Any] = threading.RLock() if memory else nullcontext()
        settings: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
        self._file: _File | None = None
        if self.is_sqlite:
            if not memory and url.database:
                _make_private(url.database)
                self._file = None if url.database.startswith("file:") else _File(url.database)
            settings["connect_args"] = {"timeout": wait_s, "check_same_thread": False}
        else:
            settings |= {"connect_args": {"connect_timeout": max(2, round(wait_s)), **_ALIVE}, "pool_pre_ping": True}
        try:
            self._engine = create_engine(url, **settings)
        except ModuleNotFoundError as wrong:
            raise SettingsError(f"store {self.where}: wanted its driver, psycopg, got: {wrong}") from wrong
        self._wait_s = wait_s
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", self._begin)

    def close(self) -> None:
        """Lets the connections go; the last one to a SQLite file brings its write-ahead log home."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the database for as long as it lasts."""
        with self._alone, self.guard(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                self._check_file()
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it lasts once this has ended without an error, or nothing of it."""
        with self._alone, self.guard(), self._engine.connect() as connection:
            connection = connection.execution_options(city_brain_writes=True)
            with connection.begin():
                self._check_file()
                yield connection
                self._check_file(written=True)
                # SQLite ends a transaction by itself on some errors; a commit would then succeed and do nothing.
                if self.is_sqlite and not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                    raise self.error("wanted to commit, got a transaction that SQLite had given up", temporary=True)
            self._check_file()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turns errors of the database into those of this house."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as wrong:
            raise self._translated(wrong) from wrong
        except Exception as wrong:
            if not hasattr(wrong, "sqlstate"):  # psycopg's own, from the preparation of a connection
                raise
            raise self._translated(wrong) from wrong

    def error(self, what: str, *, temporary: bool = False) -> StoreError:
        """An error at this address."""
        return StoreError(f"store {self.where}: {what}", temporary=temporary)

    def damaged(self, what: str) -> DamagedError:
        """Damage at this address."""
        return DamagedError(f"store {self.where}: {what}")

    def settle(self) -> None:
        """Brings a write-ahead log home, so that whatever can be read is on the disk.

        After a crash it might be in the memory of the kernel only, where the disk had refused it.
        """
        if not self.is_sqlite:
            return
        with self._alone, self.guard():
            raw = self._engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError as wrong:
                if _primary(wrong) not in _CANNOT_GROW:
                    raise
            finally:
                raw.close()

    def _check_file(self, *, written: bool = False) -> None:
        """Raises DamagedError where the file is not the one that was opened any more, or not all of it."""
        if self._file is not None and (found := self._file.wrong(written=written)):
            raise self.damaged(
                f"wanted the file as it was opened, got {found}; nothing is told from it any more; bring it back, or "
                "start again: what is there then is looked over, and where there is none a new one is made"
            )

    def _prepare(self, connection: Any, _: object) -> None:
        """Settings of a fresh connection."""
        cursor = connection.cursor()
        if self.is_sqlite:
            connection.isolation_level = None  # we begin transactions ourselves
            mode = _write_ahead(cursor)
            for pragma in (
                "synchronous=FULL", "foreign_keys=ON", "cell_size_check=ON", "trusted_schema=OFF",
            ):  # fmt: skip
                cursor.execute(f"PRAGMA {pragma}").fetchall()
            if self._file is not None:
                self._file.opened(logs=mode == "wal")
        else:
            limits = (("lock_timeout", self._wait_s), ("idle_in_transaction_session_timeout", STUCK_S))
            for name, seconds in limits:
                cursor.execute("SELECT set_config(%s, %s, false)", (name, f"{round(1000 * seconds)}ms"))
            cursor.execute("SELECT set_config('synchronous_commit', 'on', false) FROM pg_settings "
                           "WHERE name = 'synchronous_commit' AND setting = 'off'")  # fmt: skip
            connection.commit()
        cursor.close()

    def _begin(self, connection: Connection) -> None:
        if self.is_sqlite:
            writes = connection.get_execution_options().get("city_brain_writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    def _translated(self, wrong: Exception) -> StoreError:
        cause = wrong.orig if isinstance(wrong, DBAPIError) and wrong.orig is not None else wrong
        said = str(cause).strip() or type(cause).__name__
        for hidden in self._hidden:
            said = said.replace(hidden, "***")
        if isinstance(cause, sqlite3.Error):
            primary, code = _primary(cause), getattr(cause, "sqlite_errorcode", 0)
            if primary in _TEMPORARY_SQLITE and code not in (_SHORT_READ, _CORRUPT_FILE_SYSTEM):
                return self.error(f"wanted to use it, got: {said}", temporary=True)
            return self.damaged(f"wanted a database as it was written, got: {said}")
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            if state.startswith(_DAMAGED_STATES):
                return self.damaged(f"wanted a database as it was written, got: {said}")
            return self.error(f"wanted to use it, got: {said}", temporary=state.startswith(_TEMPORARY_STATES))
        # Without a state nobody answered, or the connection is gone.
        temporary = isinstance(wrong, DBAPIError | NoConnectionError) or hasattr(cause, "sqlstate")
        return self.error(f"wanted to use it, got: {said}", temporary=temporary)


def _write_ahead(cursor: Any) -> str:
    """Has a database write ahead and returns the mode that it is in then.

    Where several programs ask this of a new file, SQLite refuses all but one at once; a transaction waits its turn.
    """
    while True:
        try:
            (mode,) = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as wrong:
            if _primary(wrong) != sqlite3.SQLITE_BUSY:
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")


def lock_migrations(connection: Connection) -> None:
    """Lets one program at a time look at the version of a database and change it; SQLite has locked already."""
    if connection.dialect.name != _SQLITE:
        connection.execute(text("SELECT pg_advisory_xact_lock(7160329114528)"))


def set_aside(path: Path) -> Path:
    """Renames a damaged SQLite file, with what belongs to it, to the first free `*.damaged-N`; returns the new path.

    Nobody may have it open. The store that is then opened at `path` is a new one, to be filled from the log.
    """
    count = 1
    while (kept := path.with_name(f"{path.name}.damaged-{count}")).exists():
        count += 1
    try:
        for suffix in ("-shm", "-wal", ""):  # the file itself last: until then it is all there under the old name
            part = path.with_name(path.name + suffix)
            if part.exists() or not suffix:
                part.rename(kept.with_name(kept.name + suffix))
    except OSError as wrong:
        raise StoreError(f"store {path}: wanted to set it aside, got: {wrong.strerror}") from wrong
    return kept


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
        backend = url.get_backend_name()
        if url.drivername == "postgresql":
            url = url.set(drivername=_POSTGRESQL)
        if backend not in (_SQLITE, "postgresql") or url.drivername not in (_SQLITE, "sqlite+pysqlite", _POSTGRESQL):
            raise ValueError
    except (SQLAlchemyError, NoSuchModuleError, ValueError):
        scheme = address.split("://")[0] if "://" in address else "no scheme"
        raise SettingsError(
            f"store: wanted sqlite:///file, sqlite:// or postgresql+psycopg://host/database, got {scheme!r}"
        ) from None
    return url


def _make_private(path: str) -> None:
    """Makes a file that is not there yet, readable by its owner alone: it will hold keys, too."""
    with suppress(OSError):  # SQLite says better what is wrong
        if not path.startswith("file:"):
            Path(path).touch(mode=0o600)


def _shown(url: URL) -> str:
    """The address as messages show it: a file by its path, a server without passwords."""
    if url.get_backend_name() == _SQLITE:
        return url.database or "in memory"
    shown = {name: "***" if _is_secret(name) else value for name, value in url.query.items()}
    return url.set(query=shown).render_as_string(hide_password=True)


def _secrets_of(url: URL) -> list[str]:
    return [str(url.password or ""), *(str(value) for name, value in url.query.items() if _is_secret(name))]


def _is_secret(parameter: str) -> bool:
    return "pass" in parameter


def _primary(wrong: sqlite3.Error) -> int:
    """Primary result code; 0 for what Python's module says by itself, as of text that is none."""
    return int(getattr(wrong, "sqlite_errorcode", 0)) & 0xFF
