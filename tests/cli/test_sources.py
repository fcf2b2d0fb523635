"""`city-brain sources`: every source of the map with its rows, and sums that are the counters of `fuse`."""

import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from city_brain.city.loading import load_city
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain


def _told(world: Fused, *words: object) -> list[dict[str, Any]]:
    done = city_brain("sources", world.observations, "--map", world.city_map, "--json", *words)
    assert done.code == 0, done.err
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in done.out.splitlines()]


@pytest.fixture(scope="module")
def states(world: Fused) -> list[dict[str, Any]]:
    """The sources of the small world."""
    return _told(world)


def test_the_sums_are_the_counters_of_fuse(world: Fused, states: list[dict[str, Any]]) -> None:
    """Used, late, twice and lost, by reason: what `fuse` counted in all is what stands at the sources together."""
    counters = world.result["counters"]
    for name in ("used", "late", "duplicate"):
        assert sum(state["rows"][name] for state in states) == counters[name] > 0
    for name in ("quarantined", "dead_lettered"):
        total = Counter[str]()
        for state in states:
            total.update(state["rows"][name])
        assert dict(total) == counters[name]
        assert total
    assert sum(state["rows"]["held"] for state in states) == world.result["held"]


def test_every_source_of_the_map_is_listed_once(world: Fused, states: list[dict[str, Any]]) -> None:
    """By kind and id, whether it spoke or not; what no source can be found for stands last, under a stroke."""
    city = load_city(world.city_map)
    on_map = [state["source_id"] for state in states if state["on_map"]]
    assert sorted(on_map) == sorted(city.source_ids)
    kinds = [state["kind"] for state in states if state["on_map"]]
    assert kinds == sorted(kinds, key=["camera", "signal", "sensor"].index)
    assert states[-1]["source_id"] == "-"
    assert states[-1]["rows"]["dead_lettered"]


def test_clocks_and_places_are_learnt(states: list[dict[str, Any]]) -> None:
    """Every camera that was heard has a clock and a rate, some have a bias; a sensor says what it measures."""
    heard = [state for state in states if state["kind"] == "camera" and state["rows"]["used"] > 100]
    assert heard
    assert all(state["skew_ms"] is not None and state["rows_per_min"] > 0 for state in heard)
    assert any(abs(state["skew_ms"]) > 500 for state in heard)
    assert any(state["bias_east_m"] for state in heard)
    assert all(state["quantity"] for state in states if state["kind"] == "sensor")


def test_the_worst_come_first(world: Fused, states: list[dict[str, Any]]) -> None:
    """The same sources in another order: who is silent at the end stands before who is not."""
    worst = _told(world, "--worst")
    assert sorted(map(str, states)) == sorted(map(str, worst))
    silent = [any(until is None for _, until in state["blind"]) for state in worst]
    assert silent == sorted(silent, reverse=True)


def test_people_read_a_table(world: Fused, states: list[dict[str, Any]]) -> None:
    """A head, a line for each source, and the sums; the counters on standard error."""
    done = city_brain("sources", world.observations, "--map", world.city_map)
    head, *lines, total = done.out.splitlines()
    assert head.split()[:2] == ["source", "kind"]
    assert len(lines) == len(states)
    assert re.match(rf"{len(lines)} in all +{world.result['counters']['used']} ", total)
    assert done.err.startswith(f"read {world.result['counters']['read']} = used ")
    assert re.search(r"^cam-\S+ +camera +2026-\S+\+08:00 ", done.out, re.MULTILINE)
