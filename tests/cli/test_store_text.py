"""The commands of deploy/README.md look over a store, and a backup that is made as it says holds the same."""

import json
import re
import shlex
import shutil
import sqlite3
from pathlib import Path

from tests.cli.conftest import Fused, world
from tests.cli.processes import Done, city_brain
from tests.house import ROOT

__all__ = ["world"]


def test_the_commands_of_the_text_look_over_a_store_and_its_backup(world: Fused, tmp_path: Path) -> None:
    """All are in order; once a byte of a line is another one, the first says so."""
    shutil.copy(world.city_map, tmp_path)
    store, backup = tmp_path / "feed.sqlite", tmp_path / "backup.sqlite"
    words = ("--from", world.observations, "--listen", "127.0.0.1:0", "--store", "sqlite:///feed.sqlite")
    done = city_brain("run", tmp_path, *words, "--exit-at-end")
    assert done.code == 0, done.err
    with sqlite3.connect(store) as connection:
        incident = connection.execute("select incident_id from changes").fetchone()[0]
        connection.execute("VACUUM INTO ?", (str(backup),))
    checked, proof, compacted = _as_shown(store, incident)
    assert (checked.code, proof.code, compacted.code) == (0, 0, 0), checked.err + proof.err + compacted.err
    assert json.loads(json.loads(proof.out)["line"])["incident_id"] == incident
    assert _digests(backup) == _digests(store) != []
    with sqlite3.connect(backup) as connection:
        connection.execute("update lines set line = cast(replace(cast(line as text), 'a', 'b') as blob)")
    assert _as_shown(backup, incident)[0].code == 1


def _as_shown(store: Path, incident: str) -> list[Done]:
    """The commands of the text, of this store and incident."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    block = re.search(r"### The store.*?```console\n(.*?)```", text, re.S)
    assert block is not None
    shown = [shlex.split(line.removeprefix("$ "), comments=True)[1:] for line in block[1].splitlines()]
    said = {"out/world/feed.sqlite": str(store), "INCIDENT": incident}
    return [city_brain(*(said.get(word, word) for word in words)) for words in shown]


def _digests(store: Path) -> list[str]:
    done = city_brain("store", "check", store, "--json")
    assert done.code == 0, done.err
    return [feed["digest"] for feed in json.loads(done.out)["feeds"]]
