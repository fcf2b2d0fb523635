"""A feed that is kept in a store, for tests: as a city's is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from city_brain.incidents.incident import Incident
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from city_brain.wire.feed.v1 import feed_pb2_grpc
from tests.feeds.builders import AREAS, TYPES, a_heartbeat, an_incident
from tests.servers.serving import FREE_PORT, Served

DAY_MS = 86_400_000


def no_wait(_: float) -> None:
    """A pause that takes no time."""


class KeptCity:
    """A city that stores what it says, and serves it."""

    def __init__(self, url: str, history_ms: int = 7 * DAY_MS, compact_ms: int = 3_600_000) -> None:
        self.store = Store.open(url)
        self.keeper = Keeper(self.store, "jinan", history_ms, pause=no_wait, compact_ms=compact_ms)
        self.feed = LiveFeed(self.keeper.log("jinan-1"), TYPES, AREAS, self.keeper, self.keeper.key)

    def says(self, *incidents: Incident, tick: int | None = None) -> None:
        """The next tick, stored and then told."""
        last = self.feed.log.last_tick
        tick = tick if tick is not None else (0 if last is None else last + 1)
        life = a_heartbeat(tick)
        whole = TickChanges(tick=tick, log_time_ms=life.log_time_ms, incidents=incidents, heartbeat=life)
        self.keeper.keep(self.feed.log.feed_id, [whole])
        self.feed.log.oldest_number = self.keeper.first_number
        self.feed.append(tick, incidents, life)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Served]:
        """The city behind a server, and a client of it."""
        limits = Limits(stop_wait_s=1.0)
        async with (
            GrpcServer(self.feed, FREE_PORT, limits) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            yield Served(self.feed, server, channel, feed_pb2_grpc.FeedServiceStub(channel))


def url_in(folder: Path) -> str:
    """A store in a folder."""
    return f"sqlite:///{folder / 'feed.sqlite'}"


def a_city(folder: Path, revisions: int = 5, **settings: Any) -> KeptCity:
    """A city in which one crash changed every second."""
    city = KeptCity(url_in(folder), **settings)
    for revision in range(1, revisions + 1):
        city.says(an_incident("a", revision))
    return city


async def to_the_end(call: Any) -> None:
    """Reads a watch to its end, and raises what it ended with."""
    while await call.read() is not grpc.aio.EOF:
        pass
    said = await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    raise grpc.aio.AioRpcError(await call.code(), *said)
