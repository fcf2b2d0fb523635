"""`python -m tests.benchmarks`: observations per second on growing cities, by stage.

Each city runs in a process of its own, so that its peak memory is its own; what is read is made before. Figures are in
processor time, since other programs may share the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.replay.comparing import announced, compare
from tests.benchmarks.inputs import TiledWorld, machine, read_seconds, write_synthetic
from tests.benchmarks.measuring import Measured, measure, site_of

STAGES = ("decode", "admission", "ticks", "tracks", "objects", "signals", "sensors", "crossings", "queues")
"""Named in the table; the detectors are summed up, the desk comes last."""

WARM_UP_SHARE = 0.34


def main() -> int:
    """Runs what the arguments ask for and prints a table, or JSON lines."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--sources", type=int, nargs="*", default=[100, 10_000, 100_000], help="sizes of synthetic cities"
    )
    parser.add_argument("--seconds", type=int, default=30, help="length of the synthetic recordings")
    parser.add_argument(
        "--tiles", type=int, default=100, help="how often the recorded world is laid out; 0: not at all"
    )
    parser.add_argument("--tile-seconds", type=int, default=None, help="only so many seconds of it; else all")
    parser.add_argument("--world", type=Path, default=_shared() / "scenarios/tune/101", help="the recorded world")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_one(arguments)))
        return 0
    jobs = [f"synthetic:{sources}" for sources in arguments.sources]
    if arguments.tiles and (arguments.world / "city.geojson").exists():
        jobs.append("tiled")
    elif arguments.tiles:
        print(f"shared data absent: no world at {arguments.world}, so none is tiled", file=sys.stderr)
    results = [_in_a_process(job, arguments) for job in jobs]
    if not arguments.json:
        print("\n".join(table(results)))
    return 0


def _shared() -> Path:
    return Path(os.environ.get("CITY_BRAIN_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


def _in_a_process(job: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The result of one job, run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if job.startswith("synthetic"):
            print(f"making {job} …", file=sys.stderr)
            write_synthetic(Path(folder), int(job.split(":")[1]), arguments.seconds)
        print(f"measuring {job} …", file=sys.stderr)
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks",
            "--one",
            f"{job}:{folder}",
            "--tiles",
            str(arguments.tiles),
        ]
        command += ["--world", str(arguments.world), "--seconds", str(arguments.seconds)]
        if arguments.tile_seconds:
            command += ["--tile-seconds", str(arguments.tile_seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    if arguments.json:
        print(done.stdout.decode().strip(), flush=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _one(arguments: argparse.Namespace) -> dict[str, Any]:
    job, *_, folder = arguments.one.split(":")
    if job == "synthetic":
        site = site_of(Path(folder) / "city.geojson")
        return _summary(measure("synthetic", site, read_seconds(Path(folder)), int(WARM_UP_SHARE * arguments.seconds)))
    world = TiledWorld(arguments.world, arguments.tiles)
    city_map = Path(folder) / "city.geojson"
    city_map.write_bytes(world.city_map)
    tiled = measure(f"tiled ×{arguments.tiles}", site_of(city_map), world.seconds(arguments.tile_seconds), 20)
    single = TiledWorld(arguments.world, 1)
    city_map.write_bytes(single.city_map)
    alone = measure("alone", site_of(city_map), single.seconds(arguments.tile_seconds), 20)
    return _summary(tiled) | {"tiles": _tiles_agree(alone.announced, tiled.announced, world.offsets)}


def _tiles_agree(alone: list[Incident], tiled: list[Incident], offsets: list[tuple[float, float]]) -> dict[str, Any]:
    """How many of the incidents of the single world come out of the tiles, each in its own tile."""
    expected = announced(alone)
    moved = [
        msgspec.structs.replace(
            incident, incident_id=f"{tile}/{incident.incident_id}", lon=incident.lon + lon, lat=incident.lat + lat
        )
        for tile, (lon, lat) in enumerate(offsets)
        for incident in expected
    ]
    found = compare(moved, tiled)
    return {
        "expected": len(moved),
        "found": found.pairs,
        "alone": list(found.alone[:10]),
        "worst_m": round(found.worst_m, 2),
    }


def _summary(measured: Measured) -> dict[str, Any]:
    stages = {stage: round(measured.us(stage), 3) for stage in measured.by_stage}
    return {
        "name": measured.name, "sources": measured.sources, "observations": measured.rows, "seconds": measured.seconds,
        "per_second": round(measured.per_second), "us": round(1e6 * measured.total_s / max(measured.rows, 1), 3),
        "stages_us": stages, "peak_mb": round(measured.peak_mb), "announced": len(announced(measured.announced)),
        "machine": machine(),
    }  # fmt: skip


def table(results: list[dict[str, Any]]) -> list[str]:
    """A Markdown table: a row per city, microseconds per observation by stage."""
    head = ["city", "sources", "observations", "per second", "µs", *STAGES, "detectors", "desk", "peak MB", "incidents"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for result in results:
        stages = result["stages_us"]
        detectors = sum(us for name, us in stages.items() if name not in (*STAGES, "desk"))
        told = (
            f"{result['tiles']['found']} of {result['tiles']['expected']}" if "tiles" in result else result["announced"]
        )
        cells = [result["name"], result["sources"], result["observations"], result["per_second"], f"{result['us']:.1f}"]
        cells += [f"{stages.get(stage, 0.0):.2f}" for stage in STAGES]
        cells += [f"{detectors:.2f}", f"{stages.get('desk', 0.0):.2f}", result["peak_mb"], told]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    if results:
        found = results[0]["machine"]
        lines.append(
            f"\n{found['processor']}, Python {found['python']}, numpy {found['numpy']}; one core, processor time"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
