"""A city that takes observations, its doors on free ports, and rows for it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc.aio
import msgspec
import orjson

from city_brain.observations.admission import AdmissionTable
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.http.server import HttpServer
from city_brain.servers.publishing.intake import Intake
from city_brain.servers.publishing.over_grpc import offered
from city_brain.servers.publishing.settings import PublishSettings
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings
from city_brain.wire.observation.v1 import publishing_pb2_grpc
from tests.city.city_maps import built, camera, sensor, square
from tests.feeds.builders import AREAS, TYPES, a_log
from tests.observations.lines import NOON_MS, Line, line

TABLE = AdmissionTable.from_city(
    built(camera("cam-1", 0.0, 0.0, square(0.0, 50.0, 40.0)), sensor("air-1", 100.0, 100.0), sensor("air-2", 0.0, 9.0))
)
SETTINGS = PublishSettings()
QUICK = Limits(stop_wait_s=0.5, cut_wait_s=0.5)
URL = "/v1/observations"
ANY_PORT = ListenSettings(address="127.0.0.1:0")


def reading(seq: int, source: str = "air-1", **changed: Any) -> Line:
    """A reading of a sensor of the map, at noon and so much later."""
    return line("sensor", source, **{"seq": seq, "event_time_ms": NOON_MS + seq, "arrival_time_ms": None} | changed)


def body(*lines: Line | bytes) -> bytes:
    """Lines as they are sent."""
    return b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in lines)


def noon() -> int:
    """A clock that stands."""
    return NOON_MS


def an_intake(settings: PublishSettings = SETTINGS, **changed: Any) -> Intake:
    """Of a city with a camera and two sensors, at noon."""
    return Intake(TABLE, settings, **{"clock_ms": noon} | changed)


@dataclass
class Doors:
    """A running city, without a street: what it takes waits in its intake."""

    intake: Intake
    grpc: GrpcServer
    http: HttpServer
    channel: grpc.aio.Channel
    session: aiohttp.ClientSession
    scheme: str = "http"

    @property
    def stub(self) -> publishing_pb2_grpc.ObservationServiceStub:
        """A client of Publish."""
        return publishing_pb2_grpc.ObservationServiceStub(self.channel)

    async def post(self, data: Any, query: str = "", **headers: str) -> tuple[int, dict[str, Any], Any]:
        """Status, JSON and headers of an answer."""
        url = f"{self.scheme}://{self.http.address}{URL}{query}"
        async with self.session.post(url, data=data, headers=headers) as answer:
            return answer.status, msgspec.json.decode(await answer.read()), answer.headers


@asynccontextmanager
async def doors(
    intake: Intake | None = None,
    listen: ListenSettings = ANY_PORT,
    credentials: grpc.ChannelCredentials | None = None,
    client: ssl.SSLContext | None = None,
) -> AsyncIterator[Doors]:
    """Both doors of an intake."""
    intake = intake or an_intake()
    intake.open()
    feed = LiveFeed(a_log(), TYPES, AREAS)
    http_settings = HttpSettings(address="127.0.0.1:0")
    async with (
        HttpServer(feed, http_settings, listen, QUICK, intake=intake) as http,
        GrpcServer(feed, listen, QUICK, (offered(intake),)) as server,
        (
            grpc.aio.secure_channel(server.address, credentials)
            if credentials
            else grpc.aio.insecure_channel(server.address)
        ) as channel,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client) if client else None) as session,
    ):
        yield Doors(intake, server, http, channel, session, "https" if client else "http")
