"""Scoring: the rules by small cases, and every figure against the reference scorer where shared data is present."""

import importlib.util
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from city_brain.errors import RecordingError
from city_brain.scoring import read_answers, read_identity, read_truth, score, score_pairs, score_worlds, table
from city_brain.scoring.records import GATE_M

T0 = 1_772_409_600_000
TYPES = [name for name in GATE_M if name != "coverage_lost"]
DEGREES_PER_30_M = 30 / 111_320


def _true(k: int, **other: Any) -> dict[str, Any]:
    start = T0 + 60_000 * k
    return {
        "incident_id": f"T{k}",
        "type": TYPES[k % len(TYPES)],
        "start": start,
        "observable_from": start + 5000,
        "end": start + 200_000,
        "lon": 117.1 + 0.01 * (k % 7),
        "lat": 36.6 + 0.012 * (k // 7),
        "radius_m": 20,
        "severity": 2,
        "ignore": False,
        "note": "",
        "grey_from": start,
        "sources": {},
        "extent": [],
    } | other


def _truth(count: int = 44, ignored_from: int = 40) -> dict[str, Any]:
    return {
        "cameras": 50,
        "start_ms": T0,
        "end_ms": T0 + 3_600_000,
        "incidents": [_true(k, ignore=k >= ignored_from) for k in range(count)],
        "distractors": [{"kind": "ghost", "start": T0, "end": T0 + 9_000_000, "lon": 117.3, "lat": 36.9}],
    }


def _perfect(truth: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "incident_id": t["incident_id"],
            "revision": 1,
            "type": t["type"],
            "lon": t["lon"],
            "lat": t["lat"],
            "detected_ms": t["observable_from"],
            "ended_ms": t["end"],
            "confidence": 0.9,
        }
        for t in truth["incidents"]
        if not t["ignore"]
    ]


def _bad(truth: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """Misses half, is late and 30 m off, in four copies, and cries wolf."""
    out: list[dict[str, Any]] = []
    for answer in _perfect(truth)[::2]:
        late = answer | {"detected_ms": answer["detected_ms"] + 90_000, "lat": answer["lat"] + DEGREES_PER_30_M}
        out += [late | {"incident_id": f"{answer['incident_id']}-{copy}"} for copy in range(4)]
    wolf = {"lon": 117.3, "lat": 36.9, "ended_ms": None}
    for k in range(100):
        out.append(
            wolf
            | {"incident_id": f"x{k}", "type": chance.choice(TYPES), "detected_ms": T0 + chance.randrange(3_600_000)}
        )
    return out


def _random(truth: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """Answers about true and wrong places at random times, under random and aliased types, in revisions."""
    out = []
    for k in range(chance.randrange(10, 150)):
        near = chance.choice(truth["incidents"])
        said = chance.choice([*TYPES, "jam", "accident", "flood", "plume", "breakdown", near["type"], near["type"]])
        for revision in range(chance.randrange(1, 4)):
            when = near["start"] + chance.randrange(-200_000, 400_000)
            out.append(
                {
                    "incident_id": f"I{k}",
                    "revision": revision,
                    "type": chance.choice([said, said, said, "crash"]),
                    "lon": near["lon"] + chance.gauss(0, 0.0004),
                    "lat": near["lat"] + chance.gauss(0, 0.0004),
                    "detected_ms": chance.choice([None, when, when, when]),
                    "ended_ms": chance.choice([None, when + 100_000]),
                }
            )
    return out


def _lines(answers: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(answer) for answer in answers]


def _ours(truth: dict[str, Any], answers: list[dict[str, Any]]) -> Any:
    return score(read_truth(json.dumps(truth).encode()), read_answers(_lines(answers)))


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    """The reference scorer."""
    spec = importlib.util.spec_from_file_location("reference_score", shared / "scenarios" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _assert_equal(ours: Any, theirs: dict[str, Any]) -> None:
    plain = msgspec.to_builtins(ours)
    assert {name: plain[name] for name in theirs} == theirs
    assert list(plain["types"]) == list(theirs["types"])


def test_a_perfect_answer_is_perfect() -> None:
    result = _ours(_truth(), _perfect(_truth()))
    whole = result.overall
    assert (whole.detection_rate, whole.precision, whole.f1, whole.s4) == (1, 1, 1, 1)
    assert (whole.false_alarms, whole.duplicates_per_detected, whole.gospa_m) == (0, 0, 0)
    assert (result.missed, result.false) == ((), ())


def test_a_bad_answer_shows_in_every_figure() -> None:
    truth = _truth()
    result = _ours(truth, _bad(truth, random.Random(7)))
    whole = result.overall
    assert (whole.detection_rate, whole.false_alarms, whole.duplicates_per_detected) == (0.5, 100, 3)
    assert whole.ttd_s.mean == pytest.approx(90)
    assert whole.location_error_m.mean == pytest.approx(30, abs=0.1)
    assert whole.fa_per_hour_per_100_cameras == 200
    assert len(result.missed) == 20
    assert {alarm.distractor for alarm in result.false} == {"ghost"}


def test_nothing_announced_detects_nothing_and_raises_no_alarm() -> None:
    result = _ours(_truth(), [answer | {"detected_ms": None} for answer in _perfect(_truth())])
    assert (result.produced, result.overall.detection_rate, result.overall.false_alarms) == (0, 0, 0)


def test_a_related_type_alone_is_mistyped_and_with_the_right_one_a_duplicate() -> None:
    truth = _truth() | {"incidents": [_true(1)]}
    right = _perfect(truth)[0]
    wrong = right | {"incident_id": "other", "type": "breakdown"}
    alone = _ours(truth, [wrong])
    assert (alone.mistyped, alone.overall.detected, alone.overall.false_alarms) == (1, 0, 0)
    assert alone.missed[0].mistyped_as == "stopped_vehicle"
    both = _ours(truth, [wrong, right])
    assert (both.mistyped, both.overall.detected, both.overall.duplicates_per_detected) == (0, 1, 1)


def test_what_fits_only_a_truth_to_be_ignored_counts_for_nothing() -> None:
    truth = _truth() | {"incidents": [_true(1, ignore=True)]}
    result = _ours(truth, _perfect(truth | {"incidents": [_true(1)]}))
    assert (result.ignored, result.overall.false_alarms, result.overall.true) == (1, 0, 0)


def test_lost_coverage_is_scored_apart_where_the_truth_knows_of_it() -> None:
    lost = _true(3, type="coverage_lost")
    answer = {
        "incident_id": "c",
        "type": "coverage_lost",
        "lon": lost["lon"],
        "lat": lost["lat"],
        "detected_ms": lost["start"],
    }
    truth = _truth()
    assert _ours(truth, [answer]).overall.false_alarms == 1
    apart = _ours(truth | {"coverage_lost": [lost]}, [answer])
    assert apart.overall.false_alarms == 0
    assert (apart.coverage.detected, apart.coverage.true) == (1, 1)


def test_confidence_is_held_against_truth_in_bins() -> None:
    truth = _truth()
    answers = [answer | {"confidence": 0.75} for answer in _perfect(truth)[:3]]
    answers.append(answers[0] | {"incident_id": "w", "lon": 118.0, "confidence": 0.72})
    (only,) = _ours(truth, answers).confidence
    assert (only.low, only.count, only.true_share) == (0.7, 4, 0.75)


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"{", "truth"), (b'{"cameras": 1, "start_ms": 0, "end_ms": 1}', "incidents")],
)
def test_what_is_no_truth_is_refused_with_the_reason(text: bytes, said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        read_truth(text)


@pytest.mark.parametrize(
    "line", ["[1]", '{"type": "crash"}', '{"incident_id": "a", "type": "crash", "detected_ms": 1}']
)
def test_a_line_that_is_no_incident_is_refused(line: str) -> None:
    with pytest.raises(RecordingError, match="incident"):
        read_answers([line])


def test_a_truth_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(RecordingError, match="T1: wanted a type of"):
        read_truth(json.dumps(_truth() | {"incidents": [_true(1, type="landslide")]}).encode())


def test_the_table_names_what_was_missed_and_announced_for_nothing() -> None:
    truth = _truth()
    text = table(_ours(truth, _bad(truth, random.Random(7))), lambda ms: f"at {ms:.0f}")
    assert "OVERALL" in text
    assert "missed T1 crash at " in text
    assert "recall: share of the real ones that was announced" in text
    assert "nearest: ghost at 0 m" in text


@pytest.mark.parametrize("seed", range(12))
def test_every_figure_equals_the_reference_scorers(reference: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    worlds = [_truth(chance.randrange(1, 50), 30) for _ in range(chance.randrange(1, 4))]
    make = [lambda truth, _: _perfect(truth), _bad, _random, _random][seed % 4]
    answers = [make(truth, chance) for truth in worlds]
    theirs = reference.score(
        [(truth, reference.load_incidents(_lines(told))) for truth, told in zip(worlds, answers, strict=True)]
    )
    ours = score_worlds(
        (read_truth(json.dumps(truth).encode()), read_answers(_lines(told)))
        for truth, told in zip(worlds, answers, strict=True)
    )
    _assert_equal(ours, theirs)


def test_the_truth_of_a_shared_world_scores_as_the_reference_does(reference: ModuleType, shared: Path) -> None:
    chance = random.Random(5)
    for world in sorted((shared / "scenarios" / "tune").iterdir()):
        data = (world / "truth.json").read_bytes()
        truth = json.loads(data)
        for answers in (_perfect(truth), _random(truth, chance)):
            theirs = reference.score([(truth, reference.load_incidents(_lines(answers)))])
            _assert_equal(score(read_truth(data), read_answers(_lines(answers))), theirs)


def _identity(chance: random.Random, count: int) -> dict[str, tuple[str, int, int]]:
    out = {}
    for k in range(count):
        first = T0 + chance.randrange(300_000)
        out[f"cam-{chance.randrange(9)}|{k}"] = (f"v{chance.randrange(40)}", first, first + chance.randrange(60_000))
    return out


@pytest.mark.parametrize("seed", range(6))
def test_pairs_equal_the_reference_scorers(reference: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    identity = _identity(chance, 300)
    tracks = []
    for key, (name, _, _) in identity.items():
        source, track = key.split("|")
        told = name if chance.random() < 0.7 else f"o{chance.randrange(30)}"
        if chance.random() < 0.9:
            tracks.append(json.dumps({"source_id": source, "track_id": int(track), "object_id": told}))
    plain = json.loads(json.dumps(identity))
    assert msgspec.to_builtins(score_pairs(identity, tracks)) == reference.pairwise(plain, tracks)


def test_one_object_for_all_has_full_recall_and_poor_precision() -> None:
    identity = read_identity(
        b'{"a|1":["v1",0,9],"b|1":["v1",0,9],"a|2":["v2",0,9],"b|2":["v2",0,9],"c|1":["v1",99999,99999]}'
    )
    tracks = [json.dumps({"source_id": key[0], "track_id": int(key[2]), "object_id": "all"}) for key in identity]
    result = score_pairs(identity, tracks)
    assert (result.pair_precision, result.pair_recall) == (0.5, 1)
