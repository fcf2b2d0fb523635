"""`python -m tests.chaos`: kills, freezes and cuts off the programs of a city on a real broker, and compares bytes.

Prints progress on standard error and the report on standard output; 1 where anything differs from what one process
says, or where a planted bug is not caught.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.chaos import planted
from tests.chaos.bugs import ALL, Planted
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.faults import GAP_S, Menu
from tests.chaos.reporting import as_json, as_lines
from tests.chaos.scenario import Scenario
from tests.kafka.broker import cluster

PROGRAMS = ("ingest", "fuse", "desk", "serve")
FAULTS_PER_KILL = 1.5
"""About, with joins, leaves, freezes and the rest."""

BUGS_AT_A_TIME = 2
"""Each campaign with a bug waits more than it works."""


def main() -> int:
    """Runs a campaign, then one with each bug where that is asked for."""
    asked = _arguments()
    kills = asked.kills if asked.minutes is None else round(asked.minutes * 60 / (FAULTS_PER_KILL * sum(GAP_S) / 2))
    sound = True
    with tempfile.TemporaryDirectory(prefix="city-brain-chaos-") as passing:
        folder = asked.logs or Path(passing)
        if kills:
            sound = _campaign(asked, kills, folder)
        if asked.bugs is not None:
            sound = _bugs(asked.bugs, asked.seed, folder) and sound
    return int(not sound)


def _campaign(asked: argparse.Namespace, kills: int, folder: Path) -> bool:
    scenario = Scenario(seed=asked.seed, cameras=asked.cameras, speed=asked.speed)
    plan = Plan(seed=asked.seed, menu=Menu.of_kills(kills, PROGRAMS), scenario=scenario)
    with cluster() as running:
        report = Campaign(plan, running, folder, "chaos.").run()
    if asked.json:
        print(msgspec.json.encode(as_json(report)).decode(), flush=True)
    else:
        print("\n".join(as_lines(report)), flush=True)
    return report.passed


def _bugs(names: list[str], seed: int, folder: Path) -> bool:
    """Whether each bug is caught."""
    with cluster(settings=planted.BROKER) as running:

        def catch(bug: Planted) -> bool:
            began_s = time.monotonic()
            caught = planted.caught_by(bug, running, folder / bug.name, f"{bug.name}.", seed, lambda _: None)
            took_s = time.monotonic() - began_s
            print(f"{bug.name} ({took_s:.0f} s): {caught or 'NOT CAUGHT'}", flush=True)
            return bool(caught)

        with ThreadPoolExecutor(BUGS_AT_A_TIME) as pool:
            return all(list(pool.map(catch, (bug for bug in ALL if not names or bug.name in names))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=20, help="SIGKILLs of programs; other faults come with them in proportion")
    add("--minutes", type=float, help="instead of --kills: as many as fit into about so long")
    add("--seed", type=int, default=1, help="of the city, the faults and the orders of hashes")
    add("--cameras", type=int, default=44, help="of the city; 44 send 215 to 250 rows per second")
    add("--speed", type=float, default=1.0, help="seconds of the city in one of ours")
    add("--bugs", nargs="*", metavar="BUG", help="then plants each bug, or those named, and wants it caught")
    add("--logs", type=Path, metavar="FOLDER", help="where what the programs log stays; else it goes at the end")
    add("--json", action="store_true", help="print the report as one line of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
