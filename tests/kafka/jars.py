"""The jars of Apache Kafka, as deploy/kafka/pom.xml names them: fetched once by Maven into a folder that git ignores.

`python -m tests.kafka.jars` fetches them ahead of the tests; without java or mvn it says so and leaves it at that.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house import ROOT

POM = ROOT / "deploy" / "kafka" / "pom.xml"
CACHE = ROOT / ".kafka"
STAMP = CACHE / "fetched"
"""What make looks at; it is younger than the pom exactly while the jars fit it."""
WAIT_S = 900.0
"""45 MB; whoever needs longer has no network to speak of."""


def missing() -> list[str]:
    """Which programs a broker needs and this machine lacks."""
    return [name for name in ("java", "mvn") if shutil.which(name) is None]


def need_java() -> None:
    """Skips a test where no broker can run; in CI that fails the run, as any such skip does."""
    import pytest

    if missing():
        pytest.skip(f"Kafka absent: wanted java and mvn, got no {' and no '.join(missing())}")


def jars() -> Path:
    """The folder with the jars, fetched where they are not there yet; the name of it follows from the pom."""
    CACHE.mkdir(exist_ok=True)
    folder = CACHE / f"jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for old in CACHE.glob("jars*"):
                shutil.rmtree(old)
            _fetch(folder.with_name("jars.part"))
            folder.with_name("jars.part").rename(folder)
        STAMP.touch()
    return folder


def _fetch(folder: Path) -> None:
    print("fetching the jars of Apache Kafka (once; about 45 MB)", file=sys.stderr)
    copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}")
    quiet = ("--quiet", "--batch-mode", "--no-transfer-progress", "-Dstyle.color=never")
    done = subprocess.run(
        ["mvn", *quiet, "--file", str(POM), *copy],  # noqa: S607 - the Maven of whoever tests
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{POM}: wanted its jars from Maven, got: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    if missing():
        print(f"no {' and no '.join(missing())} here: tests on a Kafka broker will skip", file=sys.stderr)
    else:
        jars()
