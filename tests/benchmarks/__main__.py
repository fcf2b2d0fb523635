"""`python -m tests.benchmarks`: observations per second on growing cities, by stage.

Synthetic cities of several sizes, and one recorded world laid out many times, whose tiles must announce what the world
alone does. Each city runs in a process of its own.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from city_brain.measuring.measured import describe
from tests.benchmarks import report
from tests.benchmarks.inputs import City
from tests.benchmarks.measuring import MeasuredCity


def main() -> int:
    """Runs what the arguments ask for, prints a table or JSON lines; 1 where tiles do not agree."""
    arguments = _arguments()
    results: list[tuple[MeasuredCity, report.Agreement | None]] = []
    for city in _cities(arguments):
        measured = _in_a_process(city)
        agreement = _tiles_agree(measured) if city.world else None
        results.append((measured, agreement))
        if arguments.json:
            print(_json(measured, agreement), flush=True)
    if results and not arguments.json:
        print("\n".join([*report.heading(), *report.table(results)]))
        print(f"\n{describe(results[0][0].machine)}")
    if arguments.append:
        report.append(report.table(results, *arguments.append))
    disagree = [agreement for _, agreement in results if agreement is not None and not agreement.same]
    for agreement in disagree:
        print("tiles do not agree:", *agreement.alone[:20], sep="\n", file=sys.stderr)
    return int(bool(disagree))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--sources", type=int, nargs="*", default=[100, 10_000, 100_000], help="sizes of synthetic cities")
    add("--seconds", type=int, default=40, help="seconds of a synthetic city that count")
    add("--warm-up", type=int, default=20, help="seconds before them that do not")
    add("--garbage", type=float, default=0.0, help="share of garbage rows in synthetic cities, such as 0.01")
    add("--tiles", type=int, default=100, help="how often the recorded world is laid out; 0: not at all")
    add("--tile-seconds", type=int, help="only so many seconds of it; else all, so that its incidents come out")
    add("--world", type=Path, default=_shared() / "scenarios/tune/101", help="the recorded world")
    add("--json", action="store_true", help="print a JSON line for each city")
    add("--append", nargs=2, metavar=("COMMIT", "DATE"), help=f"add the rows to {report.PAGE.name}")
    return parser.parse_args()


def _shared() -> Path:
    return Path(os.environ.get("CITY_BRAIN_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


def _cities(arguments: argparse.Namespace) -> list[City]:
    flawed = f", {100 * arguments.garbage:g} % garbage" if arguments.garbage else ""
    cities = [
        City(
            name=f"synthetic{flawed}", sources=sources, seconds=arguments.seconds, warm_up=arguments.warm_up,
            garbage=arguments.garbage,
        )
        for sources in arguments.sources
    ]  # fmt: skip
    if arguments.tiles and not (arguments.world / "city.geojson").exists():
        print(f"shared data absent: wanted a world at {arguments.world}, so none is tiled", file=sys.stderr)
    elif arguments.tiles:
        where, name = arguments.world.resolve(), f"{arguments.world.name} tiled ×{arguments.tiles}"
        cities.append(City(name=name, world=str(where), tiles=arguments.tiles, seconds=arguments.tile_seconds))
    return cities


def _in_a_process(city: City) -> MeasuredCity:
    print(f"measuring {city.name}, {city.sources or city.tiles} …", file=sys.stderr)
    command = [sys.executable, "-m", "tests.benchmarks.measuring", msgspec.json.encode(city).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=MeasuredCity)


def _tiles_agree(tiled: MeasuredCity) -> report.Agreement:
    """Reads the world alone and holds its incidents against those of every tile."""
    alone = _in_a_process(msgspec.structs.replace(tiled.city, name="the world alone", tiles=1))
    return report.tiles_agree(alone.announced, tiled.announced, Path(tiled.city.world), tiled.city.tiles)


def _json(measured: MeasuredCity, agreement: report.Agreement | None) -> str:
    told = msgspec.to_builtins(measured) | {"announced": len(measured.announced)}
    return msgspec.json.encode(told | {"tiles": msgspec.to_builtins(agreement)}).decode()


if __name__ == "__main__":
    sys.exit(main())
