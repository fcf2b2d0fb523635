"""No join: records are fetched and decoded, and that is all. What is left for a join is less than this."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiokafka
import orjson

from tests.benchmarks.kafka.join.events import unpack
from tests.benchmarks.kafka.join.variants.asked import asked
from tests.benchmarks.kafka.join.variants.meter import Meter


async def read(
    servers: str, source: str, decode: Callable[[bytes], Any], count: Callable[[Any], int], rows: int
) -> None:
    """Reads so many events, decoded."""
    meter, done = Meter(rows), False
    consumer = aiokafka.AIOKafkaConsumer(
        source, bootstrap_servers=servers, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    async with consumer:
        while not done:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    done = meter.took(count(decode(record.value)))
        meter.end()


if __name__ == "__main__":
    arguments = asked()
    if arguments.form == "json":
        work = read(arguments.servers, arguments.source, orjson.loads, lambda event: 1, arguments.rows)
    else:
        work = read(arguments.servers, arguments.source, unpack, lambda events: len(events["kind"]), arguments.rows)
    asyncio.run(work)
