"""A feed keeps what it was given: in order, once, with the revision before, and only what follows what it has."""

import msgspec
import pytest

from city_brain.digest import TreeHead
from city_brain.errors import StateError, StoreError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident, incident_line
from city_brain.store.store import Store
from city_brain.store.values import Head, TickChanges
from tests.feeds.builders import START_MS, a_heartbeat, an_incident
from tests.store.filling import FEED_ID, a_tick, digest, ticks


class _Bulletin(Incident, frozen=True, kw_only=True):
    """A line that says more than an incident of a city does."""

    city: str


def test_a_feed_that_was_never_appended_to_is_empty_and_not_written(store: Store) -> None:
    """Asking for a feed makes none."""
    assert store.feed("370100").head() == Head(digest=TreeHead().digest().hex())
    assert store.feed("370100").held() == []
    assert store.feed("370100").changes(0, 10) == []
    assert store.feed("370100").append(FEED_ID, []) == []
    assert store.names() == []


def test_a_store_tells_what_a_log_in_memory_tells(store: Store, url: str) -> None:
    """Numbers, revisions before, held incidents and position are those of a change log, also when opened again."""
    given = list(ticks(30, 3))
    log = ChangeLog(feed_id=FEED_ID)
    for tick in given:
        log.append(tick.tick, tick.incidents, tick.heartbeat or a_heartbeat())
        assert store.feed("370100").append(FEED_ID, [tick]) == list(log.after(log.last_number - 3))
    with Store.open(url) as again:
        for feed in (store.feed("370100"), again.feed("370100")):
            assert feed.changes(0, 1000) == list(log.after(0))
            assert feed.changes(17, 5) == list(log.after(17))[:5]
            assert feed.held() == log.snapshot()
            assert feed.head() == Head(
                feed_id=FEED_ID,
                last_number=90,
                first_number=1,
                last_tick=29,
                log_time_ms=START_MS + 29_000,
                heartbeat=a_heartbeat(29),
                digest=digest(given),
            )
        assert again.check().damage == ()
        assert again.names() == ["370100"]


def test_many_ticks_at_once_are_the_same_as_one_after_the_other(store: Store) -> None:
    """How appends are grouped leaves no trace."""
    given = list(ticks(20, 4))
    together = store.feed("together").append(FEED_ID, given)
    alone = [change for tick in given for change in store.feed("alone").append(FEED_ID, [tick])]
    assert together == alone
    assert store.feed("together").head() == store.feed("alone").head()
    assert store.feed("together").held() == store.feed("alone").held()


def test_an_append_that_is_repeated_ends_as_if_it_had_been_made_once(store: Store) -> None:
    """Ticks that are held are compared, and their changes told again under the same numbers."""
    given = list(ticks(10, 2))
    feed = store.feed("370100")
    first = feed.append(FEED_ID, given[:6])
    head = feed.head()
    assert feed.append(FEED_ID, given[:6]) == first
    assert feed.append(FEED_ID, given[2:4]) == first[4:8]
    assert feed.head() == head
    assert feed.append(FEED_ID, given[4:]) == feed.changes(8, 100)
    assert feed.head().digest == digest(given)


def test_a_tick_with_other_lines_than_are_held_is_an_error(store: Store) -> None:
    """The same tick in other words, in another order, with more or with less: nothing is taken."""
    feed = store.feed("370100")
    one, two = an_incident("a"), an_incident("b")
    feed.append(FEED_ID, [a_tick(0, one, two), a_tick(1)])
    others = ([an_incident("a", level="I"), two], [two, one], [one], [one, two, an_incident("c")], [])
    for other in others:
        with pytest.raises(StateError, match="tick 0: wanted the"):
            feed.append(FEED_ID, [a_tick(0, *other), a_tick(1), a_tick(2, an_incident("d"))])
    with pytest.raises(StateError, match="tick 1: wanted the 0 lines that it has, got 1"):
        feed.append(FEED_ID, [a_tick(1, an_incident("d"))])
    assert (feed.head().last_number, feed.head().last_tick) == (2, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([a_tick(3, an_incident("b"))], "wanted tick 1, got 3"),
        ([a_tick(1), a_tick(3)], "wanted tick 2, got 3"),
        ([a_tick(1), a_tick(1)], "wanted tick 2, got 1"),
        ([a_tick(1, an_incident("b"), an_incident("a", 3))], "incident a: wanted revision 2, got 3"),
        ([a_tick(1, an_incident("b"), an_incident("a", 1))], "incident a: wanted revision 2, got 1"),
        ([a_tick(1, an_incident("a", 2)), a_tick(2, an_incident("a", 2))], "tick 2, incident a: wanted revision 3"),
    ],
)
def test_a_gap_stops_an_append_before_anything_is_taken(store: Store, given: list[TickChanges], said: str) -> None:
    """A tick or revision that does not follow is an error of the writer, and no tick of the append is taken."""
    feed = store.feed("370100")
    feed.append(FEED_ID, [a_tick(0, an_incident("a"))])
    before = feed.head()
    with pytest.raises(StateError, match=said):
        feed.append(FEED_ID, given)
    assert feed.head() == before
    assert feed.append(FEED_ID, [a_tick(1, an_incident("a", 2))])[0].previous == an_incident("a")


def test_an_error_in_the_first_append_leaves_no_feed(store: Store) -> None:
    """A feed begins with its first good append."""
    with pytest.raises(StateError):
        store.feed("370100").append(FEED_ID, [a_tick(0), a_tick(2)])
    assert store.names() == []


def test_another_feed_of_the_same_name_is_refused(store: Store) -> None:
    """Numbers of one count are never continued by another."""
    store.feed("370100").append(FEED_ID, [a_tick(0)])
    for call in (
        lambda: store.feed("370100").append("jinan-2", [a_tick(1)]),
        lambda: store.feed("370100").mirror("jinan-2", 1, []),
        lambda: store.feed("370100").add("jinan-2", [], START_MS),
    ):
        with pytest.raises(StateError, match="wanted changes of feed jinan-1, got those of jinan-2"):
            call()
    with pytest.raises(StateError, match="got an empty one"):
        store.feed("new").append("", [a_tick(0)])


def test_a_mirror_holds_the_same_bytes_under_the_same_numbers(store: Store) -> None:
    """Lines by number: again the same is nothing new, other bytes and jumps are errors, the digest is the city's."""
    given = list(ticks(10, 2))
    store.feed("city").append(FEED_ID, given)
    lines = [(incident_line(incident), tick.log_time_ms) for tick in given for incident in tick.incidents]
    mirror = store.feed("mirror")
    assert mirror.mirror(FEED_ID, 1, lines[:5]) == 5
    assert mirror.mirror(FEED_ID, 1, lines[:5]) == 5
    with pytest.raises(StateError, match="wanted change 6 or one before, got 7"):
        mirror.mirror(FEED_ID, 7, lines[6:])
    with pytest.raises(StateError, match="wanted the line of change 5 that it has, got another one"):
        mirror.mirror(FEED_ID, 5, [lines[5], *lines[5:]])
    with pytest.raises(StateError, match="wanted a line of Incident"):
        mirror.mirror(FEED_ID, 6, [(b"{}", START_MS)])
    with pytest.raises(StateError, match="wanted changes by number, got tick 9"):
        mirror.append(FEED_ID, [given[9]])
    assert mirror.mirror(FEED_ID, 4, lines[3:], a_heartbeat(9)) == 20
    assert mirror.changes(0, 100) == store.feed("city").changes(0, 100)
    assert mirror.held() == store.feed("city").held()
    assert msgspec.structs.replace(mirror.head(), last_tick=9) == store.feed("city").head()
    assert mirror.mirror(FEED_ID, 21, [], a_heartbeat(12)) == 20
    assert mirror.head().log_time_ms == START_MS + 12_000
    assert store.check().damage == ()


def test_changes_without_ticks_take_the_next_numbers_once(store: Store) -> None:
    """The feed of a province counts its own changes; what is added again is compared and told again."""
    feed = store.feed("province", _Bulletin)
    plain = msgspec.structs.asdict(an_incident("a"))
    one, two, three = (_Bulletin(**{**plain, "revision": revision, "city": "济南"}) for revision in (1, 2, 3))
    first = feed.add("shandong-1", [one, two], START_MS)
    assert [change.number for change in first] == [1, 2]
    assert feed.add("shandong-1", [one, two], START_MS) == first
    with pytest.raises(StateError, match="wanted the line of change 1 that it has"):
        feed.add("shandong-1", [_Bulletin(**{**plain, "city": "青岛"})], START_MS)
    assert feed.add("shandong-1", [three], START_MS + 5_000)[0].previous == two
    assert [change.incident for change in feed.changes(0, 9)] == [one, two, three]
    assert feed.add("shandong-1", [], START_MS, a_heartbeat(7)) == []
    assert feed.head().heartbeat == a_heartbeat(7)
    with pytest.raises(StateError, match="wanted revisions as _Bulletin, got Incident"):
        feed.add("shandong-1", [an_incident("b")], START_MS)
    with pytest.raises(StateError, match="wanted a line of Incident"):
        store.feed("province").changes(0, 9)
    store.feed("city").append(FEED_ID, [a_tick(0)])
    with pytest.raises(StateError, match="wanted tick 1, got changes without a tick"):
        store.feed("city").add(FEED_ID, [an_incident("b")], START_MS)
    assert store.check().damage == ()


def test_feeds_of_one_transaction_move_together_or_not_at_all(store: Store, url: str) -> None:
    """A mirror and the feed that is made of it: both have it, or none."""
    line = incident_line(an_incident("a"))
    with store.transaction() as work:
        work.feed("370100").mirror(FEED_ID, 1, [(line, START_MS)])
        assert work.feed("province").lock().last_number == 0
        work.feed("province").add("shandong-1", [an_incident("p")], START_MS)
        assert work.feed("province").head().last_number == 1
    with pytest.raises(ZeroDivisionError), store.transaction() as work:
        work.feed("370100").mirror(FEED_ID, 2, [(incident_line(an_incident("a", 2)), START_MS)])
        work.feed("province").add("shandong-1", [an_incident("p", 2)], START_MS)
        raise ZeroDivisionError
    with Store.open(url) as again:
        assert [again.feed(name).head().last_number for name in ("370100", "province")] == [1, 1]


def test_an_error_of_the_input_leaves_a_transaction_as_it_was(store: Store) -> None:
    """What one call could not take is not half taken when the transaction goes on."""
    with store.transaction() as work:
        work.feed("one").append(FEED_ID, [a_tick(0, an_incident("a"))])
        with pytest.raises(StateError):
            work.feed("two").append(FEED_ID, [a_tick(0), a_tick(2)])
        work.feed("one").append(FEED_ID, [a_tick(1, an_incident("a", 2))])
    assert store.names() == ["one"]
    assert store.feed("one").head().last_number == 2


def test_an_error_of_the_store_ends_a_transaction_though_the_caller_goes_on(store: Store) -> None:
    """A lost write is never followed by a commit that looks well."""
    with pytest.raises(StoreError, match="wanted a database as it was written"), store.transaction() as work:
        work.feed("one").append(FEED_ID, [a_tick(0)])
        for _ in range(2):
            with pytest.raises(StoreError), work.writing() as connection:
                connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")
    assert store.names() == []


def test_numbers_that_are_not_there_are_refused(store: Store) -> None:
    """A reader that is ahead learns it."""
    store.feed("370100").append(FEED_ID, [a_tick(0, an_incident("a"))])
    assert store.feed("370100").changes(1, 10) == []
    with pytest.raises(RefusedError, match="the last one is 1") as refused:
        store.feed("370100").changes(2, 10)
    assert refused.value.reason is Reason.NUMBER_NOT_REACHED


def test_secrets_are_made_once_and_stay(store: Store, url: str) -> None:
    """Keys survive restarts, and no two are the same."""
    token = store.secret("resume tokens")
    assert len(token) == 32
    with Store.open(url) as again:
        assert again.secret("resume tokens") == token
        assert again.secret("other") != token


def test_a_store_in_memory_is_a_store() -> None:
    """Without a file it keeps for as long as it is open."""
    with Store.open("sqlite://") as store:
        store.feed("370100").append(FEED_ID, list(ticks(5, 2)))
        assert store.feed("370100").head().last_number == 10
        assert store.check().damage == ()
