"""A city whose store file is deleted while it runs ends with what to do, and tells nobody what is not stored."""

import shutil
from pathlib import Path

from tests.cli.conftest import Fused, world
from tests.cli.processes import running

__all__ = ["world"]


def test_a_city_that_loses_its_store_ends_and_says_so(world: Fused, tmp_path: Path) -> None:
    """The next start makes a new one."""
    shutil.copy(world.city_map, tmp_path)
    store = tmp_path / "kept.sqlite"
    words = ("--from", world.observations, "--listen", "127.0.0.1:0", "--store", "sqlite:///kept.sqlite")
    with running("run", tmp_path, *words, "--rate", "10") as run:
        run.wait_for(r"serving the incident feed on")
        store.unlink()
        assert run.ended() == 1
        assert any(f"{store}: wanted the file as it was opened, got none" in line for line in run.err), run.err
    with running("run", tmp_path, *words, "--exit-at-end") as run:
        assert run.ended() == 0, run.err
    assert store.stat().st_size
