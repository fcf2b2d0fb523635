"""Subscriptions: a filtered reader holds exactly what matches, and a slow one is cut without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.subscription import Subscription
from city_brain.incidents.incident import Incident
from tests.feeds.builders import a_filter, a_heartbeat, a_log, an_incident
from tests.feeds.test_change_log import lives

ACTIVE = a_filter(states=("active",))


def follow(subscription: Subscription, held: dict[str, Incident]) -> dict[str, Incident]:
    """What a reader holds once it has taken everything."""
    held = dict(held)
    while (delivery := subscription.take()) is not None:
        if delivery.no_longer_matches:
            del held[delivery.incident.incident_id]
        else:
            held[delivery.incident.incident_id] = delivery.incident
    return held


@given(lives(), st.sampled_from([ACTIVE, a_filter(), a_filter(states=("suspected", "ended"))]), st.data())
def test_a_reader_holds_exactly_what_matches(
    ticks: list[list[Incident]], wanted: IncidentFilter, data: st.DataObject
) -> None:
    """From a snapshot at any tick, resumed at any number, a reader ends with the matching incidents, told once each."""
    log = a_log(*ticks)
    start = data.draw(st.integers(0, len(ticks)))
    reader = Subscription(early := a_log(*ticks[:start]), wanted)
    held = {incident.incident_id: incident for incident in reader.snapshot()}
    resumed = Subscription(log, wanted, after=early.last_number)
    for _ in range(data.draw(st.integers(0, 5))):
        if (delivery := resumed.take()) is not None:
            held.pop(delivery.incident.incident_id, None)
            if not delivery.no_longer_matches:
                held[delivery.incident.incident_id] = delivery.incident
    held = follow(Subscription(log, wanted, after=resumed.position), held)
    assert held == {at.incident.incident_id: at.incident for at in log.snapshot() if wanted.matches(at.incident)}


def test_an_incident_that_leaves_the_filter_is_told_once() -> None:
    """The reader learns that it no longer matches; of what follows it hears nothing, until it matches again."""
    log = a_log()
    reader = Subscription(log, ACTIVE)
    told = []
    for revision, state in enumerate(["suspected", "active", "ended", "ended", "active"], start=1):
        log.append(revision, [an_incident("a", revision, state=state)], a_heartbeat(revision))
        delivery = reader.take()
        told.append((delivery.incident.revision, delivery.no_longer_matches) if delivery else None)
    assert told == [None, (2, False), (3, True), None, (5, False)]


def test_a_slow_reader_is_cut_and_loses_nothing() -> None:
    """At the limit it is refused with its position, and resumed from there it gets all the rest."""
    log = a_log([an_incident("a", 1)])
    reader = Subscription(log, a_filter(), queue_limit=3)
    for tick in range(1, 5):
        assert not reader.too_slow
        log.append(tick, [an_incident("a", tick + 1)], a_heartbeat(tick))
    assert reader.waiting == 4
    with pytest.raises(
        RefusedError, match="4 changes behind, more than the 3 that may wait; resume after 1"
    ) as refused:
        reader.take()
    assert refused.value.reason is Reason.READER_TOO_SLOW
    again = Subscription(log, a_filter(), after=int(refused.value.facts["position"]))
    assert follow(again, {})["a"].revision == 5


def test_what_was_there_before_does_not_make_a_reader_slow() -> None:
    """A reader with much to catch up may take its time; only what comes after it has come counts."""
    log = a_log(*([an_incident("a", revision)] for revision in range(1, 101)))
    reader = Subscription(log, a_filter(), after=0, queue_limit=3)
    log.append(100, [an_incident("a", 101)], a_heartbeat(100))
    assert reader.waiting == 1
    assert follow(reader, {})["a"].revision == 101
    assert reader.waiting == 0


def test_a_reader_whose_next_change_is_forgotten_is_cut() -> None:
    """The log does not wait for anybody; a reader that it has left behind is told, not given a gap."""
    log = a_log(*([an_incident("a", revision)] for revision in range(1, 11)), capacity=10)
    reader = Subscription(log, a_filter(), after=0, queue_limit=1_000)
    log.append(10, [an_incident("a", 11)], a_heartbeat(10))
    with pytest.raises(RefusedError) as refused:
        reader.take()
    assert refused.value.reason is Reason.READER_TOO_SLOW
