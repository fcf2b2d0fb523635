"""A file that is deleted, replaced or cut while it is open: noticed at the next transaction, before anybody is told."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from city_brain.errors import DamagedError
from city_brain.servers.feed.keeping import Keeper
from city_brain.store.store import Store
from tests.store.filling import FEED_ID, ticks

GIVEN = list(ticks(60, 3))


def _deleted(path: Path) -> None:
    path.unlink()


def _moved_with_its_log(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).rename(path.with_name(f"away{suffix}"))


def _folder_gone(path: Path) -> None:
    shutil.rmtree(path.parent)


def _replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def _without_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (_deleted, "got none: it was deleted or moved away"),
        (_moved_with_its_log, "got none: it was deleted or moved away"),
        (_folder_gone, "got none: it was deleted or moved away"),
        (_replaced, "got another one in its place"),
        (_without_its_log, "got no feed.sqlite-wal beside it"),
        (_cut, r"got \d+ bytes of \d+"),
        (_empty, r"got 0 bytes of \d+"),
    ],
)
def test_an_append_to_a_file_that_is_lost_fails(tmp_path: Path, lose: Callable[[Path], None], said: str) -> None:
    """And every one after it; a keeper of a city raises instead of telling."""
    path = tmp_path / "kept" / "feed.sqlite"
    path.parent.mkdir()
    with Store.open(f"sqlite:///{path}") as store:
        store.feed("city").append(FEED_ID, GIVEN[:40])
    with Store.open(f"sqlite:///{path}") as store:
        feed = store.feed("city")
        feed.append(FEED_ID, GIVEN[40:50])
        keeper = Keeper(store, "other", 1)
        lose(path)
        for _ in range(2):
            with pytest.raises(DamagedError, match=said):
                feed.append(FEED_ID, GIVEN[50:])
        with pytest.raises(DamagedError):
            keeper.keep(FEED_ID, GIVEN)


def test_nothing_is_read_from_a_file_that_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "feed.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        feed = store.feed("city")
        feed.append(FEED_ID, GIVEN)
        path.unlink()
        with pytest.raises(DamagedError, match="got none"):
            feed.changes(0, 10)
    with Store.open(f"sqlite:///{path}") as store:
        assert store.feed("city").append(FEED_ID, GIVEN)[-1].number == 180


def test_a_file_that_others_clear_of_empty_pages_is_whole(tmp_path: Path) -> None:
    """It becomes shorter, and nothing is lost; the same file under its name again is the same file."""
    path = tmp_path / "feed.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        feed = store.feed("city")
        feed.append(FEED_ID, GIVEN[:50])
        store.records("room").put("large", bytes(1 << 20))
        other = sqlite3.connect(path)
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        feed.append(FEED_ID, GIVEN[50:51])
        before = path.stat().st_size
        store.records("room").remove("large")
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        other.close()
        feed.append(FEED_ID, GIVEN[51:])
        assert path.stat().st_size < before
        assert not store.check().damage
