"""The served city in a process of its own: `python -m tests.benchmarks.feed.server`.

Spoken to on its standard input: a `Case` as a line of JSON, then a line to begin and one to end. Says its address, and
when everything has been appended, a `Served`.
"""

import asyncio
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from city_brain.feeds.change_log import ChangeLog
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from tests.benchmarks.feed.case import Case, Served
from tests.benchmarks.feed.city import ticks
from tests.feeds.builders import AREAS, TYPES

_SAMPLE_S = 0.002
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
        with _sampled(case.profile):
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
def _sampled(path: str) -> Iterator[None]:
    """Writes to a file where the main thread was, sampled every 2 ms of processor time: costs it next to nothing."""
    if not path:
        yield
        return
    here: Counter[str] = Counter()
    within: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(f"{'/'.join(Path(code.co_filename).parts[-3:])} {code.co_qualname}")
            frame = frame.f_back
        here[names[0]] += 1
        within.update(set(names))

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0.0)
    lines = [f"{here[name]:6} {count:6}  {name}" for name, count in within.most_common(60)]
    Path(path).write_text("\n".join(["  here within", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Case)))
