"""The programs of a city on a broker, and what they cost: processor time, memory, and how far they have come."""

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from city_brain.distributed import MARK_HEADER, MARK_KEY, RAW_TOPICS
from city_brain.kafka.admin import apply
from city_brain.kafka.connecting import admin
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import INCIDENTS, RECORD_BYTES_MAX, topics
from city_brain.site import Site
from tests.benchmarks.kafka.city import Raw
from tests.kafka.sites import a_site, kafka_settings
from tests.kafka.streams.fleet import Fleet
from tests.kafka.streams.replayed import ONE_EACH

PATIENCE_S = 600.0
"""Without a new tick for so long, nothing more is expected."""
LOOK_S = 0.05
UNDERWAY_BYTES = 64 << 20
WORKERS = ("[workers]", "session_timeout_s = 120.0", "stalled_after_s = 600.0")
"""Programs are held up while their input is written, for longer than the defaults would bear."""


@dataclass
class Crew:
    """A site on a broker with its topics; programs run when `start` says so."""

    fleet: Fleet
    kafka: KafkaSettings
    partitions: int

    @cached_property
    def site(self) -> Site:
        """The site, as its programs open it."""
        return Site.open(self.fleet.site)

    def start(self, workers: Mapping[str, int]) -> None:
        """Starts so many of each program."""
        for program, count in workers.items():
            for slot in range(count):
                self.fleet.start(program, str(slot))

    def processor_s(self) -> dict[str, float]:
        """Processor time that each program has used so far, all its workers together."""
        used: dict[str, float] = {}
        for name, process in self.fleet.processes.items():
            program = name.partition("-")[0]
            used[program] = used.get(program, 0.0) + _processor_s(process.pid)
        return used

    def memory_mb(self, what: str = "VmRSS") -> dict[str, int]:
        """Memory of each worker now, or at most (`VmHWM`)."""
        return {name: _memory_mb(process.pid, what) for name, process in self.fleet.processes.items()}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds all programs up meanwhile."""
        for name in self.fleet.processes:
            self.fleet.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in self.fleet.processes:
                self.fleet.signal(name, signal.SIGCONT)

    def await_ticks(self, wanted: int) -> None:
        """Returns when so many ticks stand in the log of incidents; raises where they do not come."""
        with Ends(self.kafka, INCIDENTS) as ends:
            got, since_s = 0, time.monotonic()
            while got < wanted:
                time.sleep(LOOK_S)
                self.fleet.check()
                now = ends.now()
                if now > got:
                    got, since_s = now, time.monotonic()
                if time.monotonic() - since_s > PATIENCE_S:
                    logs = "\n".join(f"{name}: {self.fleet.log(name)}" for name in self.fleet.processes)
                    raise RuntimeError(f"{INCIDENTS}: wanted {wanted} ticks, got {got} and no more\n{logs}")


class Ends:
    """How many records the first partition of a topic has; each is asked for anew."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._place = TopicPartition(kafka.topic(topic), 0)
        self._consumer: Any = KafkaConsumer(enable_auto_commit=False, **kafka.connection())

    def __enter__(self) -> "Ends":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def now(self) -> int:
        """By now."""
        end: int = self._consumer.end_offsets([self._place])[self._place]
        return end


@contextmanager
def crew(
    folder: Path, servers: str, prefix: str, city_map: bytes, partitions: int = 1, *, replayed: bool = True
) -> Iterator[Crew]:
    """A site for a map, with its topics; programs and topics go at the end."""
    lines = [ONE_EACH, f"replayed = {str(replayed).lower()}", *WORKERS]
    site = a_site(folder / prefix, servers, prefix, *lines, top=f'city = "benchmark"\npartitions = {partitions}')
    (site / "city.geojson").write_bytes(city_map)
    settings = kafka_settings(site)
    apply(settings, partitions)
    fleet = Fleet(site)
    try:
        yield Crew(fleet, settings, partitions)
    finally:
        fleet.end()
        with admin(settings) as client:
            client.delete_topics([settings.topic(topic.name) for topic in topics(settings, partitions)])


class Writer:
    """Writes raw records with their own stamps; a context manager that waits until all are stored."""

    def __init__(self, kafka: KafkaSettings, *, own_stamps: bool = True) -> None:
        self._kafka, self._own_stamps = kafka, own_stamps
        self._producer: Any = KafkaProducer(
            acks="all", enable_idempotence=True, linger_ms=5 if own_stamps else 0, batch_size=1 << 18,
            max_request_size=RECORD_BYTES_MAX, **kafka.connection(),
        )  # fmt: skip
        self._underway: list[tuple[Any, int]] = []
        self._underway_bytes = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self._wait(0)
        self._producer.close(timeout=10)

    def write(self, records: Iterable[Raw]) -> None:
        """Sends records; waits where too much is underway."""
        for raw in records:
            headers: list[tuple[str, bytes]] = [(MARK_HEADER, b"")] if raw.mark else []
            sent = self._producer.send(
                self._kafka.topic(RAW_TOPICS[raw.topic]), raw.value, key=MARK_KEY if raw.mark else None,
                partition=0, headers=headers, timestamp_ms=raw.stamp_ms if self._own_stamps else None,
            )  # fmt: skip
            self._underway.append((sent, len(raw.value)))
            self._underway_bytes += len(raw.value)
            if self._underway_bytes > UNDERWAY_BYTES:
                self._wait(UNDERWAY_BYTES // 2)

    def _wait(self, most_bytes: int) -> None:
        done = 0
        while done < len(self._underway) and (self._underway_bytes > most_bytes or most_bytes == 0):
            sent, size = self._underway[done]
            sent.get(timeout=120)
            self._underway_bytes -= size
            done += 1
        del self._underway[:done]


def _processor_s(pid: int) -> float:
    """By the clock of the process, to the nanosecond (clock_getcpuclockid(3)); /proc counts hundredths of a second."""
    return time.clock_gettime((~pid << 3) | 2)


def _memory_mb(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith(f"{what}:"))


def load() -> float:
    """Programs that want a core, for each core, over the last minute."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)


def encoded_map(geojson: dict[str, Any]) -> bytes:
    """A map as a file."""
    return msgspec.json.encode(geojson)
