"""`python -m tests.benchmarks.desk`: what a tick costs the desk while so many incidents are open.

Incidents of four types lie on a square grid, too far from one another to be one, and last. Each is handed over anew in
every tick, with evidence that is a second older. Time is processor time.
"""

import argparse
import time

import numpy as np

from city_brain.incidents.desk import Desk
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.tick_record import TickRecord
from city_brain.snapshot import to_bytes
from tests.incidents import kit

HEAD = ("open incidents", "ms per tick, median / most", "µs per incident", "revisions per tick", "kB of state each")
KINDS = ("stopped_vehicle", "pedestrian_on_carriageway", "crash", "waterlogging")
APART_M = 400.0
WARM_UP = 10


def main() -> None:
    """Prints a row for each number of incidents."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.desk", description=__doc__)
    parser.add_argument("--incidents", type=int, nargs="*", default=[10, 100, 1_000, 10_000], help="how many are open")
    parser.add_argument("--ticks", type=int, default=20, help=f"ticks that count, behind {WARM_UP} that do not")
    arguments = parser.parse_args()
    print("| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD), sep="\n")
    for incidents in arguments.incidents:
        print("| " + " | ".join(_measured(incidents, arguments.ticks)) + " |", flush=True)


def _measured(incidents: int, ticks: int) -> tuple[str, ...]:
    desk, ms, revisions = kit.new_desk(), list[float](), 0
    for tick in range(WARM_UP + ticks):
        findings = [_finding(number, incidents, tick) for number in range(incidents)]
        begun_s = time.process_time()
        record = _step(desk, tick, findings)
        ms.append(1000.0 * (time.process_time() - begun_s))
        revisions += len(record.lines) if tick >= WARM_UP else 0
    open_now = sum(case.is_open for case in desk.state.cases.values())
    median, most = float(np.median(ms[WARM_UP:])), max(ms[WARM_UP:])
    return (
        f"{open_now:,}",
        f"{median:,.2f} / {most:,.2f}",
        f"{1000.0 * median / open_now:.1f}",
        f"{revisions / ticks:,.1f}",
        f"{len(to_bytes(desk.state)) / open_now / 1000:.2f}",
    )


def _step(desk: Desk, tick: int, findings: list[Finding]) -> TickRecord:
    record = desk.step(tick, kit.START_MS + 1000 * (tick + 3), [findings])
    record.to_line()
    return record


def _finding(number: int, incidents: int, tick: int) -> Finding:
    side = int(np.ceil(np.sqrt(incidents)))
    seen = kit.evidence(weight=4.0, camera=f"cam-{1 + number % 4}", last_ms=kit.START_MS + 1000 * tick)
    x, y = APART_M * (number % side), APART_M * (number // side)
    return kit.finding(KINDS[number % len(KINDS)], f"k{number}", x, y, 3.0, evidence=(seen,))


if __name__ == "__main__":
    main()
