"""Whatever is done in whatever order, a store is what a list in memory is."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.digest import TreeHead
from city_brain.feeds.change_log import Change, Held
from city_brain.incidents.incident import Incident, incident_line
from city_brain.store.store import Store
from tests.feeds.builders import START_MS, an_incident
from tests.store.filling import FEED_ID, a_tick
from tests.store.postgres import Postgres

_NAMES = itertools.count(1)
STATES = st.sampled_from(["suspected", "active", "ended", "withdrawn"])
APPEND = st.tuples(
    st.just("append"), st.lists(st.lists(st.tuples(st.sampled_from("abcd"), STATES), max_size=4), max_size=3)
)
STEPS = st.lists(
    st.one_of(
        APPEND,
        APPEND,
        st.tuples(st.just("repeat"), st.integers(0, 5)),
        st.tuples(st.just("compact"), st.integers(0, 8)),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("acknowledge"), st.integers(0, 6)),
    ),
    max_size=14,
)


class _Model:
    """A feed as the simplest program would keep it: every change in a list, everything else looked up in it."""

    def __init__(self) -> None:
        self.ticks: list[list[Incident]] = []
        self.every: list[tuple[int, Change]] = []
        self.held: dict[str, Held] = {}
        self.revisions: dict[str, int] = {}
        self.first = 1
        self.reader: int | None = None

    def tick(self, named: list[tuple[str, Any]]) -> list[Incident]:
        incidents = []
        for incident_id, state in named:
            self.revisions[incident_id] = self.revisions.get(incident_id, 0) + 1
            incidents.append(an_incident(incident_id, self.revisions[incident_id], state=state))
        for incident in incidents:
            before = self.held.pop(incident.incident_id, None)
            number = len(self.every) + 1
            opened = before.opened_number if before else number
            change = Change(number=number, incident=incident, previous=before.incident if before else None)
            self.every.append((len(self.ticks), change))
            self.held[incident.incident_id] = Held(opened_number=opened, number=number, incident=incident)
        self.ticks.append(incidents)
        return incidents

    def compact(self, history_ticks: int) -> None:
        young = [change.number for tick, change in self.every if tick >= len(self.ticks) - 1 - history_ticks]
        first = min(young, default=len(self.every) + 1)
        if self.reader is not None:
            first = min(first, self.reader + 1)
        self.first = max(self.first, first)
        over = [one for one in self.held.values() if one.incident.state in ("ended", "withdrawn")]
        for one in over:
            if one.number < self.first:
                del self.held[one.incident.incident_id]


def _check_steps(url: str, steps: list[tuple[str, Any]]) -> None:
    name = f"feed {next(_NAMES)}"
    model = _Model()
    store = Store.open(url)
    try:
        for step, value in steps:
            feed = store.feed(name)
            begins = len(model.ticks)
            if step == "append":
                taken = [a_tick(begins + at, *model.tick(named)) for at, named in enumerate(value)]
                changes = feed.append(FEED_ID, taken)
                assert changes == [change for tick, change in model.every if tick >= begins]
            elif step == "repeat" and begins:
                again = list(range(max(0, begins - value), begins))
                changes = feed.append(FEED_ID, [a_tick(tick, *model.ticks[tick]) for tick in again])
                wanted = [change for tick, change in model.every if tick in again and change.number >= model.first]
                assert changes == wanted
            elif step == "compact" and begins:
                model.compact(value)
                assert feed.compact(1000 * value).first_after == model.first
            elif step == "reopen":
                store.close()
                store = Store.open(url)
            elif step == "acknowledge" and begins:
                if model.reader is None:
                    model.reader = len(model.every)
                    feed.subscriptions.register("police", model.reader)
                model.reader = min(model.reader + value, len(model.every))
                feed.subscriptions.acknowledge("police", model.reader)
        _compare(store, name, model)
    finally:
        store.close()


def _compare(store: Store, name: str, model: _Model) -> None:
    feed = store.feed(name)
    head = feed.head()
    tree = TreeHead()
    for _, change in model.every:
        tree.add(incident_line(change.incident))
    assert (head.last_number, head.first_number) == (len(model.every), model.first)
    assert head.digest == tree.digest().hex()
    assert head.last_tick == (len(model.ticks) - 1 if model.ticks else None)
    assert head.log_time_ms == (START_MS + 1000 * (len(model.ticks) - 1) if model.ticks else None)
    assert feed.changes(model.first - 1, 1000) == [change for _, change in model.every[model.first - 1 :]]
    assert feed.held() == list(model.held.values())
    assert [reader.acknowledged for reader in feed.subscriptions.all()] == (
        [] if model.reader is None else [model.reader]
    )
    assert store.check().damage == ()


@settings(max_examples=50)
@given(steps=STEPS)
def test_a_store_in_a_file_equals_a_list(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    """Appends, repetitions, compactions, acknowledgements and restarts, in any order, on SQLite."""
    _check_steps(f"sqlite:///{Path(tmp_path_factory.mktemp('model')) / 'feed.sqlite'}", steps)


@pytest.fixture(scope="module")
def address(postgres: Postgres) -> str:
    """A database that the examples share; each has a feed of its own."""
    return postgres.database()


@settings(max_examples=25)
@given(steps=STEPS)
def test_a_store_on_a_server_equals_a_list(address: str, steps: list[tuple[str, Any]]) -> None:
    """The same on PostgreSQL."""
    _check_steps(address, steps)
