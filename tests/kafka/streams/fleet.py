"""Programs of the street as processes, on a real broker: started, killed, frozen and stopped at will."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from city_brain.distributed import MARK_HEADER, MARK_KEY, RAW_TOPICS, RawRecord
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, DESK_STATE, FUSION_STATE, FUSION_TICKS, INCIDENTS, OBSERVATIONS
from tests.distributed.kit import CONTROL, first_configuration
from tests.house import ROOT

PATIENCE_S = 90.0
ALL_TOPICS = (*RAW_TOPICS, OBSERVATIONS, FUSION_TICKS, INCIDENTS, FUSION_STATE, DESK_STATE, DEAD_LETTERS)


@dataclass
class Fleet:
    """The programs of one site. What they log goes to files beside the site."""

    site: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, program: str, slot: str = "0", *options: str) -> str:
        """Starts a program in a slot; the name under which it runs."""
        name = f"{program}-{slot}"
        log = (self.site.parent / f"{name}.log").open("ab")
        command = [sys.executable, "-m", f"streams.{program}", str(self.site), "--slot", slot, *options]
        with log:
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        return name

    def signal(self, name: str, number: int) -> None:
        """Sends a signal."""
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL, and waits until it is gone."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(30.0)

    def check(self) -> None:
        """Raises where a program has ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log(name)}")

    def log(self, name: str) -> str:
        """The last lines that a program logged."""
        return (self.site.parent / f"{name}.log").read_text(errors="replace")[-3000:]

    def end(self) -> None:
        """Kills all."""
        for name in list(self.processes):
            self.kill(name)


def write_raw(settings: KafkaSettings, logs: Sequence[Sequence[RawRecord]], pause: Callable[[], None]) -> None:
    """Writes raw logs, one partition to each raw topic, with their own stamps; `pause` is called between slices.

    The first configuration, at offset 0 of `control`, is there already.
    """
    producer = KafkaProducer(acks="all", enable_idempotence=True, **settings.connection())
    at = [0] * len(logs)
    while any(position < len(log) for position, log in zip(at, logs, strict=True)):
        for partition, log in enumerate(logs):
            for record in log[at[partition] : at[partition] + 8]:
                headers: list[tuple[str, bytes]] = [(MARK_HEADER, b"")] if record.mark else []
                if record.value == first_configuration():
                    continue
                key = MARK_KEY if record.mark else b"%d" % record.offset if record.partition == CONTROL else None
                producer.send(
                    settings.topic(RAW_TOPICS[record.partition]), record.value or b"", key=key, partition=0,
                    headers=headers, timestamp_ms=record.stamp_ms,
                )  # fmt: skip
            at[partition] += 8
        producer.flush()
        pause()
    producer.close()


def ends_of(consumer: Any, topic: str) -> list[int]:
    """The next offset of each partition of a topic."""
    places = [TopicPartition(topic, partition) for partition in sorted(consumer.partitions_for_topic(topic) or ())]
    ends = consumer.end_offsets(places)
    return [ends[place] for place in places]


def read_all(settings: KafkaSettings, topic: str, enough: Callable[[list[Any]], bool], fleet: Fleet) -> list[Any]:
    """The records of a topic from its beginning, until there are enough; raises where they do not come."""
    consumer = KafkaConsumer(enable_auto_commit=False, **settings.connection())
    place = TopicPartition(settings.topic(topic), 0)
    consumer.assign([place])
    consumer.seek(place, 0)
    found: list[Any] = []
    until_s = time.monotonic() + PATIENCE_S
    try:
        while not enough(found):
            fleet.check()
            if time.monotonic() > until_s:
                logs = "\n".join(f"{name}: {fleet.log(name)}" for name in fleet.processes)
                ends = {name: ends_of(consumer, settings.topic(name)) for name in ALL_TOPICS}
                raise AssertionError(f"{topic}: {len(found)} records and no more; {ends}\n{logs}")
            for records in consumer.poll(timeout_ms=500).values():
                found.extend(records)
    finally:
        consumer.close()
    return found
