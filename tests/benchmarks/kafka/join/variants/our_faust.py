"""The join on envelopes as the programs of the street are written: their agent, driver, outbox and snapshots."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from city_brain.site import Site
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.types import Floats
from streams.command import prepare
from streams.logs import LogForm
from streams.outbox import Outgoing
from streams.stateful import StatefulProgram
from tests.benchmarks.kafka.join.step import Batches
from tests.benchmarks.kafka.join.variants.asked import asked
from tests.benchmarks.kafka.join.variants.meter import Meter


class Memory(msgspec.Struct):
    """What a partition remembers."""

    next_offset: int
    lamp: Floats
    reading: Floats


class JoinedPartition:
    """One partition of the events."""

    def __init__(self) -> None:
        self.next_offset = 0
        self._join = Batches()

    def read(self, offset: int, record: bytes) -> Iterator[bytes]:
        """Takes an envelope, gives that of its hits."""
        self.next_offset = offset + 1
        yield self._join.take(record)

    def to_bytes(self) -> bytes:
        """The state."""
        return to_bytes(Memory(self.next_offset, self._join.lamp, self._join.reading))

    def restore(self, data: bytes) -> None:
        """Goes on from a state."""
        memory = from_bytes(Memory, data)
        self.next_offset, self._join.lamp, self._join.reading = memory.next_offset, memory.lamp, memory.reading


class Join(StatefulProgram):
    """Envelopes of events in, envelopes of hits out."""

    name, input_topic, state_topic, sink = "join", "", "", ""

    def __init__(self, site: Site, slot: str, rows: int) -> None:
        super().__init__(site, slot)
        self._meter = Meter(rows)

    def new_work(self, partition: int) -> JoinedPartition:
        """One that has read nothing."""
        return JoinedPartition()

    def outgoing(self, partition: int, said: bytes) -> Outgoing:
        """All hits of an envelope in one record."""
        return Outgoing(self.kafka.topic(self.sink), said, partition=0)

    def show(self, partition: int, said: bytes) -> int:
        """No log time to speak of."""
        return 0

    async def take(self, message: Any) -> None:
        """Counts what is taken; ends when all is stored, snapshots too."""
        await super().take(message)
        if self._meter.took(int(np.frombuffer(message.value, "<u4", 1)[0])):
            asyncio.ensure_future(self.guard(self._end()))  # noqa: RUF006 - guard ends the process where it fails

    async def _end(self) -> None:
        await self.settle()
        self._meter.end()
        os._exit(0)


def main() -> None:
    """Runs until all events are joined."""
    arguments = asked()
    prepare("join", "", LogForm.JSON)
    site = Site.open(Path(arguments.folder))
    prefix = site.settings.kafka.topic_prefix
    Join.input_topic, Join.sink = (name.removeprefix(prefix) for name in (arguments.source, arguments.sink))
    Join.name, Join.state_topic = arguments.group.removeprefix(prefix), f"{Join.sink}.state"
    Join(site, "", arguments.rows).run()


if __name__ == "__main__":
    main()
