"""A scope hides what lies outside of it, whatever the reader asks for: compared with a second, naive reading."""

import math
import random
from collections.abc import Callable

import pytest

from city_brain.errors import ServiceError
from city_brain.feeds.explanation import account_of
from city_brain.feeds.filters import LEVELS, STATES, Circle, Wanted
from city_brain.feeds.refusals import RefusedError
from city_brain.feeds.scopes.scope import ScopedFilter, Sight
from city_brain.feeds.subscription import Subscription
from city_brain.incidents.incident import Incident, Place
from tests.feeds.builders import AREAS, NAMES, TYPES, a_log, an_incident

CASES = 60_000
SEED = 20_260_701
KINDS = tuple(TYPES.by_name)
M_PER_DEGREE = 111_320.0


def naive(wanted: Wanted, incident: Incident) -> bool:
    """The conditions as one would tell them, one by one, with nothing made ready."""
    if wanted.types and not any(kind == incident.type for kind in wanted.types):
        return False
    if wanted.states and not any(state == incident.state for state in wanted.states):
        return False
    if wanted.minimum_level:
        gravity = {"IV": 1, "III": 2, "II": 3, "I": 4}
        if incident.level is None or gravity[incident.level] < gravity[wanted.minimum_level]:
            return False
    if incident.confidence < wanted.minimum_confidence:
        return False
    if wanted.area_codes and not [code for code in incident.place.area_codes if code in wanted.area_codes]:
        return False
    if isinstance(wanted.area, Circle):
        north_m = (incident.lat - wanted.area.lat) * M_PER_DEGREE
        east_m = (incident.lon - wanted.area.lon) * M_PER_DEGREE * math.cos(math.radians(wanted.area.lat))
        return math.hypot(north_m, east_m) <= wanted.area.radius_m
    return True


def some_of(chance: random.Random, names: tuple[str, ...]) -> tuple[str, ...]:
    """None of the names, as often as not; else a few, in any order."""
    return tuple(chance.sample(names, chance.randint(1, len(names)))) if chance.random() < 0.5 else ()


def a_scope(chance: random.Random) -> Wanted:
    """What a policy may say."""
    level = chance.choice(("", "", *LEVELS))
    return Wanted(types=some_of(chance, KINDS), area_codes=some_of(chance, AREAS), minimum_level=level)


def a_wish(chance: random.Random) -> Wanted:
    """What a reader may ask for; circles are far from the border of anything."""
    circle = Circle(117.0 + chance.choice((0.0, 0.3)), 36.65, 5_000.0) if chance.random() < 0.2 else None
    return Wanted(
        types=some_of(chance, KINDS),
        states=some_of(chance, STATES),
        minimum_level=chance.choice(("", "", *LEVELS)),
        minimum_confidence=chance.choice((0.0, 0.0, 0.5, 0.9)),
        area_codes=some_of(chance, AREAS),
        area=circle,
    )


def a_case(chance: random.Random, revision: int = 1) -> Incident:
    """Any incident of the city."""
    return an_incident(
        revision=revision,
        type=chance.choice(KINDS),
        state=chance.choice(STATES),
        level=chance.choice((None, *LEVELS)),
        confidence=chance.choice((0.2, 0.5, 0.7, 0.9, 0.99)),
        lon=117.0 + chance.choice((0.0, 0.3)) + chance.uniform(-0.01, 0.01),
        place=Place(area_codes=some_of(chance, AREAS)),
    )


def test_a_scoped_filter_is_both_readings_at_once() -> None:
    """0 differences in 60 000 random scopes, filters and incidents; as many seen as hidden, more or less."""
    chance = random.Random(SEED)
    seen = differences = 0
    for _ in range(CASES):
        scope, wish, incident = a_scope(chance), a_wish(chance), a_case(chance)
        made = ScopedFilter(wish, NAMES, scope)
        differences += made.matches(incident) != (naive(wish, incident) and naive(scope, incident))
        differences += made.may_see(incident) != naive(scope, incident)
        differences += Sight(scope).shows(incident) != naive(scope, incident)
        seen += made.may_see(incident)
    assert differences == 0
    assert 0.2 < seen / CASES < 0.8


def test_a_subscription_tells_nothing_from_outside_of_the_scope() -> None:
    """In random lives of an incident every revision that is told lies in the scope, and what is held is right."""
    chance = random.Random(SEED + 1)
    withdrawn = 0
    for _ in range(500):
        log, scope, wish = a_log(), a_scope(chance), a_wish(chance)
        subscription = Subscription(log, ScopedFilter(wish, NAMES, scope))
        held: Incident | None = None
        for tick in range(8):
            log.append(tick, [a_case(chance, tick + 1)], None)  # type: ignore[arg-type]
            while (told := subscription.take()) is not None:
                assert naive(scope, told.incident)
                assert told.incident.revision in (tick + 1, tick)
                withdrawn += told.no_longer_matches and told.incident.revision == tick
                held = None if told.no_longer_matches else told.incident
            newest = log.get("a").incident
            assert held == (newest if naive(scope, newest) and naive(wish, newest) else None)
    assert withdrawn > 100


def _refused(asked: Callable[[], object]) -> tuple[str, str, str, dict[str, str]]:
    with pytest.raises(RefusedError) as wrong:
        asked()
    return wrong.value.reason, str(wrong.value), wrong.value.field, dict(wrong.value.facts)


def test_what_is_hidden_is_refused_as_what_is_not_there() -> None:
    """Word for word."""
    hidden, empty = a_log([an_incident("a", type="fire")]), a_log()
    crashes = Wanted(types=("crash",))
    assert _refused(lambda: Sight(crashes).of(hidden, "a")) == _refused(lambda: Sight(crashes).of(empty, "a"))
    assert _refused(lambda: Sight(crashes).of(hidden, "a")) == _refused(lambda: empty.get("a"))
    assert Sight(Wanted()).of(hidden, "a") == hidden.get("a")


def test_an_explanation_leaves_out_revisions_from_outside_of_the_scope() -> None:
    """Its history too is content."""
    log = a_log([an_incident("a", level="IV")], [an_incident("a", 2, level="II")], [an_incident("a", 3, level="I")])
    told = account_of(log, "a", TYPES, Wanted(minimum_level="II"))
    assert [change.incident.revision for change in told.revisions] == [2, 3]
    assert [change.incident.revision for change in account_of(log, "a", TYPES).revisions] == [1, 2, 3]


def test_a_scope_outlives_the_types_of_its_city() -> None:
    """A type that the city has given up is in the scope as before, and opens it to nothing else."""
    gone = ScopedFilter(Wanted(), NAMES, Wanted(types=("landslide",)))
    assert not gone.matches(an_incident("a"))
    assert gone.matches(an_incident("a", type="landslide"))


def test_a_reader_cannot_ask_for_names_that_the_city_does_not_have() -> None:
    """Also behind a scope."""
    with pytest.raises(ServiceError, match="did you mean 'crash'"):
        ScopedFilter(Wanted(types=("crsh",)), NAMES, Wanted())
