"""What ships, and what it is installed from: the lock is complete and anonymous, the wheel holds the library only."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import ROOT, files

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?: \\\n {4}--hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)


def test_the_lock_pins_every_package_by_hash() -> None:
    """Every line of the lock is a pin with at least one hash, or a comment."""
    rest = PIN.sub(lambda pin: "" if pin[3] else pin[0], LOCK)
    assert [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []


def test_the_lock_names_no_registry() -> None:
    """Whoever installs chooses the registry: the lock holds neither addresses nor options that name one."""
    assert re.findall(r"\S*://\S*|--(?:extra-)?index-url\S*|--find-links\S*|--trusted-host\S*", LOCK) == []


def test_the_lock_fits_the_project() -> None:
    """All that city-brain needs to build, run and be tested is in the lock, at a version that it accepts."""
    pinned = {canonicalize_name(name): version for name, version, _ in PIN.findall(LOCK)}
    project = PROJECT["project"]
    wanted = PROJECT["build-system"]["requires"] + project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name), "nothing")
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: the lock has {version}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return set(zipfile.ZipFile(next(folder.glob("*.whl"))).namelist())


def test_the_wheel_holds_the_library_only(wheel: set[str]) -> None:
    """In site-packages city-brain takes one name."""
    folders = {Path(name).parts[0] for name in wheel}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"city_brain"}


def test_the_wheel_is_complete(wheel: set[str]) -> None:
    """Every file of city_brain/ is in the wheel, incident types too, and so is the licence."""
    assert {name for name in files() if name.startswith("city_brain/")} <= wheel
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)
