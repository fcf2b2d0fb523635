"""Ticks into the store before anybody is told of them; through full disks and lost databases, without a gap.

Changes are stored before they are told. Ticks in which nothing changed are told at once and stored with the next that
says something, or within a second: a crash loses none of what anybody was told, and the rest is computed again.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence

from city_brain.errors import StoreError
from city_brain.feeds.change_log import ChangeLog
from city_brain.servers.feed.kept import Kept
from city_brain.store.feed import Feed
from city_brain.store.store import Store
from city_brain.store.values import TickChanges

logger = logging.getLogger(__name__)

QUIET_S = 1.0
"""Quiet ticks are stored after so long."""
QUIET_TICKS = 1_000
"""Or once so many wait."""
LONGEST_PAUSE_S = 5.0
"""Between attempts to store, at most."""
COMPACT_MS = 3_600_000
"""Log time between compactions."""
_SHOWN = 10
"""Incidents that a text names before it counts them."""
_chance = random.SystemRandom().random


class Keeper(Kept):
    """Keeps the feed of one city in a store; its calls may block, and belong to one thread at a time."""

    def __init__(
        self,
        store: Store,
        city: str,
        history_ms: int,
        serving: Callable[[bool], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
        compact_ms: int = COMPACT_MS,
    ) -> None:
        """`serving` is told when the store fails, and when it is back."""
        self.store, self.city = store, city
        super().__init__(_newest(store, city))
        self._history_ms, self._compact_ms = history_ms, compact_ms
        self.serving, self._pause = serving, pause
        self._waiting: list[TickChanges] = []
        self._stored_s = time.monotonic()
        self._compacted_ms: int | None = None
        self.first_number = 1
        """Number of the oldest change that the store holds."""
        self.stopping = False
        """Set from another thread: attempts to store end with the error."""

    @property
    def key(self) -> bytes:
        """Of the resume tokens: as long as the store lives, so do they."""
        return self.store.secret("resume tokens")

    @property
    def identity(self) -> bytes:
        """Of the feed that begins in this store: what begins in another one is told apart from it, before its first
        tick too, when readers have long been let in.
        """
        return self.store.secret("identity")

    def log(self, feed_id: str) -> ChangeLog:
        """See Kept."""
        log = super().log(feed_id)
        self.first_number = log.resumable_number if self.feed else 1
        return log

    def begin(self, first_tick: int, feed_id: str) -> bool:
        """Whether the stored feed goes on with this tick; else another one begins, under `feed_id`."""
        last_tick = self.feed.head().last_tick if self.feed else None
        if self.feed is not None and (last_tick is None or first_tick <= last_tick + 1):
            return True
        self.feed = self.store.feed(f"{self.city}/{feed_id}")
        self.first_number = 1
        return False

    def keep(self, feed_id: str, ticks: Sequence[TickChanges]) -> None:
        """Returns once what these ticks say is stored; raises StoreError where that cannot be, StateError where the
        store holds another story of the same ticks.
        """
        self._waiting += ticks
        is_time = time.monotonic() - self._stored_s >= QUIET_S or len(self._waiting) >= QUIET_TICKS
        if is_time or any(tick.incidents for tick in ticks):
            self.flush(feed_id)

    def flush(self, feed_id: str) -> None:
        """Stores what waits."""
        if not self._waiting:
            return
        feed = self.feed or self.store.feed(f"{self.city}/{feed_id}")
        self._until_stored(lambda: feed.append(feed_id, self._waiting))
        self.feed, self._stored_s = feed, time.monotonic()
        log_time_ms = self._waiting[-1].log_time_ms
        self._waiting = []
        if self._compacted_ms is None or log_time_ms - self._compacted_ms >= self._compact_ms:
            self._compacted_ms = log_time_ms
            self._until_stored(lambda: self._compact(feed))
            self._until_stored(lambda: self._let_go(feed, log_time_ms))

    def _compact(self, feed: Feed) -> None:
        done = feed.compact(self._history_ms)
        self.first_number = done.first_after
        if done.forgotten:
            held_back = f", held back for {done.kept_for}" if done.kept_for else ""
            logger.info(
                "feed %s: %d changes are older than the history and forgotten; it begins with %d%s",
                feed.name, done.forgotten, done.first_after, held_back,
            )  # fmt: skip

    def _let_go(self, feed: Feed, log_time_ms: int) -> None:
        """Feeds that this one took the place of hold nothing back any more; their history ends as that of any feed."""
        for old in _feeds(self.store, self.city):
            if old.name != feed.name:
                for one in old.subscriptions.all():
                    old.subscriptions.forget(one.name)
                old.compact(self._history_ms, now_ms=log_time_ms)

    def _until_stored(self, step: Callable[[], object]) -> None:
        failures = 0
        while True:
            try:
                step()
                break
            except StoreError as wrong:
                if not wrong.temporary or self.stopping:
                    raise
                if not failures:
                    self.serving(False)
                    logger.error("%s; nothing more is told until it is stored", wrong)
                failures += 1
                self._pause(min(LONGEST_PAUSE_S, 0.1 * 2.0**failures) * (0.5 + 0.5 * _chance()))
        if failures:
            logger.warning("%s: stored again after %d attempts", self.store.where, failures)
            self.serving(True)


def pause_text(log: ChangeLog, anew: str, since: str, until: str) -> str:
    """What an operator is told where a city was begun again too late to go on with the feed in `log`; `anew`: the feed
    that follows it, `since`, `until`: times in words.
    """
    left = [
        f"{held.incident.number} {held.incident.type}" for held in log.held.values() if held.incident.state == "active"
    ]
    shown = ", ".join(left[:_SHOWN]) + (f" … ({len(left)})" if len(left) > _SHOWN else "")
    return (
        f"the city did not run from {since} to {until}, and nothing is known of that time. A new feed begins ({anew}), "
        "and incidents are numbered from 001 again. Active when it stopped, and not followed any more: "
        f"{shown or 'none'}. Look after those by other means; what still goes on is announced again, under a new "
        f"number. Nothing is damaged: the earlier feed ({log.feed_id}) stays in the store.\n"
        f"{since} 至 {until} 系统未运行，期间情况不明。现开始新的事件流（{anew}），事件编号重新从 001 起。"
        f"停止时尚未结束、现已不再跟踪的事件：{shown or '无'}。请人工核实这些事件；仍在持续的，会以新编号重新发布。"
        f"数据没有损坏，此前的事件流（{log.feed_id}）仍在库中。"
    )


def _newest(store: Store, city: str) -> Feed | None:
    """The feed of a city that was fed last."""
    return max(_feeds(store, city), key=lambda feed: feed.head().last_tick or 0, default=None)


def _feeds(store: Store, city: str) -> list[Feed]:
    """All feeds that a city ever had."""
    return [store.feed(name) for name in store.names() if name.startswith(f"{city}/")]
