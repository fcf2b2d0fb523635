"""The recordings in `playback/recordings` say what is expected of them, and a planted regression is found in them."""

import dataclasses
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from mcap.reader import make_reader

import city_brain
from city_brain.errors import RecordingError, SettingsError
from city_brain.pipeline.configuration import Change
from city_brain.playback.comparing.diverging import first_divergence
from city_brain.playback.comparing.goldens import add, bless, check, goldens
from city_brain.playback.street import Street
from tests.cli.readme import fingerprint
from tests.distributed import kit
from tests.playback.making import MADE_OF, RECORDINGS, SEEDS, make
from tests.playback.recorded import record

TYPES = Path(city_brain.__file__).parent / "incidents" / "types"
NAMES = ("crash-and-plume", "dark-signal", "wrong-way")


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_says_what_is_expected(name: str) -> None:
    """To the byte; and the official reader opens it."""
    checked = check(RECORDINGS / f"{name}.mcap")
    assert checked.differs == ""
    assert checked.incidents.same > 0
    with (RECORDINGS / f"{name}.mcap").open("rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages()) > 1000


def test_each_of_them_is_checked() -> None:
    """They are small, and none lies there without expectations."""
    assert [path.stem for path in goldens([RECORDINGS])] == list(NAMES)
    assert sorted(path.stem for path in RECORDINGS.glob("*.mcap")) == list(NAMES)
    assert max(path.stat().st_size for path in RECORDINGS.glob("*")) <= 300_000


@pytest.mark.parametrize("name", SEEDS)
def test_a_recording_is_made_again_bit_for_bit(name: str, tmp_path: Path) -> None:
    """From its seed, so that nobody has to believe in a binary file; where numpy makes the same traffic."""
    made = make(name, tmp_path).read_bytes()
    same_traffic = fingerprint(tmp_path / "world") == MADE_OF[name]
    assert (made == (RECORDINGS / f"{name}.mcap").read_bytes()) == same_traffic


def _planted(kind: str, parameter: str, value: str) -> dict[str, bytes]:
    """The built-in type with one parameter changed."""
    own = (TYPES / f"{kind}.yaml").read_text()
    changed = re.sub(rf"(?m)^( *){parameter}: .*$", rf"\g<1>{parameter}: {value}", own)
    assert changed != own
    return {f"{kind}.yaml": changed.encode()}


@pytest.mark.parametrize(
    ("name", "kind", "path", "value"),
    [
        ("wrong-way", "wrong_way", "parameters.travelled_min_m", "60.0"),
        ("wrong-way", "pedestrian_on_carriageway", "open_log_odds", "9.0"),
        ("crash-and-plume", "crash", "open_log_odds", "9.0"),
        ("crash-and-plume", "crash", "parameters.brake_weight_max", "0.6"),
        ("crash-and-plume", "pollution", "parameters.lasting_weight", "1.5"),
        ("dark-signal", "signal_fault", "parameters.prior_log_odds", "-9.0"),
    ],
)
def test_a_planted_regression_is_found(name: str, kind: str, path: str, value: str) -> None:
    """The type and the parameter that was changed are named, and a record that spoke for the incident."""
    file = RECORDINGS / f"{name}.mcap"
    found = first_divergence(Street(file), Street(file, _planted(kind, path.rpartition(".")[2], value)))
    assert found is not None
    assert (found.type, [(one.type, one.path) for one in found.parameters]) == (kind, [(kind, path)])
    assert found.parameters[0].after == str(float(value))
    assert found.inputs and all(one.topic and one.offset >= 0 for one in found.inputs)
    assert len(set(found.inputs)) == len(found.inputs)


def test_a_rule_that_was_changed_amid_a_recording_is_named(tmp_path: Path) -> None:
    """The types that hold at the tick are compared, not those that the city began with."""
    began = Change.from_bytes(kit.first_configuration())
    changed = began.with_types(_planted("fire", "open_log_odds", "9.0"))
    stricter = msgspec.structs.replace(changed, since_ms=1).to_bytes()
    left = record(tmp_path / "a.mcap", 1, 1)
    right = record(tmp_path / "b.mcap", 1, 1, logs=kit.with_changes([(1, stricter)]))
    found = first_divergence(Street(left), Street(right))
    assert found is not None
    assert [(one.type, one.path, one.after) for one in found.parameters] == [("fire", "open_log_odds", "9.0")]


def test_where_nothing_differs_nothing_parts() -> None:
    """Also where a type is written otherwise and means the same."""
    file = RECORDINGS / "dark-signal.mcap"
    other = {"fire.yaml": b"# other words\n" + (TYPES / "fire.yaml").read_bytes()}
    assert first_divergence(Street(file), Street(file, other)) is None


def test_plays_of_different_times_are_not_compared(tmp_path: Path) -> None:
    """They have no tick in common in which they could part."""
    later = [[dataclasses.replace(one, stamp_ms=one.stamp_ms + 3_600_000) for one in log] for log in kit.raw_logs()]
    left, right = record(tmp_path / "a.mcap", 1, 1), record(tmp_path / "b.mcap", 1, 1, logs=later)
    with pytest.raises(RecordingError, match="wanted tick"):
        first_divergence(Street(left), Street(right))


def test_what_is_expected_is_written_once_and_renewed_on_request(tmp_path: Path) -> None:
    """`add` refuses to write over it; `bless` tells what changes, and from then on it is expected."""
    file = tmp_path / "a.mcap"
    shutil.copy(RECORDINGS / "dark-signal.mcap", file)
    with pytest.raises(SettingsError, match="wanted recordings"):
        list(goldens([tmp_path]))
    add(file)
    assert check(file).differs == ""
    assert (tmp_path / "a.incidents.jsonl").read_bytes() == (RECORDINGS / "dark-signal.incidents.jsonl").read_bytes()
    with pytest.raises(SettingsError, match="wanted none yet"):
        add(file)
    shutil.copy(RECORDINGS / "wrong-way.mcap", file)
    blessed = bless(file)
    assert "wanted 122 ticks with digest" in blessed.differs and "other map" in blessed.differs
    assert {one.what for one in blessed.incidents.found} == {"added", "removed"}
    assert check(file).differs == ""
    lines = (tmp_path / "a.incidents.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.incidents.jsonl").write_bytes(b"".join(lines[:-1]))
    assert "wanted the revisions that its digest stands for" in check(file).differs
    (tmp_path / "a.golden.json").write_bytes(b"{}")
    with pytest.raises(RecordingError, match=r"a\.golden\.json: wanted what is expected"):
        check(file)
