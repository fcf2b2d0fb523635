"""One incident in one file says, byte for byte, what the whole recording says of those ticks."""

import re
from pathlib import Path

import pytest
from mcap.reader import make_reader

import city_brain
from city_brain.bag.reading import Recording, read_series
from city_brain.errors import RecordingError
from city_brain.playback.capsules import encapsulate
from city_brain.playback.control.verifying import verify
from city_brain.playback.opening import open_played
from city_brain.playback.street import Street
from tests.distributed import kit
from tests.house import ROOT
from tests.playback.recorded import record

RECORDINGS = ROOT / "playback" / "recordings"


def _nobody(_: str) -> None:
    """Whom progress is not told."""


@pytest.mark.parametrize(("name", "number"), [("crash-and-plume", "0924-003"), ("wrong-way", "0924-003")])
def test_it_says_what_the_recording_says(tmp_path: Path, name: str, number: str) -> None:
    """The ticks of its life, under the head of all ticks before; and the official reader opens it."""
    whole = [tick.line for tick in Street(RECORDINGS / f"{name}.mcap").ticks()]
    made = encapsulate(RECORDINGS / f"{name}.mcap", number, tmp_path / "c.mcap", 5.0, _nobody)
    played = open_played(tmp_path / "c.mcap")
    assert [tick.line for tick in played.ticks()] == whole[made.first_tick - 1 : made.last_tick]
    assert 1 < made.first_tick < made.last_tick <= len(whole)
    assert played.head.digest().hex() == made.digest
    assert len(list(read_series(tmp_path / "c.mcap"))) < len(list(read_series(RECORDINGS / f"{name}.mcap")))
    assert verify(played, restores=3).same == made.last_tick - made.first_tick + 1
    with (tmp_path / "c.mcap").open("rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages()) > made.records
    with Recording(tmp_path / "c.mcap") as recording:
        assert recording.metadata["capsule"]["number"] == number


def test_partitions_and_an_incident_from_the_first_tick_on(tmp_path: Path) -> None:
    """All of fusion is in the state; where nothing comes before the evidence there is none, and all is played."""
    path, wanted = record(tmp_path / "a.mcap", 3, 1, by_time=True), kit.oracle(3)
    fire = next(one for tick in Street(path).ticks() for one in tick.said.record.incidents if one.type == "fire")
    made = encapsulate(path, fire.incident_id, tmp_path / "c.mcap", 1.0, _nobody)
    assert [t.line for t in open_played(tmp_path / "c.mcap").ticks()] == wanted[made.first_tick - 1 : made.last_tick]
    made = encapsulate(path, fire.incident_id, tmp_path / "d.mcap", 3600.0, _nobody)
    assert (made.first_tick, made.state_bytes) == (1, 0)
    assert [tick.line for tick in open_played(tmp_path / "d.mcap").ticks()] == wanted[: made.last_tick]


def test_other_types_are_tried_on_it(tmp_path: Path) -> None:
    """From its first tick on, as from any state."""
    encapsulate(RECORDINGS / "wrong-way.mcap", "0924-003", tmp_path / "c.mcap", 5.0, _nobody)
    own = (Path(city_brain.__file__).parent / "incidents/types/wrong_way.yaml").read_text()
    stricter = re.sub(r"travelled_min_m: .*", "travelled_min_m: 600.0", own).encode()
    ticks = open_played(tmp_path / "c.mcap", {"wrong_way.yaml": stricter}).ticks()
    assert {one.type for tick in ticks for one in tick.said.record.incidents} == {"pedestrian_on_carriageway"}


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """An incident that nobody said, a file in the way, a capsule of a capsule; nothing is written."""
    file = RECORDINGS / "wrong-way.mcap"
    with pytest.raises(RecordingError, match="wanted incident 0924-999"):
        encapsulate(file, "0924-999", tmp_path / "c.mcap", 5.0, _nobody)
    assert not list(tmp_path.iterdir())
    encapsulate(file, "0924-003", tmp_path / "c.mcap", 5.0, _nobody)
    with pytest.raises(RecordingError, match="wanted a file that is not there yet"):
        encapsulate(file, "0924-003", tmp_path / "c.mcap", 5.0, _nobody)
    with pytest.raises(RecordingError, match="wanted a whole recording"):
        encapsulate(tmp_path / "c.mcap", "0924-003", tmp_path / "d.mcap", 5.0, _nobody)
