"""The whole synthetic city: one world of five minutes with everything in it, as bytes, as columns and as truth."""

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from city_brain.city.loading import load_city
from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.columns import GROUPS, Observations
from city_brain.observations.json_twin import from_lines
from city_brain.observations.vocabulary import Kind
from city_brain.scoring import read_identity, read_truth, score_pairs
from city_brain.synth import SynthCity, SynthSettings, write_world
from city_brain.synth.files import IDENTITY, MAP, OBSERVATIONS, TRUTH

SETTINGS = SynthSettings(
    seed=21,
    cameras=20,
    minutes=5,
    incidents_per_hour_per_100_cameras=600,
    reports_per_incident=3,
    garbage_fraction=0.004,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world as files."""
    where = tmp_path_factory.mktemp("world")
    write_world(SynthCity(SETTINGS), where)
    return where


def _lines(folder: Path) -> list[bytes]:
    return zstandard.ZstdDecompressor().stream_reader((folder / OBSERVATIONS).read_bytes()).read().split(b"\n")[:-1]


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[bytes]:
    """The observation lines of the world."""
    return _lines(folder)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Any]:
    """What really happened in it."""
    return json.loads((folder / TRUTH).read_bytes())  # type: ignore[no-any-return]


def test_lines_arrive_in_order_and_are_of_all_kinds(lines: list[bytes]) -> None:
    parsed = from_lines(lines).observations
    assert (np.diff(parsed.common.arrival_ms) >= 0).all()
    assert set(np.unique(parsed.common.kind).tolist()) == set(map(int, Kind))
    assert (np.diff(parsed.common.event_ms) < -500).any()


def test_the_wire_counts_add_up(lines: list[bytes], truth: dict[str, Any]) -> None:
    wire = truth["wire"]
    said = sum(wire[kind] for kind in ("detection", "signal", "sensor", "report"))
    assert len(lines) == said - wire["dropped"] + wire["duplicates"] + wire["garbage"]
    assert all(wire[name] > 0 for name in ("dropped", "duplicates", "garbage", "report"))


def test_garbage_is_of_many_kinds_and_admission_finds_it(
    folder: Path, lines: list[bytes], truth: dict[str, Any]
) -> None:
    parsed = from_lines(lines)
    table = AdmissionTable.from_city(load_city((folder / MAP).read_bytes()))
    rows, refused = admit(parsed.observations, 0, 0, table)
    reasons = {reject.reason for reject in parsed.rejected}
    assert len(reasons) >= 6
    # An empty line is passed over; a spoilt copy may still make sense, as any row may.
    found = len(parsed.rejected) + parsed.observations.n - rows.n
    assert truth["wire"]["garbage"] * 0.9 <= found <= truth["wire"]["garbage"] * 1.1 + 5
    assert rows.n + len(refused.row) == parsed.observations.n


def _words(observations: Observations, column: np.ndarray) -> list[str | None]:
    return [observations.strings[k] if k >= 0 else None for k in column.tolist()]


def test_columns_say_what_the_lines_say() -> None:
    settings = SynthSettings(seed=9, cameras=8, minutes=0.6, garbage_fraction=0.02, warm_up_s=20)
    for block in SynthCity(settings).blocks():
        ours, theirs = block.observations(), from_lines(block.lines()).observations
        assert ours.n == theirs.n
        for name, (_, group) in GROUPS.items():
            for column, spec in group.specs.items():
                a, b = getattr(getattr(ours, name), column), getattr(getattr(theirs, name), column)
                if spec.text:
                    assert _words(ours, a) == _words(theirs, b), (name, column)
                else:
                    np.testing.assert_array_equal(a, b, err_msg=f"{name}.{column}")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    settings = [SynthSettings(seed=seed, cameras=8, minutes=0.7, warm_up_s=20) for seed in (3, 3, 4)]
    for k, one in enumerate(settings):
        write_world(SynthCity(one), tmp_path / str(k))
    for name in (OBSERVATIONS, MAP, TRUTH, IDENTITY):
        first, again, other = ((tmp_path / str(k) / name).read_bytes() for k in range(3))
        assert first == again
        assert first != other


def test_a_quiet_world_has_hard_negatives_and_no_incidents() -> None:
    truth = SynthCity(SynthSettings(seed=5, cameras=30, minutes=3, quiet=True, warm_up_s=60)).truth()
    assert [incident for incident in truth["incidents"] if not incident["ignore"]] == truth["coverage_lost"] == []
    assert len(truth["distractors"]) > 0


def test_the_truth_has_times_in_order_and_places_on_the_map(truth: dict[str, Any]) -> None:
    assert len(truth["incidents"]) >= 4
    for incident in truth["incidents"] + truth["coverage_lost"]:
        assert truth["start_ms"] <= incident["grey_from"] <= incident["start"] <= incident["end"] <= truth["end_ms"]
        assert incident["observable_from"] >= incident["start"]
        assert incident["ignore"] or sum(incident["sources"].values()) >= 3
    ids = [incident["incident_id"] for incident in truth["incidents"]]
    assert len(ids) == len(set(ids))


def test_the_reference_scorer_reads_the_truth_and_a_perfect_answer_is_perfect(
    shared: Path, truth: dict[str, Any]
) -> None:
    spec = importlib.util.spec_from_file_location("reference_score", shared / "scenarios" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    answers = reference.load_incidents(json.dumps(answer) for answer in reference.perfect(truth))
    whole = reference.score([(truth, answers)])["overall"]
    assert whole["f1"] == 1
    read_truth(json.dumps(truth).encode())


def test_identity_names_every_tracklet_that_was_sent(folder: Path, lines: list[bytes]) -> None:
    identity = read_identity((folder / IDENTITY).read_bytes())
    rows = from_lines(lines).observations
    source = rows.common.source[rows.rows_of(Kind.DETECTION)].tolist()
    known = Counter(
        f"{rows.strings[s]}|{track}" in identity
        for s, track in zip(source, rows.detections.track.tolist(), strict=True)
    )
    assert known[False] <= 0.001 * known[True]
    assert all(first <= last for _, first, last in identity.values())
    tracks = []
    for key, (name, _, _) in identity.items():
        camera, track = key.split("|")
        tracks.append(json.dumps({"source_id": camera, "track_id": int(track), "object_id": name}))
    perfect = score_pairs(identity, tracks)
    assert perfect.pair_f1 == 1
    assert perfect.true_pairs > 100


def test_tracklets_delays_and_clocks_are_like_those_of_real_cities(folder: Path, lines: list[bytes]) -> None:
    """Half of the tracklets last 4 to 14 s; the median delay above a source's floor is .1 to .3 s; skew is within 2 s."""
    identity = read_identity((folder / IDENTITY).read_bytes())
    lasted = np.array([(last - first) / 1000 + 1 for _, first, last in identity.values()])
    assert 4 <= np.median(lasted) <= 14
    assert 0.05 < float((lasted <= 2).mean()) < 0.4
    common = from_lines(lines).observations.common
    sane = np.abs(common.arrival_ms - common.event_ms) < 70_000
    source, delay = common.source[sane], (common.arrival_ms - common.event_ms)[sane]
    counts = np.bincount(source)
    floors = np.full(len(counts), np.inf)
    np.minimum.at(floors, source, delay)
    busy = counts > 200
    above = (delay - floors[source])[busy[source]]
    assert 80 < np.median(above) < 350
    assert np.quantile(above, 0.99) > 700
    assert np.abs(floors[busy]).max() < 3_500
    assert np.ptp(floors[busy]) > 1_000


def test_memory_is_what_is_under_way() -> None:
    """Nothing but the records of events stays behind: messages under way and open tracklets do not grow with time."""
    city = SynthCity(SynthSettings(seed=2, cameras=10, minutes=4, warm_up_s=60))
    sizes = [block.n for block in city.blocks()]
    assert max(sizes[60:240]) < 3 * max(sizes[20:60]) + 50
