"""`python -m streams.detect SITE`: live cameras in; what they see, and how they are, out into the raw topics.

A member of a group on `video.detections`, of which it reads nothing: whoever has a partition of it has the cameras
whose rows go there. So cameras are shared among workers as partitions are, and move when one ends; there may be as many
workers as the topic has partitions. All cameras of a worker go through one network together.

Input: `[video]` of site.toml, the map, and the newest frame of each camera. State: what eyes and judges remember of the
last seconds; nothing of it is saved, since the street goes on without. Output: envelopes in `video.detections`, and in
`sensor.readings` what is told of the cameras themselves, acknowledged by all brokers that must have them.

- A crash, at any point: the group gives its cameras to others within `session_timeout_s`, or to itself when it is back.
  Eyes begin anew, with numbers and tracks that nobody has had before; what happened meanwhile was not seen.
- A duplicate: a record that is sent again since its acknowledgement was lost bears the same numbers, and the street
  drops its rows. Who was frozen for longer than others wait gives up what it had in hand, and looks at nothing until
  the group has spoken: two workers tell of one camera for a heartbeat at most, and never of a track of the other.
- A late row: there is none. A frame that nobody had time for is skipped, and its camera counts it. One look is on its
  way to the brokers while the next one is made; what they have not taken after `GIVEN_UP_AFTER_S` is given up and
  counted, and what is known of the cameras themselves is told again.
- A gap: a camera without a frame for `down_after_s` is told to be down, and dialled until it is back. Its tracks end.
- Another version: settings and map are those of the start. A worker that finds another map in force ends with a line
  that says so and with 0, to be started again.
- A full disk, or brokers that are away: as for late rows. When nothing could be stored for `stalled_after_s`, the
  worker ends with an error, to be started again. It writes no file of its own.

Whatever else goes wrong ends it with an error. A camera cannot: each is read by a process of its own, of bounded means.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import aiokafka
import typer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from prometheus_client import Histogram

from city_brain.errors import BrokerError, SettingsError
from city_brain.kafka.sending import check_topics, partition_of
from city_brain.kafka.topics import raw_topic
from city_brain.observations.vocabulary import Kind
from city_brain.site import Site, settings_of
from city_brain.vision.eyes.lookout import LOOK_EVERY_S, Lookout, epoch_ms, open_lookout
from city_brain.vision.live.settings import VideoSettings
from streams.camera_figures import CameraFigures
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
from streams.health import BEAT_S, Health, serve_health
from streams.logs import LogForm
from streams.map_in_force import MapInForce
from streams.metrics import Metrics
from streams.raw_outlet import RawOutlet

REBALANCE_S: Final = 20.0
"""For all workers to let go of their cameras when some move."""
LOOK_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
Answer = TypeVar("Answer")


class Detect(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """One worker: the cameras of its partitions, and the group that gives them to it."""

    def __init__(self, site: Site, folder: Path, slot: str) -> None:
        self.site, self._folder, self._slot = site, folder, slot
        self.kafka, self.workers = site.settings.kafka, site.settings.workers
        self.metrics, self.health = Metrics("detect"), Health(self.workers.stalled_after_s)
        self.health.waits_for("its network to be opened")
        self._looks = Histogram(
            "city_brain_look_seconds", "Time for a look at all cameras.", ("program",), buckets=LOOK_BUCKETS_S,
            registry=self.metrics.registry,
        ).labels("detect")  # fmt: skip
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eyes")
        """In which everything about cameras happens, one after the other."""
        self._looking = asyncio.Lock()
        self._failed: BaseException | None = None
        self._holds = True
        """Looks at nothing: partitions move."""
        self._lookout: Lookout
        self._outlet: RawOutlet
        self._consumer: Any

    async def run(self) -> None:
        """Watches the cameras that the group gives it, until it is cancelled or another map holds."""
        video, folder = self.site.settings.video, self._folder
        if not video.cameras:
            raise SettingsError(f"{folder}/site.toml: wanted cameras to watch, [video.cameras.ID], got none")
        if self.kafka.replayed:
            raise SettingsError(f"{folder}/site.toml: wanted live topics for cameras, got a recording: replayed = true")
        serve_health(self.workers, self.metrics.registry, self.health)
        beating = asyncio.create_task(self._beat())
        try:
            await self._in_thread(check_topics, self.kafka)
            async with MapInForce(self.kafka, self.site.configurations) as maps:
                await self._watch_by(maps, video)
        except KafkaError as wrong:
            place = f"kafka {','.join(self.kafka.bootstrap_servers)}"
            raise BrokerError(f"{place}: wanted what was asked for, got: {wrong!r}") from wrong
        finally:
            beating.cancel()

    async def _watch_by(self, maps: MapInForce, video: VideoSettings) -> None:
        """Watches by the map that holds now."""
        self._lookout = await self._in_thread(open_lookout, maps.city(epoch_ms()), video, self._folder)
        self.metrics.registry.register(CameraFigures("detect", self._lookout.watching))
        self._outlet = RawOutlet(self.kafka, self.metrics, self.workers.stalled_after_s)
        self._consumer = self._member()
        self.health.waits_for("the brokers to give it partitions")
        try:
            async with self._outlet.producer, self._consumer:
                self._consumer.subscribe([self.kafka.topic(raw_topic(Kind.DETECTION))], listener=self)
                try:
                    await self._watch(maps)
                finally:
                    await self._outlet.settle()
        finally:
            await self._in_thread(self._lookout.stop)

    def _member(self) -> Any:
        """A consumer that is only there to belong to the group."""
        group = f"{self.kafka.topic_prefix}detect"
        return aiokafka.AIOKafkaConsumer(
            group_id=group,
            group_instance_id=f"{group}-{self._slot}" if self._slot else None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=round(1000 * self.workers.session_timeout_s),
            heartbeat_interval_ms=round(1000 * self.workers.heartbeat_s),
            rebalance_timeout_ms=round(1000 * max(REBALANCE_S, self.workers.session_timeout_s)),
            partition_assignment_strategy=(StickyPartitionAssignor,),
            **self.kafka.connection(),
        )

    async def _beat(self) -> None:
        while True:
            self.health.beat()
            await asyncio.sleep(BEAT_S)

    async def _in_thread(self, work: Callable[..., Answer], *given: Any) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    async def _watch(self, maps: MapInForce) -> None:
        began_s, version = time.monotonic(), maps.version(epoch_ms())
        while True:
            before_s, began_s = began_s, time.monotonic()
            if began_s - before_s > self.workers.session_timeout_s / 2.0:
                await asyncio.sleep(2.0 * self.workers.heartbeat_s)  # it stood still: others may have its cameras
            await self._consumer.getmany(timeout_ms=0)  # a member that asks for nothing would be sent away
            if self._failed is not None:
                raise self._failed
            await maps.hear()
            if maps.version(epoch_ms()) != version:
                logger.warning("another map holds: ends, to be started again with it")
                return
            async with self._looking:
                if not self._holds:
                    await self._look()
            await asyncio.sleep(max(0.0, began_s + LOOK_EVERY_S - time.monotonic()))

    async def _look(self) -> None:
        began_s = time.monotonic()
        rows = await self._in_thread(self._lookout.look, epoch_ms())
        self._looks.observe(time.monotonic() - began_s)
        for sentence in self._lookout.news():
            logger.warning("%s", sentence)
        if rows and not await self._outlet.send(rows, began_s):
            await self._in_thread(self._lookout.tell_again)
        if not self._outlet.loses:
            self.health.progressed()

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Tells nothing any more, once what was told is stored: others may have the cameras soon. They stay connected,
        since most of them come back.
        """
        async with self._looking:
            self._holds = True
            await self._guarded(self._outlet.settle)

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Watches the cameras of its partitions, and lets go of all others."""
        async with self._looking:
            await self._guarded(lambda: self._keep(assigned))

    async def _keep(self, assigned: Collection[Any]) -> None:
        self._consumer.pause(*assigned)
        partitions = {place.partition for place in assigned}
        count = self.kafka.raw_partitions.detections
        mine = [camera for camera in self.site.settings.video.cameras if partition_of(camera, count) in partitions]
        await self._in_thread(self._lookout.keep, mine, epoch_ms())
        logger.info("watches %d cameras: %s", len(mine), ", ".join(sorted(mine)) or "none")
        self.metrics.rebalances.inc()
        self.health.ready(idle=not mine)
        self._holds = False

    async def _guarded(self, step: Callable[[], Any]) -> None:
        """Does a step for the client, which would only log an error of it, and go on."""
        try:
            await step()
        except Exception as wrong:  # noqa: BLE001 - whatever it is, it ends the worker
            self._failed = wrong


def detect(
    site: SiteArgument,
    slot: NameOption = "",
    log: LogOption = LogForm.JSON,
    metrics: MetricsOption = "",
) -> None:
    """Watches cameras of a site, as many as its share."""
    lines = prepare("detect", slot, log)
    opened = in_force(site, told_to(settings_of(site), metrics, lines))
    asyncio.run(until_stopped(Detect(opened, site, slot).run()))


if __name__ == "__main__":
    told(lambda: typer.run(detect))
