"""The id of a province's feed is that of its store: a province that lost its store tells another story, and says so."""

from pathlib import Path

from city_brain.canonical import content_id
from city_brain.feeds.subscription import Delivery
from city_brain.province.books.province_book import FEED, ProvinceStore
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Interrupted, Snapshot
from city_brain.store.store import Store
from tests.feeds.builders import START_MS, TYPES, an_incident
from tests.province.test_books import CITIES, City, talk
from tests.province.test_books import Province as Kept
from tests.province.test_over_grpc import asking, province_at, reporting, same_at_both_ends
from tests.proxy import Proxy
from tests.servers.serving import run


def test_the_id_is_that_of_the_store_over_restarts_and_many_writers(tmp_path: Path) -> None:
    """Before and after the first change; in another store it is another one."""
    province, city = Kept(f"sqlite:///{tmp_path}/one.sqlite"), City(tmp_path, "370100")
    found = {province.book.feed_id}
    province.restart()
    beside = ProvinceStore(Store.open(province.url), CITIES, TYPES.by_name, "370000", lambda: START_MS)
    found |= {province.book.feed_id, beside.feed_id}
    city.append(an_incident("a"))
    talk(city, province)
    found.add(province.book.feed().head().feed_id)
    province.restart()
    found.add(province.book.feed_id)
    assert len(found) == 1
    assert Kept(f"sqlite:///{tmp_path}/other.sqlite").book.feed_id not in found


def test_a_store_whose_feed_has_an_id_keeps_it(tmp_path: Path) -> None:
    """As those that were made when the id followed from the code alone: their readers go on by number."""
    url, before = f"sqlite:///{tmp_path}/old.sqlite", content_id("province", "370000")
    province, city = Kept(url), City(tmp_path, "370100")
    province.book.feed_id = before
    city.append(an_incident("a"))
    talk(city, province)
    province.restart()
    assert province.book.feed_id == before
    city.append(an_incident("b"))
    talk(city, province)
    assert province.store.feed(FEED, type(province.newest()[0])).head().last_number == 2


def test_a_reader_of_a_province_that_lost_its_store_begins_anew(tmp_path: Path) -> None:
    """Though the new store has its number, too: it is told OTHER_FEED and all that there is, not what comes next."""

    async def test() -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.mkdir()
        other.mkdir()
        mine, theirs = City(one, "370100"), City(other, "370200")
        mine.append(an_incident("a"))
        async with Proxy("127.0.0.1:1") as proxy:
            async with province_at(one) as address, asking(address) as stub, reporting(mine, address):
                await same_at_both_ends(stub, mine)
                proxy.target = address
                events = FeedReader(Endpoint(proxy.address)).events()
                before = await anext(events)
            theirs.append(an_incident("x"), an_incident("y"), an_incident("z"))
            async with province_at(other) as address, asking(address) as stub, reporting(theirs, address):
                await same_at_both_ends(stub, theirs)
                proxy.target = address
                why: list[str] = []
                async for event in events:
                    assert not isinstance(event, Delivery), "a change of another history"
                    if isinstance(event, Interrupted):
                        why.append(event.why)
                    elif isinstance(event, Snapshot):
                        break
        assert isinstance(before, Snapshot)
        assert isinstance(event, Snapshot)
        assert (len(before.incidents), before.number) == (1, 1)
        assert (len(event.incidents), event.number, event.feed_id == before.feed_id) == (3, 3, False)
        assert any(said.startswith("OTHER_FEED") for said in why)

    run(test)
