"""Short campaigns with a bug planted: each must end with a complaint of a program, or with a difference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.chaos.bugs import Planted
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.faults import Menu
from tests.chaos.scenario import Scenario
from tests.kafka.broker import Cluster

SESSION_S = 2.0
"""Shorter than brokers permit by default, so that what is frozen need not be frozen for long."""
BROKER = {"group.min.session.timeout.ms": "1000"}
SMALL = Scenario(seed=2, cameras=16, incidents_per_hour_per_100_cameras=10_000.0, speed=2.0, partitions=2, detections=2)
"""Both partitions have findings within seconds."""
BUSY = replace(SMALL, cameras=30)
"""One of them has several at a time."""


def plan(planted: Planted, seed: int) -> Plan:
    """A campaign of some seconds that hits what must be hit."""
    hit = planted.hit or (planted.program,)
    workers = {"ingest": 1, "fuse": 2 if planted.freezes else 1, "desk": 1}
    return Plan(
        seed=seed,
        menu=Menu(planted.kills, freezes=planted.freezes, programs=hit, gap_s=(0.5, 1.5), in_turn=True),
        scenario=replace(BUSY if planted.busy else SMALL, change_every_s=planted.change_every_s),
        workers=workers,
        session_timeout_s=SESSION_S,
        tail_s=3.0,
        patience_s=10.0,
        bug=planted.name,
    )


def caught_by(
    planted: Planted, cluster: Cluster, folder: Path, prefix: str, seed: int, tell: Callable[[str], None]
) -> str:
    """Runs the campaign; what found the bug and what it said. Empty where nothing did."""
    report = Campaign(plan(planted, seed), cluster, folder, prefix, tell).run()
    if report.complaints:
        first = report.complaints[0]
        return f"{first.name.partition('-')[0]}: {first.why}"
    return f"checker: {report.verdict.differences[0]}" if report.verdict.differences else ""
