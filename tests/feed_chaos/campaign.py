"""One campaign: a feed and its subscribers behind a breaking link, killed again and again, and what ledgers say."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from tests.feed_chaos import ledger
from tests.feed_chaos.checker import Filters, Judge, Truth, Violation
from tests.feed_chaos.ledger import Record
from tests.feed_chaos.server import BOOKMARKS, POINTS, ServerPlan
from tests.feed_chaos.story import Story, Telling
from tests.feed_chaos.subscribers import filters
from tests.house import ROOT
from tests.kafka.broker import free_ports
from tests.proxy import ThreadedProxy

TICKS_APART: Final = 400
"""Of the story between two bookmarks: a second of telling at most is told in vain at each start of the server."""
FEW: Final = 6
"""Violations that are shown of a subscriber."""


@dataclass(frozen=True)
class Plan:
    """What is done to a feed."""

    server: ServerPlan
    subscribers: int = 20
    processes: int = 2
    fault_every_s: tuple[float, float] = (0.3, 1.5)
    patience_s: float = 120.0
    """Without a subscriber that moves on for so long, something hangs."""
    seed: int = 1


@dataclass
class Report:
    """What came of it."""

    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    resumes: int = 0
    began_anew: int = 0
    seconds: float = 0.0


class Campaign:
    """Plays a plan in a folder."""

    def __init__(self, plan: Plan, folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self._plan, self._folder, self._tell = plan, folder, tell
        self._chance = random.Random(plan.seed)
        self._address = f"127.0.0.1:{free_ports(1)[0]}"
        self._wanted = filters(plan.subscribers)
        names = sorted(self._wanted)
        self._shares = [names[at :: plan.processes] for at in range(plan.processes)]
        self._tails = {name: ledger.Tail(folder / f"{name}.ledger") for name in names}
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = 0
        self.report = Report()

    def run(self) -> Report:
        """Plays until all is told, then judges."""
        began_s = time.monotonic()
        (self._folder / "filters.json").write_bytes(msgspec.json.encode(Filters(self._wanted)))
        truth = self._write_story()
        with ThreadedProxy(self._address, self._plan.seed) as proxy:
            self._through = proxy.address
            try:
                self._start_server()
                for at in range(len(self._shares)):
                    self._start_subscribers(at)
                self._torment(proxy)
                proxy.cut(False)
                proxy.stall(False)
                self._await_end()
            finally:
                self._end()
            self.report.faults["reset connections"] = proxy.resets
        self._judge(truth)
        self.report.seconds = time.monotonic() - began_s
        return self.report

    def _write_story(self) -> Truth:
        """Goes through the story once: its bookmarks are for the server, its changes for the judge."""
        telling, bookmarks, changes = Telling(Story(self._plan.server.seed, self._plan.server.changes)), [], []
        while not telling.is_over:
            if telling.tick % TICKS_APART == 0:
                bookmarks.append(telling.bookmark())
            changes += telling.next_tick()[1]
        (self._folder / BOOKMARKS).write_bytes(msgspec.msgpack.encode(bookmarks))
        return Truth(changes)

    def _start_server(self, may_die: bool = True) -> None:
        point = self._chance.choice(POINTS) if may_die and self._chance.random() < 0.5 else ""
        plan = msgspec.structs.replace(
            self._plan.server, kill_at=point, kill_after=self._chance.randrange(20, 200) if point else 0
        )
        (self._folder / "server.json").write_bytes(msgspec.json.encode(plan))
        self._start("server", ["tests.feed_chaos.server", str(self._folder), self._address])

    def _start_subscribers(self, at: int) -> None:
        self._starts += 1
        module = ["tests.feed_chaos.subscribers", str(self._folder), self._through, str(self._starts)]
        self._start(f"subscribers-{at}", [*module, *self._shares[at]])

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._programs[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONHASHSEED": "0"},
            )

    def _torment(self, proxy: ThreadedProxy) -> None:
        """One fault after the other, until the story is told."""
        faults = ["kill server", "kill subscribers", "reset", "reset", "cut", "stall"]
        while not self._told() and not self.report.complaints:
            time.sleep(self._chance.uniform(*self._plan.fault_every_s))
            self._revive()
            fault = self._chance.choice(faults)
            self.report.faults[fault] += 1
            if fault == "kill server":
                self._kill_server()
            elif fault == "kill subscribers":
                at = self._chance.randrange(len(self._shares))
                self._kill(f"subscribers-{at}")
                time.sleep(self._chance.choice((0.0, 0.5, 6.0)))
                self._start_subscribers(at)
            elif fault == "reset":
                proxy.reset(self._chance.random())
            else:
                switch = proxy.cut if fault == "cut" else proxy.stall
                switch(True)
                time.sleep(self._chance.uniform(0.1, 2.0))
                switch(False)
            self._tell(f"{fault}: {self._reached()} of {self._plan.server.changes} changes are stored")

    def _revive(self) -> None:
        """Starts the server again where it was killed; one that ended by itself has something to say."""
        code = self._programs["server"].poll()
        if code is None:
            return
        if code != -signal.SIGKILL:
            said = (self._folder / "server.log").read_text(errors="replace").strip().splitlines()
            self.report.complaints.append(f"server ended with {code}: {said[-1] if said else 'without a word'}")
            return
        self.report.faults["server deaths"] += 1
        self._start_server(may_die=not self._told())

    def _kill_server(self) -> None:
        self._kill("server")
        self._revive()

    def _kill(self, name: str) -> None:
        self._programs[name].kill()
        self._programs[name].wait()

    def _reached(self) -> int:
        """The highest number that any subscriber has kept."""
        return max(tail.look() for tail in self._tails.values())

    def _told(self) -> bool:
        return self._reached() >= self._plan.server.changes

    def _await_end(self) -> None:
        """Until every subscriber has been told everything."""
        moved_s, behind = time.monotonic(), -1
        while not self.report.complaints:
            self._revive()
            waiting = sum(tail.look() < self._plan.server.changes for tail in self._tails.values())
            if not waiting:
                return
            if waiting != behind:
                moved_s, behind = time.monotonic(), waiting
            if time.monotonic() - moved_s > self._plan.patience_s:
                told = f"{waiting} subscribers are not told everything in {self._plan.patience_s:g} s"
                self.report.complaints.append(told)
            time.sleep(0.2)

    def _end(self) -> None:
        for name in self._programs:
            self._kill(name)

    def _judge(self, truth: Truth) -> None:
        for name, wanted in sorted(self._wanted.items()):
            judge = Judge(name, wanted, truth)
            records: list[Record] = list(ledger.read(self._folder / f"{name}.ledger"))
            found = list(judge.violations(iter(records)))
            if not self.report.complaints:
                found += judge.ended()
            self.report.violations += found[:FEW]
            self.report.counts += judge.counts
            self.report.resumes += sum(
                one.kind in ("start", "broken") and other.kind in ("change", "life") for one, other in pairwise(records)
            )
            self.report.began_anew += judge.counts["snapshot"] - 1
