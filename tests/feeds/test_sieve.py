"""The sieve: it spares work, and is never noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import LEVELS, STATES, Circle, IncidentFilter, Wanted
from city_brain.feeds.scopes.scope import ScopedFilter
from city_brain.feeds.sifting.sieve import Sieve
from city_brain.feeds.subscription import Delivery, Subscription
from tests.feed_chaos.story import Story, heartbeat
from tests.feeds.builders import AREAS, NAMES, TYPES, a_filter

WANTED = st.builds(
    Wanted,
    types=st.sets(st.sampled_from(sorted(TYPES.by_name)), max_size=2).map(lambda found: tuple(sorted(found))),
    states=st.sets(st.sampled_from(STATES), max_size=3).map(lambda found: tuple(sorted(found))),
    minimum_level=st.sampled_from(("", *LEVELS)),
    minimum_confidence=st.sampled_from((0.0, 0.25, 0.5, 0.999, 1.0)),
    area_codes=st.sets(st.sampled_from(AREAS), max_size=2).map(lambda found: tuple(sorted(found))),
    area=st.sampled_from((None, Circle(117.0, 36.65, 3_000.0))),
)


def _told(subscription: Subscription) -> list[Delivery]:
    found = []
    while (delivery := subscription.take()) is not None:
        found.append(delivery)
    return found


@given(WANTED, WANTED, st.integers(0, 3), st.integers(1, 60))
def test_a_sifted_reader_is_told_what_any_other_is(wanted: Wanted, scope: Wanted, seed: int, a_tick: int) -> None:
    """Tick by tick, sifted or not, within a scope: the same deliveries, and the same position."""
    log = ChangeLog(feed_id="story")
    chosen = ScopedFilter(wanted, NAMES, scope)
    plain, sifted, late = (Subscription(log, chosen) for _ in range(3))
    heard: list[Delivery] = []
    for tick, said in Story(seed=seed, changes=150, a_tick=a_tick).ticks():
        log.append(tick, said, heartbeat(tick))
        if len(said) > 3:
            sifted.sift(sieve := Sieve(log.changes[-len(said) :]))
            late.sift(sieve)
        heard += (now := _told(plain))
        assert _told(sifted) == now
        assert sifted.position == plain.position == log.last_number
    assert _told(late) == heard


def test_a_reader_in_the_middle_of_a_tick_goes_on_behind_where_it_is() -> None:
    """One that holds a part of the newest changes is told the others only."""
    log = ChangeLog(feed_id="story")
    tick, said = next((tick, said) for tick, said in Story(a_tick=40).ticks() if len(said) >= 8)
    log.append(tick, said, heartbeat(tick))
    reader = Subscription(log, a_filter(), after=3)
    reader.sift(Sieve(log.changes))
    assert [delivery.number for delivery in _told(reader)] == list(range(4, len(said) + 1))


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(types=("fire",), minimum_confidence=0.5)])
def test_what_could_match_is_let_through(wanted: Wanted) -> None:
    """Every change that matches, or whose revision before did, has its bit."""
    log = ChangeLog(feed_id="story")
    for tick, said in Story(changes=300).ticks():
        log.append(tick, said, heartbeat(tick))
    matching = IncidentFilter(wanted, NAMES)
    bits = Sieve(log.changes).bits(matching.asked)
    for at, change in enumerate(log.changes):
        concerns = matching.matches(change.incident) or (
            change.previous is not None and matching.matches(change.previous)
        )
        assert bool(bits >> at & 1) is concerns
