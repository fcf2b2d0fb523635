"""Whatever the findings: the desk's bytes depend on nothing but them, and every incident lives by the table."""

from itertools import pairwise
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain import snapshot
from city_brain.canonical import canonical_json
from city_brain.incidents.desk import Desk, DeskState
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident import Incident
from city_brain.incidents.lifecycle import OPEN, TRANSITIONS
from city_brain.incidents.tick_record import TickRecord
from tests.incidents.kit import CAMERAS, START_MS, evidence, finding, new_desk, types

KINDS = ("crash", "stopped_vehicle", "pedestrian_on_carriageway", "congestion", "fire", "crowd", "person_report")
TYPES = types()
Script = list[list[Finding]]


@st.composite
def findings(draw: st.DrawFn, tick: int) -> Finding:
    """A finding out of few places, keys and strengths, so that they meet often."""
    kind = draw(st.sampled_from(KINDS))
    key = draw(st.sampled_from("abc"))
    strength = draw(st.sampled_from((-2.0, 0.0, 1.0, 1.7, 2.5, 4.0)))
    x = draw(st.sampled_from((0.0, 12.0, 30.0, 90.0, 250.0)))
    cameras = draw(st.lists(st.sampled_from(CAMERAS), min_size=1, max_size=2, unique=True))
    pieces = tuple(evidence(f"w{n}", camera, strength + 1, at_s=tick) for n, camera in enumerate(cameras))
    queue = kind == "congestion"
    return finding(
        kind,
        key,
        x=x,
        log_odds=strength,
        at_s=draw(st.sampled_from((0, tick))),
        evidence=pieces,
        gone=draw(st.integers(0, 9)) == 0,
        path=((x, 0.0), (x + 60.0, 0.0)) if queue else (),
        causes=(draw(st.sampled_from("abc")),) if queue else (),
        about="fire" if kind == "person_report" else "",
        status=draw(st.sampled_from(("actual", "actual", "actual", "test"))),
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Findings tick by tick; spells of silence are long enough for incidents to end."""
    script: Script = []
    for tick in range(draw(st.integers(1, 12))):
        script.append(draw(st.lists(findings(tick), max_size=5)))
        script += [[] for _ in range(draw(st.sampled_from((0, 0, 0, 7, 45))))]
    return script


def play(script: Script, desk: Desk | None = None, first: int = 0) -> list[TickRecord]:
    """The records of a desk that reads the script as one partition."""
    desk = desk or new_desk(types=TYPES)
    return [desk.step(first + at, due_ms(first + at), [said]) for at, said in enumerate(script)]


def due_ms(tick: int) -> int:
    """When a tick closes."""
    return START_MS + 1000 * (tick + 3)


def revisions(records: list[TickRecord]) -> dict[str, list[Incident]]:
    """All revisions by incident, in order."""
    found: dict[str, list[Incident]] = {}
    for record in records:
        for incident in record.incidents:
            found.setdefault(incident.incident_id, []).append(incident)
    return found


@settings(max_examples=60)
@given(scripts(), st.integers(1, 4), st.integers())
def test_order_within_a_tick_and_split_over_partitions_do_not_show(script: Script, partitions: int, seed: int) -> None:
    chance = Random(seed)
    desk = new_desk(types=TYPES)
    for tick, (said, record) in enumerate(zip(script, play(script), strict=True)):
        shuffled = chance.sample(said, len(said))
        homes = [chance.randrange(partitions) for _ in shuffled]
        split = [[one for one, home in zip(shuffled, homes, strict=True) if home == p] for p in range(partitions)]
        assert desk.step(tick, due_ms(tick), split).to_line() == record.to_line()


@settings(max_examples=30)
@given(scripts())
def test_what_two_partitions_both_say_is_said_once(script: Script) -> None:
    desk = new_desk(types=TYPES)
    for tick, (said, record) in enumerate(zip(script, play(script), strict=True)):
        assert desk.step(tick, due_ms(tick), [said, said]).lines == record.lines


@settings(max_examples=60)
@given(scripts(), st.data())
def test_a_desk_restored_between_any_two_ticks_says_the_same(script: Script, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(script)))
    desk = new_desk(types=TYPES)
    records = play(script[:cut], desk)
    saved = snapshot.to_bytes(desk.state)
    restored = new_desk(types=TYPES, state=snapshot.from_bytes(DeskState, saved))
    assert snapshot.to_bytes(restored.state) == saved
    records += play(script[cut:], restored, cut)
    assert [record.to_line() for record in records] == [record.to_line() for record in play(script)]


@settings(max_examples=60)
@given(scripts())
def test_revisions_count_without_gaps_and_states_follow_the_table(script: Script) -> None:
    reachable = {(before, after) for (before, _), after in TRANSITIONS.items()}
    reachable |= {(a, d) for a, b in reachable for c, d in reachable if b == c}
    for history in revisions(play(script)).values():
        assert [incident.revision for incident in history] == list(range(1, len(history) + 1))
        assert history[0].state in OPEN
        for before, after in pairwise(history):
            assert before.state == after.state or (before.state, after.state) in reachable
            assert after.updated_ms > before.updated_ms
            assert before.detected_ms in (None, after.detected_ms)
            assert (before.number, before.type, before.status) == (after.number, after.type, after.status)
            unchanged = (before.state, before.reason) == (after.state, after.reason)
            assert not unchanged or after.updated_ms - before.updated_ms >= 10_000


@settings(max_examples=60)
@given(scripts())
def test_every_revision_agrees_with_itself(script: Script) -> None:
    numbers: dict[str, str] = {}
    for history in revisions(play(script)).values():
        for incident in history:
            assert numbers.setdefault(incident.number, incident.incident_id) == incident.incident_id
            assert (incident.state == "active") <= (incident.detected_ms is not None)
            assert (incident.state == "ended") == (incident.ended_ms is not None)
            assert (incident.state == "withdrawn") == (incident.reason is not None)
            assert 0.0 < incident.confidence < 1.0
            assert incident.evidence
            supporting = {source for item in incident.evidence if item.weight > 0 for source in item.sources}
            assert supporting <= set(incident.sources)


@settings(max_examples=60)
@given(scripts())
def test_a_finding_belongs_to_one_case_and_silence_empties_the_desk(script: Script) -> None:
    desk = new_desk(types=TYPES)
    for tick, said in enumerate(script):
        desk.step(tick, due_ms(tick), [said])
        held = [name for case in desk.state.cases.values() for name in case.absorbed]
        held += [f"{c.status}|{c.type}|{key}" for c in desk.state.cases.values() for key in c.members]
        assert set(desk.state.owner) <= set(held)
        assert set(desk.state.owner.values()) <= set(desk.state.cases)
    for tick in range(len(script), len(script) + 80):
        desk.step(tick, due_ms(tick) + 100_000 * (tick - len(script)), [])
    assert (desk.state.cases, desk.state.owner) == ({}, {})


@settings(max_examples=30)
@given(scripts())
def test_records_are_canonical_lines_and_read_back(script: Script) -> None:
    for record in play(script):
        line = record.to_line()
        assert TickRecord.from_line(line) == record
        assert canonical_json(msgspec.json.decode(line)) == line
