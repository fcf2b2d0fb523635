"""The join in plain Faust, as its documentation writes it: an agent over single JSON events, state in a dictionary."""

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import faust
import uvloop

from tests.benchmarks.kafka.join.step import Events
from tests.benchmarks.kafka.join.variants.asked import asked
from tests.benchmarks.kafka.join.variants.meter import Meter


def main() -> None:
    """Runs until all events are joined and all hits stored."""
    arguments, stored = asked(), []
    uvloop.install()
    app = faust.App(
        arguments.group, broker=f"kafka://{arguments.servers}", store="memory://", web_enabled=False,
        topic_disable_leader=True, consumer_auto_offset_reset="earliest", datadir=Path(arguments.folder),
        topic_allow_declare=False,
    )  # fmt: skip
    source = app.topic(arguments.source, key_type=bytes, value_serializer="json")
    sink = app.topic(arguments.sink, value_serializer="raw", partitions=1)
    join, meter = Events(), Meter(arguments.rows)

    @app.agent(source)
    async def agent(events: Any) -> None:
        async for event in events:
            hit = join.take(event)
            if hit is not None:
                stored.append(await sink.send(value=hit.to_json()))
            if meter.took():
                await asyncio.gather(*stored)
                meter.end()
                os._exit(0)

    silent = io.StringIO()
    faust.Worker(
        app, quiet=True, loglevel="ERROR", redirect_stdouts=False, stdout=silent, stderr=silent
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
