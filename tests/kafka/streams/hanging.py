"""`python -m tests.kafka.streams.hanging SITE`: a fusion that hangs at an offset, to see what becomes of it."""

import asyncio
import os
import time
from typing import Any

from streams.command import run_program
from streams.fuse import Fuse


class Hanging(Fuse):
    """From the offset HANG_AT on it waits for what never comes, in the loop or, with HANG_LOOP, with it."""

    async def take(self, message: Any) -> None:
        """Takes a record, or hangs."""
        if message.offset >= int(os.environ["HANG_AT"]):
            if "HANG_LOOP" in os.environ:
                time.sleep(3600.0)
            await asyncio.Event().wait()
        await super().take(message)


if __name__ == "__main__":
    run_program(Hanging)
