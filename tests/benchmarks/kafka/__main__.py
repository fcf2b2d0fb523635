"""`python -m tests.benchmarks.kafka`: the street and a simple join on a real Apache Kafka, measured.

Parts: `street` (throughput by size of envelopes, and by workers), `join` (the same join in several systems), `latency`
(at half of what the street can take), `overload` (twice of it, for a minute; only when it is named).
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from city_brain.measuring.measured import machine
from tests.benchmarks.kafka import latency, overload, report, street
from tests.benchmarks.kafka.join import running as join
from tests.kafka.broker import cluster
from tests.kafka.jars import missing

DEFAULT_PARTS = ("street", "join", "latency")


@dataclass(frozen=True)
class Part:
    """What a part has found: rows of its table, a sentence, the figures, and whether all is as it must be."""

    name: str
    rows: list[list[str]]
    says: str
    figures: Any
    sound: bool


class Bench:
    """The parts of one run, on one broker."""

    def __init__(self, asked: argparse.Namespace, servers: str, folder: Path) -> None:
        self._asked, self._servers, self._folder = asked, servers, folder
        self._street: list[street.Throughput] = []

    def run(self, part: str) -> Part:
        """Measures a part."""
        done: Part = {
            "street": self._measure_street,
            "join": self._measure_join,
            "latency": self._measure_latency,
            "overload": self._measure_overload,
        }[part]()
        return done

    def _measure_street(self) -> Part:
        asked = self._asked
        self._street = list(self._cases(street.cases(asked.envelopes, asked.sources, asked.seconds)))
        rows = [report.street_row(found) for found in self._street]
        return Part("street", rows, report.street_says(self._street), self._street, all(f.same for f in self._street))

    def _cases(self, cases: list[street.Case]) -> Iterator[street.Throughput]:
        tell("the city is made …")
        life = street.Life(self._asked.sources, self._asked.seconds)
        for number, case in enumerate(cases):
            tell(f"street: envelopes of {case.envelope}, {case.partitions} partitions, {case.fuse} to fuse them …")
            yield street.measure(case, life, self._servers, self._folder, f"street{number}.")

    def _measure_join(self) -> Part:
        asked = self._asked
        size = join.Size(repetitions=asked.repetitions, envelope=asked.join_envelope, json_rows=asked.join_rows)
        found, in_memory = join.measure(size, self._servers, self._folder)
        same = all(one.same is not False for one in found)
        return Part("join", report.join_rows(found, in_memory), report.join_says(found, size), found, same)

    def _measure_latency(self) -> Part:
        base = self._base()
        tell(f"latency: a live city at {self._asked.latency_load:g} of that …")
        found = latency.measure(
            base.per_wall_second, self._asked.latency_load, base.rows / base.case.seconds / base.case.sources,
            self._asked.latency_seconds, self._servers, self._folder,
        )  # fmt: skip
        return Part("latency", report.latency_rows(found), report.latency_says(found), found, True)

    def _measure_overload(self) -> Part:
        base = self._base()
        tell(f"overload: twice {base.per_wall_second:,} rows per second for {self._asked.overload_seconds} s …")
        found = overload.measure(
            base.per_wall_second, self._asked.sources, self._asked.overload_seconds, self._servers, self._folder
        )
        sound = found.same and found.same_counters and found.bounded
        return Part("overload", [report.overload_row(found)], "", found, sound)

    def _base(self) -> street.Throughput:
        """What the street can take: of this run where it was measured, else measured now."""
        plain = street.Case(sources=self._asked.sources, seconds=self._asked.seconds)
        known = [found for found in self._street if found.case == plain]
        if not known:
            known = list(self._cases([plain]))
            tell(f"the street takes {known[0].per_wall_second:,} rows per second by the clock")
        return known[0]


def main() -> int:
    """Runs what is asked for, prints tables or JSON lines; 1 where an output is not as it must be."""
    asked = _arguments()
    if missing():
        tell(f"wanted java and mvn, got no {' and no '.join(missing())}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sound = True
    try:
        with tempfile.TemporaryDirectory(prefix="city-brain-bench-") as folder, cluster() as running:
            bench = Bench(asked, running.bootstrap_servers, Path(folder))
            for name in asked.part:
                part = bench.run(name)
                _tell(part, asked)
                sound = sound and part.sound
    except KeyboardInterrupt:
        return 130
    return int(not sound)


def _tell(part: Part, asked: argparse.Namespace) -> None:
    if asked.json:
        found = msgspec.to_builtins(part.figures)
        print(msgspec.json.encode({"part": part.name, "sound": part.sound, "found": found}).decode(), flush=True)
    else:
        print(f"{report.table(part.name, part.rows)}\n\n{part.says}\n{_machine()}\n", flush=True)
    if asked.append:
        report.append(part.name, part.rows, part.says, *asked.append)


def _machine() -> str:
    return "; ".join(machine().values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.kafka", description=__doc__)
    add = parser.add_argument
    add("--part", nargs="+", choices=("street", "join", "latency", "overload"), default=list(DEFAULT_PARTS))
    add("--envelopes", type=int, nargs="+", default=list(street.ENVELOPES), help="rows in an envelope of the street")
    add("--sources", type=int, default=10_000, help="of the city of the street")
    add("--seconds", type=int, default=street.MOST_SECONDS, help="of that city that are measured")
    add("--join-rows", type=int, default=300_000, help="single JSON events of the join")
    add("--join-envelope", type=int, default=1_024, help="rows in an envelope of the join")
    add("--repetitions", type=int, default=3, help="of each variant of the join")
    add("--latency-load", type=float, default=0.5, help="share of what the street can take that the live city sends")
    add("--latency-seconds", type=int, default=40, help="of the live city that count")
    add("--overload-seconds", type=int, default=60, help="for which twice as much is sent as can be taken")
    add("--json", action="store_true", help="print a line of JSON for each part")
    add("--append", nargs=2, metavar=("COMMIT", "DATE"), help=f"add what was seen to {report.PAGE.name}")
    return parser.parse_args()


def tell(what: str) -> None:
    """Progress."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
