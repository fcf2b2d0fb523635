"""`python -m tests.feed_chaos.server FOLDER ADDRESS`: a feed with a store, fed by a story, until it is stopped.

It goes on where its store stands, as any server of ours does, and kills itself at the point that its plan names.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from tests.feed_chaos.bugs import PLANT
from tests.feed_chaos.story import Bookmark, Story, heartbeat
from tests.feeds.builders import AREAS, TYPES

BOOKMARKS = "bookmarks"
"""The file with those of the story."""
POINTS = ("before the store", "behind the store", "amid a tick", "behind the readers")
"""Where a server may kill itself."""


class ServerPlan(msgspec.Struct, frozen=True):
    """What a server does; a file, so that each start may have another."""

    url: str
    seed: int = 1
    changes: int = 100_000
    ticks_a_second: float = 80.0
    history_ms: int = 150_000
    capacity: int = 500
    """Changes in memory: so few that readers often need the store."""
    kill_at: str = ""
    """One of POINTS; "" for none."""
    kill_after: int = 0
    """Ticks before it kills itself."""
    bug: str = ""


class Dying:
    """Kills the process at one point."""

    def __init__(self, plan: ServerPlan) -> None:
        self._point, self._left = plan.kill_at, plan.kill_after

    def tick(self) -> None:
        """Counts a tick."""
        self._left -= 1

    def at(self, point: str) -> None:
        """Kills the process where it is told to."""
        if point == self._point and self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def feed_all(plan: ServerPlan, keeper: Keeper, feed: LiveFeed, bookmarks: Sequence[Bookmark]) -> None:
    """Tells the story from where the store stands, then waits for ever."""
    dying = Dying(plan)
    next_tick = 0 if feed.log.last_tick is None else feed.log.last_tick + 1
    since = max((mark for mark in bookmarks if mark.tick <= next_tick), key=lambda mark: mark.tick, default=None)
    loop = asyncio.get_running_loop()
    due = loop.time()
    for tick, said in Story(plan.seed, plan.changes).ticks(since):
        if tick < next_tick:
            continue
        dying.tick()
        dying.at("before the store")
        life = heartbeat(tick)
        whole = TickChanges(tick=tick, log_time_ms=life.log_time_ms, incidents=said, heartbeat=life)
        await asyncio.to_thread(keeper.keep, feed.log.feed_id, [whole])
        dying.at("behind the store")
        feed.log.oldest_number = keeper.first_number
        feed.append(tick, said, life)
        dying.at("amid a tick")
        due = max(due + 1 / plan.ticks_a_second, loop.time() - 0.5)
        await asyncio.sleep(max(0.0, due - loop.time()))
        dying.at("behind the readers")
    await asyncio.to_thread(keeper.flush, feed.log.feed_id)
    await asyncio.Event().wait()


async def main() -> None:
    """Serves until SIGTERM."""
    folder, address = Path(sys.argv[1]), sys.argv[2]
    plan = msgspec.json.decode((folder / "server.json").read_bytes(), type=ServerPlan)
    bookmarks = msgspec.msgpack.decode((folder / BOOKMARKS).read_bytes(), type=list[Bookmark])
    if plan.bug:
        PLANT[plan.bug]()
    keeper = Keeper(Store.open(plan.url), "city", plan.history_ms, compact_ms=plan.history_ms // 8)
    log = keeper.log("story-1")
    log.capacity = plan.capacity
    feed = LiveFeed(log, TYPES, AREAS, keeper, keeper.key)
    limits = Limits(queue_limit=400, send_bytes=1 << 16, stop_wait_s=0.5, cut_wait_s=1.0)
    async with GrpcServer(feed, ListenSettings(address=address), limits):
        task = asyncio.ensure_future(feed_all(plan, keeper, feed, bookmarks))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


if __name__ == "__main__":
    asyncio.run(main())
