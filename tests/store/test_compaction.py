"""What a feed forgets, what it keeps for whom, and how far its readers have got."""

import pytest

from city_brain.errors import StateError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.store.store import Store
from city_brain.store.values import Compaction, Subscriber
from tests.feeds.builders import an_incident
from tests.store.filling import FEED_ID, a_tick, digest, ticks


def test_what_is_older_than_the_history_is_forgotten_and_announced(store: Store, url: str) -> None:
    """Older changes are refused, newer ones keep their revision before; head, digest and open incidents stay."""
    given = list(ticks(60, 2))
    feed = store.feed("370100")
    every = feed.append(FEED_ID, given)
    assert feed.compact(20_000) == Compaction(first_before=1, first_after=79)
    assert feed.compact(20_000).forgotten == 0
    with Store.open(url) as again:
        feed = again.feed("370100")
        assert (feed.head().first_number, feed.head().last_number) == (79, 120)
        assert feed.head().digest == digest(given)
        assert feed.changes(78, 1000) == every[78:]
        with pytest.raises(RefusedError, match="the history begins with 79") as refused:
            feed.changes(77, 1000)
        assert refused.value.reason is Reason.HISTORY_GONE
        newest = {change.incident.incident_id: change for change in every}
        wanted = [one for one in newest.values() if one.incident.state == "active" or one.number >= 79]
        wanted.sort(key=lambda one: one.number)
        assert [(held.number, held.incident) for held in feed.held()] == [(one.number, one.incident) for one in wanted]
        assert again.check().damage == ()


def test_an_old_tick_is_still_compared_when_its_lines_are_gone(store: Store) -> None:
    """Leaf hashes stay: a writer that begins again from far back is held against them."""
    given = list(ticks(20, 2))
    feed = store.feed("370100")
    every = feed.append(FEED_ID, given)
    feed.compact(5_000)
    assert feed.append(FEED_ID, given) == every[28:]
    with pytest.raises(StateError, match="tick 3: wanted the line of change 7 that it has"):
        feed.append(FEED_ID, [a_tick(3, an_incident("other"), given[3].incidents[1])])


def test_a_forgotten_incident_goes_on_with_its_next_revision(store: Store) -> None:
    """It is as if it opened anew, but its revisions are counted on."""
    feed = store.feed("370100")
    feed.append(FEED_ID, [a_tick(0, an_incident("a", state="ended")), a_tick(1), a_tick(2)])
    assert feed.compact(1_000).forgotten == 1
    assert feed.held() == []
    for wrong in (1, 3):
        with pytest.raises(StateError, match=f"wanted revision 2, got {wrong}"):
            feed.append(FEED_ID, [a_tick(3, an_incident("a", wrong))])
    (change,) = feed.append(FEED_ID, [a_tick(3, an_incident("a", 2))])
    assert (change.number, change.previous) == (2, None)
    assert feed.changes(1, 9) == [change]
    assert [(held.opened_number, held.number) for held in feed.held()] == [(2, 2)]
    assert store.check().damage == ()


def test_nothing_goes_that_the_slowest_subscriber_or_the_caller_still_needs(store: Store) -> None:
    """A registered reader holds the history until it has acknowledged, or is forgotten."""
    feed = store.feed("370100")
    feed.append(FEED_ID, list(ticks(50, 1)))
    feed.subscriptions.register("fire brigade", 10)
    feed.subscriptions.register("police", 30)
    assert feed.compact(10_000) == Compaction(first_before=1, first_after=11, kept_for="fire brigade")
    feed.subscriptions.acknowledge("fire brigade", 45)
    assert feed.compact(10_000) == Compaction(first_before=11, first_after=31, kept_for="police")
    assert feed.subscriptions.forget("police")
    assert not feed.subscriptions.forget("police")
    assert feed.compact(10_000, keep_after=35) == Compaction(first_before=31, first_after=36)
    assert feed.compact(10_000) == Compaction(first_before=36, first_after=40)
    assert [change.number for change in feed.changes(39, 100)] == list(range(40, 51))


def test_an_empty_feed_has_nothing_to_forget(store: Store) -> None:
    """Compaction of nothing is nothing."""
    assert store.feed("370100").compact(0).forgotten == 0
    feed = store.feed("370100")
    feed.append(FEED_ID, [a_tick(0, an_incident("a")), a_tick(1)])
    assert feed.compact(0) == Compaction(first_before=1, first_after=2)
    assert feed.changes(1, 10) == []
    assert [held.incident.incident_id for held in feed.held()] == ["a"]


def test_positions_of_subscribers_survive_and_never_go_back(store: Store, url: str) -> None:
    """Acknowledged and sent, by name; a subscriber that registers again has the position that it had."""
    feed = store.feed("370100")
    feed.append(FEED_ID, list(ticks(10, 1)))
    readers = feed.subscriptions
    assert readers.register("police", 2) == Subscriber(name="police", acknowledged=2, sent=2)
    assert readers.sent("police", 7) == Subscriber(name="police", acknowledged=2, sent=7)
    assert readers.acknowledge("police", 5) == Subscriber(name="police", acknowledged=5, sent=7)
    assert readers.acknowledge("police", 4) == Subscriber(name="police", acknowledged=5, sent=7)
    assert readers.sent("police", 6) == Subscriber(name="police", acknowledged=5, sent=7)
    assert readers.acknowledge("police", 9) == Subscriber(name="police", acknowledged=9, sent=9)
    store.feed("other").append(FEED_ID, list(ticks(1, 1)))
    store.feed("other").subscriptions.register("police", 0)
    with Store.open(url) as again:
        readers = again.feed("370100").subscriptions
        assert readers.register("police", 0) == Subscriber(name="police", acknowledged=9, sent=9)
        assert readers.register("ambulance", 10) == Subscriber(name="ambulance", acknowledged=10, sent=10)
        assert [reader.name for reader in readers.all()] == ["ambulance", "police"]


def test_a_position_that_cannot_be_is_refused(store: Store) -> None:
    """Behind the history, beyond the end, or of nobody."""
    feed = store.feed("370100")
    feed.append(FEED_ID, list(ticks(10, 1)))
    feed.compact(3_000)
    with pytest.raises(RefusedError, match="the history begins with 7"):
        feed.subscriptions.register("police", 5)
    with pytest.raises(RefusedError, match="the last one is 10"):
        feed.subscriptions.register("police", 11)
    feed.subscriptions.register("police", 6)
    with pytest.raises(RefusedError, match="the last change is 10, got 11"):
        feed.subscriptions.acknowledge("police", 11)
    with pytest.raises(StateError, match="wanted a registered subscriber, got 'nobody'"):
        feed.subscriptions.sent("nobody", 7)
