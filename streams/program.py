"""What every program on Kafka is: one agent over its input, positions of its own, and an end at the first error.

There is nothing to repair in a running program: whatever goes wrong, it says so and exits, its supervisor starts it
again, and it reads on from what it saved. What it said since then it says again, in the same bytes.
"""

import abc
import asyncio
import io
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import faust
from faust.types import TP

from city_brain.errors import CityBrainError
from city_brain.kafka.topics import STATE_BYTES_MAX
from city_brain.site import Site
from streams import driver
from streams.command import logger
from streams.health import BEAT_S, Health, serve_health
from streams.logs import PLACE
from streams.metrics import Metrics
from streams.outbox import Outbox
from streams.watchdog import Watchdog

FAILED = 70
"""Exit code of a program that met an error (EX_SOFTWARE)."""


class App(faust.App):
    """Faust's app, which knows its program."""

    program: "Program"


class Program(abc.ABC):
    """A stage on Kafka. Subclasses say what they read, from where, and what becomes of it."""

    name: str
    beside: tuple[Callable[[], Awaitable[None]], ...] = ()
    """What else runs all the time."""

    def __init__(self, site: Site, slot: str) -> None:
        """`slot`: this worker's name in its group. A worker that comes back under its name takes its place at once."""
        self.site, self.kafka, self.workers = site, site.settings.kafka, site.settings.workers
        self.group = f"{self.kafka.topic_prefix}{self.name}"
        self.app = _app(self, slot)
        self.outbox = Outbox(self.app)
        self._resuming = asyncio.Lock()
        self.watchdog = Watchdog(self.kafka, self.workers.stalled_after_s)
        self.metrics, self.health = Metrics(self.name), Health(self.workers.stalled_after_s)

    @property
    @abc.abstractmethod
    def inputs(self) -> Sequence[str]:
        """The topics that are read, with their prefix."""

    async def positions(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Where each assigned partition is to be read from, once it is ready. Rebalances wait for each other.

        The watchdog sees only partitions that are being read, so one that never becomes ready ends the program here.
        """
        async with self._resuming:
            self.watchdog.begin({})
            try:
                positions = await asyncio.wait_for(self.resume(assigned), self.workers.stalled_after_s)
                self.watchdog.begin({(tp.topic, tp.partition): offset for tp, offset in positions.items()})
                self.health.ready(idle=not assigned)
                return positions
            except Exception as wrong:  # noqa: BLE001 - a partition that cannot be resumed must not be skipped
                self.fail(wrong)

    @abc.abstractmethod
    async def resume(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Makes the assigned partitions ready, lets go of all others, and says where each is to be read from."""

    @abc.abstractmethod
    def next_offsets(self) -> dict[TP, int]:
        """What is read next of each assigned partition."""

    @abc.abstractmethod
    async def take(self, message: Any) -> None:
        """Takes the next record of an assigned partition."""

    @abc.abstractmethod
    async def settle(self) -> None:
        """Stores all that was said and saved; called before partitions are given away, and at the end."""

    async def commit(self, offsets: dict[TP, int]) -> None:
        """Tells Kafka how far the input was read: for people, and for programs without a state of their own."""
        mine = self.app.consumer.assignment()
        offsets = {tp: offset for tp, offset in offsets.items() if tp in mine}
        if offsets:
            await cast("Any", self.app.consumer)._commit(offsets)

    def run(self) -> None:
        """Runs until SIGTERM (0) or an error (not 0)."""
        program = self

        @self.app.agent(self.app.topic(*self.inputs, key_type=bytes, value_type=bytes), concurrency=1)
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                message = event.message
                if message.generation_id != self.app.consumer_generation_id:
                    continue  # read before partitions moved; whoever has this one now reads it again
                await program.guard(program.take(message), message)
                program._took(message)

        @self.app.on_partitions_revoked.connect
        async def give_away(*_: Any, **__: Any) -> None:
            await program.guard(program.settle())

        @self.app.on_partitions_assigned.connect
        async def given(*_: Any, **__: Any) -> None:
            program.metrics.rebalances.inc()
            if not program.app.consumer.assignment():
                program.health.ready(idle=True)

        @self.app.service
        class LastWords(faust.Service):
            async def on_start(self) -> None:
                self.add_future(program._beat())
                for beside in program.beside:
                    self.add_future(program.guard(beside()))

            async def on_stop(self) -> None:
                await program.guard(program.settle())

        serve_health(self.workers, self.metrics.registry, self.health)
        self.watchdog.start()
        silent = io.StringIO()  # Faust draws a spinner, also where there is no terminal
        worker = faust.Worker(
            self.app, quiet=True, redirect_stdouts=False, override_logging=False, stdout=silent, stderr=silent
        )
        worker.execute_from_commandline()

    def _took(self, message: Any) -> None:
        self.watchdog.saw(message.topic, message.partition, message.offset)
        self.metrics.took(message.topic, message.partition)
        self.health.progressed()

    async def _beat(self) -> None:
        while not self.app.should_stop:
            self.health.beat()
            self.metrics.lag({(tp.topic, tp.partition): lag for tp, lag in self._lag()})
            await asyncio.sleep(BEAT_S)

    def _lag(self) -> Iterator[tuple[TP, int]]:
        for tp, offset in self.next_offsets().items():
            try:
                end = self.app.consumer.highwater(tp)
            except Exception:  # noqa: BLE001, S112 - partitions move just now: a figure is worth no program
                continue
            if end is not None:
                yield tp, max(0, end - offset)

    async def guard(self, step: Any, message: Any = None) -> None:
        """Waits for a step; an error of any kind ends the process, since Faust would go on past it."""
        try:
            await step
        except Exception as wrong:  # noqa: BLE001 - whatever it is, going on would lose records in silence
            self.fail(wrong, message)

    def fail(self, wrong: BaseException, message: Any = None) -> NoReturn:
        """Ends the process at once: nothing that it still holds is needed by whoever comes next."""
        place = {} if message is None else {name: getattr(message, name) for name in PLACE}
        if isinstance(wrong, CityBrainError):
            logger.critical("%s: %s", self.group, wrong, extra=place)
        else:
            logger.critical("%s: an error that nobody expected", self.group, exc_info=wrong, extra=place)
        sys.stderr.flush()
        os._exit(FAILED)


def _app(program: Program, slot: str) -> App:
    kafka, workers = program.kafka, program.workers
    connection = kafka.connection()
    app = App(
        program.group,
        broker=[f"{driver.SCHEME}://{server}" for server in kafka.bootstrap_servers],
        broker_credentials=_credentials(connection),
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=64,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=workers.fetch_bytes_max,
        consumer_group_instance_id=f"{program.group}-{slot}" if slot else None,
        broker_session_timeout=workers.session_timeout_s,
        broker_heartbeat_interval=workers.heartbeat_s,
        broker_rebalance_timeout=max(20.0, workers.session_timeout_s),
        # Faust also gives up a partition that is not ready within this time, and says nothing: we end before it does.
        broker_request_timeout=max(kafka.request_wait_s, workers.session_timeout_s, 1.5 * workers.stalled_after_s),
        producer_request_timeout=kafka.request_wait_s,
        producer_linger=0.005,
        producer_max_batch_size=256 << 10,
        producer_max_request_size=STATE_BYTES_MAX,
        broker_commit_interval=0.5,
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / f"city-brain-{os.getuid()}",  # Faust makes it, and leaves it empty
    )
    app.program = program
    return app


def _credentials(connection: dict[str, Any]) -> Any:
    context = connection.get("ssl_context")
    if "sasl_mechanism" in connection:
        return faust.SASLCredentials(
            username=connection["sasl_plain_username"],
            password=connection["sasl_plain_password"],
            ssl_context=context,
            mechanism=connection["sasl_mechanism"],
        )
    return faust.SSLCredentials(context) if context is not None else None
