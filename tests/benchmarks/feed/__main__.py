"""`python -m tests.benchmarks.feed`: what a thousand readers of the incident feed cost, and how long they wait.

Parts: `steady` (1,000 readers at 1 and at 60 changes a second), `stalled` (some stop reading), `storm` (200 come back
at once). Every delivery is held against what the filter of its reader asks for.
"""

import argparse
import math
import sys

import msgspec

from city_brain.measuring.measured import machine
from tests.benchmarks.feed import report
from tests.benchmarks.feed.case import Case, Measured
from tests.benchmarks.feed.running import measure
from tests.benchmarks.feed.storming import storm

PARTS = ("steady", "stalled", "storm")
FEW = 50
"""Readers of the small crowd in which five stall."""


def main() -> int:
    """Measures what is asked for, prints tables or JSON lines; 1 where anything is missing."""
    asked = _arguments()
    sound = True
    found = []
    for case in _cases(asked):
        one = _measured(case)
        found.append(one)
        sound = sound and not one.missing and not (one.stalled and one.stalled.missing)
        if asked.json:
            print(_json(one), flush=True)
    if found and not asked.json:
        rows = report.table(report.HEAD, [report.row(one) for one in found])
        print(rows, *report.says(found), sep="\n\n", flush=True)
    if "storm" in asked.part:
        print(f"storm: {asked.storm} readers come back at once …", file=sys.stderr, flush=True)
        came = storm(_case(asked, readers=1, processes=1), asked.storm)
        sound = sound and not came.missing
        row = report.table(report.STORM_HEAD, [report.storm_row(came)])
        print(msgspec.json.encode(came).decode() if asked.json else f"\n{row}")
    print("; ".join(machine().values()), file=sys.stderr)
    return int(not sound)


def _cases(asked: argparse.Namespace) -> list[Case]:
    cases = []
    if "steady" in asked.part:
        cases += [_case(asked, changes_per_second=rate) for rate in asked.rates]
    if "stalled" in asked.part:
        if "steady" not in asked.part:
            cases.append(_case(asked))
        cases.append(_case(asked, readers=asked.readers - 1, stalled=1))
        cases += [_case(asked, readers=FEW), _case(asked, readers=FEW - 5, stalled=5)]
    return cases


def _case(asked: argparse.Namespace, **said: int) -> Case:
    plain = {
        "readers": asked.readers,
        "changes_per_second": max(asked.rates),
        "appends_per_second": asked.appends,
        "seconds": asked.seconds,
    }
    return Case(**(plain | said), profile=asked.profile)


def _measured(case: Case) -> Measured:
    who = f"{case.readers} readers" + (f" and {case.stalled} that stop reading" if case.stalled else "")
    print(f"{who}, {case.changes_per_second} changes a second for {case.seconds} s …", file=sys.stderr, flush=True)
    return measure(case)


def _json(found: Measured) -> str:
    told = msgspec.to_builtins(found)
    del told["server"]["appended_ns"]
    return msgspec.json.encode({name: None if _is_nan(value) else value for name, value in told.items()}).decode()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.feed", description=__doc__)
    add = parser.add_argument
    add("--part", nargs="+", choices=PARTS, default=list(PARTS))
    add("--readers", type=int, default=1_000, help="that watch, a filter each")
    add("--rates", type=int, nargs="+", default=[1, 60], help="changes a second; stalls and storms are at the last")
    add("--appends", type=int, default=1, help="appends a second; a city has one, so its changes come in bursts")
    add("--seconds", type=int, default=30, help="for which changes come")
    add("--storm", type=int, default=200, help="readers that come back at once")
    add("--profile", default="", metavar="FILE", help="write in which functions the server was found")
    add("--json", action="store_true", help="print a line of JSON for each case")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
