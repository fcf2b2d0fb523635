"""The served feed asked at the end: it must have counted every revision that the log holds, up to its last tick."""

import asyncio
from contextlib import aclosing

import msgspec

from city_brain.servers.client.feed_reader import Endpoint, FeedReader, SignOfLife
from tests.chaos.oracle import Wanted

PATIENCE_S = 30.0


class _Line(msgspec.Struct):
    incidents: list[msgspec.Raw]


def differences(address: str, wanted: Wanted) -> list[str]:
    """What a server says wrong; empty where it says what it must."""
    revisions = sum(len(msgspec.json.decode(line, type=_Line).incidents) for line in wanted.lines.values())
    log_time_ms = wanted.parts[0, wanted.last].due_ms
    try:
        return asyncio.run(asyncio.wait_for(_ask(address, revisions, log_time_ms), PATIENCE_S))
    except TimeoutError:
        return [f"feed: wanted {revisions} changes by log time {log_time_ms}, got no such sign of life"]


async def _ask(address: str, revisions: int, log_time_ms: int) -> list[str]:
    async with aclosing(FeedReader(Endpoint(address)).events()) as events:
        async for event in events:
            if isinstance(event, SignOfLife) and event.heartbeat and event.heartbeat.log_time_ms >= log_time_ms:
                same = event.number == revisions and event.heartbeat.log_time_ms == log_time_ms
                return [] if same else [f"feed: wanted {revisions} changes by {log_time_ms}, got {event}"]
    return ["feed: wanted a feed without end"]
