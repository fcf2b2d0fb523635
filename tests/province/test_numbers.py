"""A province whose store holds more than it has told: numbers stay those of the store, and nothing is left out."""

import asyncio
from contextlib import suppress
from pathlib import Path

from city_brain.errors import StoreError
from city_brain.feeds.subscription import Delivery
from city_brain.province.books.province_book import ProvinceStore
from city_brain.province.serving.program import ProvinceProgram
from city_brain.province.settings import ProvinceSettings
from city_brain.servers.client.feed_reader import Endpoint, Event, FeedReader, Interrupted, SignOfLife, Snapshot
from tests.feeds.builders import TYPES, an_incident
from tests.province.test_books import CITIES, City
from tests.province.test_over_grpc import FREE_PORT, asking, province_at, reporting, same_at_both_ends
from tests.servers.serving import run


class LosesAnswer(ProvinceStore):
    """A book whose first commit of changes is done, though its answer is lost."""

    lost = False

    def _done(self, head: object, revisions: object, joined: object) -> None:
        if not self.lost:
            self.lost, self._joining = True, None
            raise StoreError("wanted the answer to a commit, got a connection that was lost", temporary=True)
        super()._done(head, revisions, joined)  # type: ignore[arg-type]


async def told_up_to(reader: FeedReader, number: int) -> list[int]:
    """The numbers of the changes that a reader is told, those of a snapshot included, up to `number`."""
    numbers: list[int] = []

    async def follow() -> None:
        event: Event
        async for event in reader.events():
            assert not isinstance(event, Interrupted), event.why
            if isinstance(event, Snapshot):
                numbers.extend(range(1, event.number + 1))
                assert len(event.incidents) == event.number
            elif isinstance(event, Delivery):
                numbers.append(event.number)
            elif isinstance(event, SignOfLife) and event.number >= number:
                return

    await asyncio.wait_for(follow(), 20.0)
    return numbers


def test_two_programs_on_one_store_give_the_same_numbers(tmp_path: Path) -> None:
    """Each tells what the other one wrote, and a reader of one goes on at the other with its token."""

    async def test() -> None:
        jinan, qingdao = City(tmp_path, "370100"), City(tmp_path, "370200")
        jinan.append(an_incident("a"))
        qingdao.append(an_incident("x", lat=36.5), an_incident("y", lat=36.6), an_incident("z", lat=36.7))
        async with (
            province_at(tmp_path) as one,
            province_at(tmp_path) as other,
            asking(one) as mine,
            asking(other) as theirs,
        ):
            async with reporting(qingdao, other):
                await same_at_both_ends(theirs, qingdao)
            async with reporting(jinan, one):
                await same_at_both_ends(mine, jinan)
                reader = FeedReader(Endpoint(one))
                assert await told_up_to(reader, 4) == [1, 2, 3, 4]
                assert await told_up_to(FeedReader(Endpoint(other)), 4) == [1, 2, 3, 4]
                jinan.append(an_incident("b", lat=36.8))
                again = FeedReader(Endpoint(other), token=reader.token)
                assert await told_up_to(again, 5) == [5]

    run(test)


def test_a_change_whose_commit_was_not_answered_is_told(tmp_path: Path) -> None:
    """The city goes on behind it, so nobody but the store says it again."""

    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        settings = ProvinceSettings(code="370000", cities=CITIES, feed=FREE_PORT)
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        province = asyncio.create_task(ProvinceProgram(tmp_path, settings, TYPES, LosesAnswer).run(address.set_result))
        async with asking(await address) as stub, reporting(city, await address):
            await same_at_both_ends(stub, city)
            reader = FeedReader(Endpoint(await address))
            assert await told_up_to(reader, 1) == [1]
            city.append(an_incident("b", lat=36.5))
            assert await told_up_to(FeedReader(Endpoint(await address), token=reader.token), 2) == [2]
        province.cancel()
        with suppress(asyncio.CancelledError):
            await province

    run(test)
