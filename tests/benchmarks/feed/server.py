"""The served city in a process of its own: `python -m tests.benchmarks.feed.server`.

Spoken to on its standard input: a `Case` as a line of JSON, then a line to begin and one to end. Says its address, and
when everything has been appended, a `Served`.
"""

import asyncio
import cProfile
import pstats
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from city_brain.feeds.change_log import ChangeLog
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from tests.benchmarks.feed.case import Case, Served
from tests.benchmarks.feed.city import ticks
from tests.feeds.builders import AREAS, TYPES

_TAIL_S = 1.0
"""After the last append, what is still to be told costs, too."""


class Pace:
    """Appends tick after tick when it is due, from a thread, as a city does."""

    def __init__(self, case: Case, feed: LiveFeed) -> None:
        self._case, self._feed = case, feed
        self._ticks = list(ticks(case))
        self.appended_ns: list[int] = []

    def run(self) -> None:
        """Returns a second after the last tick."""
        began_s = time.monotonic()
        for tick, told, heartbeat in self._ticks:
            _sleep_until(began_s + tick / self._case.appends_per_second)
            self.appended_ns += [time.monotonic_ns()] * len(told)
            self._feed.append_from_thread(tick, told, heartbeat)
        _sleep_until(began_s + self._case.seconds - 1.0 / self._case.appends_per_second + _TAIL_S)


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))


async def serve(case: Case) -> None:
    """Serves until standard input says the end."""
    feed = LiveFeed(ChangeLog(feed_id="bench"), TYPES, AREAS)
    pace = Pace(case, feed)
    limits = Limits(watchers=case.readers + 200, stop_wait_s=0.5)
    async with GrpcServer(feed, ListenSettings(address="127.0.0.1:0"), limits) as server:
        print(server.address, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began_s, cpu_s = time.monotonic(), time.process_time()
        with _profiled(case.profile):
            await asyncio.to_thread(pace.run)
        served = Served(
            appended_ns=tuple(pace.appended_ns),
            last_number=feed.log.last_number,
            wall_s=time.monotonic() - began_s,
            cpu_s=time.process_time() - cpu_s,
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
        print(msgspec.json.encode(served).decode(), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


@contextmanager
def _profiled(path: str) -> Iterator[None]:
    if not path:
        yield
        return
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    yield
    profile.disable()
    with Path(path).open("w", encoding="utf-8") as file:
        pstats.Stats(profile, stream=file).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Case)))
