"""A real server and a real client on loopback, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from city_brain.feeds.change_log import ChangeLog
from city_brain.incidents.incident import Incident
from city_brain.servers.feed.kept import Kept
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.feeds.builders import AREAS, TYPES, a_heartbeat, a_log

FREE_PORT = ListenSettings(address="127.0.0.1:0")


@dataclass
class Served:
    """A running server, and a client of it."""

    feed: LiveFeed
    server: GrpcServer
    channel: grpc.aio.Channel
    stub: feed_pb2_grpc.FeedServiceStub

    def append(self, *incidents: Incident) -> None:
        """The next tick."""
        tick = 0 if self.feed.log.last_tick is None else self.feed.log.last_tick + 1
        self.feed.append(tick, list(incidents), a_heartbeat(tick))


@asynccontextmanager
async def serving(
    log: ChangeLog | None = None,
    limits: Limits | None = None,
    listen: ListenSettings = FREE_PORT,
    credentials: grpc.ChannelCredentials | None = None,
    kept: Kept | None = None,
) -> AsyncIterator[Served]:
    """Serves a log (an empty one where none is given) on a free port."""
    feed = LiveFeed(log or a_log(), TYPES, AREAS, kept)
    async with GrpcServer(feed, listen, limits or Limits(stop_wait_s=1.0)) as server:
        channel = (
            grpc.aio.secure_channel(server.address, credentials)
            if credentials
            else grpc.aio.insecure_channel(server.address)
        )
        async with channel:
            yield Served(feed, server, channel, feed_pb2_grpc.FeedServiceStub(channel))


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a test that waits, for at most a minute."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within())


async def events(call: Any, count: int) -> list[feed_pb2.WatchIncidentsResponse]:
    """The next messages of a watch."""
    return [await call.read() for _ in range(count)]


async def changes(call: Any, count: int) -> list[feed_pb2.IncidentChange]:
    """The next changes of a watch, whatever comes in between."""
    found = []
    while len(found) < count:
        message = await call.read()
        if message.WhichOneof("event") == "change":
            found.append(message.change)
    return found


async def refusal(awaitable: Any) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, list[str]]:
    """Status, ErrorInfo and named fields of a call that is refused."""
    try:
        await awaitable
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        fields: list[str] = []
        for detail in status.details:
            if detail.Is(info.DESCRIPTOR):
                detail.Unpack(info)
            elif detail.Unpack(bad):
                fields += [violation.field for violation in bad.field_violations]
        return error.code(), info, fields
    raise AssertionError("wanted a refusal, got an answer")
