"""The queue from the doors into the street: rows in the order in which they came, and marks by the clock.

Publishers live in the event loop, the street reads in a thread. What waits between them is bounded in bytes; whoever
finds no room waits. A row arrives when it is put here: that is where wall time enters. Marks say how late it is, five
times a second, from the first row on; while rows wait, the time of the last one that was taken, so that a slow street
makes nothing late.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Condition
from typing import Final

import msgspec
import numpy as np

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.numerics import hash63
from city_brain.observations.admission import AdmissionTable
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import Parsed, ReadWarning
from city_brain.observations.json_twin.describing import Fault
from city_brain.servers.publishing.judging import Judged, judge
from city_brain.servers.publishing.recent import Recent
from city_brain.servers.publishing.settings import PublishSettings
from city_brain.ticks.arrival import NEVER

MARK_EVERY_MS: Final = 200
"""Time goes on where nobody publishes; as often as the clock of a city on Kafka says it."""
BLOCK_ROWS: Final = 1 << 14
"""Requests are handed on together until they have so many rows."""
LIVE_WITHIN_MS: Final = 3_600_000
"""A city whose log time is further from the clock reads a recording, and would believe no row of now."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a request; the numbers add up to them."""

    accepted: int
    duplicate: int
    refused: int
    refusals: tuple[Fault, ...] = ()
    """The first of those that were refused; `line` counts from 1."""


@dataclass(frozen=True, slots=True)
class _Held:
    rows: Observations
    warnings: tuple[ReadWarning, ...]
    stamp_ms: int
    size: int


class Intake:
    """Takes requests in one event loop and gives blocks to one thread.

    `table`: what admission of the city knows. `log_time_ms`: how far the city has come, NEVER before its first mark.
    """

    def __init__(
        self,
        table: AdmissionTable,
        settings: PublishSettings,
        log_time_ms: Callable[[], int] = lambda: NEVER,
        clock_ms: Callable[[], int] = lambda: round(1000.0 * time.time()),
    ) -> None:
        self.settings, self.clock_ms = settings, clock_ms
        self.accepted = self.duplicate = self.refused = 0
        """Sums over all requests."""
        self._table, self._log_time_ms = table, log_time_ms
        self._recent = Recent(round(1000.0 * settings.remembered_s), settings.remembered_rows)
        self._queue: deque[_Held] = deque()
        self._ready = Condition()
        """Guards the queue, its size and `_begun`."""
        self._size, self._begun, self._publishing = 0, False, 0
        self._why_not: RefusedError | None = None
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Takes the running event loop as its own."""
        self._loop, self._turn, self._room = asyncio.get_running_loop(), asyncio.Lock(), asyncio.Event()
        self._over: asyncio.Future[RefusedError] = self._loop.create_future()
        if self._why_not is not None:
            self._over.set_result(self._why_not)

    def begin(self) -> None:
        """Says from now on how late it is, though nobody has published yet. From any thread."""
        with self._ready:
            self._begun = True

    def refuse(self, refusal: RefusedError) -> None:
        """Takes nothing more, for this reason; the first one stands. From any thread."""
        why_not = self._why_not = self._why_not or refusal
        self._in_loop(lambda: self._tell(why_not))

    def end(self, refusal: RefusedError) -> None:
        """Takes nothing more, and lets `blocks` end behind what was accepted. From any thread."""
        self.refuse(refusal)
        with self._ready:
            self._ending = True
            self._ready.notify()

    def publisher(self) -> "Publisher":
        """A place among the publishers, in a `with`."""
        return Publisher(self)

    async def refused_for(self) -> RefusedError:
        """Waits until nothing is taken any more, and says why."""
        return await asyncio.shield(self._over)

    async def take(self, read: Callable[[], Parsed], size: int, *, may_warn: bool) -> Taken:
        """Takes a request of `size` bytes, in its turn and once there is room; raises RefusedError.

        `read` reads it, in a thread. A request larger than the queue is taken where nothing waits.
        """
        self._check()
        judged = await asyncio.to_thread(lambda: judge(read(), self._table, self.clock_ms(), may_warn=may_warn))
        async with self._turn:
            while self._size and self._size + size > self.settings.queue_bytes:
                self._check()
                self._room.clear()
                await self._room.wait()
            self._check()
            return self._put(judged, size)

    def blocks(self) -> Iterator[Parsed]:
        """What comes through the doors, for the street; a mark at least each `MARK_EVERY_MS` from the first row on."""
        marked_ms = 0
        while True:
            with self._ready:
                if not self._queue and not self._ending:
                    self._ready.wait(MARK_EVERY_MS / 1000.0)
                held = self._drained()
                # Under the lock: whatever is put later is stamped later.
                mark_ms = held[-1].stamp_ms if self._queue else self.clock_ms()
                begun, over = self._begun, self._ending and not self._queue
            if held:
                self._in_loop(self._make_room)
            marks = begun and mark_ms - marked_ms >= MARK_EVERY_MS
            if held or marks:
                marked_ms = mark_ms if marks else marked_ms
                yield _block(held, [mark_ms] if marks else [])
            if over:
                return

    def _put(self, judged: Judged, size: int) -> Taken:
        with self._ready:
            now_ms = self.clock_ms()
            identity = np.concatenate((judged.identity, _identities(judged.warnings)))
            first = self._recent.first_seen(identity, now_ms)
            n = judged.rows.n
            rows = judged.rows if first[:n].all() else judged.rows.take(first[:n])
            rows = replace(rows, common=replace(rows.common, arrival_ms=np.full(rows.n, now_ms)))
            new = zip(judged.warnings, first[n:].tolist(), strict=True)
            warnings = tuple(replace(warning, arrival_ms=now_ms) for warning, is_new in new if is_new)
            accepted = rows.n + len(warnings)
            if accepted:
                self._queue.append(_Held(rows, warnings, now_ms, size))
                self._size += size
                self._begun = True
                self._ready.notify()
        duplicate = len(first) - accepted
        self.accepted += accepted
        self.duplicate += duplicate
        self.refused += judged.refused
        return Taken(accepted=accepted, duplicate=duplicate, refused=judged.refused, refusals=judged.faults)

    def _drained(self) -> list[_Held]:
        held: list[_Held] = []
        rows = 0
        while self._queue and rows < BLOCK_ROWS:
            held.append(self._queue.popleft())
            rows += held[-1].rows.n
            self._size -= held[-1].size
        return held

    def _check(self) -> None:
        """Raises RefusedError where nothing is taken."""
        if self._why_not is not None:
            raise self._why_not
        log_time_ms = self._log_time_ms()
        if not self._begun and log_time_ms != NEVER and abs(log_time_ms - self.clock_ms()) > LIVE_WITHIN_MS:
            raise not_live(f"it has come to {log_time_ms}, epoch ms")

    def _tell(self, why_not: RefusedError) -> None:
        """Lets all who wait hear that nothing is taken any more."""
        if not self._over.done():
            self._over.set_result(why_not)
        self._make_room()

    def _make_room(self) -> None:
        """Lets whoever waits for room look again."""
        self._room.set()

    def _in_loop(self, work: Callable[[], object]) -> None:
        """Does something in the loop; in one that is closed nobody waits."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)

    def enter(self) -> None:
        """One more publisher; raises RefusedError where there are as many as there may be."""
        if self._publishing >= self.settings.publishers:
            limit = self.settings.publishers
            message = f"publish: wanted at most {limit} publishers at a time, got one more; come back later"
            raise RefusedError(Reason.TOO_MANY_STREAMS, message, limit=limit)
        self._publishing += 1

    def leave(self) -> None:
        """One publisher less."""
        self._publishing -= 1


class Publisher:
    """A place among the publishers of an intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def __enter__(self) -> Intake:
        self._intake.enter()
        return self._intake

    def __exit__(self, *_: object) -> None:
        self._intake.leave()


def not_live(why: str) -> RefusedError:
    """What a publisher is told whose city reads a recording."""
    return RefusedError(Reason.NOT_LIVE, f"city: wanted one that lives now, got one that reads a recording: {why}")


def stopping() -> RefusedError:
    """What a publisher is told when the server ends."""
    return RefusedError(Reason.SERVER_STOPPING, "the server stops; send again what was not answered")


def _identities(warnings: tuple[ReadWarning, ...]) -> np.ndarray:
    return np.array([hash63(warning.cap.decode()) for warning in warnings], dtype=np.uint64)


def _block(held: list[_Held], marks: list[int]) -> Parsed:
    """Requests one after the other: the rows of each, then its warnings; and behind all of them the mark, if any."""
    line: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    warnings: list[ReadWarning] = []
    at = rows = 0
    for one in held:
        line.append(np.arange(at, at + one.rows.n, dtype=np.int64))
        at, rows = at + one.rows.n, rows + one.rows.n
        for warning in one.warnings:
            warnings.append(replace(warning, line=at, rows_before=rows))
            at += 1
    return Parsed(
        observations=held[0].rows if len(held) == 1 else Observations.concat([one.rows for one in held]),
        line=np.concatenate(line),
        rejected=(),
        marks=np.array([(rows, mark_ms) for mark_ms in marks], dtype=np.int64).reshape(-1, 2),
        mark_line=np.full(len(marks), at, dtype=np.int64),
        unknown_keys=0,
        warnings=tuple(warnings),
    )
