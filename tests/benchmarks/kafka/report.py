"""What the benchmark on Kafka says: tables and sentences, and where on the results page they are kept."""

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.kafka.join.running import (
    BYTEWAX,
    BYTEWAX_BATCH,
    OURS,
    QUIX_BATCH,
    QUIX_DICT,
    QUIX_STORE,
    Joined,
    Size,
)
from tests.benchmarks.kafka.latency import Latency
from tests.benchmarks.kafka.overload import Overloaded
from tests.benchmarks.kafka.street import Throughput
from tests.benchmarks.report import PAGE

STREET_FLOOR, STREET_GOAL = 60_000, 200_000
JOIN_TIMES_MIN, JOIN_SHARE_MIN = 10.0, 0.40

HEADS: dict[str, tuple[str, ...]] = {
    "street": (
        "rows per envelope (mean)", "partitions / fuse workers", "sources", "rows", "per second and worker core",
        "per second by the clock", "µs ingest", "µs fuse", "µs desk", "one process, per second", "MB at most",
        "ticks as one process says them", "load",
    ),
    "join": ("variant", "rows", "per second and core, median (range)", "by the clock", "MB at most", "same output"),
    "latency": ("part", "ms median", "ms 99 %", "ms most"),
    "overload": (
        "sources", "rows", "sent per second", "of what can be taken", "s", "s of the city behind, halfway / at the end",
        "s to catch up",
        "late / unhurried", "MB warm", "MB halfway", "MB at most", "MB allowed", "same incidents", "load",
    ),
}  # fmt: skip


def street_row(found: Throughput) -> list[str]:
    """A case of the street."""
    case, us = found.case, found.program_us
    return [
        f"{case.envelope:,} ({found.mean_envelope:,.0f})",
        f"{case.partitions} / {case.fuse}",
        *(f"{count:,}" for count in (case.sources, found.rows, found.per_core, found.per_wall_second)),
        *(f"{us[program]:.2f}" for program in ("ingest", "fuse", "desk")),
        f"{found.reference:,}",
        _mb(found.peak_mb),
        f"{found.ticks} of {found.ticks}" if found.same else "NO",
        f"{found.load}",
    ]


def join_rows(found: Sequence[Joined], in_memory: int) -> list[list[str]]:
    """The variants, and the join in memory."""
    rows = [
        [
            one.name,
            f"{one.rows:,}",
            f"{one.median:,} ({one.per_core[0]:,} – {one.per_core[-1]:,})",
            f"{one.per_wall_second:,}",
            f"{one.peak_mb}",
            {True: "yes", False: "NO", None: "-"}[one.same],
        ]
        for one in found
    ]
    return [*rows, ["in memory: envelopes to envelopes, without Kafka", "", f"{in_memory:,}", "", "", "-"]]


def latency_rows(found: Latency) -> list[list[str]]:
    """The parts of the way."""
    return [[name, *(f"{ms:,.0f}" for ms in (of.median, of.high, of.most))] for name, of in found.parts.items()]


def overload_row(found: Overloaded) -> list[str]:
    """The overload."""
    return [
        *(f"{count:,}" for count in (found.sources, found.rows, found.sent_per_s, found.capacity)),
        f"{found.seconds:.0f}",
        f"{found.lag_halfway_s:.0f} / {found.lag_at_end_s:.0f}",
        f"{found.caught_up_s:.0f}",
        f"{found.late:,} / {found.late_unhurried:,}",
        *(_mb(mb) for mb in (found.warm_mb, found.halfway_mb, found.peak_mb, found.bound_mb)),
        f"{found.ticks} of {found.ticks}" if found.same and found.same_counters else "NO",
        f"{found.load}",
    ]


def street_says(found: Sequence[Throughput]) -> str:
    """Against floor and goal."""
    best = max(found, key=lambda one: one.per_core)
    return (
        f"Kafka to incidents: at most {best.per_core:,} rows per second and worker core, in envelopes of "
        f"{best.case.envelope:,} (wanted {STREET_FLOOR:,}, aimed at {STREET_GOAL:,})."
    )


def join_says(found: Sequence[Joined], size: Size) -> str:
    """Both comparisons in a sentence, and what was wanted."""
    of = {one.name: one.median for one in found}
    ours, singles = of[OURS], {"Quix Streams": max(of[QUIX_STORE], of[QUIX_DICT]), "Bytewax": of[BYTEWAX]}
    batches = {"Quix Streams": of[QUIX_BATCH], "Bytewax": of[BYTEWAX_BATCH]}
    single = ", ".join(f"{name} {rate:,} ({ours / rate:.0f} ×)" for name, rate in singles.items())
    batch = ", ".join(f"{name} {rate:,} ({ours / rate:.2f} ×)" for name, rate in batches.items())
    return (
        f"The simple join, per second and core: ours on envelopes of {size.envelope:,} {ours:,}; on single JSON events "
        f"{single}, wanted {JOIN_TIMES_MIN:g} ×; on the same envelopes {batch}, wanted {JOIN_SHARE_MIN:.2f} ×."
    )


def latency_says(found: Latency) -> str:
    """The run, and its bound."""
    cores = ", ".join(f"{name} {share:.2f}" for name, share in found.cores.items())
    return (
        f"{found.rows_per_s:,} rows per second of {found.sources:,} sources, where {found.capacity:,} can be taken; "
        f"{found.ticks} ticks; late {100 * found.late:.2f} % of the rows; cores used: {cores}; load {found.load}. "
        f"Wanted at most {found.bound_ms:,} ms from event to incidents at 99 %, "
        f"got {next(iter(found.parts.values())).high:,.0f} ms."
    )


def table(part: str, rows: Sequence[Sequence[str]]) -> str:
    """Rows of a part under their heading."""
    head = HEADS[part]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *map(_line, rows)])


def append(part: str, rows: Sequence[Sequence[str]], said: str, commit: str, date: str) -> None:
    """Adds what was seen to its place on the results page."""
    anchor = f"<!-- {part} on Kafka: --append adds above -->"
    text = PAGE.read_text(encoding="utf-8")
    before, found, after = text.partition(anchor)
    if not found:
        raise ValueError(f"{PAGE}: wanted the line {anchor}, got none")
    told = f"{commit}, {date}. {said}".strip()
    PAGE.write_text(f"{before}{told}\n\n{table(part, rows)}\n\n{anchor}{after}", encoding="utf-8")


def _line(row: Sequence[Any]) -> str:
    return "| " + " | ".join(row) + " |"


def _mb(of: dict[str, int]) -> str:
    return " / ".join(str(mb) for mb in of.values())
