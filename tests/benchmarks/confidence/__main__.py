"""`python -m tests.benchmarks.confidence`: what confidences are worth on unseen cities, and the calibration they want.

It synthesises the cities of a split into a folder (those that are there are kept), fuses each as `city-brain fuse`
does, and prints the reliability over all. With `--fit` it prints for each type the `calibration` for its file: a shift
of the log-odds (Platt scaling with its slope kept at 1). One parameter per type: announcements crowd just above their
threshold, which leaves a slope open. Worlds of another kind, named with `--also`, count as much as all cities here.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from city_brain.incidents.incident_type import IncidentTypes, load_incident_types
from city_brain.scoring import Answer, Truth, read_answers, read_truth
from city_brain.scoring.reliability import diagram, reliability_table, reliability_worlds
from tests.benchmarks.confidence.fitting import fitted_shift, judged_by_type
from tests.benchmarks.confidence.worlds import SPLITS, options

Worlds: TypeAlias = Sequence[tuple[Truth, Sequence[Answer]]]
OBSERVATIONS: Final = "observations.jsonl.zst"
INCIDENTS: Final = "incidents.jsonl"


def main() -> int:
    """Makes, fuses and judges the worlds of a split."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.confidence", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the cities are, or are put: 10 MB each")
    parser.add_argument("--split", choices=sorted(SPLITS), default="held-out")
    parser.add_argument("--fit", action="store_true", help="print the calibration of each type")
    parser.add_argument("--again", action="store_true", help="fuse again what was fused before")
    parser.add_argument("--also", nargs=2, type=Path, action="append", default=[], metavar=("TRUTH", "INCIDENTS"))
    parser.add_argument("--out", type=Path, help="the reliability diagram, an SVG file")
    chosen = parser.parse_args()
    worlds = [_world(chosen.folder / str(seed), seed, chosen.again) for seed in SPLITS[chosen.split]]
    also = [_read(truth, incidents) for truth, incidents in chosen.also]
    report = reliability_worlds([*worlds, *also])
    print(reliability_table(report))
    if chosen.out is not None:
        chosen.out.write_text(diagram(report.announced, f"{chosen.split}: {len(worlds)} cities"), "utf-8")
    if chosen.fit:
        _print_fit(worlds, also, load_incident_types())
    return 0


def _world(folder: Path, seed: int, again: bool) -> tuple[Truth, Sequence[Answer]]:
    """Truth and answers of one city, made and fused where they are not there yet."""
    if not (folder / OBSERVATIONS).exists():
        _run("synth", folder, "--seed", seed, *options(seed))
    if again or not (folder / INCIDENTS).exists():
        _run("fuse", folder / OBSERVATIONS, "--map", folder / "city.geojson", "--incidents", folder / INCIDENTS)
    return _read(folder / "truth.json", folder / INCIDENTS)


def _read(truth: Path, incidents: Path) -> tuple[Truth, Sequence[Answer]]:
    return read_truth(truth.read_bytes()), read_answers(incidents.read_bytes().splitlines())


def _run(*words: object) -> None:
    told = [str(word) for word in words]
    print("city-brain", *told, file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "city_brain", *told], check=True, stdout=subprocess.DEVNULL)


def _print_fit(worlds: Worlds, also: Worlds, types: IncidentTypes) -> None:
    print("\ncalibration by type: which announcements were real, here and with --also, and the shift wanted")
    here, there = judged_by_type(worlds, types), judged_by_type(also, types)
    for name in sorted({*here, *there}):
        kinds = here.get(name, []), there.get(name, [])
        counts = "   ".join(f"{sum(is_true for _, is_true in pairs):>4} of {len(pairs):>4}" for pairs in kinds)
        print(f"  {name:28} {counts}   shift {fitted_shift(*kinds):+.1f}")


if __name__ == "__main__":
    sys.exit(main())
