"""`make demo-province`: three cities and a province on this machine, a cut link, killed programs, and what is left.

Prints what was compared on standard output and progress on standard error; exit code 0 only where everything holds.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from city_brain.errors import CityBrainError
from tests.province.demo import Demo, FailedError
from tests.province.test_killed import many_kills


def main() -> int:
    """Runs it; 0 where all holds, 1 where something does not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.province", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where sites, stores and logs stay")
    parser.add_argument("--kills", type=int, metavar="N", help="instead: so many kills at random times, then compare")
    parser.add_argument("--seed", type=int, default=11, help="of the kills")
    asked = parser.parse_args()
    began_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="city-brain-province-") as passing:
            folder = asked.keep or Path(passing)
            folder.mkdir(parents=True, exist_ok=True)
            if asked.kills:
                changes = many_kills(folder.resolve(), asked.kills, asked.seed)
                print(f"PROVINCE holds: {asked.kills} kills, {changes} changes of each city, none lost, none twice")
                return 0
            checks = asyncio.run(Demo(folder.resolve()).run())
    except KeyboardInterrupt:
        print("demo-province: stopped; nothing is left running", file=sys.stderr)
        return 130
    except (FailedError, CityBrainError, OSError, AssertionError) as wrong:
        print(f"demo-province: {wrong}", file=sys.stderr)
        return 1
    holds = all(check.holds for check in checks)
    print("\n".join(map(str, checks)))
    print(f"PROVINCE {'holds' if holds else 'FAILED'}, {time.monotonic() - began_s:.0f} s", flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
