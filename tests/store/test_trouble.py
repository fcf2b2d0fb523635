"""Trouble that passes: a full disk, a file that may not be written, a lock, a lost server; nothing is lost by it."""

import sqlite3
from pathlib import Path

import pytest

from city_brain.errors import DamagedError, StoreError
from city_brain.store.database import Database
from city_brain.store.store import Store
from tests.store.filling import FEED_ID, digest, ticks
from tests.store.postgres import Postgres
from tests.store.trouble import small_disk

GIVEN = list(ticks(400, 20))


def test_a_full_disk_stops_appending_and_nothing_else(tmp_path: Path) -> None:
    """Refused as temporary; readers go on; once there is room the same append goes through, without repair."""
    with small_disk(tmp_path) as (fill, make_room):
        url = f"sqlite:///{tmp_path / 'feed.sqlite'}"
        store = Store.open(url)
        feed = store.feed("370100")
        feed.append(FEED_ID, GIVEN[:40])
        fill()
        held = 40
        with pytest.raises(StoreError) as refused:  # a few more fit into the room that the file already has
            for held in range(40, len(GIVEN)):
                feed.append(FEED_ID, [GIVEN[held]])
        assert refused.value.temporary
        assert not isinstance(refused.value, DamagedError)
        assert str(tmp_path) in str(refused.value)
        for _ in range(3):
            with pytest.raises(StoreError):
                feed.append(FEED_ID, GIVEN[held:])
            assert feed.head().digest == digest(GIVEN[:held])
            assert len(feed.changes(0, 10_000)) == 20 * held
        make_room()
        assert len(feed.append(FEED_ID, GIVEN[held : held + 3])) == 60
        assert feed.head().digest == digest(GIVEN[: held + 3])
        assert store.check().damage == ()
        store.close()
        with Store.open(url) as again:
            assert again.feed("370100").head().digest == digest(GIVEN[: held + 3])
            assert again.check().damage == ()


def test_a_file_that_may_not_be_written_can_be_read(tmp_path: Path) -> None:
    """Opened for reading only it tells what it holds, and refuses to take more."""
    path = tmp_path / "feed.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        store.feed("370100").append(FEED_ID, GIVEN[:3])
    with Store.open(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        assert store.feed("370100").head().digest == digest(GIVEN[:3])
        assert store.check().damage == ()
        with pytest.raises(StoreError, match="readonly") as refused:
            store.feed("370100").append(FEED_ID, GIVEN[3:4])
        assert refused.value.temporary


def test_a_server_that_only_reads_refuses_to_append(postgres: Postgres) -> None:
    """As a replica does, until it is promoted."""
    url = postgres.database()
    with Store.open(url) as store:
        store.feed("370100").append(FEED_ID, GIVEN[:3])
    with Store.open(f"{url}%20-cdefault_transaction_read_only%3Don") as store:
        assert store.feed("370100").head().digest == digest(GIVEN[:3])
        with pytest.raises(StoreError, match="read-only") as refused:
            store.feed("370100").append(FEED_ID, GIVEN[3:4])
        assert refused.value.temporary


def test_who_waits_too_long_for_another_writer_is_told_to_come_again(url: str) -> None:
    """The lock is not waited for without end, and the same append succeeds once it is free."""
    with Store.open(url) as first, Store.open(url, wait_s=0.2) as second:
        first.feed("370100").append(FEED_ID, GIVEN[:3])
        with first.transaction() as work:
            work.feed("370100").append(FEED_ID, GIVEN[3:4])
            assert second.feed("370100").head().last_tick == 2
            with pytest.raises(StoreError) as refused:
                second.feed("370100").append(FEED_ID, GIVEN[3:4])
            assert refused.value.temporary
        assert len(second.feed("370100").append(FEED_ID, GIVEN[3:4])) == 20
        assert second.feed("370100").head().digest == digest(GIVEN[:4])


def test_a_lost_connection_is_never_taken_for_a_commit(postgres: Postgres) -> None:
    """Cut in the middle of a transaction it has not happened; the same append then goes through."""
    with Store.open(postgres.database()) as store:
        feed = store.feed("370100")
        feed.append(FEED_ID, GIVEN[:3])
        with pytest.raises(StoreError) as lost, store.transaction() as work:
            work.feed("370100").append(FEED_ID, GIVEN[3:5])
            postgres.cut_connections()
        assert lost.value.temporary
        assert feed.head().last_tick == 2
        assert len(feed.append(FEED_ID, GIVEN[3:5])) == 40
        assert feed.head().digest == digest(GIVEN[:5])


def test_a_server_that_falls_over_and_comes_back_has_what_was_acknowledged(postgres: Postgres) -> None:
    """While it is away every call fails as temporary; then the store goes on where it was."""
    with Store.open(postgres.database(), wait_s=2) as store:
        feed = store.feed("370100")
        feed.append(FEED_ID, GIVEN[:30])
        postgres.stop()
        try:
            for _ in range(2):
                with pytest.raises(StoreError) as away:
                    feed.append(FEED_ID, GIVEN[30:31])
                assert away.value.temporary
        finally:
            postgres.start()
        feed.append(FEED_ID, GIVEN[28:33])
        assert feed.head().digest == digest(GIVEN[:33])
        assert store.check().damage == ()


@pytest.mark.parametrize(
    ("state", "kind", "temporary"),
    [
        ("53100", StoreError, True),  # disk full
        ("58030", StoreError, True),  # I/O error
        ("57P01", StoreError, True),  # the server is shut down
        ("40001", StoreError, True),
        ("40P01", StoreError, True),  # deadlock
        ("42501", StoreError, False),  # no permission
        ("XX001", DamagedError, False),
        ("XX002", DamagedError, False),
    ],
)
def test_what_a_server_says_is_told_by_who_must_act(
    postgres: Postgres, state: str, kind: type[StoreError], temporary: bool
) -> None:
    """Trouble that passes, trouble that does not, and damage."""
    database = Database(postgres.shared_database())
    with pytest.raises(StoreError) as raised, database.writing() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
    database.close()
    assert type(raised.value) is kind
    assert raised.value.temporary is temporary


def test_a_transaction_that_sqlite_gave_up_is_no_success(tmp_path: Path) -> None:
    """A commit with no transaction around it would succeed and do nothing."""
    with Store.open(f"sqlite:///{tmp_path / 'feed.sqlite'}") as store:
        with pytest.raises(StoreError, match="SQLite had given up") as refused, store.transaction() as work:
            work.feed("370100").append(FEED_ID, GIVEN[:1])
            with work.reading() as connection:
                raw = connection.connection.dbapi_connection
                assert isinstance(raw, sqlite3.Connection)
                raw.execute("ROLLBACK")
        assert refused.value.temporary
        assert store.names() == []
        assert len(store.feed("370100").append(FEED_ID, GIVEN[:1])) == 20


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds the keys of resume tokens."""
    path = tmp_path / "feed.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        store.secret("resume tokens")
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(StoreError, match=r"nowhere/feed\.sqlite: wanted to use it, got: unable to open"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/feed.sqlite")
