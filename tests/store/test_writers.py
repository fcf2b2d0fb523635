"""Many writers at once: numbers become visible in order, and each tick is taken once."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from city_brain.errors import StateError
from city_brain.store.store import Store
from tests.feeds.builders import an_incident
from tests.store.filling import FEED_ID, a_tick
from tests.store.postgres import Postgres

WRITERS = 8
TRANSACTIONS = 2_000
ROLLED_BACK = 0.15
LONGEST_PAUSE_S = 0.002
POLL_S = 0.005


class _RolledBackError(Exception):
    pass


def _write(url: str, writer: int, count: int) -> int:
    """So many transactions of one writer, some rolled back after all is written; returns the changes committed."""
    chance = random.Random(writer)
    committed = 0
    with Store.open(url) as store:
        for turn in range(count):
            incidents = [an_incident(f"{writer}-{turn}-{at}") for at in range(chance.randint(1, 3))]
            try:
                with store.transaction() as work:
                    feed = work.feed("370100")
                    head = feed.lock()
                    feed.append(FEED_ID, [a_tick(0 if head.last_tick is None else head.last_tick + 1, *incidents)])
                    time.sleep(chance.uniform(0, LONGEST_PAUSE_S))
                    if chance.random() < ROLLED_BACK:
                        raise _RolledBackError
            except _RolledBackError:
                continue
            committed += len(incidents)
    return committed


def _poll(url: str, done: threading.Event) -> list[int]:
    """Follows the feed by what is visible behind the last number that it has seen; returns the numbers in order."""
    seen: list[int] = []
    with Store.open(url) as store:
        feed = store.feed("370100")
        while True:
            last_round = done.is_set()
            time.sleep(POLL_S)
            fresh = [change.number for change in feed.changes(seen[-1] if seen else 0, 500)]
            seen += fresh
            if last_round and not fresh:
                return seen


def test_a_reader_never_sees_a_number_before_the_one_before_it(postgres: Postgres) -> None:
    """8 writers with pauses and rollbacks, and a reader that never stops asking: no gap is ever visible, none stays."""
    url = postgres.database()
    done = threading.Event()
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(_poll, url, done)
        writers = [pool.submit(_write, url, writer, TRANSACTIONS // WRITERS) for writer in range(WRITERS)]
        try:
            committed = sum(writer.result() for writer in writers)
        finally:
            done.set()
        seen = reader.result()
    assert seen == list(range(1, committed + 1))
    with Store.open(url) as store:
        assert store.feed("370100").head().last_number == committed
        assert store.check().damage == ()


def test_writers_of_the_same_ticks_take_each_of_them_once(url: str) -> None:
    """Two programs that compute the same say the same: one takes a tick, the other finds it there."""
    given = [a_tick(tick, an_incident(f"i{tick}")) for tick in range(40)]

    def write(start: int) -> list[int]:
        with Store.open(url) as store:
            feed = store.feed("370100")
            numbers = []
            for at in range(start, len(given), 2):
                numbers += [change.number for change in feed.append(FEED_ID, given[max(0, at - 3) : at + 1])]
            return numbers

    Store.open(url).close()
    with ThreadPoolExecutor(2) as pool:
        try:
            told = [
                numbers for writing in [pool.submit(write, 1), pool.submit(write, 1)] for numbers in writing.result()
            ]
        except StateError as wrong:
            pytest.fail(str(wrong))
    assert set(told) == set(range(1, 41))
    with Store.open(url) as store:
        assert [change.incident for change in store.feed("370100").changes(0, 99)] == [t.incidents[0] for t in given]
        assert store.check().damage == ()


def test_two_programs_may_open_an_empty_database_at_once(url: str) -> None:
    """One makes the tables, the others wait and find them."""
    with ThreadPoolExecutor(4) as pool:
        for opened in [pool.submit(Store.open, url) for _ in range(4)]:
            opened.result().close()
    with Store.open(url) as store:
        assert store.names() == []
