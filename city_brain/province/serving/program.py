"""A province that runs: its store, its feed in memory, and the server in front of both."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc.aio

from city_brain.errors import DamagedError, StoreError
from city_brain.feeds.filters import Names
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.incident import ProvincialIncident
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.province.books.province_book import ProvinceStore
from city_brain.province.serving.links import Links
from city_brain.province.serving.service import SERVICE, ProvinceService
from city_brain.province.settings import ProvinceSettings
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.feed.kept import Kept
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer, Offered, check_listening
from city_brain.store.database import store_url
from city_brain.store.store import Store
from city_brain.wire.province.v1 import province_pb2_grpc

logger = logging.getLogger("city_brain")

HEARTBEAT_S = 1.0
COMPACT_S = 3_600.0
"""Time between two looks for what may be forgotten."""
_TOKENS = "resume tokens"


def now_ms() -> int:
    """The clock of the wall, epoch ms: when links changed, and when instructions are due."""
    return time.time_ns() // 1_000_000


class ProvinceProgram:
    """Serves a province from `run` to its end; raises StoreError or SettingsError where it cannot begin."""

    def __init__(
        self,
        folder: Path,
        settings: ProvinceSettings,
        types: IncidentTypes,
        keeps: type[ProvinceStore] = ProvinceStore,
    ) -> None:
        self._settings, self._types, self._keeps = settings, types, keeps
        self._store_at = store_url(settings.store, folder)
        self._links = Links(now_ms)
        self._log_time_ms = 0
        self._healthy = True

    async def run(self, started: Callable[[str], None]) -> None:
        """Serves until it is cancelled."""
        cities = tuple(sorted(self._settings.cities))
        check_listening(self._settings.feed, Names(types=tuple(self._types.by_name), area_codes=cities))
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        with Store.open(self._store_at) as store:
            settings = self._settings
            book = self._keeps(store, settings.cities, self._types.by_name, settings.code, now_ms)
            kept = Kept(book.feed())
            self._log_time_ms = book.feed().head().log_time_ms or 0
            feed = LiveFeed(kept.log(book.feed_id), self._types, cities, kept, store.secret(_TOKENS))
            server: GrpcServer

            async def trouble(said: str) -> None:
                if bool(said) == self._healthy:
                    self._healthy = not said
                    logger.error("%s", said or f"store {store.where}: works again")
                    await server.set_serving(self._healthy)

            def offer(to: grpc.aio.Server, doors: Doors) -> None:
                service = ProvinceService(book, settings.cities, self._links, doors, settings.limits, thread, trouble)
                province_pb2_grpc.add_ProvinceServiceServicer_to_server(service, to)  # type: ignore[no-untyped-call]

            loop = asyncio.get_running_loop()

            def tell(revisions: Sequence[ProvincialIncident]) -> None:
                asyncio.run_coroutine_threadsafe(self._append(feed, book, revisions), loop).result()

            def catch_up() -> int:
                """Tells what the store has besides: another program wrote it, or the answer to a commit was lost."""
                while missing := book.after(feed.log.last_number):
                    tell(missing)
                return feed.log.last_number

            def told(after: int, revisions: Sequence[ProvincialIncident]) -> None:
                """Under the numbers that the store gave them, which are those of whoever resumes."""
                if after == feed.log.last_number:
                    tell(revisions)
                else:
                    catch_up()

            book.told = told
            server = GrpcServer(feed, settings.feed, settings.limits, (Offered(SERVICE, offer),))
            async with server:
                started(server.address)
                try:
                    await self._go_on(feed, book, catch_up, lambda work: loop.run_in_executor(thread, work), trouble)
                finally:
                    self._links.stop()
                    # Waited for elsewhere: what it does last it tells this loop.
                    await asyncio.to_thread(thread.shutdown, cancel_futures=True)

    async def _go_on(
        self,
        feed: LiveFeed,
        book: ProvinceStore,
        catch_up: Callable[[], int],
        blocking: Callable[[Callable[[], int]], Awaitable[int]],
        trouble: Callable[[str], Awaitable[None]],
    ) -> None:
        """Signs of life, a look at the store and at what it holds that nobody was told, and what may be forgotten."""
        compacted_s = -COMPACT_S
        while True:
            await self._append(feed, book, ())
            try:
                await blocking(catch_up)
            except DamagedError as wrong:
                await trouble(str(wrong))
            except StoreError:
                pass  # a link says it, and that it works again
            if time.monotonic() - compacted_s > COMPACT_S:
                compacted_s = time.monotonic()
                first = await blocking(lambda: _compacted(book, self._settings.history_days))
                feed.log.oldest_number = first or feed.log.oldest_number
            await asyncio.sleep(HEARTBEAT_S)

    async def _append(self, feed: LiveFeed, book: ProvinceStore, revisions: Sequence[ProvincialIncident]) -> None:
        """Tells the readers. A linked city is a source that speaks; log time is that of the one furthest back."""
        linked = self._links.linked
        reached = [book.heard_of[city].reached_ms for city in linked if city in book.heard_of]
        decided = max((revision.updated_ms for revision in revisions), default=0) if not self._log_time_ms else 0
        self._log_time_ms = max(self._log_time_ms, decided, min((one for one in reached if one), default=0))
        if not self._log_time_ms:
            return  # no city has said anything yet
        heartbeat = Heartbeat(
            log_time_ms=self._log_time_ms,
            sources_live=len(linked),
            sources_silent=len(self._settings.cities) - len(linked),
        )
        tick = 0 if feed.log.last_tick is None else feed.log.last_tick + 1
        feed.append(tick, revisions, heartbeat)


def _compacted(book: ProvinceStore, history_days: float) -> int:
    """Number of the oldest change after compaction; 0 where the disk fails, which it may not do at the next look."""
    try:
        gone, first = book.compact(history_days), book.feed().head().first_number
    except Exception as wrong:
        logger.error("%s; nothing is forgotten until it works", wrong, exc_info=not isinstance(wrong, StoreError))
        return 0
    if gone:
        logger.warning("%d changes are older than %g days and forgotten", gone, history_days)
    return first
