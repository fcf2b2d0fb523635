"""The gRPC server of a city: the incident feed, health, and reflection."""

from collections.abc import Callable, Sequence
from types import TracebackType

import grpc.aio
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from city_brain.feeds.filters import Names
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.feed.refusing import status_of
from city_brain.servers.feed.service import SERVICE, FeedService
from city_brain.servers.files import connections_allowed
from city_brain.servers.repeats import Complaints
from city_brain.servers.settings import Limits, ListenSettings, bind

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_SERVICES = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)


def check_listening(listen: ListenSettings, names: Names) -> None:
    """Raises SettingsError where a server of a city with these names would not begin: before anything is made for it.

    Whether the port is free only binding it shows.
    """
    Doors(listen, lambda: names, status_of)


class Offered(msgspec.Struct, frozen=True):
    """A service beside the feed."""

    name: str
    """Its full name, for health and reflection."""
    add: Callable[[grpc.aio.Server, Doors], None]
    """Adds it to a server, behind its doors."""
    stop: Callable[[], None] | None = None
    """Ends calls of it that would not end by themselves."""


class GrpcServer:
    """Serves one live feed from `async with` to its end.

        async with GrpcServer(feed, ListenSettings(), Limits()) as server:
            print(server.address)
            feed.append(tick, incidents, heartbeat)

    Starting raises SettingsError where the address, the certificate, the policy or the port will not do. Health
    answers for "" and for the feed service, NOT_SERVING from the moment the server begins to stop.
    """

    def __init__(
        self,
        feed: LiveFeed,
        listen: ListenSettings,
        limits: Limits | None = None,
        beside: Sequence[Offered] = (),
        complaints: Complaints | None = None,
    ) -> None:
        """`complaints`: those of another server of the program, which reads the same files."""
        self._feed = feed
        self._listen = listen
        self._limits = limits or Limits()
        self._beside, self._complaints = tuple(beside), complaints or Complaints()
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self.doors: Doors | None = None
        """Who may call, and what was refused; good once it has started."""
        self.address = listen.address
        """Where it listens, with the port it got; good once it has started."""

    async def start(self) -> None:
        """Binds and serves."""
        doors = Doors(
            self._listen,
            lambda: self._feed.names,
            status_of,
            cut_wait_s=self._limits.cut_wait_s,
            complaints=self._complaints,
        )
        services = (*_SERVICES, *(one.name for one in self._beside))
        doors.check_declared(services)
        calls = self._limits.watchers + self._limits.calls
        server = grpc.aio.server(
            interceptors=(doors.guard,),
            options=self._limits.channel_options(connections_allowed(calls, self._complaints)),
            maximum_concurrent_rpcs=calls,
        )
        FeedService(self._feed, self._limits, doors).add_to(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for one in self._beside:
            one.add(server, doors)
        reflection.enable_server_reflection(services, server)
        self.address = bind(server, self._listen, doors.credentials())
        self._feed.open()
        await server.start()
        self._server, self.doors = server, doors
        doors.open()
        await self.set_serving(True)

    async def set_serving(self, serving: bool) -> None:
        """What health answers: False while the feed must not be trusted, for example because its input fails."""
        for service in ("", SERVICE, *(one.name for one in self._beside)):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def stop(self) -> None:
        """Turns away the readers, lets other calls end, and closes the port."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        self._feed.stop()
        for one in self._beside:
            if one.stop is not None:
                one.stop()
        await self._server.stop(self._limits.stop_wait_s)
        if self.doors is not None:
            await self.doors.close()
        self._server = None

    async def __aenter__(self) -> "GrpcServer":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
