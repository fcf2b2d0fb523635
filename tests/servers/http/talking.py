"""A real HTTP server and a real client of it, for tests: events as a client of SSE takes them apart."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from city_brain.feeds.change_log import ChangeLog
from city_brain.incidents.incident import Incident
from city_brain.page.live import LiveCity
from city_brain.servers.feed.kept import Kept
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.http.server import HttpServer
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings
from tests.feeds.builders import AREAS, TYPES, a_heartbeat, a_log

FREE_PORT = HttpSettings(address="127.0.0.1:0")
QUICK = Limits(stop_wait_s=0.5, cut_wait_s=0.5)


class Event(msgspec.Struct):
    """One event; `id` is None where the stream gave none with it."""

    name: str
    data: Any
    id: str | None
    raw: bytes


@dataclass
class Talk:
    """A running server, and a client of it."""

    feed: LiveFeed
    server: HttpServer
    session: aiohttp.ClientSession
    scheme: str = "http"

    def url(self, path: str) -> str:
        """Of a path, with its query."""
        return f"{self.scheme}://{self.server.address}{path}"

    def append(self, *incidents: Incident) -> None:
        """The next tick."""
        tick = 0 if self.feed.log.last_tick is None else self.feed.log.last_tick + 1
        self.feed.append(tick, list(incidents), a_heartbeat(tick))

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer; an event stream counts as its status alone."""
        async with self.session.get(self.url(path), headers=headers) as answer:
            streams = answer.content_type == "text/event-stream"
            return answer.status, None if streams else await answer.json(content_type=None)

    @asynccontextmanager
    async def watch(self, query: str = "", token: str = "", **headers: str) -> AsyncIterator[AsyncIterator[Event]]:
        """An open watch."""
        sent = headers | ({"Last-Event-ID": token} if token else {})
        async with self.session.get(self.url(f"/v1/incidents:watch{query}"), headers=sent) as answer:
            assert answer.status == 200, await answer.text()
            yield events_in(answer.content)


async def events_in(stream: aiohttp.StreamReader) -> AsyncIterator[Event]:
    """The events of a stream to its end; a comment, or a word that no server of ours says, is an error."""
    buffer = b""
    while chunk := await stream.readany():
        buffer += chunk
        while b"\n\n" in buffer:
            raw, _, buffer = buffer.partition(b"\n\n")
            fields = [line.partition(b": ") for line in raw.split(b"\n")]
            assert {name for name, _, _ in fields} <= {b"event", b"id", b"data", b"retry"}, raw
            said = {name.decode(): value.decode() for name, _, value in fields}
            assert len(said) == len(fields), raw
            if "data" in said:
                yield Event(said["event"], msgspec.json.decode(said["data"]), said.get("id"), raw)


async def some(events: AsyncIterator[Event], count: int, *names: str) -> list[Event]:
    """The next events of these names (none: of any), whatever comes in between."""
    found: list[Event] = []
    while len(found) < count:
        event = await anext(events)
        if not names or event.name in names:
            found.append(event)
    return found


@asynccontextmanager
async def talking(
    log: ChangeLog | None = None,
    limits: Limits = QUICK,
    settings: HttpSettings = FREE_PORT,
    beside: ListenSettings | None = None,
    kept: Kept | None = None,
    client: ssl.SSLContext | None = None,
    feed: LiveFeed | None = None,
    city: LiveCity | None = None,
) -> AsyncIterator[Talk]:
    """Serves a log (an empty one where none is given) on a free port, with a page where there is a city."""
    feed = feed or LiveFeed(log or a_log(), TYPES, AREAS, kept)
    async with HttpServer(feed, settings, beside or ListenSettings(), limits, city=city) as server:
        connector = aiohttp.TCPConnector(ssl=client) if client else aiohttp.TCPConnector()
        async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 16) as session:
            yield Talk(feed, server, session, "https" if client else "http")
