"""Opening: addresses, versions, tables that are as the code knows them, and no password in any message."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from city_brain import store as package
from city_brain.errors import SettingsError, StoreError
from city_brain.store.database import store_url
from city_brain.store.store import Store
from city_brain.store.tables import METADATA, NEWEST
from tests.store.filling import FEED_ID, ticks
from tests.store.postgres import PASSWORD, Postgres


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url)


def test_migrations_end_with_the_tables_that_the_code_knows(store: Store, url: str) -> None:
    """Nothing is missing and nothing is left over, down to the indexes."""
    engine = _engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == NEWEST
    engine.dispose()
    assert store.names() == []


def test_the_newest_migration_is_the_version_that_the_code_wants() -> None:
    """A new module of migrations comes with a new version, and its way leads back to an empty database."""
    scripts = ScriptDirectory(str(Path(package.__path__[0]) / "migrations"))
    assert scripts.get_current_head() == NEWEST
    assert [script.down_revision for script in scripts.walk_revisions()][-1] is None


def test_a_database_of_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    """An older program must not write into tables that it does not know."""
    with Store.open(url) as store:
        store.feed("370100").append(FEED_ID, list(ticks(3, 1)))
    _execute(url, "UPDATE alembic_version SET version_num = '9999'")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"wanted version {NEWEST} or older, got version 9999") as refused:
            Store.open(url)
        assert not refused.value.temporary
    _execute(url, f"UPDATE alembic_version SET version_num = '{NEWEST}'")  # noqa: S608 - a constant of ours
    with Store.open(url) as store:
        assert store.feed("370100").head().last_number == 3


def test_a_database_of_the_first_version_is_brought_up_to_date(url: str) -> None:
    """What it holds stays, and what is new is there."""
    with Store.open(url) as store:
        store.feed("370100").append(FEED_ID, list(ticks(3, 1)))
    _execute(url, "DROP TABLE records")
    _execute(url, "UPDATE alembic_version SET version_num = '0001'")
    with Store.open(url) as store:
        assert store.feed("370100").head().last_number == 3
        assert store.records("orders").all() == {}
        assert not store.check().damage


def test_tables_of_somebody_else_are_left_alone(url: str) -> None:
    """A database that has such tables and is no store is not made one."""
    _execute(url, "CREATE TABLE feeds (name TEXT)")
    with pytest.raises(StoreError, match="wanted a store or an empty database, got tables of the same names"):
        Store.open(url)


def _execute(url: str, statement: str) -> None:
    engine = _engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("feed.sqlite", "sqlite:////site/feed.sqlite"),
        ("/else/feed.sqlite", "sqlite:////else/feed.sqlite"),
        ("sqlite:///data/feed.sqlite", "sqlite:////site/data/feed.sqlite"),
        ("sqlite:////else/feed.sqlite", "sqlite:////else/feed.sqlite"),
        ("sqlite://", "sqlite://"),
        ("postgresql://city:secret@db/feeds", "postgresql+psycopg://city:secret@db/feeds"),
    ],
)
def test_an_address_in_a_setting_begins_at_the_folder_of_the_site(address: str, url: str) -> None:
    """Paths and relative addresses of files are those of the site; servers are as they are written."""
    assert store_url(address, Path("/site")) == url


@pytest.mark.parametrize("address", ["", "mysql://u:hidden@h/d", "sqlite", "postgresql+asyncpg://u:hidden@h/d", "x://"])
def test_an_address_that_is_none_is_a_wrong_setting_and_is_not_repeated(address: str) -> None:
    """The message says what an address looks like, and nothing of what might be a password."""
    with pytest.raises(SettingsError, match="wanted sqlite:///file") as refused:
        Store.open(address)
    assert "hidden" not in str(refused.value)


def test_no_message_shows_a_password(postgres: Postgres) -> None:
    """Neither the address nor what the server says: wrong password, no such database, nobody there."""
    good = postgres.database()
    with Store.open(good) as store:
        assert PASSWORD not in store.where
        assert "***" in store.where
    for address in (
        good.replace(PASSWORD, f"{PASSWORD}-but-wrong"),
        good.rsplit("/", 1)[0] + "/nowhere",
        good.replace(f":{postgres.port}", ":1"),
        good.replace(f":{PASSWORD}", "") + f"&password={PASSWORD}-but-wrong",
    ):
        with pytest.raises(StoreError) as refused:
            Store.open(address, wait_s=2)
        assert PASSWORD not in str(refused.value)
        assert "127.0.0.1" in str(refused.value)
