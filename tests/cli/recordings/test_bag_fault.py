"""`city-brain bag fault` as people call it: the new recording, what it says of its faults, and what is refused."""

import json
import re
import shlex
from pathlib import Path

import msgspec

from city_brain.bag.reading import Recording
from city_brain.bag.records import CONTROL
from city_brain.bag.writing import RecordingWriter
from city_brain.cli.common import FAILED, USAGE
from city_brain.playback.faults import Plan, inject, read_plan
from tests.bag.samples import full_file, put, write
from tests.cli.processes import city_brain
from tests.house import ROOT
from tests.playback.faults.logs import PREFIX, recorded

PLAN = """
seed = 7
[[faults]]
kind = "drop"
name = "lost"
share = 0.2
topics = ["reports"]
[[faults]]
kind = "delay"
share = 0.1
delay_ms = 1500
"""


def test_a_baked_recording_says_what_was_done(tmp_path: Path) -> None:
    """It is sound, holds what the faults leave, in the order in which it comes, and tells each hit; the other is as it
    was; a file of the same name gets the same bytes.
    """
    path, out, again, plan = (tmp_path / name for name in ("a.mcap", "b.mcap", "again/b.mcap", "faults.toml"))
    with RecordingWriter(path, metadata={"city": {"topic_prefix": PREFIX}}) as writer:
        for record in recorded():
            put(writer, record)
    before = path.read_bytes()
    again.parent.mkdir()
    plan.write_text(PLAN)
    done = city_brain("bag", "fault", path, out, "--plan", plan, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert path.read_bytes() == before
    with Recording(path) as recording:
        wanted = [
            msgspec.structs.replace(record, log_ns=0) for record in inject(recording.records(), read_plan(plan), PREFIX)
        ]
    with Recording(out) as recording:
        found = [msgspec.structs.replace(record, log_ns=0) for record in recording.records()]
        hits = [note.said for note in recording.notes() if note.topic == CONTROL]
        kept = msgspec.json.decode(recording.attachment("faults.json").data, type=Plan)
    assert found == wanted and (told["read"], told["written"]) == (len(recorded()), len(wanted))
    assert kept == read_plan(plan)
    assert told["hits"] == {
        name: sum(said["kind"] == "fault" and said["hit"]["fault"] == name for said in hits)
        for name in ("lost", "delay-2")
    }
    assert min(told["hits"].values()) > 0
    assert city_brain("bag", "doctor", out).code == 0
    assert city_brain("bag", "fault", path, again, "--plan", plan).code == 0
    assert again.read_bytes() == out.read_bytes()


def test_all_else_of_a_recording_stays(tmp_path: Path) -> None:
    """Attachments, metadata, notes, losses, and the schemas of channels."""
    path, out = tmp_path / "a.mcap", tmp_path / "b.mcap"
    full_file(path)
    done = city_brain("bag", "fault", path, out, "--fault", "drop:share=0.5", "--seed", "3")
    assert done.code == 0, done.err
    with Recording(path) as old, Recording(out) as new:
        assert new.attachment("map/city.geojson").data == old.attachment("map/city.geojson").data
        assert new.metadata["provenance"] == old.metadata["provenance"]
        assert new.gaps() == old.gaps() != []
        assert [n.said for n in new.notes() if n.said.get("kind") != "fault"] == [n.said for n in old.notes()]
        assert set(new.schemas.values()) == set(old.schemas.values()) != set()


def test_what_cannot_be_done_is_refused(tmp_path: Path) -> None:
    """No fault, an unknown one, the same file twice, faults upon faults: with the exit code of who must act."""
    path, out, more = tmp_path / "a.mcap", tmp_path / "b.mcap", tmp_path / "c.mcap"
    write(path, recorded()[:40])
    assert city_brain("bag", "fault", path, out).code == USAGE
    assert city_brain("bag", "fault", path, out, "--fault", "explode").code == USAGE
    assert city_brain("bag", "fault", path, path, "--fault", "drop").code == USAGE
    assert city_brain("bag", "fault", path, out, "--fault", "drop").code == 0
    done = city_brain("bag", "fault", out, more, "--fault", "drop")
    assert done.code == FAILED and "wanted a recording without faults" in done.err


def test_the_fault_of_the_readme_does_something(tmp_path: Path) -> None:
    """On a recording that comes with the program."""
    (line,) = re.findall(r"^\$ \.venv/bin/city-brain (bag fault .*)$", (ROOT / "playback/README.md").read_text(), re.M)
    words = [str(tmp_path / word) if word == "late.mcap" else word for word in shlex.split(line)]
    done = city_brain(*words, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["hits"]["delay-1"] > 100
