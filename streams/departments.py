"""`python -m streams.departments SITE`: the city's tick records in, CloudEvents for each department out.

A topic for each table `[kafka.departments.NAME]`, in binary mode: the canonical line of the revision as the value, the
incident's id as the key, and beside the attributes of `city_brain.formats.cloudevents` three of its own: `changenumber`
counts the changes of the city, `nolongermatches` is "true" where the incident has left the filter (told once), and
`tick` says in which tick the change was decided.

Where a topic stands, its own last record says; nothing else is kept. At the start the log of incidents is read from its
beginning, as `serve` does, and what the topic has is passed over. So:

- A crash, at any point: the next start goes on behind the last record that the brokers took. Nothing comes twice.
- A tick that comes again is dropped; in other words than before, it ends the program.
- A gap, in the log or between topic and log, ends it. `--accept-gap` goes on with what the log still holds.
- Another version of types or map changes no filter: types and areas are names, and a name that `control` never told of
  is refused at the start. Another filter holds from where the topic stands; nobody is told what it no longer matches.
- Two of these programs at a time: each sees that its records do not follow each other, and ends. Run one.
- What the log no longer holds cannot be compared with: an incident whose first revision there does not match is not
  told as one that has left.
- A topic of which nothing is left begins anew, with what the log holds and numbers counted from there.

It waits for records and for acknowledgements, and reads no clock for what it says.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import aiokafka
import msgspec
import typer
from aiokafka.errors import KafkaError

from city_brain.distributed import TickSequence
from city_brain.errors import BrokerError, SettingsError, StateError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter, Names
from city_brain.feeds.refusals import RefusedError
from city_brain.feeds.subscription import Delivery, Subscription
from city_brain.formats.cloudevents import kafka_binary
from city_brain.kafka.control import read_control
from city_brain.kafka.topics import DEPARTMENTS, INCIDENTS, RECORD_BYTES_MAX
from city_brain.site import Site, settings_of, time_zone, utc_offsets
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
from streams.following import changes_in, heartbeat_in
from streams.health import Health, serve_health
from streams.logs import LogForm
from streams.metrics import Metrics

TICK_CHANGES_MAX = 5_000
"""Changes that one tick may bring: so many are held, some 5 kB each, and twice that for a moment."""
WAIT_S = 30.0
"""For the last record of a topic to be read."""


class Last(msgspec.Struct, frozen=True):
    """What the last record of a topic says of itself."""

    tick: int
    number: int
    event: str
    """`{incident_id}/{revision}`."""

    @classmethod
    def of(cls, record: Any) -> "Last":
        """Reads its headers; raises StateError where they are not those of this program."""
        said = {name: value.decode(errors="replace") for name, value in record.headers}
        try:
            return cls(int(said["ce_tick"]), int(said["ce_changenumber"]), said["ce_id"])
        except (KeyError, ValueError) as wrong:
            raise StateError(
                f"{record.topic} offset {record.offset}: wanted headers ce_id, ce_tick and ce_changenumber, "
                f"got {sorted(said)} ({wrong})"
            ) from wrong


class Outlet:
    """One department: what it wants, and where its topic stands."""

    def __init__(self, topic: str, log: ChangeLog, wanted: IncidentFilter, *, accept_gap: bool) -> None:
        self.topic, self._log, self._accept_gap = topic, log, accept_gap
        self._subscription = Subscription(log, wanted, after=0, queue_limit=TICK_CHANGES_MAX)
        self.last: Last | None = None
        """Up to where its topic has everything; None once the log has been read up to there."""
        self.next_offset = 0
        self.begun = False
        """Whether anything was sent since the start."""
        self._shift = 0
        """What a number of the topic is ahead of one that is counted from the beginning of today's log."""

    def due(self, tick: int) -> Iterator[tuple[int, Delivery]]:
        """What the topic lacks of the newest tick, with numbers; raises StateError where it does not fit the log."""
        if self._subscription.behind_log:
            raise StateError(f"{self.topic}, tick {tick}: wanted at most {TICK_CHANGES_MAX} changes, got more")
        before = self._subscription.position
        told = list(self._subscription.passed(self._log.after(before)))
        if self.last is not None:
            if tick < self.last.tick:
                return
            before = self._place(self.last, tick, before)
            self.last = None
        for delivery in told:
            if delivery.number > before:
                yield delivery.number + self._shift, delivery

    def _place(self, last: Last, tick: int, before: int) -> int:
        """The number, as it is counted today, up to which the topic has everything."""
        if tick == last.tick:
            for change in self._log.after(before):
                if f"{change.incident.incident_id}/{change.incident.revision}" == last.event:
                    self._shift = last.number - change.number
                    return change.number
            raise StateError(
                f"{self.topic}: wanted the change {last.event} in tick {tick} of the log of incidents, got another tick"
            )
        if not self._accept_gap:
            raise StateError(
                f"{self.topic}: wanted the log of incidents from tick {last.tick} on, got it from tick {tick} on: "
                "changes are lost; --accept-gap goes on without them"
            )
        logger.warning("%s: ticks %d to %d are missing, and passed over", self.topic, last.tick, tick - 1)
        self._shift = last.number - before
        return before


class Departments:
    """All departments of one city."""

    def __init__(self, site: Site, *, accept_gap: bool) -> None:
        """Raises SettingsError where there are none, or one asks for what this city does not know."""
        settings = site.settings
        self.kafka, self.city = settings.kafka, settings.issuer.adcode
        if not self.kafka.departments:
            raise SettingsError("kafka.departments: wanted at least one, got none")
        if not self.city:
            raise SettingsError(
                "issuer.adcode: wanted the code of the city, which events name as their source, got none"
            )
        self._offsets = utc_offsets(time_zone(settings.time_zone))
        self._log = ChangeLog(feed_id=site.name, capacity=TICK_CHANGES_MAX)
        names = _names(site)
        self.outlets = [
            Outlet(
                self.kafka.topic(DEPARTMENTS + name),
                self._log,
                _filter(name, said.wanted, names),
                accept_gap=accept_gap,
            )
            for name, said in self.kafka.departments.items()
        ]
        self._sequence = TickSequence()
        self.metrics, self.health = Metrics("departments"), Health(settings.workers.stalled_after_s)
        self.health.waits_for("the log of incidents to be read")
        self._workers = settings.workers

    async def run(self) -> None:
        """Follows the log until stopped; raises BrokerError where the brokers fail."""
        serve_health(self._workers, self.metrics.registry, self.health)
        connection, place = self.kafka.connection(), f"kafka {','.join(self.kafka.bootstrap_servers)}"
        sure = {"acks": "all", "enable_idempotence": True, "max_request_size": RECORD_BYTES_MAX}
        wait_ms = round(1000 * self.kafka.request_wait_s)
        try:
            async with (
                aiokafka.AIOKafkaConsumer(enable_auto_commit=False, **connection) as consumer,
                aiokafka.AIOKafkaProducer(request_timeout_ms=wait_ms, **sure, **connection) as producer,
            ):
                await self._find(consumer)
                incidents = aiokafka.TopicPartition(self.kafka.topic(INCIDENTS), 0)
                consumer.assign([incidents])
                await consumer.seek_to_beginning(incidents)
                end = (await consumer.end_offsets([incidents]))[incidents]
                while True:
                    if await consumer.position(incidents) >= end:
                        self.health.ready()
                        end = 1 << 62
                    for records in (await consumer.getmany(timeout_ms=500, max_records=1_000)).values():
                        await self._take(records, consumer, producer)
                    self.health.beat()
        except KafkaError as wrong:
            raise BrokerError(f"{place}: wanted what was asked for, got: {wrong!r}") from wrong

    async def _find(self, consumer: Any) -> None:
        """Where each topic stands; raises BrokerError where one is not there, or does not answer."""
        absent = {outlet.topic for outlet in self.outlets} - await consumer.topics()
        if absent:
            raise BrokerError(f"topic {min(absent)}: wanted the site's topics, got none; city-brain topics apply")
        for outlet in self.outlets:
            place = aiokafka.TopicPartition(outlet.topic, 0)
            consumer.assign([place])
            begin = (await consumer.beginning_offsets([place]))[place]
            outlet.next_offset = (await consumer.end_offsets([place]))[place]
            if begin < outlet.next_offset:
                consumer.seek(place, outlet.next_offset - 1)
                try:
                    outlet.last = Last.of(await asyncio.wait_for(consumer.getone(place), WAIT_S))
                except TimeoutError:
                    raise BrokerError(f"{outlet.topic}: wanted its last record within {WAIT_S:g} s, got none") from None
            logger.info("%s: goes on behind %s", outlet.topic, outlet.last or "nothing")

    async def _take(self, records: Sequence[Any], consumer: Any, producer: Any) -> None:
        """Sends what the records say, and waits until all of it is acknowledged."""
        under_way: list[tuple[Outlet, asyncio.Future[Any]]] = []
        for record in records:
            tick, incidents, _ = changes_in(record.value)
            if not self._sequence.accepts(tick, record.value, f"{record.topic} offset {record.offset}"):
                continue
            self._log.append(tick, incidents, heartbeat_in(record))
            for outlet in self.outlets:
                for number, delivery in outlet.due(tick):
                    await self._check_alone(outlet, consumer)
                    event = self._event(number, tick, delivery)
                    sent = await producer.send(
                        outlet.topic, event.value, event.key, 0, record.timestamp, list(event.headers)
                    )
                    under_way.append((outlet, sent))
                    self.metrics.outgoing(outlet.topic)
            self.metrics.took(record.topic, record.partition)
        for outlet, sent in under_way:
            offset = (await sent).offset
            if offset != outlet.next_offset:
                raise _not_alone(outlet, offset)
            outlet.next_offset += 1
        self.health.progressed()

    async def _check_alone(self, outlet: Outlet, consumer: Any) -> None:
        """Before the first record: what a program that was killed had under way must not come behind our backs."""
        if not outlet.begun:
            outlet.begun = True
            place = aiokafka.TopicPartition(outlet.topic, 0)
            end = (await consumer.end_offsets([place]))[place]
            if end != outlet.next_offset:
                raise _not_alone(outlet, end)

    def _event(self, number: int, tick: int, delivery: Delivery) -> Any:
        gone = "true" if delivery.no_longer_matches else "false"
        own = {"changenumber": str(number), "nolongermatches": gone, "tick": str(tick)}
        return kafka_binary(delivery.incident, self.city, self._offsets, own)


def _not_alone(outlet: Outlet, got: int) -> StateError:
    return StateError(
        f"{outlet.topic}: wanted to write offset {outlet.next_offset} next, got {got}: another program writes there too"
    )


def _names(site: Site) -> Names:
    """Those of all configurations that `control` has told of: a filter outlives each of them."""
    types, areas = dict.fromkeys(site.types.by_name), dict.fromkeys(site.ground.city.area_codes)
    known = site.configurations
    for entry in read_control(site.settings.kafka):
        configured = known.ready(known.add(entry.record).configuration.version)
        if configured is not None:
            types |= dict.fromkeys(configured.types.by_name)
            areas |= dict.fromkeys(configured.ground.city.area_codes)
    return Names(types=tuple(types), area_codes=tuple(areas))


def _filter(name: str, wanted: Any, names: Names) -> IncidentFilter:
    try:
        return IncidentFilter(wanted, names)
    except RefusedError as wrong:
        raise SettingsError(f"kafka.departments.{name}: {str(wrong).removeprefix('filter.')}") from wrong


def departments(
    site: SiteArgument,
    slot: NameOption = "",
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Go on with what the log still holds; what is gone stays untold.")
    ] = False,
    log: LogOption = LogForm.JSON,
    metrics: MetricsOption = "",
) -> None:
    """Sends each department of a city on Kafka its incidents."""
    lines = prepare("departments", slot, log)
    opened = in_force(site, told_to(settings_of(site), metrics, lines))
    asyncio.run(until_stopped(Departments(opened, accept_gap=accept_gap).run()))


if __name__ == "__main__":
    told(lambda: typer.run(departments))
