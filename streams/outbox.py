"""Records on their way to Kafka: sent in order, and known to be stored before anything is said to depend on them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

UNSTORED_MAX: Final = 10_000
"""Records that may be under way; who sends more waits until all those are stored."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be sent. `topic` with its prefix; headers as (name, value)."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = field(default=())


class Outbox:
    """Sends through the app's producer. Errors come out of `stored`, and must end the program."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._under_way: deque[asyncio.Future[object]] = deque()

    async def send(self, record: Outgoing) -> None:
        """Hands a record to the producer; it is stored some time later."""
        if len(self._under_way) >= UNSTORED_MAX:
            await self.stored()
        self._app.program.metrics.outgoing(record.topic)
        self._under_way.append(
            await self._app.producer.send(
                record.topic, record.key, record.value, record.partition, None, list(record.headers) or None
            )
        )

    async def stored(self) -> None:
        """Returns when all that was sent before is stored, whoever else waits for some of it."""
        await asyncio.gather(*self._under_way)
        while self._under_way and self._under_way[0].done():
            self._under_way.popleft()
