"""`python -m tests.feed_chaos`: torments a feed and its subscribers, then plants bugs; 1 where any is missed."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tests.feed_chaos.bugs import PLANT
from tests.feed_chaos.campaign import Campaign, Plan, Report
from tests.feed_chaos.server import ServerPlan


def main(
    changes: Annotated[int, typer.Option(help="Changes that the feed is given.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of faults and story.")] = 1,
    url: Annotated[str, typer.Option(help="Of the store; default: SQLite in a temporary folder.")] = "",
    bugs: Annotated[bool, typer.Option("--bugs", help="Plant each bug in a short campaign, too.")] = False,
) -> None:
    """Seven properties of a feed under kills, resets, cuts and compaction; prints what was found."""
    ok = _told(play(changes, seed, url))
    missed = []
    for name in PLANT if bugs else ():
        found = caught(name, seed)
        typer.echo(f"{name}: {found or 'NOT CAUGHT'}")
        missed += [] if found else [name]
    if not ok or missed:
        raise typer.Exit(1)


SHORT = 4_000
"""Changes of a campaign with a bug in it."""
ATTEMPTS = 3
"""Campaigns with a bug, until it is seen: where faults fall depends on the machine."""
HISTORY_MS = 20_000
"""Of log time in such a campaign, which is a second: whoever is away for longer comes too late."""
SOON_S = 10.0
"""Then it has ended, whoever still waits."""


def play(changes: int, seed: int, url: str, bug: str = "") -> Report:
    """One campaign in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="city-brain-feed-") as name:
        folder = Path(name)
        server = ServerPlan(url or f"sqlite:///{folder / 'feed.sqlite'}", seed, changes)
        plan = Plan(server, seed=seed)
        if bug:
            slow = msgspec.structs.replace(server, bug=bug, ticks_a_second=20.0, history_ms=HISTORY_MS, capacity=100)
            plan = Plan(slow, seed=seed, patience_s=SOON_S)
        return Campaign(plan, folder, lambda text: print(f"  {text}", file=sys.stderr)).run()


def caught(bug: str, seed: int) -> str:
    """What the ledgers, or the server itself, say of a feed with a bug; "" where nothing does in several campaigns."""
    for attempt in range(ATTEMPTS):
        report = play(SHORT, seed + attempt, "", bug)
        for found in [*report.violations, *report.complaints]:
            return str(found)
    return ""


def _told(report: Report) -> bool:
    typer.echo(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(report.faults.items()))}")
    typer.echo(f"events: {', '.join(f'{name} {count}' for name, count in sorted(report.counts.items()))}")
    typer.echo(f"resumed {report.resumes} times, began anew {report.began_anew} times, in {report.seconds:.0f} s")
    for complaint in report.complaints:
        typer.echo(f"complaint: {complaint}")
    for violation in report.violations:
        typer.echo(f"violation: {violation}")
    typer.echo(f"{len(report.violations)} violations")
    return not report.violations and not report.complaints


if __name__ == "__main__":
    typer.run(main)
