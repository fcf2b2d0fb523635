"""`make mission`: from the devices of a synthetic city over a real Apache Kafka, ingest, fuse, desk and gRPC, to its
province, which shows one incident that a camera, a signal and sensors tell of, after a cut and a kill on the way.

What the camera tells comes from pixels: a network looks at a film in which a car comes, stops and stands. The film is
composed from the recording of a real junction where the shared data are, else drawn for the tiny network.

Prints the incident and what was checked on standard output, and progress on standard error; exit code 0 only where
everything holds.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from city_brain.errors import CityBrainError
from tests.kafka.broker import cluster
from tests.kafka.jars import missing
from tests.mission.mission import FailedError, Mission, tell


def main() -> int:
    """Runs it; 0 where all holds, 1 where something does not, 130 after Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.mission", description=__doc__)
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="of the incident that is printed")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where what the programs log stays")
    asked = parser.parse_args()
    if missing():
        tell(f"mission: wanted java and mvn for a broker, got no {' and no '.join(missing())}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="city-brain-mission-") as passing, cluster() as running:
            mission = Mission(running.bootstrap_servers, asked.logs or Path(passing), asked.language, began_s)
            mission.step(f"started Apache Kafka on {running.bootstrap_servers}")
            checked = mission.run()
    except KeyboardInterrupt:
        tell("mission: stopped; nothing is left running")
        return 130
    except (FailedError, CityBrainError, RuntimeError) as wrong:
        tell(f"mission: {wrong}")
        return 1
    print("\n".join(map(str, checked)))
    holds = all(check.holds for check in checked)
    print(f"MISSION {'done' if holds else 'FAILED'} in {time.monotonic() - began_s:.0f} s", flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
