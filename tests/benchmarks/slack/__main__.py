"""`python -m tests.benchmarks.slack`: how far each number of the incident types may be moved before the score changes.

One number at a time is a fifth smaller, then a quarter larger. A second table leaves out one world after the other:
for each type the change that does most good on the others (true incidents found less false alarms) is made, and judged
on the world that was left out. Where that gains nothing, the numbers hold nothing that only these worlds have.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from city_brain.incidents.incident_type import IncidentTypes, load_incident_types
from city_brain.scoring import Answer, Score, Truth, read_truth, score_worlds
from tests.benchmarks.altered.worlds import World, tune
from tests.benchmarks.slack.desks import answers
from tests.benchmarks.slack.numbers import DOWN, UP, Change, changes

Told = tuple[Truth, list[Answer], list[list[Answer]]]
_WORTH_S: Final = 1.0
"""A mean time to detect that differs by less is not told."""


def main() -> int:
    """Fuses the worlds, and prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.slack", description=__doc__)
    parser.add_argument("worlds", type=Path, nargs="*", default=tune(), help="folders as `synth` writes them")
    parser.add_argument("--types", nargs="+", default=(), help="only the numbers of these")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    absent = [world for world in chosen.worlds if not (world / "truth.json").exists()]
    if absent:
        print(f"shared data absent: wanted a world at {absent[0]}", file=sys.stderr)
        return 2
    types = load_incident_types()
    wanted = changes(types, tuple(chosen.types))
    with ProcessPoolExecutor(chosen.processes) as pool:
        told = list(pool.map(_told, chosen.worlds, [wanted] * len(chosen.worlds)))
    print("\n".join([*_slack(wanted, told), "", *_left_out(types, chosen.worlds, wanted, told)]))
    return 0


def _told(folder: Path, wanted: Sequence[Change]) -> Told:
    print(f"fuses {folder.name}, and judges it in {1 + len(wanted)} ways", file=sys.stderr, flush=True)
    truth = read_truth((folder / "truth.json").read_bytes())
    return truth, *answers(World.read(folder), load_incident_types(), wanted)


def _pooled(told: Sequence[Told], change: int | None) -> Score:
    return score_worlds((truth, as_is if change is None else others[change]) for truth, as_is, others in told)


def _slack(wanted: Sequence[Change], told: Sequence[Told]) -> list[str]:
    as_is = _pooled(told, None)
    lines = [f"| type, number | is | x {DOWN} | x {UP} |", "| --- | --- | --- | --- |"]
    still: dict[str, int] = {}
    for at in range(0, len(wanted), 2):
        change = wanted[at]
        less, more = (_difference(as_is, _pooled(told, at + k)) for k in (0, 1))
        if less == more == "":
            still[change.type] = still.get(change.type, 0) + 1
        else:
            lines.append(f"| {change.type}, {change.name} | {change.was:g} | {less or 'same'} | {more or 'same'} |")
    whole = as_is.overall
    same = ", ".join(f"{kind} {count}" for kind, count in still.items())
    return [f"as it is: {whole.detected} of {whole.true}, {whole.false_alarms} false", f"the same: {same}", "", *lines]


def _difference(before: Score, after: Score) -> str:
    old, new = before.overall, after.overall
    said = [
        f"{now - then:+d} {what}"
        for what, then, now in (
            ("found", old.detected, new.detected),
            ("false", old.false_alarms, new.false_alarms),
            ("mistyped", before.mistyped, after.mistyped),
        )
        if now != then
    ]
    twice = round((new.duplicates_per_detected or 0) * new.detected) - round(
        (old.duplicates_per_detected or 0) * old.detected
    )
    seconds = (new.ttd_s.mean or 0.0) - (old.ttd_s.mean or 0.0)
    if twice:
        said.append(f"{twice:+d} twice")
    if abs(seconds) >= _WORTH_S:
        said.append(f"{seconds:+.1f} s")
    return ", ".join(said)


def _left_out(
    types: IncidentTypes, worlds: Sequence[Path], wanted: Sequence[Change], told: Sequence[Told]
) -> list[str]:
    lines = [
        "| left out | found, false as it is | found, false with what is best elsewhere | changes |",
        "|" + " --- |" * 4,
    ]
    sums = [0, 0, 0, 0]
    for at, folder in enumerate(worlds):
        best = _best(wanted, [*told[:at], *told[at + 1 :]])
        altered = types
        for change in best:
            altered = change.of(altered)
        there = score_worlds([(told[at][0], answers(World.read(folder), altered, ())[0])]).overall
        here = _pooled([told[at]], None).overall
        counts = [here.detected, here.false_alarms, there.detected, there.false_alarms]
        sums = [total + count for total, count in zip(sums, counts, strict=True)]
        named = ", ".join(f"{change.type} {change.name} {change.value:g}" for change in best) or "-"
        lines.append(f"| {folder.name} | {counts[0]}, {counts[1]} | {counts[2]}, {counts[3]} | {named} |")
    return [*lines, f"| all | {sums[0]}, {sums[1]} | {sums[2]}, {sums[3]} | |"]


def _best(wanted: Sequence[Change], told: Sequence[Told]) -> list[Change]:
    """For each type the change that does most good, if any does some."""
    least = _worth(_pooled(told, None))
    best: dict[str, tuple[int, Change]] = {}
    for at, change in enumerate(wanted):
        worth = _worth(_pooled(told, at))
        if worth > best.get(change.type, (least, change))[0]:
            best[change.type] = worth, change
    return [change for _, change in best.values()]


def _worth(score: Score) -> int:
    return score.overall.detected - score.overall.false_alarms


if __name__ == "__main__":
    sys.exit(main())
