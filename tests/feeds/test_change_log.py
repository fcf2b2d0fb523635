"""The change log: snapshot and updates agree, numbers resume, limits are kept and said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import StateError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident
from city_brain.snapshot import from_bytes, to_bytes
from tests.feeds.builders import a_heartbeat, a_log, an_incident

STATES = st.sampled_from(["suspected", "active", "ended", "withdrawn"])


@st.composite
def lives(draw: st.DrawFn) -> list[list[Incident]]:
    """Ticks with revisions of a few incidents, each revision following the one before."""
    revisions: dict[str, int] = {}
    ticks = []
    for named in draw(st.lists(st.lists(st.tuples(st.sampled_from("abcd"), STATES), max_size=4), max_size=12)):
        tick = []
        for incident_id, state in named:
            revisions[incident_id] = revisions.get(incident_id, 0) + 1
            tick.append(an_incident(incident_id, revisions[incident_id], state=state))
        ticks.append(tick)
    return ticks


@given(lives())
def test_a_snapshot_and_the_changes_after_it_are_all_there_is_to_know(ticks: list[list[Incident]]) -> None:
    """Whoever takes the snapshot after any tick and follows the changes holds what the log holds in the end."""
    log = a_log()
    snapshots = [(0, {})]
    for tick, incidents in enumerate(ticks):
        log.append(tick, incidents, a_heartbeat(tick))
        snapshots.append((log.last_number, {held.incident.incident_id: held.incident for held in log.snapshot()}))
    for number, held in snapshots:
        follower = dict(held)
        for change in log.after(number):
            assert change.previous == follower.get(change.incident.incident_id)
            follower[change.incident.incident_id] = change.incident
        assert follower == snapshots[-1][1]


@given(lives(), st.integers(1, 5), st.integers(0, 3))
def test_limits_forget_the_oldest_and_nothing_else(
    ticks: list[list[Incident]], capacity: int, closed_kept: int
) -> None:
    """The newest changes can be had, older ones are refused; open incidents stay, of the closed ones the last."""
    log = a_log(*ticks, capacity=capacity, closed_kept=closed_kept)
    everything = [incident for tick in ticks for incident in tick]
    assert log.last_number == len(everything)
    assert log.first_number == max(1, len(everything) - capacity + 1)
    log.check_resume(log.first_number - 1)
    assert [change.incident for change in log.after(log.first_number - 1)] == everything[log.first_number - 1 :]
    if log.first_number > 1:
        with pytest.raises(RefusedError) as refused:
            log.check_resume(log.first_number - 2)
        assert refused.value.reason is Reason.HISTORY_GONE
    newest = {incident.incident_id: incident for incident in everything}
    is_open = {name: incident.state in ("suspected", "active") for name, incident in newest.items()}
    held = {held.incident.incident_id for held in log.snapshot()}
    assert {name for name in newest if is_open[name]} <= held
    assert len([name for name in held if not is_open[name]]) <= closed_kept


@given(lives(), st.integers(0, 12))
def test_a_log_goes_to_bytes_and_back(ticks: list[list[Incident]], cut: int) -> None:
    """A restored log continues as if nothing had happened."""
    whole = a_log(*ticks, capacity=5)
    restored = from_bytes(ChangeLog, to_bytes(a_log(*ticks[:cut], capacity=5)))
    for tick, incidents in list(enumerate(ticks))[cut:]:
        restored.append(tick, incidents, a_heartbeat(tick))
    assert list(restored.after(restored.first_number - 1)) == list(whole.after(whole.first_number - 1))
    assert restored.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("after", "feed_id", "reason", "said"),
    [
        (1, "jinan-1", Reason.HISTORY_GONE, "the history begins with 3"),
        (5, "jinan-1", Reason.NUMBER_NOT_REACHED, "the last one is 4"),
        (3, "jinan-0", Reason.OTHER_FEED, "of feed jinan-0"),
    ],
)
def test_a_number_that_cannot_be_resumed_is_refused_with_the_reason(
    after: int, feed_id: str, reason: Reason, said: str
) -> None:
    """Too old, not yet given, or counted by another feed: never a silent gap."""
    log = a_log(*([an_incident("a", revision)] for revision in range(1, 5)), capacity=2)
    with pytest.raises(RefusedError, match=said) as refused:
        log.check_resume(after, feed_id)
    assert refused.value.reason is reason
    assert refused.value.facts["first"] == "3"
    assert refused.value.facts["last"] == "4"


def test_a_tick_that_the_log_has_is_left_alone() -> None:
    """A writer that repeats itself after a restart changes nothing."""
    log = a_log([an_incident("a")], [])
    assert log.append(0, [an_incident("a")], a_heartbeat(0)) is False
    assert log.append(1, [an_incident("b")], a_heartbeat(1)) is False
    assert log.last_number == 1


@pytest.mark.parametrize(
    ("tick", "incidents", "said"),
    [
        (3, [an_incident("b")], "wanted tick 1, got 3"),
        (1, [an_incident("b"), an_incident("a", 3)], "incident a: wanted revision 2, got 3"),
        (1, [an_incident("b"), an_incident("a", 1)], "incident a: wanted revision 2, got 1"),
        (1, [an_incident("b"), an_incident("a", 2), an_incident("a", 2)], "wanted revision 3, got 2"),
    ],
)
def test_a_gap_stops_the_log_before_it_takes_anything(tick: int, incidents: list[Incident], said: str) -> None:
    """A tick or revision that does not follow is an error of the writer, and no part of the tick is taken."""
    log = a_log([an_incident("a")])
    with pytest.raises(StateError, match=said):
        log.append(tick, incidents, a_heartbeat(tick))
    assert (log.last_number, log.last_tick) == (1, 0)
    assert log.append(1, [an_incident("a", 2)], a_heartbeat(1))


def test_what_is_not_held_is_not_found() -> None:
    """An unknown incident, and one forgotten, are refused alike."""
    log = a_log([an_incident("a", state="ended")], [an_incident("b", state="withdrawn")], closed_kept=1)
    assert log.get("b").incident.state == "withdrawn"
    for incident_id in ("a", "never"):
        with pytest.raises(RefusedError) as refused:
            log.get(incident_id)
        assert refused.value.reason is Reason.NO_SUCH_INCIDENT
