"""`python -m tests.kafka.streams.waking SITE`: a fusion slow to fetch its state; ends with 0 if that came first."""

import asyncio
import os
from typing import Any

from faust.types import TP

from streams.command import run_program
from streams.fuse import Fuse


class Waking(Fuse):
    """Takes one record: 0 if it is the one that its state is to go on with, else 1."""

    async def resume(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Makes partitions ready, some time after they were given."""
        if assigned:
            await asyncio.sleep(3.0)
        return await super().resume(assigned)

    async def take(self, message: Any) -> None:
        """Ends with the first record."""
        job = self.jobs.get(message.partition)
        os._exit(0 if job is not None and message.offset == job.read_to else 1)


if __name__ == "__main__":
    run_program(Waking)
