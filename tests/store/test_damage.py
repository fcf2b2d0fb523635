"""Flipped bits, lost pages and cut files: each is found, or harms nothing; nothing wrong is ever served."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from city_brain.errors import CityBrainError, DamagedError, StoreError
from city_brain.store.database import set_aside
from city_brain.store.store import Store
from tests.store.filling import FEED_ID, digest, ticks

GIVEN = list(ticks(60, 3))
PAGE = 4096
MUTATIONS = 70


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has lived a little: two feeds, compaction, subscribers, secrets; closed."""
    path = tmp_path_factory.mktemp("whole") / "feed.sqlite"
    with Store.open(_url(path)) as store:
        for name in ("370100", "370200"):
            feed = store.feed(name)
            feed.append(FEED_ID, GIVEN)
            feed.subscriptions.register("police", 150)
            feed.subscriptions.register("fire brigade", 170)
        store.feed("370100").compact(15_000)
        store.secret("resume tokens")
    return path


def everything(store: Store) -> dict[str, Any]:
    """All that can be read of a store."""
    told: dict[str, Any] = {"names": store.names(), "secret": store.secret("resume tokens")}
    for name in ("370100", "370200"):
        feed = store.feed(name)
        head = feed.head()
        held = feed.held()
        told[name] = (
            head,
            held,
            feed.changes(head.first_number - 1, 1000),
            feed.subscriptions.all(),
            feed.proof(held[0].incident.incident_id) if held else None,
            feed.head_of(33),
        )
    return told


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 3, 20))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _zero_page(data: bytearray, chance: random.Random) -> None:
    at = PAGE * chance.randrange(len(data) // PAGE)
    data[at : at + PAGE] = bytes(PAGE)


def _old_page(data: bytearray, chance: random.Random) -> None:
    """A page that was written to the wrong place."""
    one, other = (PAGE * chance.randrange(1, len(data) // PAGE) for _ in range(2))
    data[one : one + PAGE] = data[other : other + PAGE]


def _torn_page(data: bytearray, chance: random.Random) -> None:
    at = 512 * chance.randrange(len(data) // 512)
    data[at : at + 512] = chance.randbytes(512)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip_bits, _zero_page, _old_page, _torn_page, _cut)


def test_every_mutation_of_a_file_is_found_or_harmless(whole: Path, tmp_path: Path) -> None:
    """Where opening and check find nothing, all that is read is as it was written."""
    with Store.open(_url(whole)) as store:
        truth = everything(store)
        assert store.check().damage == ()
    found = 0
    for seed in range(MUTATIONS):
        chance = random.Random(seed)
        data = bytearray(whole.read_bytes())
        way = WAYS[seed % len(WAYS)]
        way(data, chance)
        path = tmp_path / f"{seed}.sqlite"
        path.write_bytes(data)
        try:
            with Store.open(_url(path)) as store:
                if store.check().damage:
                    found += 1
                else:
                    assert everything(store) == truth, f"seed {seed}, {way.__name__}"
        except StoreError:
            found += 1
    assert found > MUTATIONS // 2


def test_a_reader_of_a_mutated_file_gets_the_truth_or_an_error(whole: Path, tmp_path: Path) -> None:
    """Without any check before: whatever change, incident, digest or proof is served is the one that was written."""
    with Store.open(_url(whole)) as store:
        truth = store.feed("370100")
        head, changes, held = truth.head(), truth.changes(truth.head().first_number - 1, 1000), truth.held()
        calls: list[tuple[Callable[[Any], Any], Any]] = [
            (lambda feed: feed.changes(head.first_number - 1, 1000), changes),
            (lambda feed: feed.held(), held),
            (lambda feed: feed.head_of(77), truth.head_of(77)),
            (lambda feed: feed.proof(held[0].incident.incident_id), truth.proof(held[0].incident.incident_id)),
        ]
    served = refused = 0
    for seed in range(1000, 1000 + MUTATIONS):
        data = bytearray(whole.read_bytes())
        WAYS[seed % len(WAYS)](data, random.Random(seed))
        path = tmp_path / f"{seed}.sqlite"
        path.write_bytes(data)
        for call, wanted in calls:
            try:
                with Store.open(_url(path)) as store:
                    assert call(store.feed("370100")) == wanted, f"seed {seed}"
                    served += 1
            except CityBrainError:
                refused += 1
    assert served > MUTATIONS
    assert refused > MUTATIONS // 2


def test_every_field_of_every_row_is_under_a_seal_or_a_hash(whole: Path, tmp_path: Path) -> None:
    """Each table, each column: another value in any row is found by a check."""
    columns = _columns(whole)
    assert len(columns) > 25
    for table, column in columns:
        path = tmp_path / f"{table}-{column}.sqlite"
        shutil.copy(whole, path)
        last = f"(SELECT max({column}) FROM {table})"  # noqa: S608 - names of our own
        _execute(path, f"UPDATE {table} SET {column} = {_other(column)} WHERE {column} = {last}")  # noqa: S608
        try:
            with Store.open(_url(path)) as store:
                assert store.check().damage, f"{table}.{column}"
        except DamagedError:
            continue


def test_a_row_that_is_gone_is_found(whole: Path, tmp_path: Path) -> None:
    """Of changes, lines and newest revisions: deletion by whatever hand leaves a hole."""
    for table in ("changes", "lines", "newest"):
        path = tmp_path / f"{table}.sqlite"
        shutil.copy(whole, path)
        _execute(path, f"DELETE FROM {table} WHERE number = (SELECT max(number) FROM {table})")  # noqa: S608
        with Store.open(_url(path)) as store:
            assert store.check().damage, table


def _columns(path: Path) -> list[tuple[str, str]]:
    tables = ("feeds", "changes", "lines", "newest", "subscriptions", "secrets")
    return [(table, row[1]) for table in tables for row in _execute(path, f"PRAGMA table_info({table})")]


def _other(column: str) -> str:
    numbers = (
        "id",
        "feed",
        "number",
        "tick",
        "log_time_ms",
        "incidents",
        "revision",
        "previous",
        "opened_number",
        "closed",
    )
    if column in (*numbers, "last_number", "first_number", "last_tick", "acknowledged", "sent"):
        return f"{column} + 1000"
    return "'x' || hex(randomblob(4))" if column in ("name", "feed_id", "incident_id") else "randomblob(8)"


def _execute(path: Path, statement: str) -> list[Any]:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_write_ahead_log_takes_back_whole_appends_only(tmp_path: Path, seed: int) -> None:
    """What is left is the store as it was after one of its appends, and the rest can be appended again."""
    chance = random.Random(seed)
    path = tmp_path / "feed.sqlite"
    store = Store.open(_url(path))
    store.feed("370100").append(FEED_ID, GIVEN[:1])
    for tick in GIVEN[1:20]:
        store.feed("370100").append(FEED_ID, [tick])
    crashed = tmp_path / "crashed.sqlite"
    shutil.copy(path, crashed)
    log = bytearray(path.with_name("feed.sqlite-wal").read_bytes())
    store.close()
    (_cut if seed % 2 else _flip_bits)(log, chance)
    crashed.with_name("crashed.sqlite-wal").write_bytes(log)
    with Store.open(_url(crashed)) as store:
        assert store.check().damage == ()
        feed = store.feed("370100")
        last_tick = feed.head().last_tick
        held = 0 if last_tick is None else last_tick + 1
        assert feed.head().digest == digest(GIVEN[:held])
        feed.append(FEED_ID, GIVEN)
        assert feed.head().digest == digest(GIVEN)


def test_what_is_no_store_is_damage(tmp_path: Path) -> None:
    """A file of other bytes is not written over."""
    path = tmp_path / "feed.sqlite"
    path.write_bytes(b"something else, and long enough to have a header of a hundred bytes. " * 20)
    before = path.read_bytes()
    with pytest.raises(DamagedError, match="file is not a database"):
        Store.open(_url(path))
    assert path.read_bytes() == before


def test_a_damaged_store_is_set_aside_and_built_anew(whole: Path, tmp_path: Path) -> None:
    """The old one stays beside it with all its parts, and the new one is filled from the log."""
    path = tmp_path / "feed.sqlite"
    shutil.copy(whole, path)
    path.with_name("feed.sqlite-wal").write_bytes(b"x")
    assert set_aside(path) == tmp_path / "feed.sqlite.damaged-1"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["feed.sqlite.damaged-1", "feed.sqlite.damaged-1-wal"]
    with Store.open(_url(path)) as store:
        store.feed("370100").append(FEED_ID, GIVEN)
        assert store.feed("370100").head().digest == digest(GIVEN)
    assert set_aside(path) == tmp_path / "feed.sqlite.damaged-2"
    with pytest.raises(StoreError, match="wanted to set it aside"):
        set_aside(path)


def test_damage_on_a_server_is_found(store: Store, url: str) -> None:
    """Rows that were changed by another hand, on either database."""
    import sqlalchemy as sa

    store.feed("370100").append(FEED_ID, GIVEN[:5])
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE lines SET line = '{}' WHERE number = 3"))
    engine.dispose()
    with pytest.raises(DamagedError, match="wanted the line of change 3 as it was written"):
        store.feed("370100").changes(0, 100)
    assert [change.number for change in store.feed("370100").changes(0, 2)] == [1, 2]
    assert any("the line of change 3" in found for found in store.check().damage)
