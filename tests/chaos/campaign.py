"""A campaign: a city replayed through a real broker while its programs are hit, and what came of it."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from city_brain.kafka.admin import apply
from city_brain.site import Site
from tests.chaos import feed
from tests.chaos.checker import Verdict, check
from tests.chaos.crew import Crew, Exit
from tests.chaos.faults import Fault, Menu, schedule
from tests.chaos.oracle import Oracle, Wanted
from tests.chaos.scenario import Player, Scenario
from tests.chaos.watching import Watcher
from tests.kafka.broker import Cluster, free_ports
from tests.kafka.sites import a_site, kafka_settings

WORKERS: Mapping[str, int] = {"ingest": 2, "fuse": 2, "desk": 2, "serve": 1}
BEGIN_S = 60.0
"""Within which the first tick must be said; faults begin with it."""
PATIENCE_S = 60.0
"""Without a new tick for so long behind the last fault, the rest counts as lost."""
BROKER_BACK_S = 5.0
"""For so long behind an outage, clients are still finding back."""
STEP_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a campaign is made of; the same plan draws the same scenario, faults and orders of hashes."""

    seed: int
    menu: Menu
    scenario: Scenario
    workers: Mapping[str, int] = field(default_factory=lambda: WORKERS)
    session_timeout_s: float = 6.0
    tail_s: float = 3.0
    """How long the city goes on behind the last fault."""
    patience_s: float = PATIENCE_S
    bug: str = ""
    """What is planted in the programs; then the campaign ends with the first complaint of one of them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A kill: when (monotonic s), of which program, and the last mark (epoch ms) that all raw logs had by then."""

    when_s: float
    program: str
    marked_ms: int


@dataclass
class Report:
    """What came of a campaign."""

    plan: Plan
    verdict: Verdict
    rows: int
    raw_records: int
    seconds: float
    done: dict[str, int]
    """Faults, and kills by program."""
    moved_s: dict[str, list[float]]
    """By program: seconds from each kill to the next new tick, whichever."""
    back_s: dict[str, list[float]]
    """By program: seconds from each kill to the first tick that fell due after it: with the lag that there was."""
    back_alone_s: dict[str, list[float]]
    """The same of those kills during which nobody was frozen and the broker was there."""
    complaints: list[Exit]
    """Programs that ended because they found something wrong."""
    outages: list[Exit]
    """Programs that ended because no broker answered, or stood still; they were started again."""

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        return not self.verdict.differences and not self.complaints


@dataclass
class Campaign:
    """One run of a plan on a cluster, in a folder, under a prefix of its own."""

    plan: Plan
    cluster: Cluster
    folder: Path
    prefix: str
    tell: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)
    _hits: list[Hit] = field(default_factory=list)
    _thaws: list[tuple[float, str]] = field(default_factory=list)
    _outages: list[tuple[float, float]] = field(default_factory=list)
    """From when until when (monotonic s) a worker was frozen, or the broker down."""
    _done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        plan, scenario = self.plan, self.plan.scenario
        counts = f"raw_partitions = {{ detections = {scenario.detections}, signals = 1, sensors = 1, reports = 1 }}"
        self._feed = f"127.0.0.1:{free_ports(1)[0]}"
        tables = (
            f'[feed]\naddress = "{self._feed}"',
            f"[workers]\nsession_timeout_s = {plan.session_timeout_s}\nstalled_after_s = 20.0",
        )
        top = f'city = "city"\npartitions = {scenario.partitions}'
        servers = self.cluster.bootstrap_servers
        folder = a_site(self.folder / "city", servers, self.prefix, counts, "replayed = true", *tables, top=top)
        (folder / "city.geojson").write_bytes(msgspec.json.encode(scenario.city.geojson()))
        self.settings, self.site = kafka_settings(folder), Site.open(folder)
        self.crew = Crew(folder, plan.workers, plan.seed, plan.bug)
        self.player, self.watcher = Player(scenario, self.settings), Watcher(self.settings)
        self._began_s = time.monotonic()

    def run(self) -> Report:
        """Runs it to its end; with a bug planted, to the first complaint of a program."""
        apply(self.settings, self.plan.scenario.partitions)
        wanted = Wanted()
        try:
            self.crew.start_all()
            self.player.start()
            self.watcher.start()
            self._hit_them()
            self._go_on(self.plan.tail_s)
            self.player.stop()
            if self._is_caught:
                return self._report(wanted, Verdict())
            self.tell(f"{self._passed_s:6.1f} s  stopped; one process reads the topics, about half as long again …")
            wanted = Oracle(self.site, self.plan.scenario.places).read(self.settings)
            self._wait_for(wanted)
            return self._report(wanted, self._check(wanted))
        finally:
            self.crew.end(signal.SIGKILL)
            self.player.abandon()
            self.watcher.stop()

    def _check(self, wanted: Wanted) -> Verdict:
        if self._is_caught:
            return Verdict()
        serves = self.plan.workers.get("serve", 0)
        said_by_feed = feed.differences(self._feed, wanted) if serves else []
        self.crew.end(signal.SIGTERM)
        verdict = check(self.settings, wanted, self.plan.scenario.partitions)
        verdict.differences += said_by_feed
        return verdict

    @property
    def _is_caught(self) -> bool:
        return bool(self.plan.bug) and bool(self.crew.complaints)

    def _go_on(self, for_s: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Time passes: what ended is started, what was frozen long enough is let go."""
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s and not enough() and not self._is_caught:
            self.crew.tend()
            for due in [due for due in self._thaws if due[0] <= time.monotonic()]:
                self._thaws.remove(due)
                self.crew.thaw(due[1])
            if self.player.error is not None:
                raise RuntimeError("player: wanted every raw record to be stored") from self.player.error
            time.sleep(STEP_S)

    def _hit_them(self) -> None:
        self._go_on(BEGIN_S, lambda: bool(self.watcher.seen_s))
        faults = schedule(self.plan.seed, self.plan.menu)
        for number, fault in enumerate(faults, start=1):
            if self.plan.menu.in_turn:
                self._go_on(BEGIN_S, self._moves_again)
            self._go_on(fault.after_s)
            if self._is_caught:
                return
            name = self._hit(fault)
            if name is not None:
                self._done[fault.what] += 1
                ticks = len(self.watcher.seen_s)
                said = f"{number}/{len(faults)} {fault.what} {name}"
                self.tell(f"{self._passed_s:6.1f} s, {ticks} ticks: {said}")
        while self._thaws and not self._is_caught:
            self._go_on(0.1)
        if self.plan.menu.in_turn:
            self._go_on(BEGIN_S, self._moves_again)

    def _moves_again(self) -> bool:
        """Whether a tick was said that was not yet due at the last kill, with nobody frozen."""
        marked_ms = self._hits[-1].marked_ms if self._hits else 0
        due_ms = self.site.settings.ticks.due_ms
        return not self._thaws and any(due_ms(tick) > marked_ms for tick in list(self.watcher.seen_s))

    def _hit(self, fault: Fault) -> str | None:
        """Does it; whom it met, None where there was nobody."""
        crew = self.crew
        if fault.what == "broker":
            return self._hit_broker(fault)
        if fault.what == "join":
            return crew.join(fault.program)
        if fault.what == "leave":
            return crew.leave(fault.program)
        name = crew.pick(fault.program, fault.pick)
        if name is None:
            return None
        if fault.what == "kill":
            crew.kill(name)
            self._hits.append(Hit(time.monotonic(), fault.program, self.player.marked[-1][1]))
        elif fault.what == "freeze":
            crew.freeze(name)
            began_s = time.monotonic()
            self._thaws.append((began_s + self.plan.session_timeout_s + fault.lasts_s, name))
            self._outages.append((began_s, began_s + self.plan.session_timeout_s + fault.lasts_s))
        else:
            crew.restart(name)
        return name

    def _hit_broker(self, fault: Fault) -> str:
        broker = self.cluster.brokers[0]
        began_s = time.monotonic()
        broker.kill()
        self._go_on(fault.lasts_s)
        broker.start()
        self._go_on(BEGIN_S, broker.accepts)
        self._outages.append((began_s, time.monotonic()))
        return "broker"

    def _wait_for(self, wanted: Wanted) -> None:
        """Until the last tick has been said, or nothing more comes."""
        while wanted.last not in self.watcher.seen_s and not self._is_caught:
            ticks = len(self.watcher.seen_s)
            self._go_on(self.plan.patience_s, lambda ticks=ticks: len(self.watcher.seen_s) > ticks)
            if len(self.watcher.seen_s) == ticks:
                self.tell(f"{self._passed_s:6.1f} s  no tick for {self.plan.patience_s:.0f} s")
                return

    @property
    def _passed_s(self) -> float:
        return time.monotonic() - self._began_s

    def _report(self, wanted: Wanted, verdict: Verdict) -> Report:
        kills = Counter(hit.program for hit in self._hits)
        return Report(
            plan=self.plan,
            verdict=verdict,
            rows=wanted.rows,
            raw_records=wanted.raw_records,
            seconds=(self.player.marked[-1][0] - self.player.marked[0][0]) if self.player.marked else 0.0,
            done={**self._done, **{f"kill {program}": count for program, count in sorted(kills.items())}},
            moved_s=self._moved_again_s(),
            back_s=self._back_s(self._hits),
            back_alone_s=self._back_s([hit for hit in self._hits if self._was_alone(hit)]),
            complaints=self.crew.complaints,
            outages=self.crew.outages,
        )

    def _moved_again_s(self) -> dict[str, list[float]]:
        seen_s = sorted(self.watcher.seen_s.values())
        found: dict[str, list[float]] = {}
        for hit in self._hits:
            found.setdefault(hit.program, []).extend([at_s - hit.when_s for at_s in seen_s if at_s > hit.when_s][:1])
        return found

    def _back_s(self, hits: list[Hit]) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for hit in hits:
            moved_s = self._moved_s(hit)
            if moved_s is not None:
                found.setdefault(hit.program, []).append(max(0.0, moved_s - hit.when_s))
        return found

    def _moved_s(self, hit: Hit) -> float | None:
        """A kill lets output stand; it moves again with the first tick that was not yet due when it came."""
        seen_s, due_ms = self.watcher.seen_s, self.site.settings.ticks.due_ms
        return next((seen_s[tick] for tick in sorted(seen_s) if due_ms(tick) > hit.marked_ms), None)

    def _was_alone(self, hit: Hit) -> bool:
        """Whether from a kill until output moved again nobody was frozen, and the broker was there, and had been."""
        until_s = self._moved_s(hit) or hit.when_s
        return not any(
            began_s <= until_s and hit.when_s <= ended_s + BROKER_BACK_S for began_s, ended_s in self._outages
        )
