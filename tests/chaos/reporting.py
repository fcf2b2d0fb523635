"""The report of a campaign, for people and for programs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tests.chaos.campaign import Report


def as_json(report: Report) -> dict[str, Any]:
    """All figures."""
    verdict = report.verdict
    return {
        "seed": report.plan.seed,
        "passed": report.passed,
        "kills": report.done.get("kill", 0),
        "done": report.done,
        "seconds": round(report.seconds, 1),
        "rows": report.rows,
        "rows_per_s": round(report.rows / max(report.seconds, 1e-9)),
        "raw_records": report.raw_records,
        "ticks": verdict.ticks,
        "lost": verdict.lost,
        "changed": verdict.changed,
        "repeated": {
            "incidents": verdict.repeated,
            "fusion.ticks": verdict.parts_repeated,
            "dead.letters": verdict.letters_repeated,
        },
        "dead_letters": verdict.letters,
        "counters": verdict.rows,
        "moved_s": _by_program(report.moved_s),
        "back_s": _by_program(report.back_s),
        "back_alone_s": _by_program(report.back_alone_s),
        "differences": verdict.differences,
        "complaints": list(map(str, report.complaints)),
        "outages": list(map(str, report.outages)),
    }


def _by_program(seconds: dict[str, list[float]]) -> dict[str, Mapping[str, float]]:
    every = [one for found in seconds.values() for one in found]
    return {"all": _quantiles(every), **{name: _quantiles(found) for name, found in seconds.items()}}


def _quantiles(seconds: list[float]) -> Mapping[str, float]:
    if not seconds:
        return {}
    p50, p95 = np.percentile(seconds, [50, 95]).tolist()
    return {"n": len(seconds), "p50": round(p50, 2), "p95": round(p95, 2), "max": round(max(seconds), 2)}


def as_lines(report: Report) -> Iterator[str]:
    """What people read."""
    said = as_json(report)
    done = ", ".join(f"{what} {count}" for what, count in said["done"].items())
    yield f"seed {said['seed']}: {done}"
    yield (
        f"{said['rows']} rows in {said['raw_records']} raw records, {said['seconds']} s at {said['rows_per_s']} rows/s"
    )
    yield f"{said['ticks']} ticks: {said['lost']} lost, {said['changed']} changed"
    repeated = ", ".join(f"{topic} {count}" for topic, count in said["repeated"].items())
    yield f"{said['dead_letters']} dead letters; said again: {repeated}"
    yield "rows: " + ", ".join(f"{name} {count}" for name, count in said["counters"].items() if count)
    for kind, when in (
        ("moved_s", "output moves again after a kill"),
        ("back_s", "back in step after a kill"),
        ("back_alone_s", "likewise, nobody frozen and the broker there"),
    ):
        for name, found in said[kind].items():
            if found:
                times = f"p50 {found['p50']} s, p95 {found['p95']} s, longest {found['max']} s"
                yield f"{when}, {name}: {times} ({found['n']})"
    for kind in ("outages", "complaints", "differences"):
        yield from (f"{kind}: {what}" for what in said[kind])
    yield "nothing lost, nothing changed" if said["passed"] else "NOT as it must be"
