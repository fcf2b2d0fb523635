"""Readers that are let in before the first tick of a new store stay: its feed has its name from the beginning."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from threading import Event as Gate

import aiohttp

from city_brain.city.loading import city_to_geojson
from city_brain.runner import ClosedTick
from city_brain.servers.city_service import CityService
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, SignOfLife, Snapshot
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.settings import HttpSettings, Limits
from city_brain.site import Site, SiteSettings
from city_brain.store.store import Store
from tests.city.city_maps import built, sensor
from tests.feeds.builders import START_MS
from tests.servers.http.talking import events_in
from tests.servers.serving import FREE_PORT, run

DAY_MS = 86_400_000


class City:
    """A city of one sensor with a store, whose ticks come when the gate is opened."""

    def __init__(self, folder: Path, store: str) -> None:
        (folder / "city.geojson").write_bytes(city_to_geojson(built(sensor("s", 0, 0))))
        self.runner = Site.of_map(folder / "city.geojson", None, SiteSettings(city="x")).runner()
        self.gate = Gate()
        url = f"sqlite:///{folder / store}"
        self.service = CityService(
            self.runner, FREE_PORT, Limits(stop_wait_s=0.2), lambda city: Keeper(Store.open(url), city, DAY_MS)
        )
        self.service.http = HttpSettings(address="127.0.0.1:0")

    def ticks(self) -> Iterator[ClosedTick]:
        """Some quiet ticks, once the gate is open."""
        assert self.gate.wait(20.0)
        settings = self.runner.settings
        first = settings.index_at(START_MS)
        self.runner.begin_at(first)
        self.runner.mark(0, settings.due_ms(first + 3))
        yield from self.runner.closed()


@asynccontextmanager
async def started(city: City) -> AsyncIterator[tuple[str, str]]:
    """The city that runs, and its addresses: of gRPC, of HTTP."""
    loop = asyncio.get_running_loop()
    grpc_address: asyncio.Future[str] = loop.create_future()
    http_address: asyncio.Future[str] = loop.create_future()
    city.service.http_started = http_address.set_result
    running = asyncio.create_task(city.service.run(city.ticks(), grpc_address.set_result, lambda *_: None, stay=True))
    try:
        yield await grpc_address, await http_address
    finally:
        city.gate.set()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        city.service.stop()


async def followed(city: City) -> set[str]:
    """The names of the feed that two readers are told, over gRPC and HTTP, from before the first tick to behind it."""
    names = set()
    async with started(city) as (over_grpc, over_http), aiohttp.ClientSession() as session:
        url = f"http://{over_http}/v1/incidents:watch"
        async with aclosing(FeedReader(Endpoint(over_grpc)).events()) as read, session.get(url) as answer:
            told, said = aiter(read), events_in(answer.content)
            opening, piece = await anext(told), await anext(said)
            assert isinstance(opening, Snapshot)
            assert piece.name == "snapshot"
            names |= {opening.feed_id, piece.data["feed_id"]}
            city.gate.set()
            while True:
                life = await anext(told)
                assert isinstance(life, SignOfLife), life
                names.add(life.feed_id)
                if life.heartbeat is not None:
                    break
            while True:
                event = await anext(said)
                assert event.name == "heartbeat", event.raw
                names.add(event.data["feed_id"])
                if event.data["heartbeat"] is not None:
                    break
            resumed = FeedReader(Endpoint(over_grpc), token=opening.token)
            async with aclosing(resumed.events()) as going_on:
                assert isinstance(await anext(going_on), SignOfLife)
    return names


def test_whoever_comes_before_the_first_tick_goes_on_through_it(tmp_path: Path) -> None:
    """Told one name of the feed, under which it is stored and found again; what begins in another store has another."""

    async def test() -> None:
        first = await followed(City(tmp_path, "one.sqlite"))
        assert len(first) == 1
        assert await followed(City(tmp_path, "one.sqlite")) == first
        other = await followed(City(tmp_path, "other.sqlite"))
        assert len(other) == 1
        assert other != first

    run(test)
