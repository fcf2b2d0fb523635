"""The gate's judgement: pairs, figures and bounds, over incidents made for it."""

import msgspec
import pytest

from city_brain.errors import SettingsError
from city_brain.incidents.incident import Incident, Place, incident_line
from city_brain.playback.gating import Bounds, Policy, Said, judge, markdown
from city_brain.scoring import Truth, read_answers
from city_brain.scoring.records import TrueIncident

CRASH = Incident(
    incident_id="a", revision=1, number="0611-001", type="crash", status="confirmed", state="active", reason=None,
    confidence=0.9, level="II", lon=120.0, lat=30.0, position_error_m=5.0, radius_m=None, geometry=None,
    first_seen_ms=90_000, detected_ms=100_000, updated_ms=100_000, ended_ms=None, sources=(), place=Place(),
    evidence=(),
)  # fmt: skip
TRUTH = Truth(4, 0, 1_800_000, (TrueIncident("t", "crash", 90_000, 90_000, 400_000, 120.0, 30.0, 5.0),))


def _at(incident: Incident, **changes: object) -> Incident:
    return msgspec.structs.replace(incident, **changes)


def _said(*incidents: Incident, truth: Truth | None = None) -> Said:
    lines = [incident_line(incident) for incident in incidents]
    answers = tuple(read_answers(lines))
    return Said(place="day", hours=0.5, incidents=tuple(incidents), answers=answers, truth=truth)


FIRE = _at(CRASH, incident_id="b", number="0611-002", type="fire", detected_ms=200_000)


def test_the_same_answer_changes_nothing() -> None:
    """Whatever its incidents are called."""
    judged = judge([_said(CRASH, FIRE)], [_said(_at(CRASH, incident_id="x"), FIRE)], Policy())
    assert (judged.changes, judged.blocked) == ((), ())
    assert (judged.whole.before, judged.whole.after, judged.whole.alarms_per_hour_after) == (2, 2, 4.0)


def test_gained_lost_and_moved_are_told_apart() -> None:
    """By type, place and time; the figures of a type are its own."""
    later = _at(CRASH, detected_ms=130_000, level="I")
    other = _at(CRASH, incident_id="c", number="0611-003", lat=30.1)
    judged = judge([_said(CRASH, FIRE)], [_said(later, other)], Policy())
    assert [(change.what, change.type, change.later_s) for change in judged.changes] == [
        ("gained", "crash", 0.0), ("moved", "crash", 30.0), ("lost", "fire", 0.0),
    ]  # fmt: skip
    assert (judged.types["crash"].gained, judged.types["crash"].moved, judged.types["crash"].lost) == (1, 1, 0)
    assert (judged.types["fire"].lost, judged.whole.latest_s) == (1, 30.0)
    assert judged.blocked == ("all types, lost: wanted at most 0, got 1",)
    told = markdown(judged, str)
    assert told.startswith("# Back-test: blocked\n")
    assert "- moved: crash 0611-001 → 0611-001, 130000, day: +30 s, 0 m, level II → I\n" in told


@pytest.mark.parametrize(
    ("bounds", "broken"),
    [
        (Bounds(later_s=1.5), "later_s: wanted at most 1.5, got 1.9"),
        (Bounds(later_s=1.9), ""),
        (Bounds(gained=0), "gained: wanted at most 0, got 1"),
        (Bounds(alarms_per_hour=3), "alarms_per_hour: wanted at most 3, got 4"),
        (Bounds(moved=0, lost=0, alarms_per_hour=4, gained=1), ""),
    ],
)
def test_each_bound_blocks(bounds: Bounds, broken: str) -> None:
    """Over all, and over one type; what is at the bound may pass. A delay too small to be told as moved counts too."""
    after = [_said(_at(CRASH, detected_ms=101_900), _at(CRASH, incident_id="c", lon=121.0))]
    for policy, name in (
        (Policy(whole=bounds), "all types"),
        (Policy(whole=Bounds(), types={"crash": bounds}), "crash"),
    ):
        assert judge([_said(CRASH)], after, policy).blocked == ((f"{name}, {broken}",) if broken else ())


def test_truth_tells_recall_and_false_alarms() -> None:
    """Before and after; a policy that asks for it in vain is refused."""
    false = _at(CRASH, incident_id="c", lat=30.2)
    policy = Policy(whole=Bounds(recall=0.9, false_alarms=0))
    judged = judge([_said(CRASH, truth=TRUTH)], [_said(false, truth=TRUTH)], policy)
    whole = judged.whole
    assert (whole.recall_before, whole.recall_after, whole.false_before, whole.false_after) == (1.0, 0.0, 0, 1)
    assert judged.blocked == (
        "all types, false_alarms: wanted at most 0, got 1", "all types, recall: wanted at least 0.9, got 0",
    )  # fmt: skip
    assert judge([_said(CRASH, truth=TRUTH)], [_said(CRASH, truth=TRUTH)], policy).blocked == ()
    with pytest.raises(SettingsError, match="wanted a truth beside every recording"):
        judge([_said(CRASH)], [_said(CRASH)], policy)
    with pytest.raises(SettingsError, match="recall: wanted 0 to 1"):
        Bounds(recall=2)
