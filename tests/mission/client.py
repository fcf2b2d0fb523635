"""The client of the mission: follows the feed of a running city over gRPC, and asks why an incident is believed."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import aclosing

from city_brain.feeds.filters import Wanted
from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import Incident
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, SignOfLife, Snapshot
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc

LOOK_S = 0.2
"""Between two looks at a feed that is not served yet, and at the programs."""


class Client:
    """Holds the newest revision of every incident; `tell` is given each revision that it is told."""

    def __init__(self, address: str, tell: Callable[[Incident], None]) -> None:
        self._endpoint, self._tell = Endpoint(address), tell
        self.newest: dict[str, Incident] = {}
        self.changes = 0
        self.log_time_ms = 0
        self.served = False

    async def follow(self, until_ms: int, tend: Callable[[], None], patience_s: float) -> None:
        """Follows the feed from its beginning until log time `until_ms`; `tend` is called meanwhile, and may raise.

        Raises TimeoutError where log time stands still for `patience_s` seconds.
        """
        following = asyncio.create_task(self._follow(until_ms))
        moved_s, log_time_ms = time.monotonic(), 0
        try:
            while not following.done():
                tend()
                if self.log_time_ms > log_time_ms:
                    moved_s, log_time_ms = time.monotonic(), self.log_time_ms
                if time.monotonic() - moved_s > patience_s:
                    raise TimeoutError
                await asyncio.wait([following], timeout=LOOK_S)
            await following
        finally:
            following.cancel()

    async def _follow(self, until_ms: int) -> None:
        while not _accepts(self._endpoint.address):
            await asyncio.sleep(LOOK_S)
        self.served = True
        reader = FeedReader(self._endpoint, Wanted(), jitter=lambda: LOOK_S)
        async with aclosing(reader.events()) as events:
            async for event in events:
                if isinstance(event, Snapshot):
                    self._take(*event.incidents)
                elif isinstance(event, Delivery):
                    self._take(event.incident)
                elif isinstance(event, SignOfLife) and event.heartbeat is not None:
                    self.log_time_ms = event.heartbeat.log_time_ms
                    if self.log_time_ms >= until_ms:
                        return

    def _take(self, *incidents: Incident) -> None:
        for incident in incidents:
            self.newest[incident.incident_id] = incident
            self.changes += 1
            self._tell(incident)

    async def explain(self, incident_id: str, language: str) -> feed_pb2.ExplainIncidentResponse:
        """Why an incident is believed, as the server says it."""
        request = feed_pb2.ExplainIncidentRequest(name=f"incidents/{incident_id}", language_code=language)
        async with self._endpoint.channel() as channel:
            return await feed_pb2_grpc.FeedServiceStub(channel).ExplainIncident(request)  # type: ignore[no-untyped-call]


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
