"""Live rows on their way into the raw topics: stored soon, or given up and counted; never late.

One look's rows are on their way at a time. Brokers that are slow hold up whoever looks, who then skips what comes
meanwhile; of brokers that take nothing at all, it is told once, and counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import aiokafka
from aiokafka.errors import KafkaError, KafkaTimeoutError
from prometheus_client import Counter

from city_brain.errors import BrokerError
from city_brain.kafka.sending import raw_records
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import RECORD_BYTES_MAX
from city_brain.observations.columns import Observations
from streams.command import logger
from streams.metrics import Metrics

GIVEN_UP_AFTER_S: Final = 5.0
"""Rows that the brokers have not taken by then would be late; so no row is ever later than that and one look."""
ROWS_PER_RECORD: Final = 1024


class RawOutlet:
    """Sends the rows of one look after the other, and gives up what the brokers do not take in time."""

    def __init__(self, kafka: KafkaSettings, metrics: Metrics, stalled_after_s: float) -> None:
        self._kafka, self._metrics, self._stalled_after_s = kafka, metrics, stalled_after_s
        self._under_way: deque[tuple[asyncio.Future[Any], int]] = deque()
        self._stored_s = time.monotonic()
        self._lost = 0
        self.rows = Counter("city_brain_rows_told", "Rows stored.", ("program",), registry=metrics.registry)
        self.given_up = Counter("city_brain_rows_given_up", "Rows not stored.", ("program",), registry=metrics.registry)
        for counter in (self.rows, self.given_up):
            counter.labels("detect")
        self.producer = aiokafka.AIOKafkaProducer(
            acks="all",
            max_request_size=RECORD_BYTES_MAX,
            request_timeout_ms=round(1000 * GIVEN_UP_AFTER_S),
            **kafka.connection(),
        )

    @property
    def loses(self) -> bool:
        """Whether rows are being given up."""
        return self._lost > 0

    async def send(self, rows: Sequence[Observations], seen_s: float) -> bool:
        """Sends the rows of a look that began at `seen_s` of the monotonic clock, when those of the look before are
        stored or given up; whether nothing was given up.
        """
        kept = await self.settle()
        whole = Observations.concat(rows)
        if time.monotonic() - seen_s > GIVEN_UP_AFTER_S:
            self._give_up(whole.n, "late")
            return False
        for record in raw_records(self._kafka, whole, ROWS_PER_RECORD):
            try:
                sent = await self.producer.send(record.topic, record.value, record.key, record.partition)
            except KafkaError as wrong:
                self._give_up(record.rows, wrong)
                kept = False
            else:
                self._under_way.append((sent, record.rows))
                self._metrics.outgoing(record.topic)
        return kept

    async def settle(self) -> bool:
        """Waits until all that was sent is stored or given up; whether nothing was given up."""
        kept = True
        while self._under_way:
            sent, rows = self._under_way[0]
            try:
                await sent
            except KafkaError as wrong:
                self._give_up(rows, wrong)
                kept = False
            else:
                self._store(rows)
            self._under_way.popleft()
        return kept

    def _store(self, rows: int) -> None:
        if self._lost:
            logger.info("rows are stored again; %d were given up", self._lost)
        self._stored_s, self._lost = time.monotonic(), 0
        self.rows.labels("detect").inc(rows)

    def _give_up(self, rows: int, why: KafkaError | str) -> None:
        """Counts what is lost; raises BrokerError where that goes on for too long, or waiting cannot help."""
        if isinstance(why, KafkaError) and not (why.retriable or isinstance(why, KafkaTimeoutError)):
            raise BrokerError(f"video.detections: wanted rows to be stored, got: {why!r}") from why
        if not self._lost:
            logger.warning("rows are given up, since brokers do not take them: %r", why)
        self._lost += rows
        self.given_up.labels("detect").inc(rows)
        still_s = time.monotonic() - self._stored_s
        if still_s > self._stalled_after_s:
            raise BrokerError(f"video.detections: wanted rows to be stored, got none for {still_s:.0f} s: {why!r}")
