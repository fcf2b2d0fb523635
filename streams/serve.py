"""`python -m streams.serve SITE`: the city's tick records in, the incident feed over gRPC out.

Without a group: every server reads the whole log, so there may be as many as one likes, and each counts the same
numbers. What the log says is in the server's store before anybody is told, so readers reach back behind what Kafka and
memory hold. A record that is missing, or comes again in other words, ends the server: the feed never skips in silence.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, cast

import aiokafka
import msgspec
import typer

from city_brain.canonical import content_id
from city_brain.distributed import TickSequence
from city_brain.errors import SettingsError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.kafka.control import read_control
from city_brain.kafka.topics import INCIDENTS
from city_brain.page.live import LiveCity
from city_brain.province.serving.reporting import reporting
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.http.server import HttpServer
from city_brain.site import Site, settings_of, time_zone
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from streams.command import (
    LogOption,
    MetricsOption,
    NameOption,
    SiteArgument,
    in_force,
    logger,
    prepare,
    told,
    told_to,
    until_stopped,
)
from streams.following import changes_in, heartbeat_in, named
from streams.health import Health, serve_health
from streams.logs import LogForm
from streams.metrics import Metrics


class Server:
    """One feed over the log of one city."""

    def __init__(self, site: Site, store: str) -> None:
        """`store`: where the feed is kept; "" for memory alone."""
        self.site, self._store = site, store
        self._keeper: Keeper | None = None
        self._server: GrpcServer | None = None
        self.topic = site.settings.kafka.topic(INCIDENTS)
        self.feed: LiveFeed | None = None
        self._sequence = TickSequence()
        self._versions = named(site.configurations.first.versions)
        self._shown = (site.ground, site.types)
        self.metrics, self.health = Metrics("serve"), Health(site.settings.workers.stalled_after_s)
        self.health.waits_for("the log of incidents to be read")

    async def run(self) -> None:
        """Reads what the log holds, then serves and reads on, until stopped."""
        settings = self.site.settings
        self._loop = asyncio.get_running_loop()
        serve_health(settings.workers, self.metrics.registry, self.health)
        async with aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **settings.kafka.connection()) as consumer:
            place = aiokafka.TopicPartition(self.topic, 0)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while self.feed is None or await consumer.position(place) < end:
                await self._read(consumer)
            self.feed.zone = time_zone(settings.time_zone)
            city = LiveCity(self.site.name, settings.time_zone, lambda: self._shown)
            async with (
                HttpServer(self.feed, settings.http, settings.feed, settings.limits, city=city) as http,
                GrpcServer(self.feed, settings.feed, settings.limits) as server,
            ):
                self._server = server
                logger.info("serving the incident feed on %s", server.address)
                if http.address:
                    logger.info("serving the incident feed over HTTP on %s", http.address)
                self.health.ready()
                # Held until it ends: the loop itself keeps no hold of its tasks.
                _reporting = self._report(self.feed)
                while True:
                    await self._read(consumer)

    def _report(self, feed: LiveFeed) -> asyncio.Task[None] | None:
        """Reports to the province that the site names, if any, out of the store."""
        report = reporting(self.site.settings.province, self.site.name)
        return asyncio.create_task(report(self._keeper, feed)) if report and self._keeper else None

    async def _read(self, consumer: Any) -> None:
        for records in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
            await self._take(records)
            for record in records:
                self.metrics.took(record.topic, record.partition)
            self.health.progressed()
        self.health.beat()

    async def _take(self, records: Sequence[Any]) -> None:
        """Stores what the records say, then tells it."""
        said = [(*changes_in(record.value), record) for record in records]
        fresh = [
            (TickChanges(tick=tick, log_time_ms=life.log_time_ms, incidents=incidents, heartbeat=life), versions)
            for tick, incidents, versions, record in said
            if self._sequence.accepts(tick, record.value, f"{self.topic} offset {record.offset}")
            for life in [heartbeat_in(record)]
        ]
        if not fresh:
            return
        if self.feed is None:
            self.feed = await asyncio.to_thread(self._begin, fresh[0][0].tick)
        feed = self.feed
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.keep, feed.log.feed_id, [tick for tick, _ in fresh])
            feed.log.oldest_number = self._keeper.first_number
        for whole, versions in fresh:
            if versions and versions != self._versions:
                await asyncio.to_thread(self._adopt, versions)
            feed.append(whole.tick, whole.incidents, cast("Heartbeat", whole.heartbeat))

    def _begin(self, first_tick: int) -> LiveFeed:
        """The feed as it is stored, where the log goes on with it; else a new one."""
        feed_id = content_id(self.site.name, self.site.types.fingerprint, first_tick)
        areas = self.site.ground.city.area_codes
        if not self._store:
            return LiveFeed(ChangeLog(feed_id=feed_id), self.site.types, areas)
        store = self.site.settings.store
        keeper = self._keeper = Keeper(Store.open(self._store), self.site.name, store.history_ms, self._serving)
        keeper.begin(first_tick, feed_id)
        return LiveFeed(keeper.log(feed_id), self.site.types, areas, keeper, keeper.key)

    def _serving(self, serving: bool) -> None:
        """Health says when the store fails, and when it is back."""
        if self._server is not None:
            asyncio.run_coroutine_threadsafe(self._server.set_serving(serving), self._loop)

    def _adopt(self, versions: tuple[str, str]) -> None:
        """Goes on with the incident types and the map of a record, which the log of configurations must know."""
        known = self.site.configurations
        for entry in reversed(read_control(self.site.settings.kafka)):
            configured = known.ready(known.add(entry.record).configuration.version)
            if self.feed is not None and configured is not None and named(configured.versions) == versions:
                self.feed.adopt(configured.types, configured.ground.city.area_codes)
                self._versions, self._shown = versions, (configured.ground, configured.types)
                return
        logger.warning("incident types %s, map %s: wanted a configuration that holds them, got none", *versions)


def serve(
    site: SiteArgument,
    slot: NameOption = "",
    log: LogOption = LogForm.JSON,
    metrics: MetricsOption = "",
    tls_client_ca: Annotated[
        str, typer.Option("--tls-client-ca", help="Authorities whose certificates clients must show; else site.toml.")
    ] = "",
    policy: Annotated[str, typer.Option("--policy", help="Who may do what (TOML); else as site.toml says.")] = "",
) -> None:
    """Serves the incident feed of a city on Kafka."""
    lines = prepare("serve", slot, log)
    settings = told_to(settings_of(site), metrics, lines)
    given = {"tls_client_ca": tls_client_ca, "policy": policy}
    feed = msgspec.structs.replace(settings.feed, **{name: value for name, value in given.items() if value})
    opened = in_force(site, msgspec.structs.replace(settings, feed=feed))
    store = opened.settings.store.url_in(site)
    if opened.settings.province.address and not store:
        raise SettingsError("site.toml, [province]: wanted a store to report from, got memory")
    asyncio.run(until_stopped(Server(opened, store).run()))


if __name__ == "__main__":
    told(lambda: typer.run(serve))
