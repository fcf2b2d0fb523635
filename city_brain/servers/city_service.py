"""A running city: the street in a thread, its feed in the event loop.

Ticks cross over one by one and in order; the thread waits until each is in the feed, so a fast recording does not run
ahead of its readers. What a tick says is in the store before it is in the feed. If the street fails, the feed says that
it is not serving, and the error ends the program; if the store fails, it says so until the store is back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

from city_brain.canonical import content_id
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import Names
from city_brain.feeds.heartbeat import Heartbeat, heartbeat_of
from city_brain.incidents.incident import Incident
from city_brain.page.live import LiveCity
from city_brain.runner import ClosedTick, Runner
from city_brain.servers.feed.keeping import Keeper, pause_text
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer, check_listening
from city_brain.servers.http.server import HttpServer
from city_brain.servers.publishing.intake import Intake, stopping
from city_brain.servers.publishing.over_grpc import offered
from city_brain.servers.repeats import Complaints
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings
from city_brain.store.values import TickChanges

logger = logging.getLogger(__name__)

Started = Callable[[str], None]
Told = Callable[[ClosedTick, Heartbeat], None]
Beside = Callable[[Keeper, LiveFeed], Coroutine[Any, Any, None]]
"""What goes on in the event loop while a kept feed is served, such as its link to a province."""

STOP_WAIT_S = 2.0
"""How long a stop waits for the street to end its tick; a thread that waits for input does not hear of it."""


class CityService:
    """Serves what a runner makes of its input."""

    def __init__(
        self,
        runner: Runner,
        listen: ListenSettings,
        limits: Limits,
        keeping: Callable[[str], Keeper] | None = None,
        beside: Beside | None = None,
    ) -> None:
        """`keeping` opens the store for a city of this name; None keeps the feed in memory alone, and nothing goes on
        `beside` it.
        """
        self.runner, self.listen, self.limits, self._keeping, self._beside = runner, listen, limits, keeping, beside
        self.http = HttpSettings()
        """Where it serves HTTP too, if anywhere."""
        self.http_started: Started = lambda _: None
        """Told where that is."""
        self.intake: Intake | None = None
        """Takes observations over both doors, if any."""
        self.zone = "UTC"
        """Time zone of what the page and explanations print, as the IANA names it."""
        self._keeper: Keeper | None = None
        self._begun = False
        self._stopping = False
        self._street: Thread | None = None

    async def run(self, ticks: Iterable[ClosedTick], started: Started, told: Told, stay: bool) -> None:
        """Feeds the ticks to the readers; when they end it goes on serving if `stay`, else stops."""
        self._check_settings()
        feed, complaints, intake = self._feed(), Complaints(), self.intake
        feed.zone = ZoneInfo(self.zone)
        if intake is not None:
            intake.open()
        beside = () if intake is None else (offered(intake),)
        # HTTP first in and last out: health says that all of it ends from the moment it begins to.
        async with (
            HttpServer(feed, self.http, self.listen, self.limits, complaints, intake, self._shown()) as http,
            GrpcServer(feed, self.listen, self.limits, beside, complaints) as server,
        ):
            started(server.address)
            if http.address:
                self.http_started(http.address)
            self._tells(server)
            going_on = self._go_on_beside(feed)
            try:
                await self._in_thread(lambda: self._pump(ticks, feed, told))
            except Exception:
                await server.set_serving(False)
                raise
            finally:
                self._stopping = True
                if intake is not None:
                    intake.refuse(stopping())
            if stay:
                await asyncio.Event().wait()
            if going_on is not None:
                going_on.cancel()

    def _shown(self) -> LiveCity:
        """What the page draws: the map and the types that hold whenever it asks."""
        runner = self.runner
        return LiveCity(runner.city, self.zone, lambda: (runner.ground, runner.types))

    def _go_on_beside(self, feed: LiveFeed) -> asyncio.Task[None] | None:
        if self._beside is None or self._keeper is None:
            return None
        return asyncio.create_task(self._beside(self._keeper, feed))

    def _check_settings(self) -> None:
        """Raises SettingsError before a store is made that nobody would be told of."""
        names = Names(types=tuple(self.runner.types.by_name), area_codes=tuple(self.runner.ground.city.area_codes))
        check_listening(self.listen, names)
        if self.http.address:
            check_listening(self.http.listening(self.listen), names)

    def _feed(self) -> LiveFeed:
        """The feed as it was left, or a new one."""
        types, areas = self.runner.types, self.runner.ground.city.area_codes
        named = self.runner.city, types.fingerprint
        if self._keeping is None:
            return LiveFeed(ChangeLog(feed_id=content_id(*named)), types, areas)
        keeper = self._keeper = self._keeping(self.runner.city)
        return LiveFeed(keeper.log(content_id(*named, keeper.identity.hex())), types, areas, keeper, keeper.key)

    def _tells(self, server: GrpcServer) -> None:
        """Lets health say when the store fails, and when it is back."""
        loop = asyncio.get_running_loop()

        def serving(is_serving: bool) -> None:
            asyncio.run_coroutine_threadsafe(server.set_serving(is_serving), loop)

        if self._keeper is not None:
            self._keeper.serving = serving

    def stop(self) -> None:
        """Lets the thread end at the next tick, and waits for it a little."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.stopping = True
        if self._street is not None:
            self._street.join(STOP_WAIT_S)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Waits for work in a thread that may be left behind: it may wait for input that never comes.

        The threads of `asyncio.to_thread` are waited for at the end of the program, which Ctrl-C then would not end.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(wrong: BaseException | None) -> None:
            if done.done():
                return
            if wrong is None:
                done.set_result(None)
            else:
                done.set_exception(wrong)

        def run() -> None:
            wrong: BaseException | None = None
            try:
                work()
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it belongs to who waits
                wrong = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, wrong)

        self._street = Thread(target=run, name="street", daemon=True)
        self._street.start()
        await done

    def _pump(self, ticks: Iterable[ClosedTick], feed: LiveFeed, told: Told) -> None:
        for closed in ticks:
            if self._stopping:
                return
            record = closed.record
            silent = [engine.books.sensors.silent.presence() for engine in self.runner.engines]
            heartbeat = heartbeat_of(self.runner.ground.city, silent, record.due_ms, closed.readied)
            self._take(feed, record.tick, record.incidents, heartbeat)
            told(closed, heartbeat)
        if self._keeper is not None:
            self._keeper.flush(feed.log.feed_id)

    def _begin(self, keeper: Keeper, feed: LiveFeed, tick: int, log_time_ms: int) -> None:
        """Goes on with the stored feed, or in an empty store with the one that readers know; else with another."""
        if keeper.feed is None:
            keeper.begin(tick, feed.log.feed_id)
            return
        anew = content_id(self.runner.city, self.runner.types.fingerprint, tick)
        if not keeper.begin(tick, anew):
            before = feed.log.heartbeat
            since, until = (feed.instant(ms) for ms in (before.log_time_ms if before else log_time_ms, log_time_ms))
            logger.warning("%s", pause_text(feed.log, anew, since, until))
            feed.begin_anew_from_thread(keeper.log(anew))

    def _take(self, feed: LiveFeed, tick: int, incidents: list[Incident], heartbeat: Heartbeat) -> None:
        keeper = self._keeper
        if keeper is not None:
            if not self._begun:
                self._begun = True
                self._begin(keeper, feed, tick, heartbeat.log_time_ms)
            whole = TickChanges(tick=tick, log_time_ms=heartbeat.log_time_ms, incidents=incidents, heartbeat=heartbeat)
            keeper.keep(feed.log.feed_id, [whole])
            feed.log.oldest_number = keeper.first_number
        feed.append_from_thread(tick, incidents, heartbeat)


def paced(ticks: Iterable[ClosedTick], rate: float) -> Iterator[ClosedTick]:
    """The ticks, `rate` seconds of log time to a second of wall time; 0 does not wait."""
    began_s = time.monotonic()
    first_ms: int | None = None
    for closed in ticks:
        first_ms = closed.record.due_ms if first_ms is None else first_ms
        if rate > 0:
            ahead_s = (closed.record.due_ms - first_ms) / 1000.0 / rate - (time.monotonic() - began_s)
            time.sleep(max(ahead_s, 0.0))
        yield closed
