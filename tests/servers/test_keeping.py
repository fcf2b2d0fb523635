"""The keeper of a feed: what begins in an empty store has a name from the first tick on, and goes on under it."""

from pathlib import Path

from city_brain.servers.feed.keeping import Keeper
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from tests.feeds.builders import START_MS, a_heartbeat, an_incident

HISTORY_MS = 3_600_000


def a_tick(tick: int) -> TickChanges:
    """A tick with a change."""
    said = [an_incident(f"i{tick}")]
    return TickChanges(tick=tick, log_time_ms=START_MS + 1000 * tick, incidents=said, heartbeat=a_heartbeat(tick))


def test_a_feed_that_begins_in_an_empty_store_has_its_name(tmp_path: Path) -> None:
    """Before the first tick is stored, and once another server opens the store."""
    url = f"sqlite:///{tmp_path}/feed.sqlite"
    keeper = Keeper(Store.open(url), "city", HISTORY_MS)
    assert not keeper.begin(7, "first")
    log = keeper.log("first")
    assert (log.feed_id, log.last_number) == ("first", 0)
    keeper.keep(log.feed_id, [a_tick(7)])
    keeper.store.close()
    again = Keeper(Store.open(url), "city", HISTORY_MS)
    assert again.begin(8, "second")
    assert (again.log("second").feed_id, again.log("second").last_number) == ("first", 1)
    again.store.close()


def test_a_feed_that_another_took_the_place_of_holds_nothing_back(tmp_path: Path) -> None:
    """Its subscriptions end, and what it told is forgotten when it is older than the history of the city."""
    with Store.open(f"sqlite:///{tmp_path}/feed.sqlite") as store:
        keeper = Keeper(store, "city", HISTORY_MS)
        keeper.begin(7, "first")
        keeper.keep("first", [a_tick(7), a_tick(8)])
        old = keeper.feed
        assert old is not None
        keeper.acknowledge("fire/night/", 1, "first")
        gap = HISTORY_MS // 2000
        assert not keeper.begin(8 + gap, "second")
        keeper.keep("second", [a_tick(8 + gap)])
        assert (len(old.subscriptions.all()), old.head().first_number) == (1, 1), "the next compaction is not due"
        keeper.keep("second", [a_tick(9 + gap)])
        later = Keeper(store, "city", HISTORY_MS, compact_ms=1)
        assert later.begin(10 + gap, "third")
        later.keep("second", [a_tick(10 + gap)])
        assert (old.subscriptions.all(), old.head().first_number) == ([], 1)
        later.keep("second", [a_tick(tick) for tick in range(11 + gap, 11 + 2 * gap)])
        assert (old.head().first_number, old.head().last_number) == (3, 2)
        assert not store.check().damage
